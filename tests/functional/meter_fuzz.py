#!/usr/bin/python3
"""Programs by chance, plain, metered and traced: same output, same exception, same count.

The count is the tracer's where no Python frame raises, and elsewhere that of its events charged by region: see
meter_replay.py. Which programs these are the tracer says.

Run by make check in the build folder's tests/; needs unit/meter_runner there.
    meter_fuzz.py [--programs N] [--seed S]     N programs from seed S on; odd seeds raise
    meter_fuzz.py --show SEED                   the program of that seed
"""
import argparse
import os
import re
import resource
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import meter_driver  # noqa: E402
import meter_grammar  # noqa: E402
import meter_replay  # noqa: E402

PROGRAM = os.path.join(os.environ.get("STINT_TEST_BUILD", os.getcwd()), "unit", "meter_runner")

CPU_SECONDS = 30  # of one run; its forks inherit it


def source(seed):
    return meter_grammar.program(seed, bool(seed % 2))


def outputs(directory):
    for mode in range(3):
        with open(os.path.join(directory, str(mode)), "rb") as file:
            yield re.sub(rb"0x[0-9a-f]+", b"0x1", file.read())


def fault(runner, directory, text):
    """(what is wrong or '', the runs)"""
    runs = runner.run(text)
    plain, metered, traced = runs
    out = list(outputs(directory))
    again = runner.run(text, meter_driver.METERED)[1]
    if not (plain.ran and metered.ran and traced.ran):
        return "one did not end", runs
    if out[0] != out[1] or plain.failed != metered.failed:
        return "another output", runs
    wanted = traced.opcodes
    if traced.exceptions:
        events, wanted, lost, faults = meter_replay.replay(runner, directory, text)
        if faults or events != traced.opcodes or wanted != events + lost:
            return "charged otherwise: %s" % faults, runs
    if metered.opcodes != wanted:
        return "another count: not %d" % wanted, runs
    return "" if again.opcodes == metered.opcodes else "another count the second time", runs


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--programs", type=int, default=50 if "STINT_SANITIZED" in os.environ else 150)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int)
    parser.add_argument("--verbose", action="store_true", help="each seed before it runs")
    options = parser.parse_args()
    if options.show is not None:
        print(source(options.show))
        return 0
    quiet, raising, failed, ended, opcodes = 0, 0, 0, 0, 0
    with tempfile.TemporaryDirectory() as directory:
        os.environ["METER_RUNNER_OUTPUT"] = directory
        with meter_driver.Runner(PROGRAM) as runner:
            resource.prlimit(runner.process.pid, resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
            for seed in range(options.seed, options.seed + options.programs):
                text = source(seed)
                compile(text, "main.py", "exec")
                if options.verbose:
                    print(seed, flush=True)
                what, runs = fault(runner, directory, text)
                quiet += not what and not runs[2].exceptions
                raising += not what and runs[2].exceptions > 0
                ended += not runs[0].failed
                opcodes += runs[1].opcodes
                if what:
                    failed += 1
                    print("not ok - seed %d: %s: %s" % (seed, what, runs))
    print("%d programs, %d opcodes: %d as traced, %d that raise as charged by region, %d without an "
          "uncaught exception, %d failed" % (options.programs, opcodes, quiet, raising, ended, failed))
    return failed > 0 or quiet < options.programs // 3


if __name__ == "__main__":
    sys.exit(main())
