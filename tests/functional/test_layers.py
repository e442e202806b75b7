#!/usr/bin/python3
"""Layers of a worker's confinement, one at a time: seen to hold, and seen to be what holds. Needs root.

The harness plays stintd, so it can give a job what stintd never would: descriptors of the host.
"""
import ctypes
import errno
import os
import struct
import unittest

import zygote_harness as harness

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WORKER = os.path.join(os.environ.get("STINT_BUILD", os.path.join(TOP, ".quickstart", "build")), "worker")
ZYGOTE, FAULT = (os.path.join(WORKER, name) for name in ("stint-zygote", "zygote_fault"))
PR_GET_MDWE = 66


def setUpModule():
    harness.make_root()


def blob(source):
    text, name = source.encode(), b"main.py"
    return struct.pack("<II", 1, len(text)) + text + struct.pack("<II", 3, len(name)) + name


class Case(unittest.TestCase):
    def start(self, **options):
        zygote = harness.Zygote(ZYGOTE, **options)
        self.addCleanup(zygote.stop)
        zygote.ready()
        return zygote

    def run_job(self, zygote, source, **terms):
        """What the program printed; it has to end well."""
        worker = zygote.run(blob(source), **terms)
        self.addCleanup(worker.close)
        self.assertEqual(worker.exited["exit_code"], 0, worker.err() + str(worker.setup()))
        return worker.out()


class Landlock(Case):
    """A job whose fd 0 is a directory of the host: only Landlock stands between it and the files there."""

    READ = ("import os\n"
            "for name in ('os-release', 'passwd', '../etc/hostname', '../proc/self/status'):\n"
            "    try:\n"
            "        fd = os.open(name, os.O_RDONLY, dir_fd=0)\n"
            "        print(name, 'open', len(os.read(fd, 10)))\n"
            "    except OSError as e:\n"
            "        print(name, type(e).__name__, e.errno)\n")

    def attempt(self, zygote):
        directory = os.open("/etc", os.O_RDONLY | os.O_DIRECTORY)
        self.addCleanup(os.close, directory)
        out = self.run_job(zygote, self.READ, stdin_fd=directory)
        return dict(line.split(" ", 1) for line in out.splitlines())

    def test_files_outside_are_out_of_reach(self):
        found = self.attempt(self.start())
        self.assertEqual(set(found.values()), {"PermissionError 13"}, found)
        self.assertEqual(len(found), 4)

    def test_it_is_landlock_that_holds(self):
        zygote = self.start(landlock="off")
        self.assertIn("Landlock is switched off", zygote.log_text())
        self.assertEqual(self.attempt(zygote)["passwd"], "open 10")

    def test_files_of_the_root_can_be_read(self):
        out = self.run_job(self.start(), "import os\nprint('import' in open('/usr/lib/python3.11/abc.py').read(),"
                           " len(os.listdir('/usr/lib/python3.11')) > 100, sorted(os.listdir('/')))")
        self.assertEqual(out, "True True ['dev', 'scratch', 'tmp', 'usr']\n")

    def test_no_descriptor_of_it_is_left(self):
        for landlock in ("on", "off"):
            out = self.run_job(self.start(landlock=landlock), "import os\nfor n in range(64):\n"
                               "    try: os.fstat(n); print(n)\n    except OSError: pass")
            self.assertEqual(out.split(), ["0", "1", "2"], landlock)


class Faults(unittest.TestCase):
    """The n-th call of the n-th worker's set-up fails: no worker that is not confined whole runs its job."""

    # Before the page is mapped nobody can be told which step it was.
    MUTE = 2
    SILENT = ["page", "interpreter"]  # the probe's interpreter makes no call
    if harness.V2:
        SILENT.append("leaf")  # it is born there
    if ctypes.CDLL(None).prctl(PR_GET_MDWE, 0, 0, 0, 0) < 0:
        SILENT.append("code")  # before Linux 6.3 that is the filter's alone
    STEPS = ["page", "leaf", "descriptors", "rlimits", "scratch", "ids", "directory", "capabilities",
             "lock", "landlock", "code", "parent", "signals", "interpreter", "hello", "terms", "stdin", "compiled",
             "limits", "slice", "core", "filter", "blob"]

    def loud(self, *silent, pinned=False):
        if not pinned:
            silent = (*silent, "core")
        silent = (*silent, "compiled")  # nobody asks for it here
        return [name for name in self.STEPS if name not in (*self.SILENT, *silent)]

    def attempt(self, zygote, **terms):
        worker = zygote.worker(kind=(terms.get("scratch_bytes", 0), 10 if "scratch_bytes" in terms else 0))
        self.addCleanup(worker.close)
        self.assertEqual(worker.fork(), 0)
        try:
            worker.hello()
            worker.terms(b"hello", stdin=b"x", **terms)
        except (OSError, struct.error, AssertionError):
            pass  # it is dead already; a hello that is cut is none
        worker.wait()
        return worker

    def check(self, number, **terms):
        zygote = harness.Zygote(FAULT, preload=str(number), pin_cores="yes" if "core" in terms else "no")
        self.addCleanup(zygote.stop)
        zygote.ready()
        seen = []
        for count in range(1, 200):
            worker = self.attempt(zygote, **terms)
            step, error, name = worker.setup()
            if worker.exited["exit_code"] == 0:
                self.assertEqual(worker.out(), "hello\n")
                break
            text = f"call {count}: step {step} ({name}), errno {error}, {worker.exited}, {worker.out()!r}"
            self.assertEqual(worker.exited["exit_code"], 126, text)
            self.assertEqual(worker.out(), "", text)
            self.assertNotEqual(worker.phase(), "running", text)
            if count > self.MUTE:
                self.assertGreater(error, 0, text)
                self.assertEqual(step, self.STEPS.index(name) + 1, text)
                if name not in seen:
                    seen.append(name)
        return count, seen

    def test_every_call(self):
        for number in (errno.EPERM, errno.ENOMEM):
            with self.subTest(errno=errno.errorcode[number]):
                count, seen = self.check(number)
                self.assertEqual(seen, self.loud("scratch", "directory"))
                self.assertGreater(count, 50)  # 60 with one tree of control groups, 69 with four

    def test_every_call_of_a_worker_with_scratch(self):
        for number in (errno.EPERM, errno.ENOMEM):
            with self.subTest(errno=errno.errorcode[number]):
                _, seen = self.check(number, scratch_bytes=1 << 20, scratch_files=10, flags=harness.SCRATCH)
                self.assertEqual(seen, self.loud())

    def test_every_call_of_a_worker_that_is_pinned(self):
        _, seen = self.check(errno.EINVAL, core=min(os.sched_getaffinity(0)) + 1)
        self.assertEqual(seen, self.loud("scratch", "directory", pinned=True))

    def test_every_call_with_a_job_by_descriptor(self):
        _, seen = self.check(errno.EIO, as_file=True)
        self.assertEqual(seen, self.loud("scratch", "directory"))


if __name__ == "__main__":
    unittest.main()
