"""Jobs of who has much stand still while a short one of who has little runs; and whoever stands still can be ended as
ever, by whoever ends jobs: its limits, its client, the service that stops or is killed."""
import glob
import os
import signal
import time
import unittest

import harness
from test_metrics import families
from test_scheduling import LIGHT, MANY, SharingCase


def group_of(pid):
    """Its directory in the unified hierarchy."""
    with open(f"/proc/{pid}/cgroup", encoding="ascii") as file:
        path = next(line for line in file if line.startswith("0::")).rstrip("\n")[3:]
    return next(root + path for root in ("/sys/fs/cgroup", *glob.glob("/sys/fs/cgroup/*"))
                if os.path.exists(f"{root}{path}/cgroup.freeze"))


def events(group):
    with open(f"{group}/cgroup.events", encoding="ascii") as file:
        return dict(line.split() for line in file)


def asked(group):
    with open(f"{group}/cgroup.freeze", encoding="ascii") as file:
        return file.read().strip()


class PausingCase(SharingCase):
    def started_job(self, client, **limits):
        """Its id, its pid and its group."""
        pid = self.start(client, **limits)
        return self.started.pop()[1], pid, group_of(pid)

    def stand_still(self, group):
        """As the service would have it, but for longer."""
        with open(f"{group}/cgroup.freeze", "w", encoding="ascii") as file:
            file.write("1")
        harness.until(lambda: events(group)["frozen"] == "1", 30, "it to stand still")


class Pausing(PausingCase):
    def test_who_has_many_stands_still_for_a_moment(self):
        many, one = self.as_user(LIGHT), self.as_user(MANY)
        pids = [self.start(many) for _ in range(3)]
        groups = [group_of(pid) for pid in pids]
        left = os.cpu_count() - 2  # so many may go on
        if left >= len(pids):
            self.skipTest("there are cores for all of them")
        standing, end = 0, time.monotonic() + 60 * harness.SLOW
        while standing < len(pids) - max(left, 0) and time.monotonic() < end:
            ident = one.send("job.run", {"source": "import time; time.sleep(0.1)"})
            answered = time.monotonic() + 0.1
            while time.monotonic() < answered:
                standing = max(standing, sum(asked(group) == "1" for group in groups))
            self.assertEqual(one.wait(ident)["status"], "ok")
        self.assertEqual(standing, len(pids) - max(left, 0))
        self.assertGreater(families(self.client)["stint_paused_seconds_total"].total(), 0)
        harness.until(lambda: [asked(group) for group in groups] == ["0"] * 3, 10, "all to go on")
        for pid in pids:
            before = self.seconds(pid)
            harness.until(lambda pid=pid, before=before: self.seconds(pid) > before, 30, "it to compute")

    def test_nobody_stands_still_for_the_own_tenant(self):
        many = self.as_user(LIGHT)
        groups = [group_of(self.start(many)) for _ in range(3)]
        for _ in range(5):
            ident = many.send("job.run", {"source": "import time; time.sleep(0.02)"})
            answered = time.monotonic() + 0.02
            while time.monotonic() < answered:
                self.assertEqual([asked(group) for group in groups], ["0"] * 3)
            self.assertEqual(many.wait(ident)["status"], "ok")

    def test_stintd_comes_first(self):
        self.assertEqual(self.weight(self.daemon.stintd_pid()), 1000)


class Ending(PausingCase):
    """Of a job that stands still."""

    def test_by_its_wall_time(self):
        client = self.as_user(LIGHT)
        ident, _, group = self.started_job(client, wall_ms=3000)
        self.stand_still(group)
        self.assertEqual(client.wait(ident)["status"], "wall_limit")

    def test_by_its_client(self):
        client = self.as_user(LIGHT)
        ident, pid, group = self.started_job(client)
        self.stand_still(group)
        client.send("job.cancel", {"id": ident})
        self.assertEqual(client.wait(ident)["status"], "cancelled")
        harness.until(lambda: not os.path.exists(f"/proc/{pid}"), 30, "it to be gone")
        self.assertEqual(client.run("print(1)")["stdout"], "1\n")

    def test_by_its_client_leaving(self):
        client = self.as_user(LIGHT)
        _, pid, group = self.started_job(client)
        self.stand_still(group)
        client.close()
        harness.until(lambda: not os.path.exists(f"/proc/{pid}"), 30, "it to be gone")


class EndingWithAll(PausingCase):
    """Each with a service of its own, which may leave nothing."""

    @classmethod
    def setUpClass(cls):
        pass

    @classmethod
    def tearDownClass(cls):
        pass

    def setUp(self):
        self.daemon = harness.Daemon(self.config, **self.settings)
        self.addCleanup(self.daemon.remove)
        self.addCleanup(self.daemon.wait_clean)
        self.addCleanup(self.daemon.stop)
        super().setUp()

    def tearDown(self):
        pass  # it may be gone

    def test_the_zygote_dies(self):
        client = self.as_user(LIGHT)
        ident, pid, group = self.started_job(client)
        self.stand_still(group)
        os.kill(self.daemon.zygote_pid(), signal.SIGKILL)
        self.assertEqual(client.wait(ident)["status"], "internal_error")
        harness.until(lambda: not os.path.exists(f"/proc/{pid}"), 30, "it to be gone")

    def test_stintd_dies(self):
        client = self.as_user(LIGHT)
        _, pid, group = self.started_job(client)
        self.stand_still(group)
        os.kill(self.daemon.stintd_pid(), signal.SIGKILL)
        harness.until(lambda: not os.path.exists(f"/proc/{pid}"), 30, "it to be gone")

    def test_the_service_stops(self):
        """It waits for jobs that run; they have their limits."""
        client = self.as_user(LIGHT)
        ident, pid, group = self.started_job(client, wall_ms=6000)
        self.stand_still(group)
        self.daemon.process.send_signal(signal.SIGTERM)
        self.assertEqual(client.wait(ident)["status"], "wall_limit")
        self.assertEqual(self.daemon.stop(), 0)
        self.assertFalse(os.path.exists(f"/proc/{pid}"))


if __name__ == "__main__":
    unittest.main()
