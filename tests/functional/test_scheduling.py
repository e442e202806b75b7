"""Who runs next and who may enter, over a real daemon: rates and caps of tenants with what a refusal says, priorities,
deadlines, shares by weight. Nothing here but one look depends on how fast the machine is: a job that sleeps holds the
only place until all that is compared waits behind it."""
import contextlib
import glob
import os
import time
import unittest

import harness
from test_metrics import families
from test_tenants import connect_as

FOREVER = {"source": "import time; time.sleep(200)", "limits": {"wall_ms": 300000}}
JOB_US = 1000  # QUOTA_JOB_US: what each is charged besides
# About a hundredth of a second of CPU time.
WORK = "for i in range(200000): pass"
JOBS, CPU, OPCODES, FEW, SMALL, LIGHT, HEAVY, MANY = range(61001, 61009)
CONFIG = f"""
operators = root
[tenant jobs]
users = {JOBS}
jobs_per_minute = 3
[tenant cpu]
users = {CPU}
cpu_per_minute = 100ms
[tenant opcodes]
users = {OPCODES}
opcodes_per_minute = 600000
[tenant few]
users = {FEW}
queue_jobs_max = 2
running_max = 1
[tenant small]
users = {SMALL}
queue_bytes_max = 20000
running_max = 1
[tenant light]
users = {LIGHT}
weight = 1
[tenant heavy]
users = {HEAVY}
weight = 3
"""


class SchedulingCase(harness.DaemonCase):
    config = CONFIG

    def as_user(self, uid):
        client = connect_as(self.daemon.socket, uid)
        self.addCleanup(client.close)
        return client

    def refused(self, client, **params):
        """The error object of a job that must not be taken."""
        answer = client.wait_raw(client.send("job.run", {"source": "pass", **params}))
        self.assertIn("error", answer, answer)
        return answer["error"]

    def assert_refused(self, error, reason, code, *words):
        self.assertEqual((error["data"]["reason"], error["code"]), (reason, code), error)
        for word in words:
            self.assertIn(word, error["message"])

    def jobs(self):
        return self.client.call("daemon.health")["jobs"]

    def hold(self, client=None, **params):
        """A job that runs until it is cancelled; its request's id."""
        client = client or self.client
        before = self.jobs()["running"]
        ident = client.send("job.run", {**FOREVER, **params})
        harness.until(lambda: self.jobs()["running"] > before, 30, "the job that holds a place")
        return ident

    def wait_queued(self, count):
        harness.until(lambda: self.jobs()["queued"] == count, 30, f"{count} waiting jobs")

    def tearDown(self):
        self.daemon.wait_idle()


