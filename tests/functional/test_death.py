"""Any process may die at any time: jobs end with a defined answer, the service goes on, nothing stays."""
import os
import signal
import subprocess
import time
import unittest

import harness

SLEEP = "import time\nprint('on', flush=True)\ntime.sleep(20)"


class Case(unittest.TestCase):
    """A daemon of its own for each test."""

    def setUp(self):
        self.daemon = harness.Daemon()
        self.addCleanup(self.daemon.remove)
        self.addCleanup(self.daemon.kill)

    def start_job(self, source=SLEEP):
        """A client with a job that runs; (client, id of its request)."""
        client = self.daemon.connect()
        self.addCleanup(client.close)
        params = {"source": source, "stream": True, "limits": {"wall_ms": 60000, "cpu_ms": 60000}}
        ident = client.send("job.run", params)
        while client.line().get("method") != "job.output":
            pass
        return client, ident

    def finish(self):
        self.assertEqual(self.daemon.stop(), 0, self.daemon.log())
        self.daemon.wait_clean()
        self.assertIsNone(harness.BAD_LOG.search(self.daemon.log()), self.daemon.log())

    def run_one(self):
        with self.daemon.connect() as client:
            result = client.run("print(6 * 7)")
            self.assertEqual((result["status"], result["stdout"]), ("ok", "42\n"))

    def busy_worker(self):
        """Pid of the worker that has most CPU or, with sleepers, any that is not in the ready pool."""
        return max(self.daemon.workers(), key=lambda pid: os.stat(f"/proc/{pid}").st_mtime)


class Worker(Case):
    def test_killed_from_outside(self):
        client, ident = self.start_job("print('on', flush=True)\nwhile True: pass")

        def spinning():
            found = []
            for pid in self.daemon.workers():
                with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
                    found.append((int(file.read().rpartition(")")[2].split()[11]), pid))
            return max(found) if found and max(found)[0] > 5 else None

        _, pid = harness.until(spinning, 10, "a worker that uses CPU")
        os.kill(pid, signal.SIGKILL)
        result = client.wait(ident)
        self.assertIn(result["status"], ("runtime_error", "internal_error"))
        self.assertEqual((result["stdout"], result["signal"]), ("on\n", 9))
        self.run_one()
        self.finish()

    def test_ready_worker_killed(self):
        """One dead worker costs no job: another one takes it."""
        for _ in range(5):
            self.daemon.wait_idle()
            os.kill(self.daemon.workers()[0], signal.SIGKILL)
            for _ in range(4):
                self.run_one()
        self.finish()

    def test_all_ready_workers_killed_at_once(self):
        """A job that meets nothing but dead workers is answered; those after it run."""
        for pid in self.daemon.workers():
            os.kill(pid, signal.SIGKILL)
        with self.daemon.connect() as client:
            for _ in range(4):
                self.assertIn(client.run("print(1)")["status"], ("ok", "internal_error"))
        self.daemon.wait_idle()
        for _ in range(4):
            self.run_one()
        self.finish()


class Zygote(Case):
    def test_killed(self):
        client, ident = self.start_job()
        old = self.daemon.zygote_pid()
        os.kill(old, signal.SIGKILL)
        answer = client.wait_raw(ident)
        self.assertIn(answer["result"]["status"], ("internal_error", "cancelled", "ok"))
        self.daemon.wait_serving()
        self.run_one()
        self.assertNotEqual(self.daemon.zygote_pid(), old)
        self.finish()

    def test_killed_again_and_again(self):
        for _ in range(3):
            os.kill(self.daemon.zygote_pid(), signal.SIGKILL)
            time.sleep(0.2)
        harness.until(self.daemon.serving, 30, "service after the zygote's deaths")
        self.run_one()
        self.finish()

    def test_stopped_zygote_does_not_stop_kills(self):
        client, ident = self.start_job("print('on', flush=True)\nwhile True: pass")
        os.kill(self.daemon.zygote_pid(), signal.SIGSTOP)
        try:
            with self.daemon.connect() as other:
                job = other.call("daemon.health")["jobs"]["running"]
                self.assertEqual(job, 1)
                sent = client.send("job.cancel", {"id": ident})
                client.wait_raw(sent)
        finally:
            os.kill(self.daemon.zygote_pid(), signal.SIGCONT)
        self.assertEqual(client.wait(ident)["status"], "cancelled")
        self.run_one()
        self.finish()


class Stintd(Case):
    def test_killed(self):
        client, _ = self.start_job()
        old = self.daemon.stintd_pid()
        os.kill(old, signal.SIGKILL)
        with self.assertRaises(OSError):
            while client.line() is not None:
                pass
            raise ConnectionResetError
        self.daemon.wait_serving()
        self.run_one()
        self.assertNotEqual(self.daemon.stintd_pid(), old)
        harness.until(lambda: len(self.daemon.find("stint-zygote")) > 0, 5, "a zygote")
        self.daemon.wait_idle()
        self.finish()

    def test_clients_can_connect_while_it_restarts(self):
        os.kill(self.daemon.stintd_pid(), signal.SIGKILL)
        with self.daemon.connect(60 * harness.SLOW) as client:
            self.assertEqual(client.run("print(1)")["stdout"], "1\n")
        self.finish()


class Spawner(Case):
    def test_killed(self):
        client, _ = self.start_job()
        before = harness.descendants(self.daemon.pid)
        os.kill(self.daemon.pid, signal.SIGKILL)
        self.daemon.process.wait()
        try:
            while client.line() is not None:
                pass
        except OSError:
            pass
        harness.until(lambda: not [p for p in before if os.path.exists(f"/proc/{p}")], 10, "the end of all processes")
        self.daemon.wait_clean(10)

    def test_terminated_with_a_running_job(self):
        client, ident = self.start_job()
        self.daemon.process.send_signal(signal.SIGTERM)
        try:
            answer = client.wait_raw(ident)
            self.assertIn(answer["result"]["status"], ("cancelled", "ok"))
        except ConnectionError:
            self.fail("no answer for a job in work at a drain")
        self.finish()

    def test_interrupted(self):
        self.daemon.process.send_signal(signal.SIGINT)
        self.finish()

    def test_short_jobs_end_before_the_drain_does(self):
        client, ident = self.start_job("import time\nprint('on', flush=True)\ntime.sleep(0.5)\nprint('done')")
        self.daemon.process.send_signal(signal.SIGTERM)
        result = client.wait(ident)
        self.assertEqual((result["status"], result["stdout"]), ("ok", "on\ndone\n"))
        self.finish()


class Client(Case):
    def test_killed_in_the_middle(self):
        process = subprocess.Popen(
            [harness.CLIENT, "run", "--socket", self.daemon.socket, "--no-stdin", "-c", SLEEP, "--wall", "1min"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )
        self.assertEqual(process.stdout.readline(), b"on\n")
        process.kill()
        process.wait()
        process.stdout.close()
        self.daemon.wait_idle()
        self.run_one()
        self.finish()

    def test_a_hundred_vanish(self):
        before = self.daemon.descriptors()
        for _ in range(100):
            client = self.daemon.connect()
            client.send("job.run", {"source": SLEEP})
            client.close()
        self.daemon.wait_idle()
        harness.until(lambda: self.daemon.descriptors() <= before + 16, 10, f"{before} descriptors again")
        self.run_one()
        self.finish()


if __name__ == "__main__":
    unittest.main()
