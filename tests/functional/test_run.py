"""job.run: programs, what goes in, what comes out, how they end."""
import base64
import importlib.util
import json
import marshal
import os
import py_compile
import subprocess
import tempfile
import unittest

import harness

BIG = 10**30
SMALL_PROGRAM = "print(sum(range(10)))"


def pyc(source, name="main.py"):
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(source)
        compiled = py_compile.compile(path, cfile=path + "c", dfile=name, doraise=True)
        with open(compiled, "rb") as file:
            return file.read()


def base64_text(data):
    return base64.b64encode(data).decode()


class Basics(harness.DaemonCase):
    def test_all_fields_of_a_result(self):
        result = self.run_ok(SMALL_PROGRAM)
        self.assertEqual(result["stdout"], "45\n")
        self.assertEqual(result["stderr"], "")
        self.assertEqual(result["verdict"], "OK")
        self.assertEqual(result["exit_code"], 0)
        for name in ("signal", "value", "error"):
            self.assertIsNone(result[name], name)
        self.assertEqual(result["vars"], {})
        self.assertEqual(result["warnings"], [])
        self.assertIs(result["stdout_truncated"], False)
        self.assertIs(result["stderr_truncated"], False)
        self.assertRegex(result["job"], r"^[0-9a-f]{32}$")

    def test_usage_is_true(self):
        usage = self.run_ok(
            "import time\nx = bytearray(30 << 20)\nend = time.process_time() + 0.1\n"
            "while time.process_time() < end: pass\ntime.sleep(0.2)\nprint('x' * 10)"
        )["usage"]
        self.assertGreaterEqual(usage["cpu_us"], 95_000)
        self.assertLess(usage["cpu_us"], 600_000 * harness.SLOW)
        self.assertGreaterEqual(usage["wall_us"], 295_000)
        self.assertLess(usage["wall_us"], 5_000_000)
        self.assertGreaterEqual(usage["queue_us"], 0)
        self.assertGreater(usage["memory_peak_bytes"], 30 << 20)
        self.assertLess(usage["memory_peak_bytes"], 80 << 20)
        self.assertGreater(usage["memory_baseline_bytes"], 1 << 20)
        self.assertEqual((usage["stdout_bytes"], usage["stderr_bytes"]), (11, 0))

    def test_plain_socat(self):
        line = json.dumps(
            {"jsonrpc": "2.0", "id": 1, "method": "job.run", "params": {"source": SMALL_PROGRAM}}
        )
        done = subprocess.run(
            ["socat", "-t30", "-", f"UNIX-CONNECT:{self.daemon.socket}"],
            input=line.encode() + b"\n", capture_output=True, timeout=60, check=True,
        )
        answer = json.loads(done.stdout)
        self.assertEqual((answer["jsonrpc"], answer["id"]), ("2.0", 1))
        self.assertEqual((answer["result"]["stdout"], answer["result"]["status"]), ("45\n", "ok"))

    def test_ids_differ(self):
        self.assertEqual(len({self.run_ok("pass")["job"] for _ in range(20)}), 20)

    def test_fresh_interpreter_each_time(self):
        self.run_ok("import json, builtins\njson.stain = builtins.stain = 1\nimport sys; sys.setrecursionlimit(70)")
        for _ in range(8):
            out = self.run_ok("import json, builtins, sys\nprint(hasattr(json, 'stain'), hasattr(builtins, 'stain'), sys.getrecursionlimit())")
            self.assertEqual(out["stdout"], "False False 1000\n")

    def test_empty_source(self):
        self.assertEqual(self.run_ok("")["stdout"], "")


