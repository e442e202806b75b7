"""Tenants over a real daemon: who a client is by the kernel's word, gateways with tokens, and that what is
one tenant's does not exist for another."""
import grp
import json
import os
import pwd
import re
import subprocess
import tempfile
import unittest

import harness

FOREVER = "import time\nprint('on', flush=True)\ntime.sleep(50)"
LONG = {"wall_ms": 60000}
NOBODYS = "0123456789abcdef0123456789abcdef"

# Accounts without an entry in any database, beside those every Debian has.
ALPHA, ALPHA_2 = 61000, "daemon"
BETA_GROUP, BETA_GROUP_2 = 61500, "games"
BOTH_GROUP = 61501
GATE, BOSS, BOSS_GROUP, PLAIN = 61100, 61200, 61300, 61999

# Parameters that can name what there is of somebody; and all others, so that a new one is not forgotten.
NAMING = {"job", "id", "script", "session", "cursor", "idempotency_key", "tenant"}
PLAIN_ONES = {"source", "code", "name", "mode", "args", "stdin", "inputs", "outputs", "entry", "modules", "limits", "stream",
              "priority", "deadline_ms", "tag", "timeout_ms", "state", "limit"}
# For each method: which parameters name something, with what else it is then given.
TRIES = {
    "job.run": {"script": {}}, "job.submit": {"script": {}, "idempotency_key": {"source": "print('kept')"}},
    "job.status": {"job": {}}, "job.cancel": {"job": {}, "id": {}}, "job.wait": {"job": {"timeout_ms": 60000}}, "job.result": {"job": {}},
    "job.list": {"cursor": {}}, "script.put": {}, "script.get": {"script": {}}, "script.delete": {"script": {}},
    "tenant.usage": {"tenant": {}}, "daemon.info": {}, "daemon.health": {}, "daemon.drain": {}, "daemon.metrics": {},
}
METHODS_DEF = os.path.join(harness.TOP, "daemon", "methods.def")

OPERATORS_ONLY = {"daemon.metrics", "daemon.drain"}


def uid_of(user):
    return user if isinstance(user, int) else pwd.getpwnam(user).pw_uid


def gid_of(group):
    return group if isinstance(group, int) else grp.getgrnam(group).gr_gid


def connect_as(path, uid, gid=PLAIN, groups=()):
    """A connection of that account: the kernel notes who makes it."""
    saved = os.getgroups(), os.getegid()
    os.setgroups(list(groups))
    os.setegid(gid)
    os.seteuid(uid)
    try:
        return harness.Client(path)
    finally:
        os.seteuid(0)
        os.setegid(saved[1])
        os.setgroups(saved[0])


def methods_and_parameters():
    """Of methods.def: method -> its parameters."""
    with open(METHODS_DEF, encoding="utf-8") as file:
        rows = re.findall(r'METHOD\("([^"]+)", \w+, \w+,\s*"([^"]*)"', file.read())
    found = {}
    for method, text in rows:
        words = re.findall(r"[a-z_.]+", text)
        if words[:2] == ["those", "of"]:  # "those of METHOD but NAME, more"
            assert words[3] == "but", text
            found[method] = (found[words[2]] - {words[4]}) | set(words[5:])
        else:
            found[method] = set(words)
    return found


def make_token():
    done = harness.stint("token")
    assert done.returncode == 0, done
    token, line = done.stdout.decode().splitlines()
    return token, line


