"""Runs programs on tests/unit/meter_runner: as they are, metered, and under an opcode tracer."""
import collections
import os
import struct
import subprocess
import sys

PLAIN, METERED, TRACED = 1, 2, 4
REQUEST = struct.Struct("<II")
RUN = struct.Struct("<QQQII")
Run = collections.namedtuple("Run", "opcodes exceptions cpu_ns ran failed")


def skip_when_sanitized():
    """For what compares counts or outcomes: they are the same with sanitizers, for which the verifier and the fuzzer
    rewrite more code than this does, in less time."""
    if os.environ.get("STINT_SANITIZED"):
        print("skipped: what it compares does not depend on sanitizers")
        sys.exit(77)


class Runner:
    """One warm interpreter with these modules imported; a context manager."""

    def __init__(self, program, modules=()):
        self.process = subprocess.Popen([program, *modules], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def run(self, source, modes=PLAIN | METERED | TRACED):
        """(plain, metered, traced)"""
        data = source.encode()
        self.process.stdin.write(REQUEST.pack(modes, len(data)) + data)
        self.process.stdin.flush()
        answer = self.process.stdout.read(3 * RUN.size)
        if len(answer) != 3 * RUN.size:
            raise SystemExit("meter_runner has ended")
        return [Run(*fields) for fields in RUN.iter_unpack(answer)]
