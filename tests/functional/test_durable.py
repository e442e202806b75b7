"""Durable jobs: submitted, waited for, listed; across connections, restarts and kills; disks that are full."""
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest

import harness
from harness import Daemon, RpcError, until

# STINT_DURABLE_KILLS=50 STINT_DURABLE_JOBS=5000 is the complete run.
KILLS = int(os.environ.get("STINT_DURABLE_KILLS", "8"))
JOBS = int(os.environ.get("STINT_DURABLE_JOBS", "300"))
OTHER = 65533  # another user


class Stored(unittest.TestCase):
    """A state directory for the test, and daemons on it."""

    settings = {}

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="stint-state-", dir="/tmp")
        os.chmod(self.directory, 0o755)
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.state = os.path.join(self.directory, "state")
        self.daemons = []
        self.addCleanup(self.end_all)

    def start(self, **settings):
        values = {"state_dir": self.state, **self.settings, **settings}
        if self.daemons:  # the same accounts: what is stored belongs to them
            values["uid_base"] = self.daemons[0].uid_base
        daemon = Daemon(**values)
        self.daemons.append(daemon)
        return daemon

    def end(self, daemon):
        self.assertEqual(daemon.stop(), 0, daemon.log())
        self.assertNotRegex(daemon.log(), harness.BAD_LOG)
        daemon.wait_clean()

    def end_all(self):
        for daemon in self.daemons:
            if daemon.process.poll() is None:
                daemon.kill()
            daemon.remove()

    def restart(self, daemon, **settings):
        self.end(daemon)
        return self.start(**settings)

    def kill_stintd(self, daemon):
        pid = daemon.stintd_pid()
        os.kill(pid, signal.SIGKILL)
        until(lambda: pid not in daemon.find("stintd"), 20, "stintd's death")
        daemon.wait_serving()

    def refused(self, client, method, params, reason=None, text=""):
        with self.assertRaises(RpcError) as caught:
            client.call(method, params)
        self.assertIn(text, caught.exception.message)
        if reason:
            self.assertEqual(caught.exception.reason, reason, caught.exception.message)


