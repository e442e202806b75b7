#!/usr/bin/python3
"""Control groups of v2: where they stand, what is handed down, who may write, what a leaf holds, what is left."""
import os
import signal
import unittest

import harness

ROOT = "/sys/fs/cgroup"
HERE = "import time\nprint('on', flush=True)\ntime.sleep(1000)"
LONG = {"wall_ms": 300_000, "memory_bytes": 50 << 20}


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read().strip()


def group_of(pid):
    return ROOT + read(f"/proc/{pid}/cgroup").removeprefix("0::")


def handed_down(group):
    return set(read(group, "cgroup.subtree_control").split())


def assert_root_untouched():
    """systemd takes cpu, cpuset and io back when no unit of its own needs them; these it always keeps."""
    assert {"memory", "pids"} <= handed_down(ROOT), handed_down(ROOT)


def figures(group, file):
    return {key: value for key, value in (line.split() for line in read(group, file).split("\n"))}


class Running(unittest.TestCase):
    """One daemon, one job in flight, seen from outside."""

    @classmethod
    def setUpClass(cls):
        cls.daemon = harness.Daemon()
        cls.client = cls.daemon.connect()
        cls.client.send("job.run", {"source": HERE, "stream": True, "limits": LONG})
        while cls.client.output() != "on\n":
            cls.client.notifications.append(cls.client.line())
        cls.service = os.path.dirname(group_of(cls.daemon.pid))
        cls.generation = os.path.dirname(group_of(cls.daemon.zygote_pid()))
        cls.leaf = next(g for g in map(group_of, cls.daemon.workers()) if read(g, "memory.max") != "max")

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        try:
            assert cls.daemon.stop() == 0, cls.daemon.log()
            cls.daemon.wait_clean()
            assert_root_untouched()
        finally:
            cls.daemon.remove()

    def test_below_the_delegated_group(self):
        self.assertRegex(self.service, rf"^{ROOT}/system\.slice/run-[^/]+\.scope/stint-{self.daemon.pid}$")
        self.assertNotIn("using the root", self.daemon.log())

    def test_processes_are_in_leaves_only(self):
        self.assertEqual(os.path.relpath(group_of(self.daemon.pid), self.service), "spawner")
        self.assertEqual(os.path.relpath(group_of(self.daemon.stintd_pid()), self.service), "daemon")
        self.assertEqual(os.path.relpath(group_of(self.daemon.zygote_pid()), self.generation), "zygote")
        for pid in self.daemon.workers():
            self.assertEqual(os.path.dirname(group_of(pid)), self.generation)
        for group in (os.path.dirname(self.service), self.service, self.generation):
            self.assertEqual(read(group, "cgroup.procs"), "", group)

    def test_controllers_are_handed_down(self):
        for group in (os.path.dirname(self.service), self.service):
            self.assertLessEqual({"cpu", "memory", "pids"}, handed_down(group), group)
        self.assertEqual(handed_down(self.generation), {"cpu", "memory", "pids"})
        self.assertLessEqual({"cpu", "memory", "pids"}, set(read(self.leaf, "cgroup.controllers").split()))

    def test_limits_of_a_leaf(self):
        self.assertGreaterEqual(int(read(self.leaf, "memory.max")), 50 << 20)
        self.assertLess(int(read(self.leaf, "memory.max")), 200 << 20)
        self.assertEqual(read(self.leaf, "memory.swap.max"), "0")
        self.assertLess(int(read(self.leaf, "pids.max")), 20)
        self.assertGreater(int(read(self.leaf, "memory.peak")), 0)
        self.assertIn("usage_usec", figures(self.leaf, "cpu.stat"))
        self.assertIn("oom_kill", figures(self.leaf, "memory.events"))

    def test_stintd_owns_leaves_and_no_more(self):
        uid = int(harness.process_status(self.daemon.stintd_pid())["Uid"].split()[0])
        self.assertNotEqual(uid, 0)
        for file in ("memory.max", "cpu.weight"):
            self.assertEqual(os.stat(os.path.join(self.leaf, file)).st_uid, uid)
        self.assertEqual(os.stat(self.generation).st_uid, uid)
        for group in (self.service, self.generation, os.path.join(self.generation, "zygote")):
            for name in os.listdir(group):
                path = os.path.join(group, name)
                if os.path.isfile(path):
                    self.assertEqual(os.stat(path).st_uid, 0, path)
        for name in os.listdir(self.service):
            if not name.startswith("gen-"):
                self.assertEqual(os.stat(os.path.join(self.service, name)).st_uid, 0, name)

    def test_bounds_on_what_stintd_makes(self):
        self.assertEqual(read(self.generation, "cgroup.max.depth"), "1")
        self.assertEqual(read(self.generation, "cgroup.max.descendants"), "2048")
        with self.assertRaises(OSError):
            os.mkdir(os.path.join(self.leaf, "below"))

    def test_worker_may_not_write(self):
        """All files of its group are another's; those that the zygote's gid may write it does not see."""
        pid = int(read(self.leaf, "cgroup.procs"))
        uid = int(harness.process_status(pid)["Uid"].split()[0])
        for name in os.listdir(self.leaf):
            about = os.stat(os.path.join(self.leaf, name))
            self.assertNotEqual(about.st_uid, uid, name)
            self.assertFalse(about.st_mode & 0o002, name)


