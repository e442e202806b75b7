"""Every process killed, or stopped for a while, in every state of the service; one row of OUTCOMES says what may
become of the jobs. Afterwards: one answer for each job or the connection's end, no old worker, service again (where
the spawner lives), and nothing left behind.
"""
import os
import select
import signal
import time
import unittest

import harness

QUICK = {"source": "print('done')"}
# Says that it runs, and ends when it is told to, or after a while.
LONG = {"source": "import os, time\nprint(os.getuid(), flush=True)\ntime.sleep(1.5)\nprint('done')", "stream": True,
        "limits": {"wall_ms": 60000}}
# Its output is read on the thread pool.
LARGE = {"source": "import sys\nfor i in range(1000): print('x' * 900)\nprint('done')", "limits": {"stdout_bytes": 4 << 20}}
ENDED = "connection ended"

# Victim: statuses that a job in work or waiting may get.
OUTCOMES = {
    "worker": {"ok", "runtime_error", "internal_error"},
    "zygote": {"ok", "internal_error"},
    "old zygote": {"ok", "internal_error"},
    "new zygote": {"ok", "internal_error"},
    "guardian": {"ok"},
    "stintd": {"ok", ENDED},
    "spawner": {"ok", ENDED},
}
STATES = ("idle", "queued", "starting", "running", "collecting")
CHANGE_JOBS = 4
SETTINGS = {"running_max": 2, "workers_ready": 3}


class Jobs:
    """One connection: what was sent, and what came for it, counted."""

    def __init__(self, daemon):
        self.client = daemon.connect()
        self.sent, self.got, self.running = [], {}, []

    def send(self, params):
        self.sent.append(self.client.send("job.run", params))

    def read(self):
        """One line; False at the end of the connection."""
        try:
            message = self.client.line()
        except OSError:
            message = None
        if message is None:
            return False
        if "method" in message:
            if message["params"].get("stream") == "stdout" and message["params"]["data"].strip().isdigit():
                self.running.append(int(message["params"]["data"]))
            return True
        answer = message.get("result") or message["error"]
        self.got.setdefault(message["id"], []).append(answer.get("status", answer.get("message")))
        return True

    def until_running(self, count):
        while len(self.running) < count:
            assert self.read(), "the connection ended"

    def finish(self):
        """Statuses of all jobs, ENDED for those that the connection took with it; each at most once."""
        while len(self.got) < len(self.sent) and self.read():
            pass
        if len(self.got) == len(self.sent) and select.select([self.client.socket], [], [], 0.05)[0]:
            assert not self.read(), f"more answers than jobs: {self.got}"
        self.client.close()
        assert set(self.got) <= set(self.sent), self.got
        assert all(len(statuses) == 1 for statuses in self.got.values()), self.got
        return [self.got.get(ident, [ENDED])[0] for ident in self.sent]