class TenantCase(harness.DaemonCase):
    # The log has all there is, so that a token in it would be found.
    settings = {"socket_mode": "0666", "log_level": "debug"}

    @classmethod
    def setUpClass(cls):
        cls.alpha_token, alpha_line = make_token()
        cls.beta_token, beta_line = make_token()
        cls.config = f"""
operators = root {BOSS}
operator_groups = {BOSS_GROUP}
[tenant beta]
groups = {BETA_GROUP} {BETA_GROUP_2} {BOTH_GROUP}
{beta_line}
[tenant alpha]            # before beta by user, behind it by group
users = {ALPHA} {ALPHA_2}
groups = 61502
{alpha_line}
weight = 3
cpu_per_minute = 10min
connections_max = 3
default_cpu_ms = 400ms
max_cpu_ms = 700ms
default_stdout_bytes = 1000
[tenant gate]
users = {GATE}
gateway = yes
[tenant default]
weight = 2
max_threads = 2
"""
        directory = tempfile.TemporaryDirectory(prefix="stint-state-", dir="/tmp")
        cls.addClassCleanup(directory.cleanup)
        cls.settings = {**TenantCase.settings, **cls.settings, "state_dir": os.path.join(directory.name, "state")}
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        log = cls.daemon.log()
        super().tearDownClass()
        for token in (cls.alpha_token, cls.beta_token, "a-wrong-token"):
            assert token not in log, "a token is in the log"

    def connect(self, uid, gid=PLAIN, groups=()):
        client = connect_as(self.daemon.socket, uid, gid, groups)
        self.addCleanup(client.close)
        return client

    def start(self, client, source=FOREVER, **params):
        """A running job; its request and its id."""
        ident = client.send("job.run", {"source": source, "stream": True, "limits": LONG, **params})
        while True:
            message = client.line()
            self.assertNotIn("error", message)
            if message.get("method") == "job.output":
                return ident, message["params"]["job"]

    def refused(self, client, method, params, reason):
        with self.assertRaises(harness.RpcError) as caught:
            client.call(method, params)
        self.assertEqual(caught.exception.reason, reason, caught.exception.message)
        return caught.exception.message


class Identity(TenantCase):
    def test_order(self):
        for uid, gid, groups, tenant, operator in (
            (ALPHA, PLAIN, (), "alpha", False),
            (uid_of(ALPHA_2), PLAIN, (), "alpha", False),  # named in the file
            (ALPHA, BETA_GROUP, (gid_of(BETA_GROUP_2),), "alpha", False),  # account before group
            (PLAIN, BETA_GROUP, (), "beta", False),
            (PLAIN, PLAIN, (1, 2, BETA_GROUP), "beta", False),
            (PLAIN, PLAIN, (gid_of(BETA_GROUP_2),), "beta", False),
            (PLAIN, 61502, (BOTH_GROUP,), "beta", False),  # the section that comes first
            (PLAIN, PLAIN, range(70000, 70500), f"uid-{PLAIN}", False),
            (PLAIN, PLAIN, (*range(70000, 70500), BETA_GROUP), "beta", False),
            (GATE, PLAIN, (), "gate", False),
            (BOSS, PLAIN, (), f"uid-{BOSS}", True),
            (PLAIN, BOSS_GROUP, (), f"uid-{PLAIN}", True),
            (ALPHA, PLAIN, (BOSS_GROUP,), "alpha", True),
            (0, 0, (), "uid-0", True),
        ):
            with self.subTest(uid=uid, gid=gid, groups=groups):
                with connect_as(self.daemon.socket, uid, gid, groups) as client:
                    info = client.call("daemon.info")
                self.assertEqual((info["tenant"], info["operator"]), (tenant, operator))
                self.assertTrue(info["features"]["tenants"])

    def test_limits_and_defaults(self):
        alpha, plain = self.connect(ALPHA), self.connect(PLAIN)
        limits = alpha.call("daemon.info")["limits"]
        self.assertEqual((limits["default"]["cpu_ms"], limits["max"]["cpu_ms"]), (400, 700))
        message = self.refused(alpha, "job.run", {"source": "1", "limits": {"cpu_ms": 701}}, "limit_too_high")
        self.assertIn("701", message)
        self.assertIn("700", message)
        self.assertEqual(plain.run("print(1)", limits={"cpu_ms": 701})["status"], "ok")
        self.refused(plain, "job.run", {"source": "1", "limits": {"threads": 3}}, "limit_too_high")
        self.assertEqual(alpha.run("print('x' * 1000)")["status"], "output_limit")
        self.assertEqual(plain.run("print('x' * 1000)")["status"], "ok")
        result = alpha.run("while True: pass")
        self.assertEqual(result["status"], "cpu_limit", result)
        self.assertGreaterEqual(result["usage"]["cpu_us"], 400_000)

    def test_a_new_stintd_knows_them_too(self):
        os.kill(self.daemon.stintd_pid(), 9)
        self.daemon.wait_serving()
        self.assertEqual(self.connect(uid_of(ALPHA_2)).call("daemon.info")["tenant"], "alpha")
        self.client = self.daemon.connect()
        self.client.close()


