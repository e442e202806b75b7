"""pin_cores: each job has one core, the one with the fewest jobs when it starts, and keeps it."""
import os
import unittest

import harness

CORES = sorted(os.sched_getaffinity(0))
SHOW = "import os\nprint(*sorted(os.sched_getaffinity(0)))"
# Says where it is and stays there.
STAY = "import os, time\nprint(*sorted(os.sched_getaffinity(0)), flush=True)\ntime.sleep(1000)"
WARNING = "running_max and guests_max let"


class Pinned(harness.DaemonCase):
    settings = {"pin_cores": "yes", "running_max": min(2 * len(CORES), 128), "guests_max": 0}

    def setUp(self):
        super().setUp()
        self.daemon.wait_idle()  # a job of the test before that is still dying has its core

    def core(self, source=SHOW, **params):
        """The only core of a job."""
        words = self.run_ok(source, **params)["stdout"].split()
        self.assertEqual(len(words), 1, words)
        self.assertIn(int(words[0]), CORES)
        return int(words[0])

    def start(self):
        """A job that stays: its connection, its request and its core."""
        client = self.daemon.connect()
        self.addCleanup(client.close)
        ident = client.send("job.run", {"source": STAY, "stream": True, "limits": {"wall_ms": 60000}})
        while not client.output():
            client.notifications.append(client.line())
        core, = client.output().split()
        return client, ident, int(core)

    def test_a_job_has_one_core(self):
        for _ in range(harness.rounds(20)):
            self.core()

    def test_one_after_the_other_they_go_round(self):
        cores = [self.core() for _ in CORES]
        self.assertEqual(sorted(cores), CORES)

    def test_threads_share_it(self):
        source = ("import os, threading\ncores = []\n"
                  "t = [threading.Thread(target=lambda: cores.append(os.sched_getaffinity(0))) for _ in range(3)]\n"
                  "for x in t: x.start()\nfor x in t: x.join()\n"
                  "print(*set.union(*cores, os.sched_getaffinity(0)))")
        self.core(source, limits={"threads": 4})

    def test_os_tells_of_one_where_it_looks_at_the_mask(self):
        source = "import os\nprint(len(os.sched_getaffinity(os.getpid())), os.cpu_count())"
        self.assertEqual(self.run_ok(source)["stdout"], "1 1\n")

    def test_a_worker_with_scratch_too(self):
        limits = {"scratch_bytes": 1 << 20, "scratch_files": 10}
        for _ in CORES:
            self.core(limits=limits)
        self.core("import os\nopen('x', 'w').write('y')\n" + SHOW, limits=limits)

    def test_jobs_at_the_same_time_have_different_ones(self):
        jobs = [self.start() for _ in CORES]
        self.assertEqual(sorted(core for _, _, core in jobs), CORES)
        self.core()  # there is none left to itself
        for client, ident, core in jobs:
            # Whichever becomes idle is the next one's.
            client.call("job.cancel", {"id": ident})
            self.assertEqual(client.wait(ident)["status"], "cancelled")
            self.assertEqual(self.core(), core)
            self.assertEqual(self.core(limits={"scratch_bytes": 1 << 20}), core)
            self.start()

    def test_from_outside_it_is_the_same(self):
        client, ident, core = self.start()
        lists = [harness.process_status(pid)["Cpus_allowed_list"] for pid in self.daemon.workers()]
        self.assertEqual(lists.count(str(core)), 1 if len(CORES) > 1 else len(lists))
        client.call("job.cancel", {"id": ident})
        client.wait(ident)

    def test_the_service_itself_is_not_pinned(self):
        self.daemon.wait_idle()
        own = harness.process_status(os.getpid())["Cpus_allowed_list"]
        for pid in [self.daemon.pid, self.daemon.stintd_pid(), self.daemon.zygote_pid(), *self.daemon.workers()]:
            self.assertEqual(harness.process_status(pid)["Cpus_allowed_list"], own, pid)

    def test_a_job_cannot_change_it(self):
        for pid in ("0", "os.getpid()", "1", "os.getpid() + 1"):
            for cores in (CORES, "os.sched_getaffinity(0)"):
                self.run_ok("import os\nbefore = os.sched_getaffinity(0)\n"
                            f"try: os.sched_setaffinity({pid}, {cores})\nexcept PermissionError: pass\n"
                            "else: raise SystemExit('changed')\n"
                            "assert os.sched_getaffinity(0) == before")
        self.core("import os, threading\ndef f():\n"
                  f" try: os.sched_setaffinity(threading.get_native_id(), {CORES})\n except PermissionError: pass\n"
                  "t = threading.Thread(target=f)\nt.start()\nt.join()\n" + SHOW, limits={"threads": 2})

    def test_more_jobs_than_cores_are_warned_of(self):
        self.assertIn(WARNING, self.daemon.log())
        self.assertIn("pin_cores", self.daemon.log())

    def test_clients_are_told(self):
        self.assertIs(self.client.call("daemon.info")["settings"]["pin_cores"], True)


class OneCore(Pinned):
    """The service itself is restricted, as by taskset or CPUAffinity=: to the last core of the machine."""

    @classmethod
    def setUpClass(cls):
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, CORES[-1:])
        try:
            super().setUpClass()
        finally:
            os.sched_setaffinity(0, before)

    def core(self, source=SHOW, **params):
        core = super().core(source, **params)
        self.assertEqual(core, CORES[-1])
        return core

    def test_one_after_the_other_they_go_round(self):
        self.core()

    def test_jobs_at_the_same_time_have_different_ones(self):
        cores = [core for _, _, core in (self.start(), self.start())]
        self.assertEqual(cores, CORES[-1:] * 2)

    def test_from_outside_it_is_the_same(self):
        for pid in self.daemon.workers():
            self.assertEqual(harness.process_status(pid)["Cpus_allowed_list"], str(CORES[-1]))

    def test_the_service_itself_is_not_pinned(self):
        self.daemon.wait_idle()  # but by whoever started it


class Enough(harness.DaemonCase):
    settings = {"pin_cores": "yes", "running_max": len(CORES), "guests_max": 0}

    def test_as_many_jobs_as_cores_need_no_warning(self):
        self.run_ok("pass")
        self.assertNotIn(WARNING, self.daemon.log())
        self.assertIn(f"each to one of {len(CORES)} cores", self.daemon.log())


class Off(harness.DaemonCase):
    def test_a_job_has_all_cores_and_cannot_give_them_up(self):
        self.assertEqual(self.run_ok(SHOW)["stdout"].split(), [str(core) for core in CORES])
        self.run_ok("import os\ntry: os.sched_setaffinity(0, os.sched_getaffinity(0))\nexcept PermissionError: pass\n"
                    "else: raise SystemExit('changed')")
        self.assertNotIn(WARNING, self.daemon.log())
        self.assertIs(self.client.call("daemon.info")["settings"]["pin_cores"], False)


if __name__ == "__main__":
    unittest.main()
