#!/usr/bin/python3
"""The metered count of programs that raise and catch: equal to the tracer's events charged by region.

Run by make check in the build folder's tests/; needs unit/meter_runner there. See meter_replay.py.
"""
import os
import re
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import meter_driver  # noqa: E402
import meter_grammar  # noqa: E402
import meter_programs  # noqa: E402
import meter_replay  # noqa: E402
import trace_programs  # noqa: E402

PROGRAM = os.path.join(os.environ.get("STINT_TEST_BUILD", os.getcwd()), "unit", "meter_runner")
RAISING_AT_LEAST = 100
SEED, SEEDS = 1_000_001, 95


# Code that a program makes for itself has no table here.
LEFT_OUT = re.compile(r"import|exec\(|eval\(|compile\(")


def programs():
    own = meter_programs.RAISING + meter_programs.EQUAL
    for i, source in enumerate(own):
        yield "own.%d" % i, source
    for kind, found in (("quiet", trace_programs.QUIET), ("raising", trace_programs.RAISING)):
        for name, source in found.items():
            yield "%s.%s" % (kind, name), source
    for seed in range(SEED, SEED + SEEDS):
        yield "seed.%d" % seed, meter_grammar.program(seed, True)


def main():
    meter_driver.skip_when_sanitized()
    raising = lossy = quiet = failed = 0
    with tempfile.TemporaryDirectory() as directory, meter_driver.Runner(PROGRAM) as runner:
        for name, source in programs():
            if LEFT_OUT.search(source):
                continue
            _, metered, traced = runner.run(source, meter_driver.METERED | meter_driver.TRACED)
            events, charged, lost, faults = meter_replay.replay(runner, directory, source)
            if (metered.opcodes, traced.opcodes, charged - lost) != (charged, events, events) or faults:
                failed += 1
                print("not ok - %s: metered %d, must be %d; traced %d and %d, lost %d; %s" % (
                    name, metered.opcodes, charged, traced.opcodes, events, lost, faults))
            elif traced.exceptions == 0:
                quiet += 1
                failed += lost > 0
            else:
                raising += 1
                lossy += lost > 0
    print("equal: %d raise (%d of them lose what was prepaid), %d do not; %d failed" % (
        raising, lossy, quiet, failed))
    return failed > 0 or raising < RAISING_AT_LEAST or lossy < RAISING_AT_LEAST // 2


if __name__ == "__main__":
    sys.exit(main())