class Connections(TenantCase):
    """Alone, since a connection that a test has closed is open for the daemon for a moment."""

    def test_connections(self):
        clients = [self.connect(ALPHA), self.connect(uid_of(ALPHA_2)), self.connect(ALPHA)]
        for client in clients:
            client.call("daemon.health")
        with connect_as(self.daemon.socket, ALPHA) as fourth:
            answer = fourth.line()
            self.assertEqual(answer["error"]["data"]["reason"], "quota_exceeded")
            self.assertIsNone(fourth.line())
        self.connect(PLAIN).call("daemon.health")
        clients[0].close()
        harness.until(self.may_connect, 10, "a place for another connection")

    def may_connect(self):
        with connect_as(self.daemon.socket, ALPHA) as client:
            try:
                client.call("daemon.health")
                return True
            except (KeyError, ConnectionError, harness.RpcError):
                return False


class Secrecy(TenantCase):
    def what_alpha_has(self, alpha):
        """Of each kind of name: those of what is alpha's; what nobody has, in the same form."""
        ident, running = self.start(alpha)
        ended = alpha.run("print('ended')")["job"]
        submit = {"source": "print('kept')", "idempotency_key": "alphas-own"}
        kept = alpha.call("job.submit", submit)["job"]
        self.assertEqual(alpha.call("job.wait", {"job": kept})["status"], "ok")
        stored = alpha.call("job.submit", {"source": FOREVER, "limits": LONG})["job"]
        harness.until(lambda: alpha.call("job.status", {"job": stored})["state"] == "running", 20, "a stored job that runs")
        script = alpha.call("script.put", {"source": "print('alphas')", "name": "alphas.py"})["script"]
        cursor = alpha.call("job.list", {"limit": 1})["cursor"]
        self.assertTrue(cursor.endswith(stored), cursor)
        names = {"job": ([running, ended, kept, stored], NOBODYS), "id": ([ident], 424242), "script": ([script], "5" * 64),
                 "cursor": ([cursor], cursor[:-32] + NOBODYS), "idempotency_key": (["alphas-own"], "nobodys-own"),
                 "tenant": (["alpha"], "nobody")}
        return names, running, kept, stored, script, submit

    def answer(self, client, method, params):
        """All of it but its id, and a new job's."""
        message = client.wait_raw(client.send(method, params))
        del message["id"]
        if set(message.get("result", ())) == {"job"}:
            self.assertRegex(message["result"].pop("job"), "^[0-9a-f]{32}$")
        return message

    def test_every_method_with_anothers_ids(self):
        """What is alpha's is, for everybody else, what nobody has: the same answer to the letter."""
        alpha, same, gate = self.connect(ALPHA), self.connect(uid_of(ALPHA_2)), self.connect(GATE)
        names, running, kept, stored, script, submit = self.what_alpha_has(alpha)
        as_beta = {"tenant": "beta", "token": self.beta_token}
        strangers = [(self.connect(PLAIN), {}), (self.connect(PLAIN, BETA_GROUP), {}), (gate, {}), (gate, as_beta)]
        count = 0
        for method, tries in TRIES.items():
            for name, more in tries.items():
                theirs, nobodys = names[name]
                for stranger, acting in strangers:
                    if name == "tenant" and acting:
                        continue  # there the parameter is the gateway's, see test_wrong_tokens
                    for one in theirs:
                        with self.subTest(method=method, name=name, one=one, acting=bool(acting)):
                            found = self.answer(stranger, method, {**more, name: one, **acting})
                            self.assertEqual(found, self.answer(stranger, method, {**more, name: nobodys, **acting}))
                            if name in ("job", "id", "script"):
                                self.assertEqual(found["error"]["data"]["reason"], "not_found")
                            count += 1
        self.assertGreater(count, 80)
        for stranger, acting in strangers:  # and as notifications, which have no answer
            for method, tries in TRIES.items():
                for name, more in tries.items():
                    for one in names[name][0]:
                        line = {"jsonrpc": "2.0", "method": method, "params": {**more, name: one, **acting}}
                        stranger.send_raw(json.dumps(line).encode() + b"\n")
            stranger.call("daemon.health", acting)
        # Nothing of it has touched what is alpha's, and each of the names was one.
        self.assertEqual(same.call("script.get", {"script": script})["name"], "alphas.py")
        self.assertEqual(same.call("job.result", {"job": kept})["stdout"], "kept\n")
        self.assertEqual(same.call("job.submit", submit)["job"], kept)
        for job in (running, stored):
            self.assertEqual(same.call("job.status", {"job": job})["state"], "running")
            same.call("job.cancel", {"job": job})
        self.assertEqual(alpha.wait(names["id"][0][0])["status"], "cancelled")
        self.assertEqual(same.call("job.wait", {"job": stored})["status"], "cancelled")
        self.refused(same, "job.status", {"job": running}, "not_found")

    def test_no_method_is_left_out(self):
        """A new method, or a new parameter of one, says here whether it can name what is another's."""
        known = methods_and_parameters()
        self.assertEqual(set(known), set(self.client.call("daemon.info")["methods"]))
        self.assertEqual(set(known), set(TRIES), "a method without its row in TRIES")
        for method, parameters in known.items():
            with self.subTest(method=method):
                self.assertLessEqual(parameters, NAMING | PLAIN_ONES, "in NAMING or in PLAIN_ONES?")
                # idempotency_key and script are listed where they count; all that name something have a try
                self.assertEqual(parameters & NAMING, set(TRIES[method]))

    def test_operators_see_all(self):
        beta = self.connect(PLAIN, BETA_GROUP)
        for boss in (self.connect(BOSS), self.connect(PLAIN, PLAIN, (BOSS_GROUP,)), self.connect(0, 0)):
            ident, job = self.start(beta)
            self.assertEqual(boss.call("job.status", {"job": job})["state"], "running")
            boss.call("job.cancel", {"job": job})
            self.assertEqual(beta.wait(ident)["status"], "cancelled")

    def test_what_is_everyones_is_for_operators(self):
        alpha, plain, boss = self.connect(ALPHA), self.connect(PLAIN), self.connect(BOSS)
        ident, job = self.start(alpha)
        for client, running in ((alpha, 1), (plain, 0)):
            health = client.call("daemon.health")
            self.assertEqual((health["status"], health["jobs"]["running"]), ("ok", running))
            self.assertFalse({"workers", "ended"} & set(health))
        self.assertIn("ended", boss.call("daemon.health"))
        gate = self.connect(GATE, PLAIN, (BOSS_GROUP,))
        self.assertIn("ended", gate.call("daemon.health"))
        self.assertNotIn("ended", gate.call("daemon.health", {"tenant": "alpha", "token": self.alpha_token}))
        for method in OPERATORS_ONLY & set(boss.call("daemon.info")["methods"]):
            self.refused(plain, method, {}, "not_permitted")
            self.refused(gate, method, {"tenant": "alpha", "token": self.alpha_token}, "not_permitted")
        alpha.call("job.cancel", {"job": job})
        alpha.wait(ident)

    def test_usage(self):
        beta, boss = self.connect(PLAIN, BETA_GROUP), self.connect(BOSS)
        before = beta.call("tenant.usage")
        self.assertEqual(before["tenant"], "beta")
        ident, job = self.start(beta)
        usage = boss.call("tenant.usage", {"tenant": "beta"})["usage"]
        self.assertEqual((usage["running"], usage["queued"]), (1, 0))
        beta.call("job.cancel", {"job": job})
        beta.wait(ident)
        spent = beta.run("for i in range(100000): pass")["usage"]
        after = beta.call("tenant.usage")["usage"]
        self.assertEqual((after["running"], after["queued"], after["queue_bytes"]), (0, 0, 0))
        self.assertEqual(after["jobs_total"] - before["usage"]["jobs_total"], 2)
        self.assertGreaterEqual(after["opcodes_total"] - before["usage"]["opcodes_total"], spent["opcodes"])
        self.assertGreaterEqual(after["cpu_us_total"] - before["usage"]["cpu_us_total"], spent["cpu_us"])
        self.assertGreater(spent["opcodes"], 100000)

    def test_terms(self):
        alpha, boss, plain = self.connect(ALPHA), self.connect(BOSS), self.connect(PLAIN)
        usage = alpha.call("tenant.usage", {"tenant": "alpha"})
        self.assertEqual((usage["terms"]["weight"], usage["terms"]["cpu_per_minute_ms"]), (3, 600000))
        self.assertEqual(usage["limits"]["max"]["cpu_ms"], 700)
        self.assertEqual(plain.call("tenant.usage")["terms"]["weight"], 2)
        self.assertEqual(boss.call("tenant.usage", {"tenant": f"uid-{PLAIN}"})["terms"]["weight"], 2)
        self.refused(boss, "tenant.usage", {"tenant": "nobody"}, "not_found")
        self.refused(boss, "tenant.usage", {"tenant": f"uid-{ALPHA}"}, "not_found")
        messages = {self.refused(plain, "tenant.usage", {"tenant": name}, "not_permitted")
                    for name in ("alpha", "nobody", "uid-0", "default")}
        self.assertEqual(len(messages), 1)