class Methods(Stored):
    def test_submit_wait_result_status_and_list(self):
        daemon = self.start()
        with daemon.connect() as one, daemon.connect() as two:
            self.assertTrue(one.call("daemon.info")["features"]["submit"])
            job = one.call("job.submit", {"source": "print(input())", "stdin": "text\n", "tag": "first"})
            self.assertRegex(job["job"], "^[0-9a-f]{32}$")
            result = two.call("job.wait", job)
            self.assertEqual((result["status"], result["stdout"], result["attempts"]), ("ok", "text\n", 1))
            self.assertEqual(result["job"], job["job"])
            self.assertEqual(one.call("job.result", job), result)
            self.assertEqual(two.call("job.wait", {**job, "timeout_ms": 0}), result)
            status = two.call("job.status", job)
            self.assertEqual((status["state"], status["status"]), ("ended", "ok"))
            self.refused(two, "job.cancel", job, "not_found")
            failing = one.call("job.submit", {"source": "1/0"})
            self.assertEqual(two.call("job.wait", failing)["status"], "runtime_error")
            jobs = one.call("job.list")["jobs"]
            self.assertEqual([j["job"] for j in jobs], [failing["job"], job["job"]])
            self.assertEqual([j["tag"] for j in jobs], ["", "first"])
            self.assertEqual(one.call("job.list", {"tag": "first"})["jobs"][0]["tag"], "first")
            self.assertEqual(one.call("job.list", {"state": "queued"}), {"jobs": [], "cursor": None})
        self.end(daemon)

    def test_wait_ends_with_its_time_or_its_job(self):
        daemon = self.start()
        with daemon.connect() as one, daemon.connect() as two:
            job = one.call("job.submit", {"source": "while True: pass", "limits": {"cpu_ms": 60000, "wall_ms": 300000}})
            state = one.call("job.wait", {**job, "timeout_ms": 50})
            self.assertIn(state["state"], ("queued", "running"))
            self.assertNotIn("status", state)
            self.assertIn(one.call("job.result", job)["state"], ("queued", "running"))
            until(lambda: one.call("job.status", job)["state"] == "running", 20, "a running job")
            waits = [c.send("job.wait", job) for c in (one, one, two)]
            with daemon.connect() as three:  # one that goes away while it waits
                three.send("job.wait", job)
            self.assertEqual(two.call("job.cancel", job), {**job, "cancelled": True})
            for client, ident in zip((one, one, two), waits):
                self.assertEqual(client.wait(ident)["status"], "cancelled")
            self.assertEqual(one.call("job.result", job)["status"], "cancelled")
        self.end(daemon)

    def test_parameters_are_checked(self):
        daemon = self.start()
        with daemon.connect() as client:
            self.refused(client, "job.submit", {}, text="source")
            self.refused(client, "job.submit", {"source": "1", "stream": True}, text="stream")
            self.refused(client, "job.submit", {"source": "1", "idempotency_key": ""}, text="idempotency_key")
            self.refused(client, "job.submit", {"source": "1", "idempotency_key": "x" * 256}, text="idempotency_key")
            self.refused(client, "job.run", {"source": "1", "idempotency_key": "x"}, text="job.submit")
            self.refused(client, "job.submit", {"source": "1", "limits": {"cpu_ms": 10**9}}, "limit_too_high")
            self.refused(client, "job.wait", {}, text="job must be given")
            self.refused(client, "job.wait", {"job": "0" * 32, "timeout_ms": -1}, text="timeout_ms")
            self.refused(client, "job.wait", {"job": "0" * 32, "x": 1}, text="x is not")
            for method in ("job.wait", "job.result", "job.status", "job.cancel"):
                self.refused(client, method, {"job": "0" * 32}, "not_found", "no such job")
                self.refused(client, method, {"job": "x"}, "not_found", "no such job")
            for bad in ({"state": "gone"}, {"limit": 0}, {"limit": 1001}, {"cursor": "x"}, {"tag": 1}, {"y": 1}):
                self.refused(client, "job.list", bad, text=next(iter(bad)))
        self.end(daemon)

    def test_the_list_goes_on_behind_a_cursor(self):
        daemon = self.start()
        with daemon.connect() as client:
            jobs = [client.call("job.submit", {"source": "pass", "tag": str(i % 2)})["job"] for i in range(23)]
            for tag, wanted in ((None, jobs), ("1", jobs[1::2])):
                found, cursor = [], None
                while True:
                    params = {"limit": 5, **({"cursor": cursor} if cursor else {}), **({"tag": tag} if tag else {})}
                    page = client.call("job.list", params)
                    found += [job["job"] for job in page["jobs"]]
                    cursor = page["cursor"]
                    if cursor is None:
                        break
                self.assertEqual(found, wanted[::-1])
            for job in jobs:
                client.call("job.wait", {"job": job})
            self.assertEqual(len(client.call("job.list", {"state": "ended"})["jobs"]), 23)
        self.end(daemon)

    def test_a_key_makes_one_job(self):
        daemon = self.start()
        request = {"source": "print(1)", "idempotency_key": "once"}
        with daemon.connect() as one, daemon.connect() as two:
            sent = [(c, c.send("job.submit", request)) for c in (one, two) for _ in range(5)]
            jobs = {c.wait(ident)["job"] for c, ident in sent}
            self.assertEqual(len(jobs), 1)
            self.refused(one, "job.submit", {**request, "source": "print(2)"}, text="another request")
            one.call("job.wait", {"job": next(iter(jobs))})
        daemon = self.restart(daemon)
        with daemon.connect() as client:
            self.assertEqual({client.call("job.submit", request)["job"]}, jobs)
            self.assertEqual(len(client.call("job.list")["jobs"]), 1)
        self.end(daemon)

    @unittest.skipUnless(os.geteuid() == 0, "another user is asked to try")
    def test_another_tenant_finds_nothing(self):
        daemon = self.start(socket_mode="0666")
        program = (
            "import json,os,socket,sys\n"
            f"os.setgid({OTHER}); os.setuid({OTHER})\n"
            "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); f = s.makefile('rw')\n"
            "for line in sys.stdin:\n"
            "    f.write(line); f.flush(); print(f.readline(), end='')\n"
        )
        with daemon.connect() as client:
            job = client.call("job.submit", {"source": "print(1)", "idempotency_key": "k"})
            client.call("job.wait", job)
            script = client.call("script.put", {"source": "print(2)"})
            requests = [(m, {"job": j}) for m in ("job.result", "job.wait", "job.status", "job.cancel")
                        for j in (job["job"], "0" * 32)]
            requests += [(m, {"script": s}) for m in ("script.get", "script.delete", "job.run", "job.submit")
                         for s in (script["script"], "0" * 64)]
            requests += [("job.list", {}), ("job.submit", {"source": "print(1)", "idempotency_key": "k"})]
            lines = "".join(json.dumps({"jsonrpc": "2.0", "id": 1, "method": m, "params": p}) + "\n"
                            for m, p in requests)
            done = subprocess.run(["/usr/bin/python3", "-c", program, daemon.socket], input=lines, text=True,
                                  capture_output=True, timeout=60 * harness.SLOW, check=True)
            answers = [json.loads(line) for line in done.stdout.splitlines()]
            self.assertEqual(len(answers), len(requests))
            for (method, params), answer in zip(requests[:-2], answers):
                self.assertEqual(answer["error"]["data"]["reason"], "not_found", (method, params, answer))
            for mine, nobodys in zip(answers[0:-2:2], answers[1:-2:2]):
                self.assertEqual(mine, nobodys)
            self.assertEqual(answers[-2]["result"]["jobs"], [])
            self.assertNotEqual(answers[-1]["result"]["job"], job["job"])
            self.assertEqual(client.call("job.result", job)["stdout"], "1\n")
            client.call("script.get", script)
        self.end(daemon)

    def test_rates_hold_for_submitted_jobs(self):
        daemon = Daemon("[tenant default]\njobs_per_minute = 60\n", state_dir=self.state)
        self.daemons.append(daemon)
        with daemon.connect() as client:
            with self.assertRaises(RpcError) as caught:
                for _ in range(200):
                    client.call("job.submit", {"source": "pass"})
            self.assertEqual(caught.exception.reason, "quota_exceeded")
            self.assertIn("jobs_per_minute", caught.exception.message)
        self.end(daemon)

    def test_without_a_state_directory(self):
        daemon = self.start(state_dir="")
        with daemon.connect() as client:
            self.assertFalse(client.call("daemon.info")["features"]["submit"])
            self.assertEqual(client.call("daemon.health")["store"], {"status": "off"})
            self.refused(client, "job.submit", {"source": "1"}, "not_permitted", "state_dir")
            self.refused(client, "job.list", {}, "not_permitted", "state_dir")
            self.refused(client, "job.wait", {"job": "0" * 32}, "not_permitted", "state_dir")
            self.refused(client, "job.status", {"job": "0" * 32}, "not_found")
            script = client.call("script.put", {"source": "print(3)"})
            self.assertEqual(client.run(**script)["stdout"], "3\n")
        self.end(daemon)

    def test_large_requests_and_results(self):
        daemon = self.start()
        text = "x" * 3_000_000
        with daemon.connect() as client:
            job = client.call("job.submit", {"source": "print(input(), end='')", "stdin": text,
                                             "limits": {"stdout_bytes": 4_000_000}})
            self.assertEqual(client.call("job.wait", job)["stdout"], text)
            daemon = self.restart(daemon)
        with daemon.connect() as client:
            self.assertEqual(client.call("job.result", job)["stdout"], text)
        self.end(daemon)


