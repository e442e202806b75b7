#!/usr/bin/python3
"""The metered count against an opcode tracer, program by program.

Equal where no Python frame raises; never below it elsewhere. Run by make check in the build folder's
tests/; needs unit/meter_runner there.
    test_meter_equal.py [NAME ...]     only programs whose name holds one of the words
"""
import glob
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import meter_driver  # noqa: E402
import meter_programs  # noqa: E402

PROGRAM = os.path.join(os.environ.get("STINT_TEST_BUILD", os.getcwd()), "unit", "meter_runner")
EQUAL_AT_LEAST = 100
# Threads start and stop at times of their own, an event loop that waits turns as often as the clock says; gc and
# tracing tell about the tracer itself.
LEFT_OUT = re.compile(r"threading|_thread|settrace|setprofile|gc\.|concurrent|f_trace|queue|sys\._getframe"
                      r"|sleep\((?!0\))|wait_for|call_later|asyncio\.timeout|cProfile|timeit|perf_counter"
                      r"|tracemalloc|dis\.|getrefcount|secrets|random\(\)|uuid|time\.")


def programs():
    for i, (source, _) in enumerate(meter_programs.DOCUMENTED):
        yield "documented.%d" % i, source
    for i, source in enumerate(meter_programs.EQUAL + meter_programs.RAISING):
        yield "own.%d" % i, source
    for path in sorted(glob.glob(os.path.join(HERE, "stdlib_programs", "*.txt"))):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        for part in re.split(r"(?m)^#### ", text)[1:]:
            head, _, source = part.partition("\n")
            if not LEFT_OUT.search(source):
                yield os.path.basename(path)[:-4] + "." + head.split()[0], source


def modules(texts):
    """All that they import, so that no import's own exceptions are counted."""
    names = set(re.findall(r"(?m)^\s*(?:import|from) ([a-z_]+)", "\n".join(texts)))
    for name in sorted(names | {"encodings.idna"}):
        try:
            __import__(name)
            yield name
        except ImportError:
            pass


def main():
    meter_driver.skip_when_sanitized()
    words, equal, above, failed, skipped = sys.argv[1:], 0, 0, 0, 0
    chosen = [(n, s) for n, s in programs() if not words or any(word in n for word in words)]
    with meter_driver.Runner(PROGRAM, list(modules(s for _, s in chosen))) as runner:
        for name, source in chosen:
            _, metered, traced = runner.run(source, meter_driver.METERED | meter_driver.TRACED)
            if not metered.ran or not traced.ran:
                skipped += 1  # it leaves by os._exit or a signal
                continue
            fault = metered.opcodes < traced.opcodes or metered.failed != traced.failed
            if traced.exceptions == 0:
                fault = fault or metered.opcodes != traced.opcodes
                equal += not fault
            else:
                above += not fault
            failed += fault
            if fault or words:
                print("%s - %s: metered %d, traced %d, %d exceptions" % (
                    "not ok" if fault else "ok", name, metered.opcodes, traced.opcodes,
                    traced.exceptions))
    print("%d equal, %d with exceptions not below, %d skipped, %d failed" % (
        equal, above, skipped, failed))
    return failed > 0 or (not words and equal < EQUAL_AT_LEAST)


if __name__ == "__main__":
    sys.exit(main())
