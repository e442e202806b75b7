"""260 programs that use the standard library print the same under stint as under python3.

The programs are in stdlib_programs/*.txt; one test each. The oracle is /usr/bin/python3 with the hash
seed of the daemon's default configuration.
"""
import glob
import json
import os
import re
import subprocess
import tempfile
import unittest

import harness

DIRECTORY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "stdlib_programs")
LIMITS = {"cpu_ms": 20000, "wall_ms": 60000, "memory_bytes": 256 << 20}


def programs():
    """(file, name, limits, source) of each program."""
    for path in sorted(glob.glob(os.path.join(DIRECTORY, "*.txt"))):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        for part in re.split(r"(?m)^#### ", text)[1:]:
            head, _, source = part.partition("\n")
            name, _, limits = head.partition(" ")
            yield os.path.basename(path)[:-4], name, {**LIMITS, **json.loads(limits or "{}")}, source


def oracle(source):
    with tempfile.TemporaryDirectory() as directory:
        with open(os.path.join(directory, "main.py"), "w", encoding="utf-8") as file:
            file.write(source)
        done = subprocess.run(
            ["/usr/bin/python3", "main.py"], cwd=directory, stdin=subprocess.DEVNULL, capture_output=True,
            env={"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"}, timeout=60, check=False,
        )
    return done.returncode, done.stdout.decode("utf-8")


class Programs(harness.DaemonCase):
    def compare(self, source, limits):
        code, expected = oracle(source)
        result = self.client.run(source, limits=limits)
        self.assertEqual(result["stdout"], expected, result["stderr"])
        self.assertEqual((result["status"], result["exit_code"]), ("ok", code), result["stderr"])


def add(folder, name, limits, source):
    setattr(Programs, f"test_{folder}_{name}", lambda self: self.compare(source, limits))


for program in programs():
    add(*program)


class Count(unittest.TestCase):
    def test_there_are_at_least_200(self):
        names = [name for _, name, _, _ in programs()]
        self.assertGreaterEqual(len(names), 200)
        self.assertEqual(len(names), len(set(names)))


if __name__ == "__main__":
    unittest.main()
