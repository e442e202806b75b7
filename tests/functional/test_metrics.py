"""daemon.metrics, stint metrics, and what the numbers say of jobs that did run."""
import os
import shutil
import tempfile
import unittest

import exposition
import harness


def families(client):
    answer = client.call("daemon.metrics")
    assert answer["content_type"] == "text/plain; version=0.0.4; charset=utf-8", answer["content_type"]
    return exposition.parse(answer["text"])


class Reader(unittest.TestCase):
    """The reader that the other tests trust refuses what the format forbids."""

    GOOD = '# HELP a_total A.\n# TYPE a_total counter\na_total{x="1\\n"} 2\na_total{x="2"} 3.5\n'

    def test_good(self):
        family = exposition.parse(self.GOOD)["a_total"]
        self.assertEqual((family.value(x="1\n"), family.value(x="2"), family.total()), (2, 3.5, 5.5))

    def test_bad(self):
        histogram = '# HELP h H.\n# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="+Inf"} 2\nh_sum 3\nh_count 2\n'
        exposition.parse(histogram)
        for text in (
            self.GOOD[:-1], self.GOOD + "a_total 5\n" * 2, self.GOOD.replace("a_total", "a"),
            self.GOOD.replace("counter", "gauge"), self.GOOD.replace("counter", "thing"),
            self.GOOD.replace("# HELP a_total A.\n", ""), self.GOOD.replace("# TYPE a_total counter\n", ""),
            self.GOOD + 'a_total{x="2"} 4\n', self.GOOD + "b 1\n", self.GOOD + 'a_total{x="3",} 1\n',
            self.GOOD + 'a_total{x="3" 1\n', self.GOOD + 'a_total{x="3"}1\n', self.GOOD + 'a_total{x="3"} 1 x\n',
            self.GOOD + 'a_total{x="\\q"} 1\n', self.GOOD + "a_total -1\n", self.GOOD + "\n",
            histogram.replace("h_count 2", "h_count 3"), histogram.replace('le="1"} 1', 'le="1"} 5'),
            histogram.replace("+Inf", "2"), histogram.replace("h_sum 3\n", ""),
        ):
            with self.assertRaises((ValueError, IndexError), msg=text):
                exposition.parse(text)


class Metrics(harness.DaemonCase):
    settings = {"metrics_tenants_max": 2, "queue_jobs_max": 4, "running_max": 2, "max_cpu_ms": 20000,
                "connections_max": 8}

    def test_form(self):
        found = families(self.client)
        self.assertGreater(len(found), 30)
        for name in found:
            self.assertRegex(name, r"^stint_[a-z_]+$")

    def test_jobs_add_up(self):
        before = families(self.client)
        self.run_ok("print('x' * 99)")
        self.run_status("runtime_error", "1/0")
        self.run_status("cpu_limit", "while True: pass", limits={"cpu_ms": 50})
        self.run_status("wall_limit", "import time; time.sleep(60)", limits={"wall_ms": 50})
        self.run_status("opcode_limit", "while True: pass", limits={"opcodes": 1000})
        after = families(self.client)

        def more(name, **labels):
            return after[name].value(**labels) - before[name].value(**labels)

        for status in ("ok", "runtime_error", "cpu_limit", "wall_limit", "opcode_limit"):
            self.assertEqual(more("stint_jobs_ended_total", status=status), 1, status)
        self.assertEqual(more("stint_job_kills_total", reason="cpu"), 1)
        self.assertEqual(more("stint_job_kills_total", reason="wall"), 1)
        self.assertGreaterEqual(more("stint_jobs_cpu_seconds_total"), 0.05)
        self.assertGreaterEqual(more("stint_jobs_opcodes_total"), 1000)
        self.assertGreaterEqual(more("stint_jobs_output_bytes_total"), 100)
        self.assertEqual(more("stint_requests_total", method="job.run"), 5)
        self.assertEqual(more("stint_requests_total", method="daemon.metrics"), 1)
        for name in ("stint_job_queue_seconds", "stint_job_wall_seconds", "stint_job_cpu_seconds"):
            count = [sum(v for n, _, v in f[name].samples if n.endswith("_count")) for f in (before, after)]
            self.assertEqual(count[1] - count[0], 5, name)
        for limit in ("cpu", "wall"):
            counts = [f["stint_kill_overrun_seconds"].buckets(limit=limit)[-1][1] for f in (before, after)]
            self.assertEqual(counts[1] - counts[0], 1)
        self.assertGreaterEqual(after["stint_workers_started_total"].total(), 5)
        self.assertGreaterEqual(after["stint_generations_started_total"].total(), 1)
        self.assertEqual(after["stint_serving"].total(), 1)
        self.assertEqual(after["stint_draining"].total(), 0)
        self.assertGreater(after["stint_isolation_layer"].total(), 10)
        self.assertGreater(after["stint_connections_opened_total"].total(), 0)

    def test_tenants(self):
        def opcodes(found):
            return {labels["tenant"]: value for _, labels, value in found["stint_tenant_opcodes_total"].samples}

        self.run_ok("pass")
        before = opcodes(families(self.client))
        used = self.run_ok("sum(range(100))")["usage"]["opcodes"]
        after = opcodes(families(self.client))
        self.assertEqual([n - before[tenant] for tenant, n in after.items() if n != before[tenant]], [used])
        self.assertLessEqual(len(after), 3)

    def test_gauges_and_refusals(self):
        """Two jobs run, four wait, one more is refused: all of it shows at that time."""
        sleep = {"source": "import time; time.sleep(60)", "limits": {"wall_ms": 60000}}
        before = families(self.client)
        with self.daemon.connect() as other:
            for _ in range(2):
                other.send("job.run", sleep)
            harness.until(lambda: self.daemon.health()["jobs"]["running"] == 2, 20, "two running jobs")
            for _ in range(4):
                other.send("job.run", sleep)
            with self.assertRaises(harness.RpcError):
                other.call("job.run", sleep)
            found = families(self.client)
            self.assertEqual(found["stint_jobs_running"].total(), 2)
            self.assertEqual(found["stint_jobs_queued"].total(), 4)
            self.assertEqual(found["stint_tenant_jobs_queued"].total(), 4)
            self.assertEqual(found["stint_tenant_jobs_running"].total(), 2)
            self.assertGreater(found["stint_queue_bytes"].total(), 0)
            self.assertEqual(found["stint_workers"].value(state="busy"), 2)
            self.assertGreaterEqual(found["stint_connections"].total(), 2)
            for name in ("stint_refusals_total", ):
                self.assertEqual(found[name].value(reason="queue_full") - before[name].value(reason="queue_full"), 1)
        harness.until(lambda: families(self.client)["stint_jobs_running"].total() == 0, 20, "no job left")
        after = families(self.client)
        name = "stint_jobs_ended_total"
        self.assertEqual(after[name].value(status="cancelled") - before[name].value(status="cancelled"), 6)

    def test_mistakes_are_counted(self):
        before = families(self.client)
        self.client.send_raw(b"no json\n")
        self.assertIn("error", self.client.line())
        self.assert_refused(rpc_code=-32601, method="job.fly")
        self.assert_refused(rpc_code=-32602, method="daemon.metrics", depth=1)
        after = families(self.client)
        for name, labels, count in (("stint_requests_total", {"method": "_unknown"}, 2),
                                    ("stint_refusals_total", {"reason": "invalid_request"}, 3)):
            self.assertEqual(after[name].value(**labels) - before[name].value(**labels), count, name)

    def test_connections_turned_away(self):
        before = families(self.client)
        others = [self.daemon.connect() for _ in range(8)]
        try:
            harness.until(lambda: families(self.client)["stint_connections_refused_total"].total()
                          > before["stint_connections_refused_total"].total(), 20, "a refused connection")
        finally:
            for other in others:
                other.close()
        # stintd has seen them go: the next test's client is not turned away too.
        harness.until(lambda: families(self.client)["stint_connections"].total() <= 1, 20, "the end of the others")

    def test_not_for_everybody(self):
        """An ordinary user is not shown who else is there."""
        os.chmod(self.daemon.socket, 0o666)
        script = ("import json, socket; s = socket.socket(socket.AF_UNIX); s.connect(%r); "
                  "s.sendall(b'{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"daemon.metrics\"}\\n'); "
                  "print(s.makefile().readline())" % self.daemon.socket)
        done = harness.subprocess.run(["/usr/bin/python3", "-c", script], capture_output=True, text=True,
                                      user=65534, group=65534, extra_groups=[], timeout=60, check=True)
        answer = harness.json.loads(done.stdout)
        self.assertEqual(answer["error"]["data"]["reason"], "not_permitted")

    def test_command(self):
        done = harness.stint("metrics", socket_path=self.daemon.socket)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertIn("stint_jobs_running", exposition.parse(done.stdout.decode()))
        done = harness.stint("metrics", "x", socket_path=self.daemon.socket)
        self.assertEqual(done.returncode, 125)