class Endings(harness.DaemonCase):
    def test_uncaught_exception(self):
        result = self.run_status(
            "runtime_error", "def f():\n    raise ValueError('bad ☃')\nprint('before')\nf()", name="prog.py"
        )
        self.assertEqual((result["verdict"], result["exit_code"], result["stdout"]), ("RTE", 1, "before\n"))
        error = result["error"]
        self.assertEqual((error["type"], error["message"]), ("ValueError", "bad ☃"))
        frames = [(f["file"], f["line"], f["function"], f["text"]) for f in error["traceback"]]
        self.assertEqual(
            frames,
            [("prog.py", 4, "<module>", "f()"), ("prog.py", 2, "f", "raise ValueError('bad ☃')")],
        )
        with tempfile.TemporaryDirectory() as directory:
            with open(os.path.join(directory, "prog.py"), "w", encoding="utf-8") as file:
                file.write("def f():\n    raise ValueError('bad ☃')\nprint('before')\nf()")
            oracle = subprocess.run(
                ["/usr/bin/python3", "prog.py"], cwd=directory, capture_output=True, text=True, check=False,
                env={"LC_ALL": "C.UTF-8"},
            )
        self.assertEqual(
            result["stderr"].replace('"prog.py"', '"X"'),
            oracle.stderr.replace(f'"{directory}/prog.py"', '"X"').replace('"prog.py"', '"X"'),
        )

    def test_much_that_is_shared_is_left(self):
        """What a job leaves is looked at, and that takes no time that a job with few objects would not have had."""
        for source in ("t = {i: i for i in range(100000)}\nclass N:\n    def __init__(self): self.t = t\n"
                       "x = [N() for i in range(20000)]\nprint('end')",
                       "r = (0,) * 1000000\nx = [r] * 5000\nimport gc\ngc.collect()\nprint('end')"):
            result = self.run_ok(source, limits={"cpu_ms": 2000 * harness.SLOW})
            self.assertEqual(result["stdout"], "end\n")

    def test_exit_codes(self):
        for source, status, code, stderr in (
            ("import sys; sys.exit(7)", "runtime_error", 7, ""),
            ("import sys; sys.exit()", "ok", 0, ""),
            ("import sys; sys.exit(0)", "ok", 0, ""),
            ("import sys; sys.exit(256)", "ok", 0, ""),
            ("import sys; sys.exit(-1)", "runtime_error", 255, ""),
            ("import sys; sys.exit('message')", "runtime_error", 1, "message\n"),
            ("raise SystemExit(256 + 5)", "runtime_error", 5, ""),
            ("exit(3)", "runtime_error", 3, ""),
            ("import os; os._exit(9)", "runtime_error", 9, ""),
            ("import os; os._exit(0)", "ok", 0, ""),
        ):
            with self.subTest(source=source):
                result = self.run_status(status, source)
                self.assertEqual((result["exit_code"], result["stderr"]), (code, stderr))

    def test_a_stop_of_its_own_is_no_end(self):
        """Also where its worker is about to stop for its end."""
        for source in ("import os\nprint('x')\nos.kill(os.getpid(), 19)\nprint('y')",
                       "import atexit, os\natexit.register(print, 'y')\natexit.register(os.kill, os.getpid(), 19)\nprint('x')"):
            with self.subTest(source=source):
                result = self.run_status("wall_limit", source, limits={"wall_ms": 500})
                self.assertEqual(result["stdout"], "x\n")

    def test_signals(self):
        for source, signal in (
            ("import os; os.kill(os.getpid(), 9)", 9),
            ("import os; os.abort()", 6),
            ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", 15),
            ("import signal; signal.raise_signal(signal.SIGSEGV)", 11),
        ):
            with self.subTest(source=source):
                result = self.run_status("runtime_error", "print('first')\n" + source)
                self.assertEqual((result["signal"], result["exit_code"]), (signal, None))
                self.assertEqual(result["stdout"], "first\n")

    def test_compile_errors(self):
        for source, word in (
            ("def f(:\n  pass", "SyntaxError"),
            ("if 1:\nx", "IndentationError"),
            ("x = '\0'", ""),
            ("# -*- coding: nonsense -*-\nx = 1", "SyntaxError"),
            ("return 1", "SyntaxError"),
        ):
            with self.subTest(source=source):
                result = self.run_status("compile_error", source)
                self.assertEqual((result["verdict"], result["stdout"]), ("CE", ""))
                self.assertIn(word, result["error"]["type"])
                self.assertNotEqual(result["stderr"], "")

    def test_recursion(self):
        result = self.run_status("recursion_limit", "def f(): f()\nf()")
        self.assertEqual((result["verdict"], result["error"]["type"]), ("RTE", "RecursionError"))

    def test_memory_error_uncaught(self):
        result = self.run_status("memory_limit", "x = bytearray(1 << 30)")
        self.assertEqual((result["verdict"], result["error"]["type"]), ("MLE", "MemoryError"))
        self.run_ok("try:\n  x = bytearray(1 << 30)\nexcept MemoryError:\n  print('caught')")

    def test_syntax_error_at_run_time_is_the_jobs(self):
        self.run_status("runtime_error", "eval('1 +')")


