"""daemon.drain and `stint drain`: what an operator asks for is what SIGTERM begins, and nobody else may."""
import json
import os
import subprocess
import tempfile
import unittest

import harness
from test_service_manager import SANITIZED, Activated
from test_tenants import connect_as

PLAIN, BOSS = 61999, 61200
UNTIL_TOLD = "import sys, time\nprint('on', flush=True)\ntime.sleep(1.5)\nprint('whole')"


class Case(unittest.TestCase):
    """A daemon of its own for each test."""

    def start(self, **settings):
        self.daemon = harness.Daemon(socket_mode="0666", operators=f"root {BOSS}", **settings)
        self.addCleanup(self.daemon.remove)
        self.addCleanup(self.daemon.kill)

    def connect(self):
        client = self.daemon.connect()
        self.addCleanup(client.close)
        return client

    def job_in_flight(self, source=UNTIL_TOLD, daemon=None):
        client = (daemon or self.daemon).connect()
        self.addCleanup(client.close)
        ident = client.send("job.run", {"source": source, "stream": True, "limits": {"wall_ms": 60000}})
        while client.line().get("method") != "job.output":
            pass
        return client, ident

    def whole(self, client, ident):
        result = client.wait(ident)
        self.assertEqual((result["status"], result["stdout"]), ("ok", "on\nwhole\n"), result)

    def ends(self):
        """By itself, in good order, and leaves nothing."""
        self.assertEqual(self.daemon.process.wait(harness.STOP_SECONDS), 0, self.daemon.log())
        self.daemon.wait_clean()
        self.assertIsNone(harness.BAD_LOG.search(self.daemon.log()), self.daemon.log())
        self.assertNotIn("stintd ended", self.daemon.log())

    def refused(self, client, method="job.run", **params):
        with self.assertRaises(harness.RpcError) as caught:
            client.call(method, params)
        return caught.exception


class Drain(Case):
    def test_jobs_end_and_new_ones_are_refused(self):
        self.start(running_max=1)
        first, boss, other = self.job_in_flight(), self.connect(), self.connect()
        queued = other.send("job.run", {"source": "print('queued')"})
        harness.until(lambda: boss.call("daemon.health")["jobs"]["queued"] == 1, 20, "a queued job")
        self.assertEqual(boss.call("daemon.drain"), {"status": "draining", "jobs": {"queued": 1, "running": 1}})
        # From the answer on, on every connection, one that is new too.
        for client in (boss, other, self.connect()):
            ident = client.send("job.run", {"source": "print(1)"})
            error = client.wait_raw(ident)["error"]
            self.assertEqual((error["code"], error["data"]["reason"]), (-32006, "draining"))
            self.assertGreater(error["data"]["retry_after_ms"], 0)
        self.assertEqual(boss.call("daemon.health")["status"], "draining")
        self.assertIn("daemon.drain", boss.call("daemon.info")["methods"])
        self.assertEqual(boss.call("daemon.drain")["status"], "draining")  # again: no more than that
        self.whole(*first)
        self.assertEqual(other.wait(queued)["stdout"], "queued\n")
        self.assertIsNone(boss.line())
        self.ends()

    def test_without_a_job_it_ends_at_once(self):
        self.start()
        boss = self.connect()
        self.assertEqual(boss.call("daemon.drain", {})["jobs"], {"queued": 0, "running": 0})
        self.assertIsNone(boss.line())
        self.ends()

    def test_as_a_notification(self):
        self.start()
        boss = self.connect()
        boss.send_raw(b'{"jsonrpc":"2.0","method":"daemon.drain"}\n')
        self.assertIsNone(boss.line())
        self.ends()

    def test_again_and_again_for_as_long_as_it_lasts(self):
        """The spawner hears of it once: what a stintd in wrong hands would send more often ends it."""
        self.start()
        job, bosses = self.job_in_flight(), [self.connect() for _ in range(4)]
        for boss in bosses:
            boss.send_raw(b'{"jsonrpc":"2.0","id":1,"method":"daemon.drain"}\n' * 50)
        for boss in bosses:
            boss.wait(1)
        self.whole(*job)
        self.ends()

    def test_a_signal_before_and_behind_it(self):
        """The second SIGTERM ends at once; one and a daemon.drain do not make two."""
        for signal_first in (True, False):
            with self.subTest(signal_first=signal_first):
                self.start()
                job, boss = self.job_in_flight(), self.connect()
                if signal_first:
                    self.daemon.process.terminate()
                    harness.until(lambda: boss.call("daemon.health")["status"] == "draining", 20, "a drain")
                    self.assertEqual(boss.call("daemon.drain")["jobs"]["running"], 1)
                    self.whole(*job)
                else:
                    boss.call("daemon.drain")
                    harness.until(lambda: "stopping: running jobs" in self.daemon.log(), 20, "the spawner's part")
                    self.daemon.process.terminate()
                self.ends()

    def test_who_is_no_operator(self):
        self.start()
        job, boss = self.job_in_flight(), connect_as(self.daemon.socket, BOSS)
        self.addCleanup(boss.close)
        with connect_as(self.daemon.socket, PLAIN) as plain:
            error = self.refused(plain, "daemon.drain")
            self.assertEqual((error.code, error.reason), (-32004, "not_permitted"))
            self.assertEqual(plain.run("print(1)")["status"], "ok")
            self.assertEqual(self.refused(boss, "daemon.drain", now=True).code, -32602)
            self.assertEqual(plain.run("print(1)")["status"], "ok")
            self.assertEqual(boss.call("daemon.drain")["status"], "draining")
            self.assertEqual(self.refused(plain, source="print(1)").reason, "draining")
        self.assertIn(f"uid-{BOSS}: daemon.drain", self.daemon.log())
        self.whole(*job)
        self.ends()

    def test_jobs_that_are_stored(self):
        """As in a SIGTERM's drain: what runs ends, what waits is the next daemon's."""
        with tempfile.TemporaryDirectory(prefix="stint-state-", dir="/tmp") as directory:
            state = os.path.join(directory, "state")
            self.start(running_max=1, state_dir=state)
            boss, waiter = self.connect(), self.connect()
            running = boss.call("job.submit", {"source": "import time\ntime.sleep(1.5)\nprint('ran')"})
            harness.until(lambda: boss.call("job.status", running)["state"] == "running", 20, "a running job")
            waiting = boss.call("job.submit", {"source": "print('later')"})
            waits = [waiter.send("job.wait", job) for job in (running, waiting)]
            waiter.call("daemon.health")
            harness.until(lambda: boss.call("job.result", waiting)["state"] == "queued", 20, "a queue")
            boss.call("daemon.drain")
            self.assertEqual(self.refused(boss, "job.submit", source="1").reason, "draining")
            self.assertEqual(waiter.wait_raw(waits[1])["error"]["data"]["reason"], "draining")
            self.assertEqual(waiter.wait(waits[0])["stdout"], "ran\n")
            self.ends()
            self.start(state_dir=state, uid_base=self.daemon.uid_base)
            boss = self.connect()
            self.assertEqual(boss.call("job.result", running)["stdout"], "ran\n")
            self.assertEqual(boss.call("job.wait", waiting)["stdout"], "later\n")
            boss.call("daemon.drain")
            self.ends()


