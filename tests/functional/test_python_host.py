#!/usr/bin/python3
"""The embedded interpreter against python3, and what only it has: values, reasons, structured errors.

Run by make check in the build folder's tests/; needs unit/python_runner there.
    test_python_host.py [GROUP.PROGRAM ...]   only those, with a difference in full
"""
import difflib
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import python_driver  # noqa: E402
import python_jobs  # noqa: E402
import python_programs  # noqa: E402

ANEW = ("tracebacks", "exits", "ends", "modules", "stdin")
PROGRAM = os.path.join(os.environ.get("STINT_TEST_BUILD", os.getcwd()), "unit", "python_runner")


def module_files(modules, directory):
    """Where python3 must have the job's modules, and their dotted names here."""
    for name, text in modules.items():
        yield name.replace(".", "/") + ".py", text


def plain(data):
    """Addresses and thread numbers differ between any two runs."""
    return re.sub(rb"started \d+", b"started N", re.sub(rb"0x[0-9a-f]{6,}", b"0x1", data))


def differences(runner, directory, item):
    """Runs one program on both; '' when all is the same."""
    item = {"source": item} if isinstance(item, str) else item
    name = os.path.join(directory, "main.py")
    modules, args, stdin = item.get("modules", {}), item.get("args", ()), item.get("stdin", b"")
    extra = []
    for module, text in modules.items():
        extra += [("module_name", module.removesuffix(".__init__")), ("module_source", text)]
    ours = runner.run(item["source"], name=name, stdin=stdin, args=args, extra=extra,
                      flags=python_driver.THREADS)
    theirs = python_driver.reference(item["source"], name, stdin=stdin, args=args,
                                     modules=list(module_files(modules, directory)))
    for result in ours, theirs:
        result.out, result.err = plain(result.out), plain(result.err)
    if modules:  # python3 has them by absolute path, a job by relative
        theirs.err = theirs.err.replace(directory.encode() + b"/", b"")
        theirs.out = theirs.out.replace(directory.encode() + b"/", b"")
        ours.err = ours.err.replace(directory.encode() + b"/", b"")
        ours.out = ours.out.replace(directory.encode() + b"/", b"")
    if ours.same() == theirs.same():
        return ""
    text = "exit code %d, python3 %d\n" % (ours.code, theirs.code)
    for what, mine, other in (("stdout", ours.out, theirs.out), ("stderr", ours.err, theirs.err)):
        text += "\n".join(line[:200] for line in difflib.unified_diff(
            other.decode(errors="backslashreplace").split("\n"),
            mine.decode(errors="backslashreplace").split("\n"), "python3 " + what, what, lineterm=""))
        text += "\n" if mine != other else ""
    return text


def main():
    chosen, failed, passed, skipped = sys.argv[1:], 0, 0, 0
    with (tempfile.TemporaryDirectory() as directory, python_driver.Runner(PROGRAM) as anew,
          python_driver.Runner(PROGRAM, main_file=os.path.join(directory, "main.py")) as ready):
        for group, programs in python_programs.ALL.items():
            for name, item in programs.items():
                if chosen and group + "." + name not in chosen and group not in chosen:
                    continue
                # The main module made ahead of the job, as for most, and made for it.
                for runner in (ready, anew) if group in ANEW else (ready,):
                    text = differences(runner, directory, item)
                    passed += not text
                    failed += bool(text)
                    if text:
                        print("not ok - %s.%s%s\n%s" % (group, name, " (anew)" if runner is anew else "", text))
    if not chosen:
        more = python_jobs.main(PROGRAM)
        passed, failed, skipped = passed + more[0], failed + more[1], more[2]
    print("%d passed, %d failed, %d skipped" % (passed, failed, skipped))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