class Values(harness.DaemonCase):
    def test_eval(self):
        for source, value in (
            ("1 + 1", 2), ("'a' * 3", "aaa"), ("[1, 2.5, None, True]", [1, 2.5, None, True]),
            ("{'k': (1, 2)}", {"k": [1, 2]}), ("10**30", BIG), ("-10**30", -BIG), ("2**63", 2**63),
            ("'\\0é🎉'", "\0é🎉"), ("1e-300", 1e-300), ("''", ""), ("[]", []), ("None", None),
            ("0.1", 0.1), ("-0.0", -0.0), ("[[[[]]]]", [[[[]]]]), ("x * 2", 14),
        ):
            with self.subTest(source=source):
                result = self.run_ok(source, mode="eval", inputs={"x": 7})
                self.assertEqual(result["value"], value)
                self.assertIs(type(result["value"]), type(value))

    def test_integers_stay_integers(self):
        result = self.run_ok("pass", inputs={"a": BIG, "b": [2**64, -(2**63) - 1]}, outputs=["a", "b"])
        self.assertEqual(result["vars"], {"a": BIG, "b": [2**64, -(2**63) - 1]})

    def test_inputs_and_outputs(self):
        result = self.run_ok(
            "ratio = 1.2345678\nminimum = 10\ncost = minimum if price * ratio < minimum else price * ratio\n"
            "cost += price * 0",
            inputs={"price": 10}, outputs=["cost", "price"],
        )
        self.assertEqual(result["vars"], {"cost": 12.345678, "price": 10})

    def test_input_types(self):
        inputs = {"n": None, "t": True, "i": 5, "f": 1.5, "s": "é\0", "l": [1, [2]], "d": {"k": {"j": 1}}}
        result = self.run_ok(
            "print([type(v).__name__ for v in (n, t, i, f, s, l, d)], l is l, d['k']['j'])",
            inputs=inputs, outputs=list(inputs),
        )
        self.assertEqual(
            result["stdout"], "['NoneType', 'bool', 'int', 'float', 'str', 'list', 'dict'] True 1\n"
        )
        self.assertEqual(result["vars"], inputs)

    def test_missing_output_and_what_json_lacks(self):
        for source, word in (("pass", "x"), ("x = {1, 2}", "set"), ("x = float('inf')", "x"),
                             ("x = [1, {'a': object()}]", "object"), ("x = {1: 2}", "x"), ("x = '\\ud800'", "x"),
                             ("x = []; x.append(x)", "x")):
            with self.subTest(source=source):
                result = self.client.run(source, outputs=["x"])
                self.assertEqual(result["status"], "runtime_error", result)
                self.assertIn(word, result["error"]["message"])

    def test_entry(self):
        source = "print('body')\ndef f(*a, **k):\n    print('called')\n    return {'a': a, 'k': k}"
        result = self.run_ok(source, entry={"function": "f", "args": [1, "x"], "kwargs": {"z": BIG}})
        self.assertEqual(result["value"], {"a": [1, "x"], "k": {"z": BIG}})
        self.assertEqual(result["stdout"], "body\ncalled\n")
        self.assertIsNone(self.run_ok("def g(): pass", entry={"function": "g"})["value"])

    def test_entry_faults(self):
        for source in ("pass", "f = 5", "def f(a): pass", "def f(): raise KeyError('k')", "def f(): return {1}"):
            with self.subTest(source=source):
                self.run_status("runtime_error", source, entry={"function": "f"})

    def test_value_cap(self):
        self.run_status("output_limit", "'x' * 5000", mode="eval", limits={"value_bytes": 4096})
        self.run_ok("'x' * 4000", mode="eval", limits={"value_bytes": 4096})

    def test_conversion_runs_no_code_of_the_job(self):
        result = self.client.run(
            "class E(dict):\n    def items(self): print('ran'); return []\n    def __iter__(self): print('ran'); return iter(())\n"
            "class S(str):\n    def __str__(self): print('ran'); return 'other'\n"
            "class I(int):\n    def __repr__(self): print('ran'); return '99'\n    __str__ = __repr__\n"
            "x = [E(a=1), S('own'), I(5)]",
            outputs=["x"],
        )
        self.assertEqual(result["stdout"], "")
        if result["status"] == "ok":
            self.assertEqual(result["vars"], {"x": [{"a": 1}, "own", 5]})