class Gateway(TenantCase):
    def acting(self, tenant):
        return {"tenant": tenant, "token": self.alpha_token if tenant == "alpha" else self.beta_token}

    def test_one_connection_many_tenants(self):
        gate, alpha = self.connect(GATE), self.connect(ALPHA)
        ident_a, job_a = self.start(gate, **self.acting("alpha"))
        ident_b, job_b = self.start(gate, **self.acting("beta"))
        ident_g, job_g = self.start(gate)
        jobs = {"alpha": job_a, "beta": job_b}
        for actor in jobs:
            for owner, job in (*jobs.items(), ("gate", job_g)):
                params = {"job": job, **self.acting(actor)}
                if owner == actor:
                    self.assertEqual(gate.call("job.status", params)["state"], "running")
                else:
                    self.refused(gate, "job.status", params, "not_found")
                    self.refused(gate, "job.cancel", params, "not_found")
        self.refused(gate, "job.status", {"job": job_a}, "not_found")
        self.refused(gate, "job.cancel", {"id": ident_a, **self.acting("beta")}, "not_found")
        self.refused(gate, "job.cancel", {"id": ident_a}, "not_found")
        self.assertEqual(gate.call("tenant.usage", self.acting("beta"))["tenant"], "beta")
        self.assertEqual(gate.call("daemon.info", self.acting("alpha"))["tenant"], "alpha")
        # The tenant's own client reaches what the gateway runs for it.
        alpha.call("job.cancel", {"job": job_a})
        gate.call("job.cancel", {"id": ident_b, **self.acting("beta")})
        gate.call("job.cancel", {"job": job_g})
        for ident in (ident_a, ident_b, ident_g):
            self.assertEqual(gate.wait(ident)["status"], "cancelled")

    def test_its_end_ends_what_it_runs_for_others(self):
        gate, alpha = self.connect(GATE), self.connect(ALPHA)
        _, job = self.start(gate, **self.acting("alpha"))
        kept = gate.call("job.submit", {"source": "print('kept')", **self.acting("alpha")})["job"]
        self.assertEqual(alpha.call("job.status", {"job": job})["state"], "running")
        gate.close()
        harness.until(lambda: alpha.call("tenant.usage")["usage"]["running"] == 0, 20, "the end of alpha's job")
        self.refused(alpha, "job.status", {"job": job}, "not_found")
        self.assertEqual(alpha.call("job.wait", {"job": kept})["stdout"], "kept\n")

    def test_limits_are_those_of_the_tenant_it_acts_for(self):
        gate = self.connect(GATE)
        limits = {"limits": {"cpu_ms": 701}, "source": "print(1)"}
        self.refused(gate, "job.run", {**limits, **self.acting("alpha")}, "limit_too_high")
        self.assertEqual(gate.run(**limits, **self.acting("beta"))["status"], "ok")

    def test_long_lines_too(self):
        gate = self.connect(GATE)
        source = "print(len('''" + "x" * 300_000 + "'''))"
        self.assertEqual(gate.run(source, **self.acting("beta"))["stdout"], "300000\n")
        before = gate.call("tenant.usage", self.acting("alpha"))["usage"]["jobs_total"]
        gate.run(source, **self.acting("alpha"))
        self.assertEqual(gate.call("tenant.usage", self.acting("alpha"))["usage"]["jobs_total"], before + 1)

    def test_wrong_tokens(self):
        gate = self.connect(GATE)
        messages = set()
        for tenant, token in (
            ("alpha", "a-wrong-token"), ("alpha", self.beta_token), ("alpha", ""), ("nobody", self.alpha_token), ("", self.alpha_token),
            ("gate", self.alpha_token), ("default", self.alpha_token), (f"uid-{PLAIN}", self.alpha_token), ("Alpha", self.alpha_token),
            ("alpha", self.alpha_token + " "), ("alpha", self.alpha_token[:-1]),
        ):
            for method, params in (("job.run", {"source": "1"}), ("job.status", {"job": NOBODYS}), ("daemon.info", {}), ("tenant.usage", {})):
                with self.subTest(tenant=tenant, method=method):
                    messages.add(self.refused(gate, method, {**params, "tenant": tenant, "token": token}, "not_permitted"))
        messages.add(self.refused(gate, "job.run", {"source": "1", "tenant": "alpha"}, "not_permitted"))
        messages.add(self.refused(gate, "job.run", {"source": "1", "token": self.alpha_token}, "not_permitted"))
        self.assertEqual(len(messages), 1, messages)
        for params in ({"tenant": 5, "token": "x"}, {"tenant": "alpha", "token": None}, {"tenant": "alpha", "token": "x" * 1025}):
            with self.assertRaises(harness.RpcError) as caught:
                gate.call("job.run", {"source": "1", **params})
            self.assertEqual(caught.exception.code, -32602)

    def test_who_is_no_gateway(self):
        for client in (self.connect(ALPHA), self.connect(PLAIN), self.connect(BOSS), self.client):
            for params in (self.acting("alpha"), {"tenant": "alpha"}, {"token": self.alpha_token}):
                self.refused(client, "job.run", {"source": "1", **params}, "not_permitted")

    def stint_as_gate(self, *arguments, words=("run", "-c", "print('ran')"), **environment):
        return subprocess.run([harness.CLIENT, *words, *arguments], user=GATE, group=PLAIN, extra_groups=[],
                              env={"STINT_SOCKET": self.daemon.socket, **environment}, cwd="/", stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60 * harness.SLOW)

    def test_command_line(self):
        before = self.client.call("tenant.usage", {"tenant": "alpha"})["usage"]["jobs_total"]
        with tempfile.NamedTemporaryFile("w", dir=self.daemon.directory) as file:
            os.chmod(file.name, 0o644)
            for text, code, said in ((self.alpha_token + "\n", 0, ""), (self.alpha_token, 0, ""), ("a-wrong-token\n", 125, "not_permitted"),
                                     ("one\ntwo\n", 125, "is not one line"), ("", 125, "1 to 1024 bytes")):
                file.seek(0)
                file.truncate()
                file.write(text)
                file.flush()
                done = self.stint_as_gate("--tenant", "alpha", "--token-file", file.name)
                self.assertEqual((done.returncode, done.stdout), (code, "" if code else "ran\n"), done.stderr)
                self.assertIn(said, done.stderr)
                self.assertNotIn(self.alpha_token, done.stderr)
        done = self.stint_as_gate("--tenant=alpha", STINT_TOKEN=self.alpha_token)
        self.assertEqual((done.returncode, done.stdout), (0, "ran\n"), done.stderr)
        self.assertEqual(self.client.call("tenant.usage", {"tenant": "alpha"})["usage"]["jobs_total"], before + 3)
        done = self.stint_as_gate("--tenant", "alpha")
        self.assertEqual(done.returncode, 125)
        self.assertIn("--token-file", done.stderr)
        self.assertEqual(self.stint_as_gate("--token-file", "/etc/hostname").returncode, 125)
        # Without --tenant a token in the environment says nothing.
        self.assertEqual(self.stint_as_gate(STINT_TOKEN="x").returncode, 0)

    def test_command_line_for_what_there_is(self):
        """Each command about a job finds the tenant's with its token, and nothing without."""
        acting = {"alpha": ("--tenant", "alpha"), "beta": ("--tenant", "beta"), "gate": ()}
        tokens = {"alpha": self.alpha_token, "beta": self.beta_token, "gate": ""}

        def stint(tenant, *words):
            return self.stint_as_gate(*acting[tenant], words=words, STINT_TOKEN=tokens[tenant])

        job = stint("alpha", "submit", "--no-stdin", "-c", "print('kept')").stdout.strip()
        self.assertRegex(job, "^[0-9a-f]{32}$")
        endless = stint("alpha", "submit", "--no-stdin", "--wall", "5min", "-c", "import time; time.sleep(300)").stdout.strip()
        for command, said in (("wait", "kept\n"), ("result", "kept\n"), ("status", "ended"), ("list", job)):
            words = (command,) if command == "list" else (command, job)
            done = stint("alpha", *words)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(said, done.stdout, words)
        for tenant in ("beta", "gate"):
            for command in ("wait", "result", "status", "cancel"):
                done = stint(tenant, command, endless)
                self.assertEqual((done.returncode, done.stdout), (125, ""), command)
                self.assertIn("not_found", done.stderr)
            self.assertNotIn(job, stint(tenant, "list").stdout)
        self.assertEqual(stint("alpha", "cancel", endless).returncode, 0)
        self.assertIn("cancelled", stint("alpha", "wait", endless).stderr)
        self.assertEqual(stint("beta", "selftest").stdout.splitlines()[-1].split()[1:], ["passed,", "0", "failed"])
        self.assertIn("cpu_ms", stint("alpha", "selftest").stderr)  # above alpha's maximum: run for alpha
        done = stint("alpha", "status")
        self.assertRegex(done.stdout, r"(?m)^tenant +alpha$")
        self.assertRegex(stint("gate", "status").stdout, r"(?m)^tenant +gate$")

    def test_command_line_and_its_token(self):
        for command in ("wait", "result", "list", "status", "cancel", "selftest"):
            words = (command,) if command in ("list", "selftest") else (command, NOBODYS)
            with self.subTest(command=command):
                for arguments, environment, said in (
                    (("--tenant", "alpha"), {"STINT_TOKEN": "a-wrong-token"}, "not_permitted"),
                    (("--tenant", "alpha"), {}, "--token-file"),
                    (("--token-file", "/etc/hostname"), {}, "needs --tenant"),
                ):
                    done = self.stint_as_gate(*arguments, words=words, **environment)
                    self.assertEqual((done.returncode, done.stdout), (125, ""), done.stderr)
                    self.assertIn(said, done.stderr)
        for command in ("top", "metrics", "drain", "doctor"):  # for operators, whose rights no gateway's request has; or for none
            self.assertIn("unknown option", self.stint_as_gate("--tenant", "alpha", words=(command,), STINT_TOKEN=self.alpha_token).stderr)
        # Two requests, and a token that can be read once.
        script = 'printf "%s\\n" "$TOKEN" | "$STINT" status --tenant alpha --token-file /dev/stdin'
        done = subprocess.run(["/bin/sh", "-c", script], user=GATE, group=PLAIN, extra_groups=[], capture_output=True, text=True, cwd="/",
                              env={"STINT_SOCKET": self.daemon.socket, "TOKEN": self.alpha_token, "STINT": harness.CLIENT}, timeout=60 * harness.SLOW)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"(?m)^tenant +alpha$")