def birth(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        return file.read().rpartition(")")[2].split()[19]


def alive(processes):
    found = []
    for pid, born in processes:
        try:
            status = harness.process_status(pid)
            if status and status["State"][0] not in "ZX" and birth(pid) == born:
                found.append(pid)
        except OSError:
            pass
    return found


class Matrix(unittest.TestCase):
    def victim(self, daemon, name, jobs):
        if name == "spawner":
            return daemon.pid
        if name == "stintd":
            return daemon.stintd_pid()
        if name == "zygote":
            return daemon.zygote_pid()
        if name in ("old zygote", "new zygote"):
            return self.zygotes(daemon)[name == "new zygote"]
        if name == "guardian":
            return daemon.find("stint-guardian")[0]
        for pid in daemon.workers():  # of a job, when one runs
            status = harness.process_status(pid)
            if status and jobs.running and (int(status["Uid"].split()[0]) - daemon.uid_base) % harness.UID_COUNT in jobs.running:
                return pid
        return harness.until(daemon.workers, 10, "a worker")[0]

    @staticmethod
    def zygotes(daemon):
        """Of both generations, the older one first; while they change there are two."""
        def both():
            found = [p for p in daemon.find(os.path.basename(harness.ZYGOTE)) if p in harness.children(daemon.pid)]
            return sorted(found, key=lambda pid: int(birth(pid))) if len(found) == 2 else None
        return harness.until(both, 20, "two generations")

    def enter(self, daemon, state):
        """Bring the service into that state, with the jobs that belong to it."""
        jobs = Jobs(daemon)
        self.addCleanup(jobs.client.close)
        if state in ("running", "draining"):
            jobs.send(LONG)
            jobs.until_running(1)
        elif state == "queued":
            for _ in range(4):
                jobs.send(LONG)
            jobs.until_running(2)
        elif state == "starting":
            for _ in range(8):  # more than are ready: workers are on their way
                jobs.send(QUICK)
            jobs.read()
        elif state == "changing":
            jobs.send(LONG)  # keeps the old generation
            jobs.until_running(1)
            for _ in range(CHANGE_JOBS):
                jobs.send(QUICK)
            while len(jobs.got) < CHANGE_JOBS:
                assert jobs.read(), "the connection ended"
            self.zygotes(daemon)
        elif state == "collecting":
            for _ in range(4):
                jobs.send(LARGE)
            jobs.read()
        if state == "draining":
            daemon.process.send_signal(signal.SIGTERM)
        return jobs

    def kill(self, daemon, victim, jobs):
        """Returns the processes that must not be there any more afterwards."""
        pid = self.victim(daemon, victim, jobs)
        condemned = [pid]
        if victim in ("stintd", "zygote", "spawner"):
            condemned += harness.worker_pids(daemon.uid_base)
        elif "zygote" in victim:
            condemned += harness.children(pid)
        if victim == "spawner":
            condemned += harness.descendants(daemon.pid)
        pairs = []
        for process in set(condemned):
            try:
                pairs.append((process, birth(process)))
            except OSError:
                pass
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            if victim != "worker":
                raise
            return self.kill(daemon, victim, jobs)  # its job has ended meanwhile: another one
        if victim == "spawner":
            daemon.process.wait()
        return pairs

    def check_serves(self, daemon):
        daemon.wait_serving()
        with daemon.connect() as client:
            result = client.run("print(6 * 7)")
            if result["status"] == "internal_error":  # a zygote's end that was on its way
                daemon.wait_serving()
                result = client.run("print(6 * 7)")
            self.assertEqual((result["status"], result["stdout"]), ("ok", "42\n"), result)
        harness.until(lambda: len(daemon.find("stint-guardian")) == 1, 5, "a guardian")

    def check_end(self, daemon, code):
        self.assertIn(daemon.stop(), code, daemon.log())
        daemon.wait_clean(10)
        self.assertIsNone(harness.BAD_LOG.search(daemon.log()), daemon.log())

    def start(self, **settings):
        daemon = harness.Daemon(**SETTINGS, **settings)
        self.addCleanup(daemon.remove)
        self.addCleanup(daemon.kill)
        daemon.wait_idle()
        return daemon

    def check_kill(self, daemon, victim, state):
        jobs = self.enter(daemon, state)
        condemned = self.kill(daemon, victim, jobs)
        statuses = jobs.finish()
        self.assertLessEqual(set(statuses), OUTCOMES[victim], statuses)
        if victim == "worker":  # one process is one job
            self.assertLessEqual(len([s for s in statuses if s != "ok"]), 1, statuses)
        harness.until(lambda: not alive(condemned), 5, "the end of what was killed")

    def test_service_goes_on(self):
        """In one daemon, one after the other."""
        daemon = self.start()
        for victim in ("worker", "guardian", "zygote", "stintd"):
            for state in STATES:
                with self.subTest(killed=victim, state=state):
                    self.check_kill(daemon, victim, state)
                    self.check_serves(daemon)
                    daemon.wait_idle()
        self.check_end(daemon, {0})

    def test_spawner(self):
        for state in STATES + ("draining",):
            with self.subTest(state=state):
                daemon = self.start()
                self.check_kill(daemon, "spawner", state)
                daemon.wait_clean(10)

    def test_while_generations_change(self):
        for victim in ("worker", "guardian", "old zygote", "new zygote", "stintd", "spawner"):
            with self.subTest(killed=victim):
                daemon = self.start(generation_jobs_max=CHANGE_JOBS)
                self.check_kill(daemon, victim, "changing")
                if victim == "spawner":
                    daemon.wait_clean(10)
                    continue
                self.check_serves(daemon)
                self.check_end(daemon, {0})

    def test_while_draining(self):
        """The order to stop is carried out whoever dies."""
        for victim in ("worker", "guardian", "zygote", "stintd"):
            with self.subTest(killed=victim):
                daemon = self.start()
                self.check_kill(daemon, victim, "draining")
                self.check_end(daemon, {0})

    def test_stopped_for_a_while(self):
        """SIGSTOP, half a second, SIGCONT: late, but everything is as it would have been."""
        daemon = self.start()
        for victim in ("stintd", "zygote", "guardian"):
            for state in STATES:
                with self.subTest(stopped=victim, state=state):
                    jobs = self.enter(daemon, state)
                    pid = self.victim(daemon, victim, jobs)
                    os.kill(pid, signal.SIGSTOP)
                    try:
                        jobs.send(QUICK)
                        time.sleep(0.5)
                    finally:
                        os.kill(pid, signal.SIGCONT)
                    self.assertEqual(set(jobs.finish()), {"ok"})
                    self.check_serves(daemon)
                    daemon.wait_idle()
        self.check_end(daemon, {0})

    def test_stopped_and_killed(self):
        """A process that hangs can be killed like another."""
        daemon = self.start()
        for victim in ("zygote", "stintd"):
            with self.subTest(victim=victim):
                jobs = self.enter(daemon, "running")
                os.kill(self.victim(daemon, victim, jobs), signal.SIGSTOP)
                condemned = self.kill(daemon, victim, jobs)
                self.assertLessEqual(set(jobs.finish()), OUTCOMES[victim])
                harness.until(lambda: not alive(condemned), 5, "the end of what was killed")
                self.check_serves(daemon)
        self.check_end(daemon, {0})


if __name__ == "__main__":
    unittest.main()