class Scripts(Stored):
    settings = {"scripts_tenant_max": "20000"}

    def test_put_run_get_delete(self):
        daemon = self.start()
        source = "import sys\nprint(__file__, sys.argv[1:])\ndef f(x): return x + 1\n"
        with daemon.connect() as client:
            script = client.call("script.put", {"source": source, "name": "tool.py"})
            self.assertRegex(script["script"], "^[0-9a-f]{64}$")
            self.assertEqual(client.call("script.put", {"source": source}), script)
            self.assertEqual(client.call("script.get", script),
                             {**script, "name": "tool.py", "bytes": len(source), "source": source})
            result = client.run(**script, args=["a"], entry={"function": "f", "args": [1]})
            self.assertEqual((result["stdout"], result["value"]), ("tool.py ['a']\n", 2))
            self.assertEqual(client.run(**script, name="mine.py")["stdout"], "mine.py []\n")
            plain = client.run(source, name="tool.py")
            self.assertEqual(client.run(**script)["usage"]["opcodes"], plain["usage"]["opcodes"])
            self.refused(client, "job.run", {**script, "source": "1"}, text="only one of them")
            self.refused(client, "script.put", {"source": "x" * 30000}, "quota_exceeded", "scripts_tenant_max")
            self.refused(client, "script.put", {"code": "AAAA"}, text="code")
            self.refused(client, "script.put", {}, text="source")
            self.refused(client, "job.run", {"script": "short"}, text="script")
            self.assertEqual(client.call("script.delete", script), {**script, "deleted": True})
            for method in ("script.get", "script.delete", "job.run", "job.submit"):
                self.refused(client, method, script, "not_found")
        self.end(daemon)

    def test_they_survive_and_stay_for_their_jobs(self):
        daemon = self.start(running_max=1)
        with daemon.connect() as client:
            kept = client.call("script.put", {"source": "print('kept')"})
            gone = client.call("script.put", {"source": "print('gone')"})
            block = client.call("job.submit", {"source": "import time\ntime.sleep(300)",
                                               "limits": {"wall_ms": 300000}})
            until(lambda: client.call("job.status", block)["state"] == "running", 20, "a running job")
            job = client.call("job.submit", gone)
            client.call("script.delete", gone)
        self.kill_stintd(daemon)
        with daemon.connect() as client:
            client.call("job.cancel", block)
            self.assertEqual(client.call("job.wait", job)["stdout"], "gone\n")
            self.refused(client, "script.get", gone, "not_found")
            self.assertEqual(client.run(**kept)["stdout"], "kept\n")
        self.end(daemon)


