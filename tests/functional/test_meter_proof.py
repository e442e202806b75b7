#!/usr/bin/python3
"""No code is evaluated that is not metered: CPython's tests that make code, under the frame hook.

Run by make check in the build folder's tests/; needs unit/suite_runner and unit/suite_proof there, and for the
second part Debian's package libpython3.11-testsuite (without it: skipped, exit status 77).
The same hook is in worker/zygote_proof: STINT_ZYGOTE=.../worker/zygote_proof tests/run-functional.
"""
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import test_cpython_suite  # noqa: E402

BREACH_EXIT = 99
MODULES = """
test_builtin test_class test_contextlib test_coroutines test_dataclasses test_descr test_exceptions test_frozen
test_funcattrs test_functools test_generators test_global test_grammar test_import test_inspect test_marshal
test_patma test_pkgutil test_runpy test_scope test_types test_typing test_yield_from test_zipimport
""".split()
# Code that a C function of CPython's own tests has made; no job can import that module.
BREACH = """\
import sys
sys.path.append("/usr/lib/python3.11/lib-dynload")
import _testcapi
def f(): pass
f.__code__ = _testcapi.code_newempty("x.py", "foreign", 7)
try: f()
except AssertionError: print("ran")
sys.stdout.flush()
"""


def check_hook():
    """It must be on in the one program and off in the other; a text when it is not."""
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "breach.py"), "w", encoding="ascii") as file:
            file.write(BREACH)
        for program, status, word in ("suite_runner", 0, b"ran"), ("suite_proof", BREACH_EXIT, b"foreign"):
            done = subprocess.run(
                [os.path.join(test_cpython_suite.BUILD, "unit", program), "breach"], check=False, cwd=folder,
                env={"PYTHONPATH": folder, "ASAN_OPTIONS": "detect_leaks=0"}, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT)
            if done.returncode != status or word not in done.stdout:
                return "%s ends with %d: %r" % (program, done.returncode, done.stdout)
    return ""


def main():
    fault = check_hook()
    print("%s - the hook %s" % ("not ok" if fault else "ok", fault))
    if fault:
        return 1
    sys.argv[1:] = ["--proof", *MODULES]
    return test_cpython_suite.main()


if __name__ == "__main__":
    sys.exit(main())