class Store(unittest.TestCase):
    """What the job store counts, of jobs that were submitted."""

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="stint-state-", dir="/tmp")
        os.chmod(self.directory, 0o755)
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.daemon = harness.Daemon(state_dir=os.path.join(self.directory, "state"), running_max=1)
        self.addCleanup(self.end)

    def end(self):
        if self.daemon.process.poll() is None:
            self.daemon.kill()
        self.daemon.remove()

    def test_jobs_add_up(self):
        def more(name):
            return after[name].total() - before[name].total()

        with self.daemon.connect() as client:
            before = families(client)
            self.assertEqual(before["stint_durable_jobs_held"].total(), 0)
            self.assertEqual(before["stint_store_bytes_max"].total(), 1 << 30)
            self.assertGreater(before["stint_store_bytes"].total(), 0)
            block = client.call("job.submit", {"source": "import time\ntime.sleep(300)", "limits": {"wall_ms": 300000}})
            harness.until(lambda: client.call("job.status", block)["state"] == "running", 20, "a running job")
            jobs = [client.call("job.submit", {"source": f"'{i}' + '#' * 5000"}) for i in range(150)]
            after = families(client)
            # Of one tenant 128 are in memory, the rest waits on the disk.
            self.assertEqual(after["stint_durable_jobs_held"].total(), 128)
            self.assertEqual(after["stint_durable_jobs_stored"].total(), 23)
            self.assertGreaterEqual(more("stint_store_operations_total"), 151)
            self.assertGreater(more("stint_store_bytes"), 0)
            client.call("job.cancel", block)
            for job in jobs:
                self.assertEqual(client.call("job.wait", job)["status"], "ok")
            harness.until(lambda: families(client)["stint_store_waiting"].total() == 0, 20, "an idle store")
            after = families(client)
            self.assertEqual(after["stint_durable_jobs_held"].total(), 0)
            self.assertEqual(after["stint_durable_jobs_stored"].total(), 0)
            self.assertGreaterEqual(more("stint_store_operations_total"), 2 * 151)
            self.assertGreater(more("stint_store_batches_total"), 0)
            self.assertLessEqual(more("stint_store_batches_total"), more("stint_store_operations_total"))
            for name in ("failures_total", "set_aside_total", "failing"):
                self.assertEqual(after[f"stint_store_{name}"].total(), 0, name)
        self.assertEqual(self.daemon.stop(), 0, self.daemon.log())
        self.daemon.wait_clean()


if __name__ == "__main__":
    unittest.main()
