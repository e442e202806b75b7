#!/usr/bin/python3
"""Every code object of the standard library, metered and verified: see meter_verify.py.

The test package too, when it is installed. Run by make check in the build folder's tests/; needs
unit/meter_runner there.
    meter_stdlib.py [WORD ...]     only files whose path holds one of the words

With sanitizers every fourth file: most of the time is the verifier's, which has none.
"""
import collections
import glob
import marshal
import os
import struct
import sys
import sysconfig
import tempfile
import warnings

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import meter_driver  # noqa: E402
import meter_verify  # noqa: E402

PROGRAM = os.path.join(os.environ.get("STINT_TEST_BUILD", os.getcwd()), "unit", "meter_runner")
CODE_OBJECTS_AT_LEAST = 10_000

# Runs metered: what it compiles is metered code, which it writes down.
DUMP = """\
import marshal, struct
def dump(code):
    return {"name": code.co_name, "flags": code.co_flags, "code": code.co_code, "lines": code.co_linetable,
            "exceptions": code.co_exceptiontable, "stacksize": code.co_stacksize,
            "charges": {i: int(repr(c)[8:-1]) for i, c in enumerate(code.co_consts)
                        if type(c).__name__ == "charge"},
            "nested": [dump(c) for c in code.co_consts if hasattr(c, "co_code")]}
with open(%r, "wb") as out:
    for path in %r:
        with open(path, "rb") as file:
            source = file.read()
        try:
            made = dump(compile(source, path, "exec", dont_inherit=True))
        except (SyntaxError, ValueError, UnicodeError) as e:
            made = repr(e)
        data = marshal.dumps((path, made))
        out.write(struct.pack("<I", len(data)) + data)
"""


def files(words):
    top = sysconfig.get_path("stdlib")
    paths = sorted(glob.glob(top + "/**/*.py", recursive=True))
    chosen = [p for p in paths if not words or any(word in p for word in words)]
    return chosen[::4] if "STINT_SANITIZED" in os.environ else chosen


def records(path):
    with open(path, "rb") as file:
        while head := file.read(4):
            yield marshal.loads(file.read(struct.unpack("<I", head)[0]))


def check(path, made, sums):
    """A text when something is wrong."""
    with open(path, "rb") as file:
        source = file.read()
    try:
        code = compile(source, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, UnicodeError) as e:
        sums["not compiled"] += 1
        return "" if made == repr(e) else "python3: %r, metered: %s" % (e, made)
    if isinstance(made, str):
        return made
    try:
        meter_verify.verify(code, made, sums)
    except meter_verify.Fault as fault:
        return str(fault)
    sums["files"] += 1
    return ""


def spoilt(dump):
    """(what, the dump with one thing wrong)"""
    size = len(dump["code"])
    for constant in dump["charges"]:
        for more in 1, -1:
            yield "charge", dict(dump, charges=dump["charges"] | {
                constant: dump["charges"][constant] + more})
    yield "stack", dict(dump, stacksize=1)
    yield "table", dict(dump, exceptions=b"")
    yield "lines", dict(dump, lines=dump["lines"][:-4])
    for at in range(0, size, 2):
        if dump["code"][at] in meter_verify.JUMPS:
            changed = bytearray(dump["code"])
            changed[at + 1] ^= 1
            yield "jump", dict(dump, code=bytes(changed))
        if dump["code"][at] == meter_verify.LOAD_CONST and dump["code"][at + 2] == meter_verify.FOR_ITER:
            yield "no charge", dict(dump, code=dump["code"][:at] + dump["code"][at + 4:])


def check_verifier(code, dump):
    """It must find each of these; how many."""
    count = 0
    for what, wrong in spoilt(dump):
        try:
            meter_verify.verify(code, wrong, collections.Counter())
        except meter_verify.Fault:
            count += 1
            continue
        raise SystemExit("not ok - the verifier misses a wrong " + what)
    return count


SPOILED = """\
def f(a):
    for i in a:
        try:
            if i:
                continue
            a(i)
        except ValueError:
            break
    return a
"""


def main():
    words = sys.argv[1:]
    paths, sums, failed, seen = files(words), collections.Counter(), 0, 0
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as directory:
        out, spoiled = os.path.join(directory, "dump"), os.path.join(directory, "spoiled.py")
        with open(spoiled, "w", encoding="ascii") as file:
            file.write(SPOILED)
        with meter_driver.Runner(PROGRAM, ["warnings"]) as runner:
            text = "import warnings\nwarnings.simplefilter('ignore')\n" + DUMP % (out, [spoiled] + paths)
            _, metered, _ = runner.run(text, meter_driver.METERED)
        for path, made in records(out):
            if path == spoiled:
                sums["faults found"] = check_verifier(compile(SPOILED, path, "exec").co_consts[0],
                                                      made["nested"][0])
                continue
            seen += 1
            fault = check(path, made, sums)
            if fault:
                failed += 1
                print("not ok - %s: %s" % (path, fault))
    if not metered.ran or metered.failed or seen != len(paths):
        failed += 1
        print("not ok - the metered interpreter ended behind %s" % paths[seen - 1:seen])
    print(", ".join("%d %s" % (n, what) for what, n in sums.items()) + ", %d failed" % failed)
    return failed > 0 or (not words and sums["code objects"] < CODE_OBJECTS_AT_LEAST)


if __name__ == "__main__":
    sys.exit(main())
