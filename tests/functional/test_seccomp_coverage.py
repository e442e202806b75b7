"""Each row of the filter is there because a legitimate program reaches it, and none is missing.

Coverage: seccomp_watch looks at the system calls of the jobs of a real daemon by ptrace. Each row of the
golden table that a job may use must be in seccomp_coverage.txt, and the program named there must be seen to
reach it. What a job calls that has no row is a gap, to be given a row with a reason or a refusal.

Default-KILL: the programs of the stdlib run under the same rows with a filter that kills by default
(zygote_strict, linked for tests only). A death by SIGSYS is a gap.
"""
import json
import os
import re
import subprocess
import unittest

import harness
import test_stdlib

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
BUILT = os.path.join(harness.BUILD, "tests", "functional")
GOLDEN = os.path.join(TESTS, "unit", "seccomp_golden", f"{os.uname().machine}.txt")
LIMITS = test_stdlib.LIMITS
# Ends otherwise than by its last line.
STATUS = {"abort_signal": "runtime_error"}


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def programs():
    """(name, limits, source) of each program of ours."""
    for part in re.split(r"(?m)^#### ", read(os.path.join(HERE, "seccomp_programs.txt")))[1:]:
        head, _, source = part.partition("\n")
        name, _, limits = head.partition(" ")
        yield name, {**LIMITS, **json.loads(limits or "{}")}, source


def golden_rows():
    """{(call, row as seccomp_watch prints it): text} of what some job may call."""
    rows = {}
    for line in read(GOLDEN).splitlines():
        match = re.match(r" *\d+ (\S+) +(\S+) +allow(?: (.*) else \S+)?$", line)
        # seccomp_watch reads it as a job with all profiles.
        if not match or not re.search(r"all|job(?![^,]*-)", match[2]):
            continue
        conditions = match[3].split(" or ") if match[3] else []
        for index, condition in enumerate(conditions):
            rows[match[1], str(index)] = f"{match[1]} {condition}"
        if not conditions:
            rows[match[1], "-"] = match[1]
    return rows


def table():
    """{row: program} of seccomp_coverage.txt."""
    lines = read(os.path.join(HERE, "seccomp_coverage.txt")).split("\n\n")[-1].splitlines()
    return dict(re.match(r"(.*?(?:bits:)?[^:]*): (.*)$", line).groups() for line in lines if line)


class Coverage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = harness.Daemon()
        try:
            cls.watch_jobs()
        finally:
            cls.daemon.stop()
            cls.daemon.wait_clean()
            cls.daemon.remove()
        output, _ = cls.watch.communicate(timeout=harness.STOP_SECONDS)
        cls.reached, cls.gaps = {}, []
        for line in output.splitlines():
            job, call, row = line.split()
            name = cls.names[int(job)]
            cls.reached.setdefault((call, row), set()).add(name)
            if row == "none":
                cls.gaps.append(f"{name}: call {call}")

    @classmethod
    def watch_jobs(cls):
        """Workers that were there before are used up first: they are not watched."""
        cls.daemon.wait_idle()
        cls.watch = subprocess.Popen(
            [os.path.join(BUILT, "seccomp_watch"), str(cls.daemon.zygote_pid())],
            stdout=subprocess.PIPE, encoding="utf-8",
        )
        if cls.watch.stdout.readline() != "watching\n":
            raise AssertionError("seccomp_watch does not watch")
        cls.names, cls.results = [], {}
        with cls.daemon.connect() as client:
            for _ in range(cls.daemon.health()["workers"]["ready"]):
                client.run("pass")
            for name, limits, source in programs():
                cls.results[name] = client.run(source, limits=limits)
                cls.names.append(name)

    def test_programs_end_well(self):
        for name, result in self.results.items():
            with self.subTest(name):
                self.assertEqual(result["status"], STATUS.get(name, "ok"), result)

    def test_table_has_each_row_and_no_other(self):
        if os.uname().machine != "x86_64":
            self.skipTest("the table is of x86_64")
        self.assertEqual(sorted(table()), sorted(golden_rows().values()))

    def test_each_row_is_reached(self):
        live = read(os.path.join(TESTS, "unit", "test_seccomp_live.c"))
        programs_of = table()
        for row, text in golden_rows().items():
            program = programs_of.get(text, "")
            with self.subTest(text):
                if program.startswith("live: "):
                    self.assertTrue(f"(SYS_{row[0]}," in live, "no live call of it")
                else:
                    self.assertIn(program, self.reached.get(row, set()))

    def test_no_call_without_a_row(self):
        self.assertEqual(self.gaps, [])


class DefaultKill(harness.DaemonCase):
    @classmethod
    def setUpClass(cls):
        before = harness.ZYGOTE
        harness.ZYGOTE = os.path.join(BUILT, "zygote_strict")
        cls.addClassCleanup(setattr, harness, "ZYGOTE", before)
        super().setUpClass()

    def test_a_gap_is_seen(self):
        result = self.client.run("import os; os.memfd_create('x')")
        self.assertEqual(result["status"], "runtime_error", result)  # has a row
        result = self.client.run("import os; os.copy_file_range(0, 1, 1)")  # has none
        self.assertEqual(result["status"], "security_violation", result)

    def test_stdlib(self):
        gaps = []
        for file, name, limits, source in test_stdlib.programs():
            result = self.client.run(source, limits=limits)
            if result["status"] != "ok":
                gaps.append(f"{file} {name}: {result['status']} {result['stderr'][-300:]}")
        self.assertEqual(gaps, [])

    def test_own_programs(self):
        for name, limits, source in programs():
            with self.subTest(name):
                result = self.client.run(source, limits=limits)
                self.assertEqual(result["status"], STATUS.get(name, "ok"), result)


if __name__ == "__main__":
    unittest.main()