class Admission(SchedulingCase):
    settings = {"socket_mode": "0666", "running_max": 4, "workers_ready": 2}

    def test_jobs_in_a_minute(self):
        client = self.as_user(JOBS)
        for _ in range(3):
            self.assertEqual(client.run("pass")["status"], "ok")
        # One comes back each 20 seconds: on a machine that slow it may be there by now.
        error = next(filter(None, (client.wait_raw(client.send("job.run", {"source": "pass"})).get("error")
                                   for _ in range(100))))
        self.assert_refused(error, "quota_exceeded", -32001, "tenant jobs", "jobs_per_minute (3)")
        self.assertIn(error["data"]["retry_after_ms"], range(1, 20001))
        self.assertEqual(self.as_user(LIGHT).run("pass")["status"], "ok")

    def test_cpu_in_a_minute(self):
        client = self.as_user(CPU)
        result = client.run("import time\nwhile time.process_time() < 0.35: pass")
        self.assertEqual(result["status"], "ok")  # what it had was enough to begin
        error = self.refused(client)
        self.assert_refused(error, "quota_exceeded", -32001, "tenant cpu", "cpu_per_minute (100 ms)")
        # It owes what it used above its minute's worth, and pays that back at 100 ms in a minute.
        most = (result["usage"]["cpu_us"] / 1000 + 50) / 100 * 60000
        self.assertIn(error["data"]["retry_after_ms"], range(1, int(most)))

    def test_opcodes_in_a_minute_and_the_time_that_is_told(self):
        client = self.as_user(OPCODES)
        used = client.run("for i in range(202000): pass")["usage"]["opcodes"]
        self.assertGreater(used, 600000)
        answer = client.wait_raw(client.send("job.run", {"source": "pass"}))
        if "error" in answer:  # 10,000 come back each second: else it took that long to ask
            self.assert_refused(answer["error"], "quota_exceeded", -32001, "opcodes_per_minute (600000)")
            retry = answer["error"]["data"]["retry_after_ms"]
            self.assertIn(retry, range(1, (used - 600000) // 10 + 2))
            time.sleep(retry / 1000)
            self.assertEqual(client.run("pass")["status"], "ok")

    def test_waiting_jobs_of_a_tenant(self):
        client = self.as_user(FEW)
        self.hold(client)
        waiting = [client.send("job.run", {"source": "pass"}) for _ in range(2)]
        self.wait_queued(2)
        error = self.refused(client)
        self.assert_refused(error, "queue_full", -32000, "queue_jobs_max of tenant few (2 jobs)")
        self.assertGreater(error["data"]["retry_after_ms"], 0)
        other = self.as_user(LIGHT)
        self.assertEqual(other.run("pass")["status"], "ok")  # nobody else's matter
        client.call("job.cancel", {"id": 1})
        for ident in waiting:
            self.assertEqual(client.wait(ident)["status"], "ok")
        self.assertEqual(client.run("pass")["status"], "ok")

    def test_waiting_bytes_of_a_tenant(self):
        client = self.as_user(SMALL)
        self.hold(client)
        client.send("job.run", {"source": "#" * 12000})
        self.wait_queued(1)
        error = self.refused(client, source="#" * 12000)
        self.assert_refused(error, "queue_full", -32000, "queue_bytes_max of tenant small (20000 bytes)")
        error = self.refused(client, source="#" * 20000)
        self.assert_refused(error, "too_large", -32005, "queue_bytes_max of tenant small is 20000")
        self.assertNotIn("retry_after_ms", error["data"])  # it never will
        client.call("job.cancel", {"id": 1})

    def test_running_jobs_of_a_tenant(self):
        client, other = self.as_user(FEW), self.as_user(LIGHT)
        self.hold(client)
        second = client.send("job.run", {"source": "pass", "stream": True})
        self.wait_queued(1)
        self.assertEqual(other.run("pass")["status"], "ok")  # places are left, though not for it
        self.assertEqual(self.jobs(), {"queued": 1, "running": 1})
        client.call("job.cancel", {"id": 1})
        self.assertEqual(client.wait(second)["status"], "ok")


class Order(SchedulingCase):
    settings = {"socket_mode": "0666", "running_max": 1, "guests_max": 0, "workers_ready": 2}

    def finished(self, clients, count):
        """The order in which jobs end that were sent over these connections: (connection, stdout)."""
        import select
        order = []
        while len(order) < count:
            ready, _, _ = select.select([client.socket for client in clients], [], [], harness.ANSWER_SECONDS)
            self.assertTrue(ready, f"{len(order)} of {count} ended")
            for client in clients:
                while client.socket in ready or b"\n" in client.buffer:
                    message = client.line()
                    if "result" in message and "status" in message["result"]:
                        order.append((client, message["result"]))
                    if b"\n" not in client.buffer:
                        break
        return order

    def test_priorities(self):
        client, names = self.as_user(LIGHT), []
        holder = self.hold()
        for name, priority in (("a", 0), ("b", None), ("c", 10), ("d", -10), ("e", 3), ("f", 10), ("g", 0)):
            params = {"source": f"print('{name}', end='')"}
            if priority is not None:
                params["priority"] = priority
            client.send("job.run", params)
            names.append(name)
        self.wait_queued(len(names))
        self.client.call("job.cancel", {"id": holder})
        order = self.finished([client], len(names))
        self.assertEqual("".join(result["stdout"] for _, result in order), "cfeabgd")

    def test_deadlines_order_and_pass(self):
        client = self.as_user(LIGHT)
        holder = self.hold()
        late = client.send("job.run", {"source": "print('never')", "deadline_ms": 50})
        for name, deadline in (("a", None), ("b", 250000), ("c", 200000)):
            params = {"source": f"print('{name}', end='')"}
            if deadline:
                params["deadline_ms"] = deadline
            client.send("job.run", params)
        result = client.wait(late)  # while the only place is taken
        self.assertEqual((result["status"], result["verdict"], result["error"]["type"], result["stdout"]),
                         ("cancelled", "CA", "DeadlineExceeded", ""))
        self.assertIn("deadline_ms of 50", result["error"]["message"])
        self.assertGreaterEqual(result["usage"]["queue_us"], 50000)
        self.assertEqual((result["usage"]["cpu_us"], result["usage"]["wall_us"]), (0, 0))
        self.wait_queued(3)
        self.client.call("job.cancel", {"id": holder})
        order = self.finished([client], 3)
        self.assertEqual("".join(result["stdout"] for _, result in order), "cba")
        self.assertEqual({result["status"] for _, result in order}, {"ok"})

    def test_a_started_job_has_met_its_deadline(self):
        result = self.client.run("import time; time.sleep(0.3); print('done')", deadline_ms=250000)
        self.assertEqual(result["status"], "ok")
        holder = self.hold(deadline_ms=250000)
        self.client.call("job.cancel", {"id": holder})
        self.assertEqual(self.client.wait(holder)["error"]["type"], "Cancelled")

    def test_wrong_values_are_refused_by_name(self):
        for params, text in (({"priority": 11}, "priority: must be from -10 to 10"),
                             ({"priority": "high"}, "priority: a string"),
                             ({"deadline_ms": 0}, "deadline_ms: must be from 1 to"),
                             ({"deadline_ms": 1.5}, "deadline_ms: a number")):
            with self.assertRaisesRegex(harness.RpcError, text) as caught:
                self.client.run("pass", **params)
            self.assertEqual(caught.exception.code, -32602)

    def test_a_flood_holds_nobody_up(self):
        flood, other = self.as_user(HEAVY), self.as_user(LIGHT)
        holder = self.hold()
        for _ in range(100):
            flood.send("job.run", {"source": WORK})
        self.wait_queued(100)
        other.send("job.run", {"source": "print('me', end='')"})
        self.wait_queued(101)
        self.client.call("job.cancel", {"id": holder})
        order = self.finished([flood, other], 101)
        place = [client for client, _ in order].index(other)
        self.assertLess(place, 10)

    def test_weights(self):
        light, heavy = self.as_user(LIGHT), self.as_user(HEAVY)
        holder = self.hold()
        for _ in range(150):
            light.send("job.run", {"source": WORK})
            heavy.send("job.run", {"source": WORK})
        self.wait_queued(300)
        self.client.call("job.cancel", {"id": holder})
        order = self.finished([light, heavy], 300)[:180]  # while both wait
        used = {client: sum(result["usage"]["cpu_us"] + JOB_US for whose, result in order if whose is client)
                for client in (light, heavy)}
        part = used[light] / sum(used.values())
        print(f"\nweights 1:3: {100 * part:.1f} % of the CPU time is the first one's")
        self.assertAlmostEqual(part, 0.25, delta=0.05)


class Guests(SchedulingCase):
    settings = {"socket_mode": "0666", "running_max": 2, "guests_max": 1, "workers_ready": 2}

    def test_who_holds_all_places_keeps_nobody_out(self):
        """Neither by sleeping nor by computing in C, for as long as its jobs may."""
        greedy, other = self.as_user(HEAVY), self.as_user(LIGHT)
        for source in ("import time; time.sleep(1000)", "sum(range(10**12))"):
            held = [greedy.send("job.run", {"source": source, "limits": {"wall_ms": 60000, "cpu_ms": 60000}}) for _ in range(5)]
            harness.until(lambda: self.jobs()["running"] == 2, 30, "both places to be taken")
            self.wait_queued(3)
            for _ in range(20):
                self.assertEqual(other.run("print(1)")["stdout"], "1\n")
                self.assertEqual(self.jobs()["queued"], 3)  # it was not that a place became free
            for ident in held:
                greedy.call("job.cancel", {"id": ident})
                self.assertEqual(greedy.wait(ident)["status"], "cancelled")


class SharingCase(SchedulingCase):
    """Jobs that compute for ever, and what their control groups weigh."""

    settings = {"socket_mode": "0666", "running_max": 6, "guests_max": 0}
    SPIN = "while True: pass"

    @staticmethod
    def seconds(pid):
        """Of CPU time."""
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
                fields = file.read().rsplit(")", 1)[1].split()
        except OSError:
            return 0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def busy(self):
        return {pid for pid in self.daemon.workers() if self.seconds(pid) > 0.5}

    def start(self, client, source=SPIN, **limits):
        """Pid of a job that computes for ever."""
        before = self.busy()
        ident = client.send("job.run", {"source": source, "limits": {"wall_ms": 100000, "cpu_ms": 60000, **limits}})
        self.started.append((client, ident))
        return harness.until(lambda: self.busy() - before, 30, "it to compute").pop()

    def setUp(self):
        super().setUp()
        self.started = []

    def tearDown(self):
        for client, ident in self.started:
            client.send("job.cancel", {"id": ident})
            self.assertEqual(client.wait(ident)["status"], "cancelled")
        super().tearDown()

    @staticmethod
    def weight(pid):
        """Of its control group, 100 for an ordinary one."""
        with open(f"/proc/{pid}/cgroup", encoding="ascii") as file:
            groups = [line.rstrip("\n").split(":", 2)[1:] for line in file]
        for root in ("/sys/fs/cgroup", *glob.glob("/sys/fs/cgroup/*")):
            for names, path in groups:
                for file, whole, mine in (("cpu.shares", 1024, "cpu" in names.split(",")), ("cpu.weight", 100, names == "")):
                    if mine and os.path.exists(f"{root}{path}/{file}"):
                        with open(f"{root}{path}/{file}", encoding="ascii") as value:
                            return round(int(value.read()) * 100 / whole)
        raise AssertionError(f"no cpu controller: {groups}")

    def made_way(self):
        """Seconds, since the service was started."""
        return families(self.client)["stint_made_way_seconds_total"].total()

    def until_they_weigh(self, pids, *expected):
        harness.until(lambda: [self.weight(pid) for pid in pids] == list(expected), 10, f"weights {expected}")


class Sharing(SharingCase):
    """Weights of running jobs make up for there being more of one tenant's."""

    def test_who_has_many_makes_room(self):
        many, one = self.as_user(LIGHT), self.as_user(MANY)
        pids = [self.start(many) for _ in range(3)]
        self.assertEqual([self.weight(pid) for pid in pids], [100, 100, 100])  # alone there is nobody to make room for
        single = self.start(one)
        self.until_they_weigh([*pids, single], 33, 33, 33, 100)
        client, ident = self.started.pop()
        client.send("job.cancel", {"id": ident})
        self.assertEqual(client.wait(ident)["status"], "cancelled")
        self.until_they_weigh(pids, 100, 100, 100)  # and comes back to it

    def test_a_young_job_comes_first(self):
        many, one = self.as_user(LIGHT), self.as_user(MANY)
        pids = [self.start(many) for _ in range(3)]
        seen, end = set(), time.monotonic() + 30 * harness.SLOW
        while (11, 11, 11) not in seen and time.monotonic() < end:  # it is young for a second
            held = self.hold(one)
            young = time.monotonic() + 1
            while (11, 11, 11) not in seen and time.monotonic() < young:
                seen.add(tuple(self.weight(pid) for pid in pids))
            self.until_they_weigh(pids, 33, 33, 33)
            one.send("job.cancel", {"id": held})
            self.assertEqual(one.wait(held)["status"], "cancelled")
        self.assertIn((11, 11, 11), seen)
        self.until_they_weigh(pids, 100, 100, 100)

    def test_who_has_many_begins_nothing_meanwhile(self):
        many, one = self.as_user(LIGHT), self.as_user(MANY)
        for _ in range(3):
            self.start(many)
        before = self.made_way()
        self.assertEqual(many.run("pass")["status"], "ok")
        self.assertEqual(self.made_way(), before)  # its own short jobs are nobody's to make way for
        self.assertEqual(one.run("pass")["status"], "ok")
        harness.until(lambda: self.made_way() > before, 10, "it to be over")
        self.assertEqual(many.run("pass")["status"], "ok")  # and is let in again

    def test_weights_count(self):
        heavy, one = self.as_user(HEAVY), self.as_user(MANY)
        pids = [self.start(heavy) for _ in range(3)] + [self.start(one)]
        self.until_they_weigh(pids, 100, 100, 100, 100)
        pids.append(self.start(one))
        self.until_they_weigh(pids, 100, 100, 100, 50, 50)

    def test_a_worker_that_is_made_weighs_little(self):
        """Seen while the pool is filled again."""
        seen, clients = set(), [self.as_user(LIGHT), self.as_user(MANY)]
        for turn in range(40):
            clients[turn % 2].run("pass")
            for pid in self.daemon.workers():
                with contextlib.suppress(OSError, AssertionError):  # it has ended
                    seen.add(self.weight(pid))
        self.assertIn(25, seen)


class NoSharing(SharingCase):
    settings = {**SharingCase.settings, "share_cores": "no"}

    def test_nobody_makes_room(self):
        many, one = self.as_user(LIGHT), self.as_user(MANY)
        pids = [self.start(client) for client in (many, many, many, one)]
        time.sleep(1)  # four looks of the house
        self.assertEqual([self.weight(pid) for pid in pids], [100] * 4)
        self.assertEqual(one.run("pass")["status"], "ok")
        self.assertEqual(self.made_way(), 0)


@unittest.skipIf(os.path.exists("/sys/fs/cgroup/cgroup.procs"), "on v2 there is one hierarchy")
class NoHierarchy(unittest.TestCase):
    """The service's parent is missing in the cpu hierarchy: weights are wished for, never needed."""

    def test_it_serves_without(self):
        name = f"stint-test-parent-{os.getpid()}"
        for tree in ("memory", "pids", "cpuacct", "unified"):
            if os.path.isdir(f"/sys/fs/cgroup/{tree}"):
                os.mkdir(f"/sys/fs/cgroup/{tree}/{name}")
                self.addCleanup(os.rmdir, f"/sys/fs/cgroup/{tree}/{name}")
        daemon = harness.Daemon(cgroup_parent=f"/{name}")
        try:
            daemon.wait_idle()
            with daemon.connect() as client:
                self.assertEqual(client.run("print(1)")["stdout"], "1\n")
            self.assertIn("share_cores has no effect", daemon.log())
            self.assertFalse([top for top in harness.cgroups(daemon.pid) if os.path.exists(f"{top}/cpu.shares")])
        finally:
            daemon.stop()
            daemon.wait_clean()
            daemon.remove()


if __name__ == "__main__":
    unittest.main()