class WithoutSections(harness.DaemonCase):
    settings = {"socket_mode": "0666"}

    def test_each_user_is_one(self):
        with connect_as(self.daemon.socket, 61000) as one, connect_as(self.daemon.socket, 61001) as two, \
                connect_as(self.daemon.socket, 61000) as again:
            self.assertEqual(one.call("daemon.info")["tenant"], "uid-61000")
            ident = one.send("job.run", {"source": FOREVER, "stream": True, "limits": LONG})
            while (message := one.line()).get("method") != "job.output":
                pass
            job = message["params"]["job"]
            with self.assertRaises(harness.RpcError) as caught:
                two.call("job.cancel", {"job": job})
            self.assertEqual(caught.exception.reason, "not_found")
            self.assertEqual(self.client.call("job.status", {"job": job})["state"], "running")
            again.call("job.cancel", {"job": job})
            self.assertEqual(one.wait(ident)["status"], "cancelled")


class Refused(unittest.TestCase):
    def test_names_that_do_not_exist(self):
        for text, line, said in (
            ("[tenant a]\nusers = daemon no-such-user-x\n", 2, 'tenant a: users: there is no "no-such-user-x"'),
            ("[tenant a]\ngroups = no-such-group-x\n", 2, 'tenant a: groups: there is no "no-such-group-x"'),
            ("[tenant a]\nusers = daemon\n[tenant b]\nusers = %d\n" % uid_of("daemon"), 4, "is named for tenant a already"),
            ("[tenant a]\nusers = 5\n\n[tenant b]\nusers = 5\n", 5, 'the user "5" is named for tenant a already, in line 2'),
            ("[tenant a]\nmax_cpu_ms = 61s\n", 2, "max_cpu_ms"),
            ("[tenant uid-5]\n", 1, "uid-5"),
        ):
            with self.subTest(text=text), tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
                file.write(text)
                file.flush()
                for options in (["--check-config"], []):
                    done = subprocess.run([harness.SPAWNER, "--config", file.name, *options, "--set", "socket=/nonexistent/s"],
                                          capture_output=True, text=True, timeout=60 * harness.SLOW)
                    self.assertNotEqual(done.returncode, 0)
                    self.assertIn(f"{file.name}:{line}: ", done.stderr)
                    self.assertIn(said, done.stderr)

    def test_operators_that_do_not_exist(self):
        done = subprocess.run([harness.SPAWNER, "--check-config", "--set", "operators=no-such-user-x"], capture_output=True, text=True,
                              timeout=60 * harness.SLOW)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn('operators: there is no "no-such-user-x"', done.stderr)

    def test_print_keeps_names(self):
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            file.write("[tenant a]\nusers = daemon 7\nweight = 5\n")
            file.flush()
            done = subprocess.run([harness.SPAWNER, "--print-config", "--config", file.name], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0)
        self.assertIn("\n[tenant a]\nweight = 5\nusers = daemon 7\n", done.stdout)


if __name__ == "__main__":
    unittest.main()