class Counters(harness.DaemonCase):
    def test_usage(self):
        result = self.run_ok("import time\nx = bytearray(20 << 20)\nend = time.process_time() + 0.3\n"
                             "while time.process_time() < end: pass")
        self.assertGreater(result["usage"]["memory_peak_bytes"], 20 << 20)
        self.assertGreaterEqual(result["usage"]["cpu_us"], 300_000)

    def test_killed_for_memory(self):
        """mmap goes by the interpreter: the kernel's counter alone can see and stop it."""
        result = self.run_status("memory_limit", "import mmap\nm = mmap.mmap(-1, 1 << 30)\n"
                                 "for i in range(0, 1 << 30, 4096): m[i] = 1", limits={"memory_bytes": 64 << 20})
        self.assertLess(result["usage"]["memory_peak_bytes"], 200 << 20)


class Ends(unittest.TestCase):
    def daemon_with_job(self):
        daemon = harness.Daemon()
        self.addCleanup(daemon.remove)
        client = daemon.connect()
        self.addCleanup(client.close)
        client.send("job.run", {"source": HERE, "stream": True, "limits": LONG})
        while client.output() != "on\n":
            client.notifications.append(client.line())
        return daemon, client

    def test_spawner_killed(self):
        daemon, _ = self.daemon_with_job()
        os.kill(daemon.pid, signal.SIGKILL)
        daemon.process.wait()
        daemon.wait_clean(20)
        assert_root_untouched()

    def test_stintd_killed(self):
        daemon, _ = self.daemon_with_job()
        old = daemon.stintd_pid()
        os.kill(old, signal.SIGKILL)
        harness.until(lambda: not os.path.exists(f"/proc/{old}"), 10, "the end of stintd")
        daemon.wait_serving()
        with daemon.connect() as client:
            self.assertEqual(client.run("print(6 * 7)")["stdout"], "42\n")
        self.assertEqual(daemon.stop(), 0, daemon.log())
        daemon.wait_clean()

    def test_zygote_killed(self):
        daemon, client = self.daemon_with_job()
        os.kill(daemon.zygote_pid(), signal.SIGKILL)
        self.assertEqual(client.wait(1)["status"], "internal_error")
        daemon.wait_serving()
        with daemon.connect() as other:
            self.assertEqual(other.run("print(6 * 7)")["stdout"], "42\n")
        self.assertEqual(daemon.stop(), 0, daemon.log())
        daemon.wait_clean()

    def test_guardian_killed(self):
        """The next one is born among the service's groups and must clean up all the same."""
        daemon, _ = self.daemon_with_job()
        old = daemon.find("stint-guardian")[0]
        os.kill(old, signal.SIGKILL)
        harness.until(lambda: [p for p in daemon.find("stint-guardian") if p != old], 10, "another guardian")
        os.kill(daemon.pid, signal.SIGKILL)
        daemon.process.wait()
        daemon.wait_clean(20)


class Undelegated(unittest.TestCase):
    """Started among other processes, as from a shell: it says so and works; systemd's groups stay as they are."""

    def setUp(self):
        launch, harness.LAUNCH = harness.LAUNCH, []
        self.addCleanup(lambda: setattr(harness, "LAUNCH", launch))

    def start(self):
        daemon = harness.Daemon()
        self.addCleanup(daemon.remove)
        self.assertEqual(group_of(daemon.pid), f"{ROOT}/stint-{daemon.pid}/spawner")
        self.assertIn("Delegate=yes", daemon.log())
        with daemon.connect() as client:
            self.assertEqual(client.run("print(6 * 7)")["stdout"], "42\n")
        return daemon

    def test_stopped(self):
        daemon = self.start()
        self.assertEqual(daemon.stop(), 0, daemon.log())
        daemon.wait_clean()
        assert_root_untouched()

    def test_killed(self):
        daemon = self.start()
        os.kill(daemon.pid, signal.SIGKILL)
        daemon.process.wait()
        daemon.wait_clean(20)
        assert_root_untouched()


if __name__ == "__main__":
    unittest.main()