@SANITIZED
class UnderAManager(unittest.TestCase):
    def test_the_socket_stays(self):
        daemon = Activated()
        ended = False
        try:
            self.assertEqual(daemon.told(), "READY=1", daemon.log())
            with daemon.connect() as client, daemon.connect() as boss:
                ident = client.send("job.run", {"source": UNTIL_TOLD, "stream": True})
                while client.line().get("method") != "job.output":
                    pass
                boss.call("daemon.drain")
                self.assertEqual(daemon.told(), "STOPPING=1")
                self.assertEqual(client.wait(ident)["stdout"], "on\nwhole\n")
            self.assertEqual(daemon.process.wait(harness.STOP_SECONDS), 0, daemon.log())
            ended = True
            # It listens still, for the manager's next one: a caller waits and is not refused.
            with daemon.connect():
                daemon.listening.settimeout(harness.ANSWER_SECONDS)
                daemon.listening.accept()[0].close()
        finally:
            daemon.end(self)
        self.assertTrue(ended)


class CommandLine(Case):
    def stint(self, *arguments, **options):
        return subprocess.run([harness.CLIENT, "drain", "--socket", self.daemon.socket, *arguments], cwd="/", stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60 * harness.SLOW, **options)

    def test_refused_then_done(self):
        self.start()
        job = self.job_in_flight()
        for options, said in (({"user": PLAIN, "group": PLAIN, "extra_groups": []}, "not_permitted"), ({}, "takes no")):
            done = self.stint(*([] if options else ["word"]), **options)
            self.assertEqual((done.returncode, done.stdout), (125, ""), done.stderr)
            self.assertIn(said, done.stderr)
        self.assertEqual(self.daemon.health()["status"], "ok")
        done = self.stint("--json")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(json.loads(done.stdout), {"status": "draining", "jobs": {"queued": 0, "running": 1}})
        done = self.stint("--wait", user=BOSS, group=PLAIN, extra_groups=[])
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("draining", done.stdout)
        self.whole(*job)
        self.ends()
        done = self.stint()
        self.assertEqual(done.returncode, 125)
        self.assertIn("no daemon", done.stderr)

    def test_it_waits_for_running_jobs(self):
        self.start()
        job = self.job_in_flight()
        self.assertEqual(self.stint("--wait").returncode, 0)
        self.daemon.process.wait(harness.STOP_SECONDS)
        self.whole(*job)  # it was there to be read before the wait was over
        self.ends()


if __name__ == "__main__":
    unittest.main()