class Lives(Stored):
    def test_a_drain_keeps_what_waits_and_ends_what_runs(self):
        daemon = self.start(running_max=1)
        with daemon.connect() as client, daemon.connect() as waiter:
            running = client.call("job.submit", {"source": "import time\ntime.sleep(1.5)\nprint('ran')"})
            until(lambda: client.call("job.status", running)["state"] == "running", 20, "a running job")
            waiting = [client.call("job.submit", {"source": f"print({i})"}) for i in range(20)]
            wait_running, wait_waiting = waiter.send("job.wait", running), waiter.send("job.wait", waiting[5])
            until(lambda: client.call("job.result", waiting[5])["state"] == "queued", 20, "a queue")
            daemon.process.send_signal(signal.SIGTERM)
            self.assertEqual(waiter.wait(wait_running)["stdout"], "ran\n")
            with self.assertRaises(RpcError) as caught:
                waiter.wait(wait_waiting)
            self.assertEqual(caught.exception.reason, "draining")
        daemon = self.restart(daemon)
        with daemon.connect() as client:
            self.assertEqual(client.call("job.result", running)["stdout"], "ran\n")
            for i, job in enumerate(waiting):
                result = client.call("job.wait", job)
                self.assertEqual((result["stdout"], result["attempts"]), (f"{i}\n", 1))
        self.end(daemon)

    def test_attempts_are_counted_and_end(self):
        daemon = self.start(job_attempts_max=2, running_max=1)
        with daemon.connect() as client:
            job = client.call("job.submit", {"source": "import time\ntime.sleep(300)", "limits": {"wall_ms": 300000}})
            behind = client.call("job.submit", {"source": "print('behind')"})

        def begun(count):
            with daemon.connect() as client:
                state = client.call("job.status", job)
                listed = client.call("job.list", {"state": "running"})["jobs"]  # from the disk
                return state["state"] == "running" and [j["attempts"] for j in listed] == [count]

        until(lambda: begun(1), 20, "the first attempt")
        self.kill_stintd(daemon)
        until(lambda: begun(2), 20, "the second attempt")
        self.kill_stintd(daemon)
        with daemon.connect() as client:
            result = client.call("job.wait", job)
            self.assertEqual((result["status"], result["attempts"]), ("internal_error", 2))
            self.assertIn("job_attempts_max", result["error"]["message"])
            # What only waited was never begun, and does not suffer for it.
            result = client.call("job.wait", behind)
            self.assertEqual((result["status"], result["stdout"], result["attempts"]), ("ok", "behind\n", 1))
        self.end(daemon)

    def test_a_cancelled_job_stays_cancelled(self):
        daemon = self.start(running_max=1)
        with daemon.connect() as client:
            block = client.call("job.submit", {"source": "import time\ntime.sleep(300)", "limits": {"wall_ms": 300000}})
            jobs = [client.call("job.submit", {"source": "print(1)"}) for _ in range(200)]
            cancelled = jobs[::2]  # those in memory, and those on the disk alone
            for job in cancelled:
                self.assertEqual(client.call("job.cancel", job)["cancelled"], True)
        self.kill_stintd(daemon)
        with daemon.connect() as client:
            client.call("job.cancel", block)
            for job in jobs:
                self.assertEqual(client.call("job.wait", job)["status"], "cancelled" if job in cancelled else "ok")
        self.end(daemon)

    def test_a_job_keeps_its_limits(self):
        daemon = self.start(running_max=1)
        with daemon.connect() as client:
            block = client.call("job.submit", {"source": "import time\ntime.sleep(300)", "limits": {"wall_ms": 300000}})
            until(lambda: client.call("job.status", block)["state"] == "running", 20, "a running job")
            job = client.call("job.submit", {"source": "print('x' * 3000)", "limits": {"stdout_bytes": 4000}})
        daemon.process.kill()  # the spawner: its guardian clears up
        daemon.process.wait()
        daemon.wait_clean(20)
        daemon = self.start(default_stdout_bytes=1000, max_stdout_bytes=1000, job_attempts_max=1)
        with daemon.connect() as client:
            self.assertEqual(client.call("job.wait", block)["status"], "internal_error")
            self.assertEqual(client.call("job.wait", job)["status"], "ok")
        self.end(daemon)


