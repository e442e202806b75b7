"""What only a job has: values, inputs, outputs, entry, byte code, reasons, limits, structured errors."""
import importlib.util
import json
import marshal
import os
import subprocess
import sys
import tempfile

import python_driver
from python_driver import PYTHON

SOURCE_MANY = "def f(n):\n    if n:\n        f(n - 1)\n    1 / 0\nf(100)\n"


def compiled(source):
    """Bytes of a .pyc that python3 makes of it."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "m.py")
        with open(path, "w", encoding="utf-8") as file:
            file.write(source)
        subprocess.run([PYTHON, "-c", "import py_compile, sys; py_compile.compile(sys.argv[1], "
                        "sys.argv[1] + 'c', dfile='main.py')", path], check=True)
        with open(path + "c", "rb") as file:
            return file.read()


def entry(name, args=None, kwargs=None):
    fields = [("entry", name)]
    fields += [("entry_args", json.dumps(args))] if args is not None else []
    return fields + ([("entry_kwargs", json.dumps(kwargs))] if kwargs is not None else [])


def expect(result, reason, code, **fields):
    assert (result.reason, result.code) == (reason, code), (result.reason, result.code, result.err)
    assert result.phase == python_driver.PHASE_ENDED, result.phase
    for name, value in fields.items():
        assert result.fields.get(name) == value, (name, result.fields)
    return result


def test_eval(run):
    expect(run("1 + 1", extra=[("mode_eval", "")]), "none", 0, value="2")
    expect(run("  {'a': [None, True, 1.5]}\n", extra=[("mode_eval", "")]), "none", 0,
           value='{"a":[null,true,1.5]}')
    expect(run(" \t", extra=[("mode_eval", "")]), "none", 0, value="null")
    expect(run("x = 1", extra=[("mode_eval", "")]), "compile_error", 1, type="SyntaxError")
    expect(run("10 ** 30", extra=[("mode_eval", "")]), "none", 0, value=str(10 ** 30))


def test_inputs_and_outputs(run):
    extra = [("inputs", '{"price": 5, "ä": [1]}'), ("output", "cost"), ("output", "ä")]
    result = expect(run("cost = price * 2\n", extra=extra), "none", 0)
    assert json.loads(result.fields["vars"]) == {"cost": 10, "ä": [1]}
    expect(run("x = 1", extra=[("output", "y")]), "value_error", 1, type="NameError",
           message="name 'y' is not defined: it is in the job's outputs")
    result = run("y = 3\nraise SystemExit(2)", extra=[("output", "y")])
    expect(result, "exit", 2, vars='{"y":3}')
    expect(run("y = 3\n1 / 0", extra=[("output", "y")]), "exception", 1, vars=None)


def test_entry(run):
    body = "def f(*a, **k):\n    print('called')\n    return [a, k]\n"
    result = expect(run(body, extra=entry("f", [1, "x"], {"k": None})), "none", 0,
                    value='[[1,"x"],{"k":null}]')
    assert result.out == b"called\n"
    expect(run(body, extra=entry("f")), "none", 0, value="[[],{}]")
    expect(run(body, extra=entry("g")), "exception", 1, type="NameError")
    expect(run("f = 1\n", extra=entry("f")), "exception", 1, type="TypeError")
    result = run("async def f(): pass\n", extra=entry("f"))
    expect(result, "value_error", 1, type="UnsupportedValue")
    assert "coroutine" in result.fields["message"]
    result = expect(run("def f(): return 1 / 0\n", extra=entry("f")), "exception", 1,
                    type="ZeroDivisionError")
    assert [frame["function"] for frame in result.frames] == ["f"]


def test_values_refused(run):
    result = expect(run("x = {'a': [1, {2}]}", extra=[("output", "x")]), "value_error", 1,
                    type="UnsupportedValue")
    assert "set" in result.fields["message"] and "vars.x.a[1]" in result.fields["message"]
    expect(run("'x' * 100", extra=[("mode_eval", "")], value_bytes=50), "value_limit", 1,
           type="ValueTooLarge")
    expect(run("'x' * 48", extra=[("mode_eval", "")], value_bytes=50), "none", 0)


def test_byte_code(run):
    code = compiled("import sys\nprint('ran', __name__, sys.argv)\n")
    result = run(extra=[("code", code)])
    expect(result, "none", 0)
    assert result.out == b"ran __main__ ['main.py']\n"
    old = (62211).to_bytes(2, "little") + b"\r\n" + code[4:]
    result = expect(run(extra=[("code", old)]), "compile_error", 1, type="WrongBytecode")
    assert "2.7" in result.fields["message"]
    for magic, version in ((3379, "3.6"), (3394, "3.7"), (3413, "3.8"), (3425, "3.9"),
                           (3439, "3.10"), (3531, "3.12"), (3571, "3.13")):
        other = magic.to_bytes(2, "little") + b"\r\n" + code[4:]
        result = run(extra=[("code", other)])
        assert version + "," in result.fields["message"], result.fields
    for bad in (b"", b"\0" * 16, code[:10], code[:20], code[:16] + marshal.dumps(5)):
        expect(run(extra=[("code", bad)]), "compile_error", 1, type="WrongBytecode")
    assert importlib.util.MAGIC_NUMBER == code[:4]


def test_structured_error(run):
    result = expect(run(SOURCE_MANY), "exception", 1, type="ZeroDivisionError",
                    message="division by zero")
    assert len(result.frames) == 64
    assert result.frames[0] == {"file": "main.py", "line": 5, "function": "<module>",
                                "text": "f(100)"}
    assert result.frames[-1]["text"] == "1 / 0" and result.frames[40]["text"] == "f(n - 1)"
    result = expect(run("x = = 1\n"), "compile_error", 1, type="SyntaxError")
    assert result.frames == [{"file": "main.py", "line": 1, "function": "<module>",
                              "text": "x = = 1"}]
    expect(run("x = 'a\0b'\n"), "compile_error", 1, type="SyntaxError",
           message="source code cannot contain null bytes")
    result = expect(run("import decimal\ndecimal.Decimal('x')\n"), "exception", 1,
                    type="decimal.InvalidOperation")
    result = run("raise ValueError('ä' * 100000)")
    assert len(result.fields["message"].encode()) in (65535, 65536)
    result = expect(run("import json\njson.loads('{')\n"), "exception", 1)
    assert result.frames[-1]["file"].endswith("json/decoder.py") and result.frames[-1]["text"]


def test_reasons(run):
    expect(run("def f(): f()\nf()\n"), "recursion_error", 1, type="RecursionError")
    expect(run("raise MemoryError\n"), "memory_error", 1, type="MemoryError")
    expect(run("import sys\nsys.exit(3)\n"), "exit", 3)
    result = run("print('x' * 100, flush=True)\n", stdout_bytes=50)
    assert (result.reason, result.out) == ("output_limit", b"x" * len(result.out))
    result = run("raise KeyboardInterrupt")
    assert (result.reason, result.code) == ("exception", -2)


def test_memory(run):
    for source in ("x = []\nwhile True:\n    x.append(' ' * 1000)\n",
                   "x = []\nwhile True:\n    x.append([1, 2, 3])\n",
                   "x = {}\ni = 0\nwhile True:\n    i += 1\n    x[i] = str(i)\n",
                   "def f(n):\n    y = 'z' * n\n    return f(n * 2) + y\nf(1000)\n",
                   "x = bytearray(10 ** 12)\n"):
        result = expect(run(source, data_bytes=16 << 20), "memory_error", 1, type="MemoryError")
        assert result.err.endswith(b"MemoryError\n"), (source, result.err)
        if "[1, 2, 3]" in source:  # small objects to the last byte: no room for a traceback entry
            continue
        assert result.err.startswith(b"Traceback (most recent call last):\n"), (source, result.err)
        assert b'  File "main.py"' in result.err and result.frames


def test_call_depth(run):
    source = "import sys\nsys.setrecursionlimit(%d)\nprint(sys.getrecursionlimit())\n"
    assert run(source % 10 ** 6, call_depth=3000).out == b"3000\n"
    assert run(source % 2000, call_depth=3000).out == b"2000\n"
    assert run("import sys\nprint(sys.getrecursionlimit())\n", call_depth=100).out == b"100\n"
    deep = "import sys\nsys.setrecursionlimit(10**9)\ndef f(n):\n    return n and f(n - 1)\nprint(f(9000))\n"
    expect(run(deep, call_depth=10000), "none", 0)


def test_nothing_of_ours(run):
    result = run("import sys, builtins, gc\nprint([n for n in sys.modules if 'stint' in n or 'rehears' in n],"
                 " [n for n in dir(builtins) if n.startswith('_')], sys.meta_path, sys.path, sys.argv,"
                 " __file__, dict(__import__('os').environ), sys.flags.hash_randomization)\n",
                 name="job.py", args=["1"])
    assert result.code == 0, result.err
    text = result.out.decode()
    assert text.startswith("[] ['__build_class__', '__debug__', '__doc__', '__import__', "
                           "'__loader__', '__name__', '__package__', '__spec__'] ["), text
    assert "dist-packages" not in text and "{} 0" in text, text
    assert "['job.py', '1'] job.py" in text, text


def test_excluded(run):
    for name in ("_ctypes", "ctypes", "_posixshmem", "_ssl", "readline", "termios"):
        result = run("import %s\n" % name)
        assert result.fields["type"] == "ModuleNotFoundError", (name, result.fields)


def test_reseeded(run):
    source = "import random, uuid, os\nprint(random.random(), uuid.uuid4(), os.urandom(8))\n"
    assert len({run(source).out for _ in range(5)}) == 5


def test_late_imports(run):
    names = "_asyncio _bz2 _contextvars _decimal _hashlib _lsprof _lzma _multibytecodec _queue " \
            "_sqlite3 _typing _uuid _zoneinfo audioop mmap _codecs_jp"
    expect(run("".join("import %s\n" % n for n in names.split())), "none", 0)
    expect(run("import sys, _decimal\ndel sys.modules['_decimal']\nimport _decimal\n"
               "import importlib\nimportlib.invalidate_caches()\nimport _lzma\n"), "none", 0)


def sanitized(program):
    """Whether AddressSanitizer is in it: its run time ends in a deadlock when memory is refused."""
    listing = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return "libasan" in listing


def main(program):
    """Runs every test here; returns how many passed, failed and were skipped."""
    failed, skipped = 0, []
    tests = [(n, f) for n, f in sorted(globals().items()) if n.startswith("test_")]
    if sanitized(program):
        skipped = ["test_memory"]
        tests = [(n, f) for n, f in tests if n not in skipped]
        print("skipped - jobs.test_memory: RLIMIT_DATA and AddressSanitizer do not go together")
    with python_driver.Runner(program) as runner:
        for name, test in tests:
            try:
                test(runner.run)
            except AssertionError as error:
                failed += 1
                print("not ok - jobs.%s\n  line %d: %s" % (
                    name, sys.exc_info()[2].tb_next.tb_lineno, error))
    return len(tests) - failed, failed, len(skipped)
