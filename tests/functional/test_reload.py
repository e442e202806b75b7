"""SIGHUP: the configuration is read again, all of it or nothing. Jobs that wait or run keep the limits they were
given; tenants, shares, caps, operators and the log's level are those of now. Nothing here depends on time: each
reload is waited for by its line in the log."""
import os
import re
import signal
import threading
import unittest

import harness
from test_tenants import connect_as, make_token

ALPHA, BETA, BOSS, GATE = 61010, 61011, 61012, 61013
FOREVER = "import time\nprint('on', flush=True)\ntime.sleep(250)"
LONG = {"wall_ms": 300000}
TAKEN = "stintd info daemon: configuration read again"
HANDED = "stint-spawner info spawner: configuration read again"
NOT_TAKEN = "configuration not taken, nothing changes: "
BASE = f"""
running_max = 2
guests_max = 0
[tenant alpha]
users = {ALPHA}
default_cpu_ms = 1500ms
max_cpu_ms = 2s
[tenant beta]
users = {BETA}
"""


class ReloadCase(harness.DaemonCase):
    config = BASE
    settings = {"socket_mode": "0666"}

    def setUp(self):
        super().setUp()
        self.path = os.path.join(self.daemon.directory, "stint.conf")
        self.stintd = self.daemon.stintd_pid()
        # Each test begins with the same, and shows that it may come back.
        self.reload(BASE)

    def write(self, text):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(text)

    def hang_up(self, *lines):
        """SIGHUP; what the log says after the one more of each of `lines` that it brings."""
        before = self.daemon.log()
        os.kill(self.daemon.pid, signal.SIGHUP)
        for line in lines:
            harness.until(lambda line=line: self.daemon.log().count(line) > before.count(line), 20, line)
        return self.daemon.log()[len(before):]

    def reload(self, text):
        """Both have said so afterwards: neither's line can come up in what the next signal brings."""
        self.write(text)
        self.hang_up(TAKEN, HANDED)

    def refused(self, text):
        self.write(text)
        news = self.hang_up(NOT_TAKEN)
        lines = [line for line in news.splitlines() if "stint-spawner" in line]
        self.assertEqual(len(lines), 1, news)
        self.assertIn(" error ", lines[0])
        return news.split(NOT_TAKEN)[1].strip()

    def as_user(self, uid):
        client = connect_as(self.daemon.socket, uid)
        self.addCleanup(client.close)
        return client

    def start(self, client, **params):
        """A running job: its request. It has spoken: another of the tenant may run before it does."""
        before = client.output()
        ident = client.send("job.run", {"source": FOREVER, "stream": True, "limits": LONG, **params})
        harness.until(lambda: self.running(client) and client.output() != before, 30, "a running job")
        return ident

    @staticmethod
    def running(client):
        """Jobs of the client's tenant."""
        return client.call("tenant.usage")["usage"]["running"]

    def cancelled(self, client, ident):
        client.call("job.cancel", {"id": ident})
        self.assertEqual(client.wait(ident)["status"], "cancelled")

    def wait_cpu_max(self, cpu_ms):
        def holds():
            return self.client.call("daemon.info")["limits"]["max"]["cpu_ms"] == cpu_ms

        harness.until(holds, 20, "new limits")

    def refusal(self, client, **params):
        with self.assertRaises(harness.RpcError) as caught:
            client.run("pass", **params)
        return caught.exception