class Input(harness.DaemonCase):
    def test_stdin(self):
        source = "import sys\na = input()\nb = sys.stdin.readline()\nprint(repr(a), repr(b), repr(sys.stdin.read()))"
        out = self.run_ok(source, stdin="one\ntwo\nthrée\nfour")["stdout"]
        self.assertEqual(out, "'one' 'two\\n' 'thrée\\nfour'\n")

    def test_stdin_bytes(self):
        data = bytes(range(256)) * 300
        out = self.run_ok(
            "import sys, hashlib\nd = sys.stdin.buffer.read()\nprint(len(d), hashlib.sha256(d).hexdigest())",
            stdin={"base64": base64_text(data)},
        )["stdout"]
        import hashlib
        self.assertEqual(out, f"{len(data)} {hashlib.sha256(data).hexdigest()}\n")

    def test_stdin_absent_or_empty(self):
        source = "import sys\nprint(repr(sys.stdin.read()))"
        self.assertEqual(self.run_ok(source)["stdout"], "''\n")
        self.assertEqual(self.run_ok(source, stdin="")["stdout"], "''\n")
        self.run_status("runtime_error", "input()")

    def test_prompt_goes_to_stdout(self):
        self.assertEqual(self.run_ok("input('name? ')", stdin="x\n")["stdout"], "name? ")

    def test_large_stdin(self):
        out = self.run_ok(
            "import sys\nprint(sum(map(int, sys.stdin)))", stdin="".join(f"{n}\n" for n in range(200000))
        )["stdout"]
        self.assertEqual(out, f"{sum(range(200000))}\n")

    def test_args_and_name(self):
        out = self.run_ok(
            "import sys\nprint(sys.argv, __name__, __file__)", args=["a", "", "é b", "--x"], name="tool.py"
        )["stdout"]
        self.assertTrue(out.startswith("['tool.py', 'a', '', 'é b', '--x'] __main__ "), out)

    def test_modules(self):
        out = self.run_ok(
            "import pkg.sub, lib\nfrom pkg import name\nprint(lib.double(21), pkg.sub.where, name, __import__('pkg').__name__)",
            modules={
                "lib": "def double(x): return x * 2",
                "pkg": "name = 'package'",
                "pkg.sub": "from . import name\nimport lib\nwhere = name + str(lib.double(1))",
            },
        )["stdout"]
        self.assertEqual(out, "42 package2 package pkg\n")

    def test_module_tracebacks_and_errors(self):
        result = self.run_status("runtime_error", "import lib\nlib.f()", modules={"lib": "def f():\n    return 1 / 0\n"})
        self.assertEqual(result["error"]["traceback"][-1]["text"], "return 1 / 0")
        self.assertIn("return 1 / 0", result["stderr"])
        self.run_status("runtime_error", "import lib", modules={"lib": "def f(:"})

    def test_pyc(self):
        self.assertEqual(self.run_ok(code=base64_text(pyc("print('compiled', __name__)")), source=None)["stdout"],
                         "compiled __main__\n")

    def test_pyc_of_another_version(self):
        data = bytearray(pyc("print(1)"))
        data[0:2] = (3531).to_bytes(2, "little")  # CPython 3.12's
        result = self.client.run(code=base64_text(bytes(data)))
        self.assertEqual(result["status"], "compile_error", result)
        self.assertRegex(result["error"]["message"], r"3\.11|3\.12|version")

    def test_pyc_broken(self):
        good = pyc("print(1)")
        for data in (good[:40], good[:16] + b"\xff" * 40, good[:16] + marshal.dumps(5), good[:16]):
            with self.subTest(data=data[:50]):
                result = self.client.run(code=base64_text(data))
                self.assertEqual(result["status"], "compile_error", result)
        self.assert_refused(-32602, code=base64_text(b"short"))
        self.assert_refused(-32602, code="not base64!")
        self.assertEqual(good[:4], importlib.util.MAGIC_NUMBER)

    def run_ok(self, source=None, **params):
        params.pop("source", None)
        return super().run_ok(source, **params)


