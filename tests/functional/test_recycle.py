"""Generations one after another under load: no job fails or waits, nothing piles up, counts stay equal."""
import os
import re
import signal
import threading
import time
import unittest

import harness

ADDRESSES = "print(id(None), id(len), id(object()) // 2**32)"
COUNTED = "import json\nprint(sum(len(json.dumps([i] * 3)) for i in range(50)))"
UNTIL_TOLD = ("import signal, time\ntold = []\nsignal.signal(signal.SIGUSR1, lambda *_: told.append(1))\n"
              "while not told: time.sleep(0.02)\nprint('whole')")
RECYCLES = harness.rounds(50)
CONNECTIONS = 4


def gone(daemon, generation):
    """One zygote, one group of a generation: nothing of those before."""
    names = {name for path in harness.cgroups(daemon.pid) for name in os.listdir(path) if name.startswith("gen-")}
    return names == {f"gen-{generation}"} and len(zygotes(daemon)) == 1


def zygotes(daemon):
    named = set(daemon.find("stint-zygote"))
    return [pid for pid in harness.children(daemon.pid) if pid in named]


class Load(threading.Thread):
    """Jobs on one connection, one after another, until told to end."""

    def __init__(self, daemon):
        super().__init__()
        self.daemon_under_test = daemon
        self.ending = False
        self.bad, self.counts, self.meters, self.addresses = [], set(), set(), set()
        self.jobs = 0
        self.start()

    def run(self):
        try:
            with self.daemon_under_test.connect() as client:
                while not self.ending:
                    self.two_jobs(client)
        except (OSError, harness.RpcError) as error:
            self.bad.append(repr(error))

    def two_jobs(self, client):
        counted = client.run(COUNTED)
        where = client.run(ADDRESSES)
        self.jobs += 2
        self.bad += [r for r in (counted, where) if r["status"] != "ok"]
        self.counts.add((counted["usage"]["opcodes"], counted["stdout"]))
        self.meters.add(counted["meter_id"])
        self.addresses.update(where["stdout"].split()[:1])


class Recycle(harness.DaemonCase):
    settings = {"generation_jobs_max": 8}

    def wait_settled(self):
        self.daemon.wait_idle()
        harness.until(lambda: gone(self.daemon, self.daemon.health()["generation"]), 20, "one generation alone")

    def test_many_under_load(self):
        self.wait_settled()
        descriptors = self.daemon.descriptors()
        first = self.daemon.health()["generation"]
        loads = [Load(self.daemon) for _ in range(CONNECTIONS)]
        most = 0
        try:
            end = time.monotonic() + 120 * harness.SLOW
            while self.daemon.health()["generation"] < first + RECYCLES:
                self.assertLess(time.monotonic(), end, self.daemon.log())
                most = max(most, len(zygotes(self.daemon)))
                time.sleep(0.05)
        finally:
            for load in loads:
                load.ending = True
            for load in loads:
                load.join()
        self.wait_settled()
        last = self.daemon.health()["generation"]
        self.assertEqual([r for load in loads for r in load.bad], [])
        self.assertLessEqual(most, 2)
        # One count and one meter for all; an address layout for each generation.
        self.assertEqual(len(set().union(*(load.counts for load in loads))), 1)
        self.assertEqual(len(set().union(*(load.meters for load in loads))), 1)
        layouts = len(set().union(*(load.addresses for load in loads)))
        self.assertTrue(RECYCLES - 3 <= layouts <= last - first + 1, (layouts, first, last))
        served = [int(n) for n in re.findall(r"generation (\d+) serves\n", self.daemon.log())]
        self.assertEqual(served, list(range(1, last + 1)))
        self.assertGreater(sum(load.jobs for load in loads), 8 * RECYCLES // 2)
        harness.until(lambda: self.daemon.descriptors() <= descriptors + CONNECTIONS, 10, "descriptors as before")
        self.daemon.wait_idle()
        self.assertEqual(len(self.daemon.workers()), self.daemon.health()["workers"]["ready"])

    def test_layout_is_of_the_generation(self):
        seen = []
        for _ in range(3):
            self.wait_settled()
            generation = self.daemon.health()["generation"]
            within = {self.run_ok(ADDRESSES)["stdout"] for _ in range(4)}
            if self.daemon.health()["generation"] == generation:
                self.assertEqual(len(within), 1, within)
                seen.append(within.pop().split()[:2])
            for _ in range(8):
                self.run_ok("pass")
            harness.until(lambda: self.daemon.health()["generation"] > generation, 20, "the next generation")
        self.assertGreaterEqual(len(seen), 2)
        for values in zip(*seen):
            self.assertEqual(len(set(values)), len(values), seen)

    def test_long_job_keeps_its_generation(self):
        """It runs to its end while its successor serves, and no third is started meanwhile."""
        self.wait_settled()
        long_one = self.daemon.connect()
        self.addCleanup(long_one.close)
        ident = long_one.send("job.run", {"source": UNTIL_TOLD, "limits": {"wall_ms": 20000 * harness.SLOW}})
        harness.until(lambda: self.daemon.health()["jobs"]["running"] == 1, 10, "the long job")
        before = self.daemon.health()["generation"]
        (old,) = zygotes(self.daemon)
        for _ in range(24):
            self.run_ok("pass")
        harness.until(lambda: self.daemon.health()["generation"] > before, 20, "a successor")
        for _ in range(24):
            self.run_ok("pass")
        self.assertEqual(self.daemon.health()["generation"], before + 1)
        self.assertEqual(len(zygotes(self.daemon)), 2)
        (worker,) = harness.children(old)
        os.kill(worker, signal.SIGUSR1)
        self.assertEqual(long_one.wait(ident)["stdout"], "whole\n")
        harness.until(lambda: self.daemon.health()["generation"] == before + 2, 20, "the one after it")


class Idle(harness.DaemonCase):
    # Longer than a generation takes to start, or there is never one alone.
    settings = {"generation_time_max": f"{harness.SLOW}s"}

    def test_by_time_without_any_job(self):
        first = self.daemon.health()["generation"]
        harness.until(lambda: self.daemon.health()["generation"] >= first + 3, 30, "generations of an idle daemon")
        harness.until(lambda: gone(self.daemon, self.daemon.health()["generation"]), 20, "one generation alone")
        self.run_ok("print(1)")


class Preload(unittest.TestCase):
    def test_wrong_module_ends_the_start(self):
        """The service does not try for ever what cannot succeed; it names the module."""
        with self.assertRaises(AssertionError) as caught:
            harness.Daemon(preload="json no_such_module_here")
        text = str(caught.exception)
        self.assertIn("the daemon ended with 1", text)
        self.assertIn("module 'no_such_module_here' cannot be imported", text)
        self.assertIn("remedy: see the setting preload", text)
        self.assertEqual(text.count("ready: Python"), 0)


if __name__ == "__main__":
    unittest.main()