class Taken(ReloadCase):
    def test_jobs_keep_their_terms(self):
        """One runs and one waits when a tenant's limits shrink below what both were given."""
        alpha, holder = self.as_user(ALPHA), self.as_user(BETA)
        holds = self.start(holder)
        runs = alpha.send("job.run", {"source": FOREVER, "stream": True, "limits": {"cpu_ms": 2000, **LONG}})
        harness.until(lambda: self.running(alpha), 30, "a running job")
        waits = alpha.send("job.run", {"source": "print('waited')", "limits": {"cpu_ms": 2000, **LONG}})
        harness.until(lambda: alpha.call("tenant.usage")["usage"]["queued"] == 1, 20, "a waiting job")
        self.reload(BASE.replace("default_cpu_ms = 1500ms\nmax_cpu_ms = 2s",
                                 "default_cpu_ms = 300ms\nmax_cpu_ms = 400ms"))
        self.assertEqual(self.refusal(alpha, limits={"cpu_ms": 401}).reason, "limit_too_high")
        self.assertIn("400", self.refusal(alpha, limits={"cpu_ms": 401}).message)
        self.assertTrue(self.running(alpha))
        self.cancelled(alpha, runs)
        result = alpha.wait(waits)
        self.assertEqual((result["status"], result["stdout"]), ("ok", "waited\n"))
        # What comes now has the new limits, without saying so.
        self.assertEqual(alpha.run("while True: pass")["status"], "cpu_limit")
        self.cancelled(holder, holds)

    def test_limits_of_the_service(self):
        self.assertEqual(self.run_ok("pass", limits={"cpu_ms": 59000})["status"], "ok")
        self.reload("max_cpu_ms = 5s\n" + BASE)
        self.assertEqual(self.refusal(self.client, limits={"cpu_ms": 5001}).reason, "limit_too_high")
        self.wait_cpu_max(5000)

    def test_users_move(self):
        """An open connection is another tenant's from its next line on; its running job is answered."""
        client, boss = self.as_user(ALPHA), self.as_user(BOSS)
        self.assertEqual(client.call("daemon.info")["tenant"], "alpha")
        ident = self.start(client)
        self.reload(BASE.replace(f"users = {BETA}", f"users = {ALPHA}").replace(
            f"users = {ALPHA}\ndefault", f"users = {BETA}\ndefault"))
        self.assertEqual(client.call("daemon.info")["tenant"], "beta")
        self.assertEqual(self.as_user(BETA).call("daemon.info")["tenant"], "alpha")
        self.assertEqual(boss.call("daemon.info")["tenant"], f"uid-{BOSS}")
        self.reload(BASE)
        self.assertEqual(client.call("daemon.info")["tenant"], "alpha")
        self.cancelled(client, ident)

    def test_a_tenant_goes_and_comes_back(self):
        client = self.as_user(ALPHA)
        ident = self.start(client)
        self.reload(BASE.split("[tenant alpha]")[0])
        self.assertEqual(client.call("daemon.info")["tenant"], f"uid-{ALPHA}")
        self.assertEqual(client.run("print(1)")["stdout"], "1\n")
        self.reload(BASE)
        self.assertEqual(client.call("tenant.usage")["usage"]["running"], 1)
        self.cancelled(client, ident)

    def test_operators(self):
        boss = self.as_user(BOSS)
        with self.assertRaises(harness.RpcError):
            boss.call("daemon.metrics")
        self.reload(f"operators = root {BOSS}\n" + BASE)
        self.assertTrue(boss.call("daemon.info")["operator"])
        self.assertTrue(boss.call("daemon.metrics"))
        self.reload(BASE)
        with self.assertRaises(harness.RpcError):
            boss.call("daemon.metrics")

    def test_tokens(self):
        old, old_line = make_token()
        new, new_line = make_token()
        gate = f"[tenant gate]\nusers = {GATE}\ngateway = yes\n"
        client = self.as_user(GATE)
        self.reload(BASE + old_line + "\n" + gate)
        self.assertEqual(client.run("print(1)", tenant="beta", token=old)["stdout"], "1\n")
        self.reload(BASE + new_line + "\n" + gate)
        self.assertEqual(self.refusal(client, tenant="beta", token=old).reason, "not_permitted")
        self.assertEqual(client.run("print(2)", tenant="beta", token=new)["stdout"], "2\n")
        self.reload(BASE)
        self.assertEqual(self.refusal(client, tenant="beta", token=new).reason, "not_permitted")

    def test_more_jobs_may_run_at_once(self):
        """Those that wait start by the reload alone."""
        clients = [self.as_user(ALPHA) for _ in range(3)]
        idents = [c.send("job.run", {"source": FOREVER, "limits": LONG}) for c in clients]
        look = self.as_user(ALPHA)

        def jobs():
            answer = look.call("tenant.usage")["usage"]
            return answer["running"], answer["queued"]

        harness.until(lambda: jobs() == (2, 1), 30, "two jobs that run")
        self.reload(BASE.replace("running_max = 2", "running_max = 3"))
        harness.until(lambda: jobs() == (3, 0), 30, "a third job that runs")
        self.reload(BASE.replace("running_max = 2", "running_max = 1"))
        self.assertEqual(jobs(), (3, 0))  # none is stopped
        for client, ident in zip(clients, idents):
            self.cancelled(client, ident)

    def test_caps(self):
        alpha = self.as_user(ALPHA)
        held = [self.start(self.as_user(BETA)), self.start(self.as_user(BETA))]
        self.assertEqual(len(held), 2)
        first = alpha.send("job.run", {"source": "pass"})
        harness.until(lambda: alpha.call("tenant.usage")["usage"]["queued"] == 1, 20, "a waiting job")
        self.reload(BASE.replace(f"users = {ALPHA}", f"users = {ALPHA}\nqueue_jobs_max = 1\nconnections_max = 1"))
        self.assertEqual(self.refusal(alpha).reason, "queue_full")
        with connect_as(self.daemon.socket, ALPHA) as second:
            self.assertEqual(second.line()["error"]["data"]["reason"], "quota_exceeded")
        self.reload(BASE)
        other = alpha.send("job.run", {"source": "pass"})
        self.cancelled(alpha, other)
        self.cancelled(alpha, first)

    def test_guests(self):
        beta, alpha = [self.as_user(BETA), self.as_user(BETA)], self.as_user(ALPHA)
        idents = [(client, self.start(client)) for client in beta]
        first = alpha.send("job.run", {"source": "print('guest')"})
        harness.until(lambda: alpha.call("tenant.usage")["usage"]["queued"] == 1, 20, "a waiting job")
        self.reload(BASE.replace("guests_max = 0", "guests_max = 1"))
        self.assertEqual(alpha.wait(first)["stdout"], "guest\n")
        for client, ident in idents:
            self.cancelled(client, ident)

    def test_weights_of_those_that_wait(self):
        """Both wait since before the reload, which gives one of them nearly all."""
        one = BASE.replace("running_max = 2", "running_max = 1")
        self.reload(one)
        sets = {"alpha": self.as_user(ALPHA), "beta": self.as_user(BETA)}
        holder = self.as_user(BOSS)
        holds = self.start(holder)
        idents = []
        for name, client in sets.items():
            idents += [(name, client.send("job.run", {"source": "import time; print(time.time())"})) for _ in range(8)]
            harness.until(lambda c=client: c.call("tenant.usage")["usage"]["queued"] == 8, 20, "waiting jobs")
        self.reload(one.replace(f"users = {BETA}", f"users = {BETA}\nweight = 1000"))
        self.assertEqual(sets["beta"].call("tenant.usage")["terms"]["weight"], 1000)
        self.cancelled(holder, holds)
        order = sorted((float(sets[name].wait(ident)["stdout"]), name) for name, ident in idents)
        self.assertLessEqual([name for _, name in order[:8]].count("alpha"), 2, order)

    def test_log_level(self):
        self.reload("log_level = debug\n" + BASE)
        self.client.send_raw(b"no JSON\n")
        harness.until(lambda: "stintd debug rpc:" in self.daemon.log(), 20, "a line of debug")
        self.write("log_level = error\nmax_cpu_ms = 9s\n" + BASE)
        self.hang_up(HANDED)
        self.wait_cpu_max(9000)
        before = len(self.daemon.log())
        self.client.send_raw(b"no JSON\n")
        self.run_ok("pass")
        self.assertEqual(self.daemon.log()[before:], "")
        # The spawner's own line is still one of a level that is not logged.
        self.write(BASE)
        self.hang_up(TAKEN)

    def test_a_later_stintd_has_it_too(self):
        self.reload("max_cpu_ms = 6s\n" + BASE)
        os.kill(self.daemon.stintd_pid(), signal.SIGKILL)
        harness.until(lambda: self.stintd not in harness.descendants(self.daemon.pid), 20, "the end of stintd")
        self.daemon.wait_serving()
        with self.daemon.connect() as client:
            self.assertEqual(self.refusal(client, limits={"cpu_ms": 6001}).reason, "limit_too_high")

    def test_while_no_stintd_runs(self):
        """It is taken for the next one; the signals come at any moment of its end and start."""
        os.kill(self.stintd, signal.SIGKILL)
        self.write("max_cpu_ms = 7s\n" + BASE)
        for _ in range(5):
            self.hang_up(HANDED)
        self.daemon.wait_serving()
        with self.daemon.connect() as client:
            self.client = client
            self.wait_cpu_max(7000)


