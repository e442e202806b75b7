"""bench/load against a real daemon: what it counts is what was sent, whatever became of it."""
import json
import os
import subprocess
import unittest

import harness

LOAD = os.path.join(harness.BUILD, "bench", "load")
OTHER_UID = 70123


class Load(harness.DaemonCase):
    settings = {"socket_mode": "0666", "running_max": 4, "queue_jobs_max": 40}

    def load(self, *words, status=0):
        """Runs it to the end; its figures by the tenants' names."""
        path = os.path.join(self.daemon.directory, "figures.json")
        done = subprocess.run(
            [LOAD, "--socket", self.daemon.socket, "--json", path, "--seconds", "600", "--drain", "120", *words],
            capture_output=True, text=True, timeout=240 * harness.SLOW, check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        with open(path, encoding="utf-8") as file:
            tenants = json.load(file)["tenants"]
        os.unlink(path)
        for tenant in tenants:
            self.assertEqual(tenant["sent"], tenant["answered"] + tenant["missing"], tenant)
            self.assertEqual(tenant["answered"], tenant["results"] + tenant["refused"], tenant)
            self.assertEqual(sum(tenant["statuses"].values()), tenant["results"], tenant)
            self.assertEqual(tenant["latency_us"]["count"], tenant["results"], tenant)
            self.assertEqual(tenant["refusal_us"]["count"], tenant["refused"], tenant)
            self.assertEqual(tenant["send_lag_us"]["count"], tenant["sent"], tenant)
        return {tenant["name"]: tenant for tenant in tenants}

    def ended(self):
        return self.daemon.health()["ended"]

    def test_closed_loop(self):
        before = self.ended()
        found = self.load("a,connections=3,in_flight=2,jobs=60")["a"]
        self.assertEqual((found["sent"], found["statuses"], found["refused"]), (60, {"ok": 60}, 0))
        self.assertEqual(self.ended()["ok"] - before["ok"], 60)
        times = found["latency_us"]
        self.assertTrue(0 < times["min"] <= times["p50"] <= times["p99"] <= times["max"], times)

    def test_open_loop(self):
        for arrivals in "poisson", "fixed":
            found = self.load(f"a,connections=2,rate=50,arrivals={arrivals},jobs=40")["a"]
            self.assertEqual((found["sent"] + found["left_out"], found["statuses"]), (40, {"ok": 40}))

    def test_every_kind_ends_as_it_says(self):
        names = [line.split() for line in subprocess.run([LOAD, "--kinds"], capture_output=True, text=True,
                                                         check=True).stdout.splitlines()]
        self.assertGreater(len(names), 15)
        found = self.load(*[f"{name},jobs=2,mix={name}" for name, _ in names])
        for name, status in names:
            self.assertEqual(found[name]["statuses"], {status: 2}, name)
            self.assertEqual(found[name]["kinds"][name]["results"], 2)

    def test_mix_counts_by_kind(self):
        found = self.load("a,in_flight=3,jobs=60,mix=trivial:2+error+syntax")["a"]
        kinds = found["kinds"]
        self.assertEqual(sum(kind["sent"] for kind in kinds.values()), 60)
        for name, status in ("trivial", "ok"), ("error", "runtime_error"), ("syntax", "compile_error"):
            self.assertGreater(kinds[name]["sent"], 0)
            self.assertEqual(kinds[name]["statuses"], {status: kinds[name]["sent"]})

    def test_tenants_are_users(self):
        """Another user's job is not there for the third; so each really was another."""
        asked = os.path.join(self.daemon.directory, "cancel.json")
        job = self.client.send("job.run", {"source": "import time\ntime.sleep(60)", "stream": True,
                                           "limits": {"wall_ms": 120000}})
        while not self.client.notifications:
            message = self.client.line()
            if message.get("method") == "job.progress":
                self.client.notifications.append(message)
        ident = self.client.notifications[0]["params"]["job"]
        with open(asked, "w", encoding="utf-8") as file:
            json.dump({"job": ident}, file)
        call = ["--call", f"cancel=job.cancel:{asked}"]
        found = self.load(*call, f"a,uid={OTHER_UID},uids=2,connections=2,jobs=4,mix=cancel")["a"]
        self.assertEqual((found["results"], found["reasons"]), (0, {"not_found": 4}))
        found = self.load(*call, "own,jobs=1,mix=cancel")["own"]
        self.assertEqual(found["statuses"], {"answered": 1})
        self.assertEqual(self.client.wait(job)["status"], "cancelled")

    def test_refusals_are_counted(self):
        """4 run, 40 wait: of 100 sleepers that are sent at once some are refused, and all answered."""
        found = self.load("a,connections=1,in_flight=100,jobs=100,mix=sleep")["a"]
        self.assertEqual(found["results"] + found["refused"], 100)
        self.assertGreaterEqual(found["results"], 44)
        self.assertEqual(found["reasons"], {"queue_full": found["refused"]} if found["refused"] else {})
        self.assertGreater(found["refused"], 0)

    def test_large_requests_and_answers(self):
        params = os.path.join(self.daemon.directory, "large.json")
        with open(params, "w", encoding="utf-8") as file:
            json.dump({"source": "import sys\nprint(len(sys.stdin.read()))\nprint('x' * 1000000, end='')",
                       "stdin": "y" * 3000000}, file)
        found = self.load("--call", f"large=job.run:{params}", "a,connections=2,in_flight=2,jobs=8,mix=large")["a"]
        self.assertEqual(found["statuses"], {"ok": 8})
        self.assertGreater(found["window_bytes"], 8 * 1000000)

    def test_a_status_that_is_not_the_kinds(self):
        params = os.path.join(self.daemon.directory, "bad.json")
        with open(params, "w", encoding="utf-8") as file:
            json.dump({"source": "pass", "speed": 1}, file)
        found = self.load("--call", f"bad=job.run:{params}", "a,jobs=3,mix=bad")["a"]
        self.assertEqual((found["refused"], found["reasons"]), (3, {"no reason": 3}))

    def test_time_ends_a_run(self):
        found = self.load("--seconds", "1", "--drain", "120", "a,connections=2", "b,rate=20")
        self.assertGreater(found["b"]["sent"], 0)
        self.assertEqual(found["a"]["missing"] + found["b"]["missing"], 0)


class Broken(unittest.TestCase):
    def run_load(self, *words):
        return subprocess.run([LOAD, *words], capture_output=True, text=True, timeout=120, check=False)

    def test_no_daemon(self):
        done = self.run_load("--socket", "/nonexistent/stint.sock", "a")
        self.assertEqual(done.returncode, 2)
        self.assertIn("/nonexistent/stint.sock", done.stderr)

    def test_a_daemon_that_dies(self):
        """Everything without an answer is missing, and that is a failure."""
        daemon = harness.Daemon()
        try:
            process = subprocess.Popen(
                [LOAD, "--socket", daemon.socket, "--seconds", "600", "a,connections=2,in_flight=2,mix=stuck:1+spin:1"],
                stdout=subprocess.PIPE, text=True)
            harness.until(lambda: daemon.health()["jobs"]["running"] > 0, 30, "a running job")
            daemon.process.kill()  # its guardian cleans up
            output = process.communicate(timeout=120)[0]
            self.assertEqual(process.returncode, 1, output)
            self.assertRegex(output, r"connections lost: 2\n")
            self.assertRegex(output, r"without an answer: [1-4]\n")
            daemon.wait_clean(10)
        finally:
            if daemon.process.poll() is None:
                daemon.kill()
            daemon.remove()


if __name__ == "__main__":
    unittest.main()