class Kills(Stored):
    """kill -9 of stintd while jobs are submitted: each accepted job has one result, and none is lost."""

    settings = {"job_attempts_max": "100"}

    def submit_all(self, daemon, accepted, numbers):
        client = None
        while numbers:
            number = numbers[-1]
            try:
                client = client or daemon.connect()
                job = client.call("job.submit", {"source": f"print({number})", "idempotency_key": f"n{number}"})
            except (OSError, ValueError):  # killed under us: what was not answered is sent again
                if client:
                    client.close()
                client = None
                time.sleep(0.02)
                continue
            except RpcError as error:
                if error.reason not in ("queue_full", "draining"):
                    raise
                time.sleep(0.05)
                continue
            accepted[number] = (job["job"], self.kills)
            numbers.pop()
        client.close()

    def test_every_accepted_job_has_one_result(self):
        daemon = self.start()
        self.kills, accepted, failures = 0, {}, []

        def submitter(numbers):
            try:
                self.submit_all(daemon, accepted, numbers)
            except BaseException as error:  # pylint: disable=broad-exception-caught
                failures.append(error)

        threads = [threading.Thread(target=submitter, args=(list(range(part, JOBS, 4)),)) for part in range(4)]
        for thread in threads:
            thread.start()
        choice = random.Random(7)
        for kill in range(KILLS):
            # At a random moment, and spread over the submissions.
            until(lambda k=kill: len(accepted) >= k * JOBS // (KILLS + 1) or failures, 300, "submissions")
            time.sleep(choice.random() * 0.1)
            self.kills += 1
            self.kill_stintd(daemon)
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.assertEqual(len(accepted), JOBS)
        rerun = 0
        with daemon.connect() as client:
            waits = {number: client.send("job.wait", {"job": job}) for number, (job, _) in accepted.items()}
            for number, ident in waits.items():
                result = client.wait(ident)
                self.assertEqual((result["status"], result["stdout"]), ("ok", f"{number}\n"), result)
                kills_seen = self.kills - accepted[number][1]
                self.assertTrue(1 <= result["attempts"] <= 1 + kills_seen + 1, (result, kills_seen))
                rerun += result["attempts"] - 1
                # One result: the same again.
                self.assertEqual(client.call("job.result", {"job": accepted[number][0]}), result)
            listed, cursor = [], None
            while True:
                page = client.call("job.list", {"limit": 1000, **({"cursor": cursor} if cursor else {})})
                listed += page["jobs"]
                cursor = page["cursor"]
                if cursor is None:
                    break
        self.assertEqual(sorted(j["job"] for j in listed), sorted(job for job, _ in accepted.values()))
        self.assertEqual({j["state"] for j in listed}, {"ended"})
        self.assertEqual(sum(j["attempts"] - 1 for j in listed), rerun)
        print(f"{JOBS} jobs, {KILLS} kills: {rerun} attempts were interrupted")
        self.end(daemon)


class Disks(Stored):
    def mount_small(self, size):
        os.mkdir(self.state)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", self.state], check=True)
        self.addCleanup(subprocess.run, ["umount", self.state], check=False, capture_output=True)

    @unittest.skipUnless(os.geteuid() == 0, "a small disk is mounted")
    def test_a_full_disk_refuses_and_recovers(self):
        self.mount_small("1536k")
        daemon = self.start(running_max=1)
        with daemon.connect() as client:
            early = client.call("job.submit", {"source": "print('early')"})
            self.assertEqual(client.call("job.wait", early)["stdout"], "early\n")
            block = client.call("job.submit", {"source": "import time\ntime.sleep(300)", "limits": {"wall_ms": 300000}})
            until(lambda: client.call("job.status", block)["state"] == "running", 20, "a running job")
            accepted = []
            for i in range(200):
                try:
                    params = {"source": f"print({i})", "modules": {"m": "#" * 20000}}
                    accepted.append(client.call("job.submit", params))
                except RpcError as error:
                    self.assertEqual(error.reason, "queue_full")
                    self.assertIn("disk that holds state_dir is full", error.message)
                    break
            else:
                self.fail("the disk was never full")
            self.assertGreater(len(accepted), 10)
            self.assertEqual(client.call("daemon.health")["store"]["status"], "failing")
            # The rest goes on.
            self.assertEqual(client.call("job.result", early)["stdout"], "early\n")
            self.assertEqual(len(client.call("job.list", {"limit": 1000})["jobs"]), len(accepted) + 2)
            waiting = client.send("job.run", {"source": "print('run')"})
            # With room it recovers by itself, and nothing that was accepted is lost.
            subprocess.run(["mount", "-o", "remount,size=64m", self.state], check=True)
            until(lambda: self.cancelled(client, block), 20, "a cancelled job")
            self.assertEqual(client.wait(waiting)["stdout"], "run\n")
            for i, job in enumerate(accepted):
                self.assertEqual(client.call("job.wait", job)["stdout"], f"{i}\n")
            late = client.call("job.submit", {"source": "print('late')"})
            self.assertEqual(client.call("job.wait", late)["stdout"], "late\n")
            self.assertEqual(client.call("daemon.health")["store"]["status"], "ok")
        self.end(daemon)

    def cancelled(self, client, job):
        try:
            return client.call("job.cancel", job)["cancelled"]
        except RpcError as error:
            return error.reason == "not_found"

    def test_a_corrupt_database_is_moved_aside(self):
        daemon = self.start()
        with daemon.connect() as client:
            job = client.call("job.submit", {"source": "print(1)"})
            client.call("job.wait", job)
        self.end(daemon)
        for damage in ("junk", "cut"):
            path = os.path.join(self.state, "store.db")
            with open(path, "r+b") as file:
                if damage == "junk":
                    file.write(os.urandom(8192))
                else:
                    file.truncate(5000)
            daemon = self.start()
            self.assertIn("corrupt and was moved to store.db.corrupt-", daemon.log())
            with daemon.connect() as client:
                store = client.call("daemon.health")["store"]
                self.assertEqual(store["set_aside"], 1)
                self.assertIn(store["set_aside_name"], os.listdir(self.state))
                self.refused(client, "job.result", job, "not_found")
                job = client.call("job.submit", {"source": "print(2)"})
                self.assertEqual(client.call("job.wait", job)["stdout"], "2\n")
            self.end(daemon)

    def test_a_newer_database_is_refused(self):
        daemon = self.start()
        self.end(daemon)
        with open(os.path.join(self.state, "store.db"), "r+b") as file:
            file.seek(60)
            file.write((99).to_bytes(4, "big"))
        with self.assertRaises(AssertionError) as caught:
            self.start()
        self.assertIn("has schema 99", str(caught.exception))
        self.assertIn("remedy", str(caught.exception))


class Commands(Stored):
    """stint submit, wait, result and list."""

    def stint(self, *arguments, code=0):
        done = harness.stint(*arguments, socket_path=self.daemon.socket)
        self.assertEqual(done.returncode, code, done)
        return done.stdout.decode(), done.stderr.decode()

    def submit(self, *arguments):
        out, _ = self.stint("submit", "--no-stdin", *arguments)
        self.assertRegex(out, r"^[0-9a-f]{32}\n$")
        return out.strip()

    def test_a_job_from_its_submission_to_its_result(self):
        self.daemon = self.start()
        program = "import sys; print(sys.argv[1]); print('err', file=sys.stderr); sys.exit(3)"
        job = self.submit("--tag", "mine", "--key", "k", "-c", program, "--", "word")
        self.assertEqual(self.stint("wait", job, code=3), ("word\n", "err\n"))
        self.assertEqual(self.submit("--tag", "mine", "--key", "k", "-c", program, "--", "word"), job)
        out, err = self.stint("result", "--usage", job, code=3)
        self.assertEqual(out, "word\n")
        self.assertIn("opcodes", err)
        self.assertEqual(json.loads(self.stint("result", "--json", job, code=3)[0])["exit_code"], 3)
        value = self.submit("--eval", "-c", "2 ** 100")
        self.assertEqual(self.stint("wait", value)[0], f"{2 ** 100}\n")
        long = self.submit("-c", "while True: pass", "--cpu", "60s", "--wall", "300s")
        self.assertIn("has not ended", self.stint("wait", "--timeout", "50ms", long, code=125)[1])
        self.assertIn("has not ended", self.stint("result", long, code=125)[1])
        self.stint("cancel", long)
        self.assertIn("cancelled", self.stint("wait", long, code=125)[1])
        out, _ = self.stint("list")
        self.assertEqual([line.split()[0] for line in out.splitlines()], ["JOB", long, value, job])
        self.assertEqual([j["job"] for j in json.loads(self.stint("list", "--tag", "mine", "--json")[0])], [job])
        limit = self.submit("-c", "while True: pass", "--opcodes", "1000")
        self.stint("wait", limit, code=124)
        for wrong in (("wait",), ("result",), ("list", "x"), ("wait", "0" * 32), ("list", "--state", "x"),
                      ("wait", "--timeout", "soon", job), ("submit", "--usage", "-c", "1")):
            self.stint(*wrong, code=125)
        self.end(self.daemon)


class Directory(Stored):
    def fails(self, text, **settings):
        with self.assertRaises(AssertionError) as caught:
            self.start(**settings)
        self.assertIn(text, str(caught.exception))
        self.assertIn("remedy", str(caught.exception))

    @unittest.skipUnless(os.geteuid() == 0, "owners are changed")
    def test_what_is_not_ours_is_refused(self):
        self.fails("not an absolute path", state_dir="relative")
        os.mkdir(self.state)
        os.symlink(self.state, self.state + "-link")
        self.fails("is a link", state_dir=self.state + "-link")
        os.chown(self.state, OTHER, OTHER)
        self.fails(f"belongs to uid {OTHER}")
        os.chown(self.state, 0, 0)
        with open(os.path.join(self.state, "file"), "w", encoding="ascii"):
            pass
        self.fails("not empty")
        os.unlink(os.path.join(self.state, "file"))
        daemon = self.start()
        status = os.stat(self.state)
        self.assertEqual(status.st_mode & 0o777, 0o700)
        self.assertEqual(status.st_uid, harness.owner(daemon.stintd_pid()) or status.st_uid)
        self.assertNotEqual(status.st_uid, 0)
        self.fails("another daemon uses", uid_base=daemon.uid_base)
        self.end(daemon)
        os.chmod(self.state, 0o750)
        self.fails("others may look into")

    def test_nothing_but_the_store_is_there(self):
        daemon = self.start()
        with daemon.connect() as client:
            client.call("job.wait", client.call("job.submit", {"source": "print(1)"}))
            self.assertEqual(sorted(os.listdir(self.state)), ["store.db", "store.db-wal"])
            for name in os.listdir(self.state):
                self.assertEqual(os.stat(os.path.join(self.state, name)).st_mode & 0o777, 0o600)
        self.end(daemon)
        self.assertEqual(os.listdir(self.state), ["store.db"])


if __name__ == "__main__":
    unittest.main()