class Refused(ReloadCase):
    def still(self, alpha):
        """The terms of BASE hold, in the same stintd, on a connection of before."""
        self.assertEqual(self.daemon.stintd_pid(), self.stintd)
        self.assertEqual(alpha.call("daemon.info")["tenant"], "alpha")
        self.assertEqual(self.refusal(alpha, limits={"cpu_ms": 2001}).reason, "limit_too_high")
        self.assertEqual(alpha.run("print(1)", limits={"cpu_ms": 2000})["stdout"], "1\n")

    def test_faults_change_nothing(self):
        alpha = self.as_user(ALPHA)
        path = re.escape(self.path)
        lower = BASE.replace("max_cpu_ms = 2s", "max_cpu_ms = 1600ms")
        for text, fault in (
            (lower + "no_such = 1\n", rf"{path}:\d+: .*no_such"),
            ("running_max = 1\nrunning_max = 2\n" + BASE, rf"{path}:2: running_max: set before"),
            ("running_max = many\n" + lower, rf"{path}:1: running_max"),
            (lower + "users = no_such_account_here\n", rf"{path}:\d+: "),
            (lower.replace(f"users = {BETA}", "users = no_such_account_here"), rf"{path}:\d+: .*no_such_account_here"),
            (lower.replace(f"users = {BETA}", f"users = {ALPHA}"), rf"{path}:\d+: .*alpha"),
            (lower + "token_sha256 = abc\n", rf"{path}:\d+: .*token_sha256"),
            (lower + "\x00", rf"{path}:\d+: "),
        ):
            with self.subTest(fault=fault):
                self.assertRegex(self.refused(text), fault)
                self.still(alpha)
        os.remove(self.path)
        self.assertIn(self.path, self.hang_up(NOT_TAKEN))
        self.still(alpha)

    def test_what_needs_a_restart_is_named(self):
        alpha = self.as_user(ALPHA)
        lower = BASE.replace("max_cpu_ms = 2s", "max_cpu_ms = 1600ms")
        for line, name in (
            ("user = nobody", "user"),
            ("cgroup_parent = /other", "cgroup_parent"),
            ("service_memory_max = 8G", "service_memory_max"),
            ("preload = json", "preload"),
            ("hash_seed = 1", "hash_seed"),
            ("isolation = reduced", "isolation"),
            ("asyncio = no", "asyncio"),
            ("pin_cores = yes", "pin_cores"),
            ("silence_max = 20s", "silence_max"),
            ("metrics_tenants_max = 7", "metrics_tenants_max"),
            ("metrics_listen = 127.0.0.1:9", "metrics_listen"),
            ("metrics_group = daemon", "metrics_group"),
            ("usage_log = /tmp/usage", "usage_log"),
            ("usage_log_bytes_max = 1M", "usage_log_bytes_max"),
            ("socket_group = daemon", "socket_group"),
            ("max_scratch_bytes = 0", "max_scratch_bytes"),
        ):
            with self.subTest(setting=name):
                fault = self.refused(line + "\n" + lower)
                self.assertRegex(fault, rf"{re.escape(self.path)}: {name}[:,]")
                self.assertIn("restart the service", fault)
                self.still(alpha)


