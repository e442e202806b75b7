#!/usr/bin/python3
"""Programs of plain_programs/ in /usr/bin/python3 and in a metered interpreter: the same to the last byte.

Run by make check in the build folder's tests/; needs unit/suite_runner there. No daemon and no root.
    test_meter_plain.py [NAME ...]
What they write: tracebacks with carets and positions, the events of sys.settrace and sys.setprofile, what
inspect, doctest and unittest say, what comes out of suspended generators, functions of 5,000 lines.
"""
import concurrent.futures
import difflib
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = os.path.join(HERE, "plain_programs")
BUILD = os.environ.get("STINT_TEST_BUILD", os.getcwd())
COMMANDS = (["/usr/bin/python3", "-S", "-B", "-m"], [os.path.join(BUILD, "unit", "suite_runner")])
# Each with the exit status, the lines that it writes at the least, and what must be among them.
CASES = {
    "failing": (1, 800, r"\^\^~"),
    "lines": (0, 1500, r"(?m)^line drive \d+"),
    "long_code": (1, 700, r"events \d{5}"),
    "suspended": (1, 60_000, "chain 1 ends"),
    "tools": (0, 14_000, "FAIL: test_multi"),
}
SECONDS = 300
# Addresses, and the time that unittest took.
VARIES = (rb"0x[0-9a-f]+", b"0x0"), (rb"(?m)^(Ran \d+ tests? in) [\d.]+s$", rb"\1 0s")


def run(command, name):
    environment = {
        "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "PYTHONPATH": PROGRAMS, "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1", "ASAN_OPTIONS": "detect_leaks=0:handle_segv=0",
    }
    done = subprocess.run(command + [name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=SECONDS, env=environment, check=False)
    text = done.stdout
    for pattern, word in VARIES:
        text = re.sub(pattern, word, text)
    return done.returncode, text.decode()


def compare(name):
    """(name, lines written, what is wrong or '')"""
    status, lines, needed = CASES[name]
    (plain_status, plain), (metered_status, metered) = (run(command, name) for command in COMMANDS)
    count = plain.count("\n")
    if plain_status != status or count < lines or not re.search(needed, plain):
        return name, count, "is not what it was: status %d\n%s" % (plain_status, plain[-2000:])
    if plain_status != metered_status:
        return name, count, "ends with %d, metered with %d" % (plain_status, metered_status)
    if plain != metered:
        return name, count, "\n".join(list(difflib.unified_diff(
            plain.splitlines(), metered.splitlines(), "plain", "metered", lineterm="", n=1))[:40])
    return name, count, ""


def main():
    chosen, failed = sys.argv[1:] or sorted(CASES), 0
    with concurrent.futures.ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for name, count, fault in pool.map(compare, chosen):
            failed += bool(fault)
            print("%s - %s: %d lines%s" % ("not ok" if fault else "ok", name, count, fault and ": " + fault))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
