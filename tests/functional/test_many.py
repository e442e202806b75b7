"""Many jobs: all answered right, and afterwards nothing has grown. STINT_MANY_JOBS=10000 is the complete run."""
import os
import threading
import time
import unittest

import harness

JOBS = int(os.environ.get("STINT_MANY_JOBS", 3_000)) // harness.FEWER
CONNECTIONS, AHEAD = 8, 50


def rss_bytes(pid):
    return int(harness.process_status(pid)["VmRSS"].split()[0]) * 1024


class Throughput(harness.DaemonCase):
    def pump(self, number, count, faults):
        """`count` jobs on one connection, AHEAD of them unanswered at a time; each answer checked."""
        try:
            with self.daemon.connect(120 * harness.SLOW) as client:
                pending = []
                for n in range(count):
                    pending.append((n, client.send("job.run", {"source": f"print({number} * 1000000 + {n})"})))
                    if len(pending) >= AHEAD:
                        self.check(client, number, *pending.pop(0), faults)
                for pair in pending:
                    self.check(client, number, *pair, faults)
        except Exception as error:  # a thread's failure must reach the test
            faults.append(repr(error))

    @staticmethod
    def check(client, number, n, ident, faults):
        result = client.wait(ident)
        if (result["status"], result["stdout"]) != ("ok", f"{number * 1000000 + n}\n"):
            faults.append(repr(result))

    def storm(self, count):
        faults = []
        threads = [
            threading.Thread(target=self.pump, args=(n, count // CONNECTIONS, faults)) for n in range(CONNECTIONS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(faults[:3], [])
        self.daemon.wait_idle()

    def snapshot(self):
        pid, zygote = self.daemon.stintd_pid(), self.daemon.zygote_pid()
        return {
            "processes": len(harness.descendants(self.daemon.pid)),
            "workers": len(self.daemon.workers()),
            "descriptors": self.daemon.descriptors(),
            "groups": len(self.groups()),
            "stintd": rss_bytes(pid),
            "zygote": rss_bytes(zygote),
        }

    def groups(self):
        found = []
        for top in harness.cgroups(self.daemon.pid):
            for directory, inner, _ in os.walk(top):
                found += [os.path.join(directory, name) for name in inner]
        return found

    def test_thousands_of_jobs(self):
        self.storm(400)
        before = self.snapshot()
        start = time.monotonic()
        self.storm(JOBS)
        seconds = time.monotonic() - start
        print(f"\n{JOBS} jobs over {CONNECTIONS} connections: {seconds:.1f} s, {JOBS / seconds:.0f} a second")
        # Control groups that wait for the next worker are given up after a moment.
        harness.until(lambda: self.daemon.descriptors() <= before["descriptors"] + 16, 10, f"rest: {before['descriptors']}")
        after = self.snapshot()
        # The pool may be a worker larger or smaller at the moment of looking.
        self.assertLessEqual(abs(after["workers"] - before["workers"]), 1, (before, after))
        self.assertLessEqual(abs(after["processes"] - before["processes"]), 1, (before, after))
        self.assertLessEqual(after["descriptors"], before["descriptors"] + 16, (before, after))
        self.assertLessEqual(after["groups"], before["groups"] + 8, (before, after))
        if not harness.SANITIZED:  # AddressSanitizer keeps what was freed
            self.assertLess(after["stintd"], before["stintd"] + (16 << 20), (before, after))
        self.assertLess(after["zygote"], before["zygote"] + (4 << 20), (before, after))


class Queue(harness.DaemonCase):
    settings = {"queue_jobs_max": 5, "running_max": 2, "workers_ready": 2}

    def test_queue_full_is_said_at_once(self):
        """Before the first job has ended. Which are refused depends on how many come before two have begun to run."""
        sent = {self.client.send("job.run", {"source": "import time; time.sleep(0.7)"}) for _ in range(20)}
        full, done = 0, 0
        while sent:
            answer = self.client.line()
            if answer.get("id") not in sent:
                continue
            sent.remove(answer["id"])
            if "error" in answer:
                self.assertEqual(answer["error"]["data"]["reason"], "queue_full", answer)
                self.assertEqual(done, 0)
                full += 1
            else:
                self.assertEqual(answer["result"]["status"], "ok")
                done += 1
        self.assertEqual(full + done, 20)
        self.assertGreaterEqual(full, 10)
        self.assertGreaterEqual(done, 5)

    def test_waiting_is_reported_apart(self):
        self.daemon.wait_idle()
        first = [self.client.send("job.run", {"source": "import time; time.sleep(0.5)"}) for _ in range(2)]
        last = self.client.send("job.run", {"source": "print('x')"})
        usage = self.client.wait(last)["usage"]
        self.assertGreater(usage["queue_us"], 300_000)
        self.assertLess(usage["wall_us"], 300_000 * harness.SLOW)
        for ident in first:
            self.client.wait(ident)

    def test_status_of_a_waiting_job(self):
        for _ in range(2):
            self.client.send("job.run", {"source": "import time; time.sleep(3)"})
        harness.until(lambda: self.daemon.health()["jobs"]["running"] == 2, 10, "both places to be taken")
        ident = self.client.send("job.run", {"source": "pass", "stream": True})
        job = None
        while job is None:
            message = self.client.line()
            if message.get("method") == "job.progress":
                job = message["params"]["job"]
        status = self.client.call("job.status", {"job": job})
        self.assertEqual((status["state"], status["position"]), ("queued", 1))
        self.client.call("job.cancel", {"job": job})
        self.assertEqual(self.client.wait(ident)["status"], "cancelled")


if __name__ == "__main__":
    unittest.main()