class Load(ReloadCase):
    def test_twenty_reloads_lose_no_job(self):
        """Small lines and those that are read off the loop, while settings and tenants change."""
        stop, faults, done = threading.Event(), [], [0, 0, 0]

        def caller(number, uid):
            large = "x = 1\n" + "#" * 200000
            try:
                with connect_as(self.daemon.socket, uid) as client:
                    clients.append(client)
                    ready.wait()
                    while not stop.is_set():
                        source = "print('here')\n" + (large if done[number] % 2 else "")
                        result = client.run(source, limits=LONG)
                        if (result["status"], result["stdout"]) != ("ok", "here\n"):
                            faults.append(result)
                            return
                        done[number] += 1
            except Exception as error:  # a thread's failure is the test's
                faults.append(error)

        clients, ready = [], threading.Event()
        threads = []
        for number, uid in enumerate((ALPHA, BETA, BOSS)):
            thread = threading.Thread(target=caller, args=(number, uid))
            thread.start()
            threads.append(thread)
            # The account is the process's: one after another.
            harness.until(lambda n=number: len(clients) > n or faults, 20, "a connection")
        ready.set()
        try:
            for i in range(20):
                before = list(done)
                self.reload(f"running_max = {1 + i % 3}\nworkers_ready = {1 + i % 4}\nqueue_jobs_max = {10 + i}\n" +
                            BASE.replace("running_max = 2", "").replace(
                                f"users = {BETA}", f"users = {BETA if i % 2 else 61099}\nweight = {1 + i}"))
                harness.until(lambda b=before: faults or all(n > m for n, m in zip(done, b)), 60, "a job of each")
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.assertEqual(faults, [])
        self.assertEqual(self.daemon.stintd_pid(), self.stintd)
        self.daemon.wait_idle()

    def test_signals_in_a_row(self):
        for _ in range(200):
            os.kill(self.daemon.pid, signal.SIGHUP)
        self.hang_up(HANDED)
        self.run_ok("pass")
        self.assertEqual(self.daemon.stintd_pid(), self.stintd)


class Draining(ReloadCase):
    def test_in_a_drain(self):
        ident = self.client.send("job.run", {"source": "import time\nprint('on', flush=True)\ntime.sleep(3)",
                                             "stream": True})
        harness.until(lambda: self.running(self.client), 30, "a running job")
        os.kill(self.daemon.pid, signal.SIGTERM)
        harness.until(lambda: "stopping: running jobs" in self.daemon.log(), 20, "a drain")
        os.kill(self.daemon.pid, signal.SIGHUP)
        harness.until(lambda: "the configuration is not read again" in self.daemon.log(), 20, "the answer")
        self.assertEqual(self.client.wait(ident)["status"], "ok")


if __name__ == "__main__":
    unittest.main()