class Output(harness.DaemonCase):
    def test_text_round_trips(self):
        text = "NUL \0 é € 🎉 \u2028 \x7f \x1b[0m \r\n\t \"quoted\" \\ end"
        self.assertEqual(self.run_ok(f"print({text!a})")["stdout"], text + "\n")

    def test_bytes_that_are_not_text(self):
        data = b"\xff\xfe\x00ok\x80"
        result = self.run_ok(f"import sys\nsys.stdout.buffer.write({data!r})\nsys.stderr.buffer.write(b'fine')")
        self.assertEqual(base64.b64decode(result["stdout"]["base64"]), data)
        self.assertEqual(result["stderr"], "fine")

    def test_both_streams(self):
        result = self.run_ok("import sys\nprint('o1'); print('e1', file=sys.stderr); print('o2'); sys.stderr.write('e2')")
        self.assertEqual((result["stdout"], result["stderr"]), ("o1\no2\n", "e1\ne2"))

    def test_order_of_writes(self):
        out = self.run_ok(
            "import os, sys\nprint('a')\nsys.stdout.flush()\nos.write(1, b'b\\n')\nprint('c')\n"
            "sys.stdout.buffer.write(b'd\\n')\nsys.stdout.flush()\nos.write(1, b'e\\n')"
        )["stdout"]
        self.assertEqual(out, "a\nb\nd\nc\ne\n" if out.startswith("a\nb\nd") else "a\nb\nc\nd\ne\n")

    def test_large_output(self):
        result = self.run_ok("for i in range(100000): print(i)", limits={"stdout_bytes": 2_000_000})
        self.assertEqual(result["stdout"], "".join(f"{i}\n" for i in range(100000)))
        self.assertEqual(result["usage"]["stdout_bytes"], len(result["stdout"]))

    def test_output_after_os_exit_is_as_in_python(self):
        self.assertEqual(self.run_ok("import os\nprint('flushed', flush=True)\nos._exit(0)")["stdout"], "flushed\n")

    def test_closed_stdout(self):
        result = self.client.run("import sys\nprint('x')\nsys.stdout.close()")
        self.assertEqual((result["status"], result["stdout"]), ("ok", "x\n"))

    def test_atexit_del_and_threads_at_the_end(self):
        out = self.run_ok(
            "import atexit, threading, time\nclass D:\n    def __del__(self): print('del')\n"
            "d = D()\natexit.register(print, 'atexit')\n"
            "threading.Thread(target=lambda: (time.sleep(0.1), print('thread'))).start()\nprint('main')",
            limits={"threads": 2},
        )["stdout"]
        self.assertEqual(out, "main\nthread\natexit\ndel\n")


if __name__ == "__main__":
    unittest.main()
