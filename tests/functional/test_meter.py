"""Opcode metering through the daemon: exact counts, budgets that nothing evades, rate, progress."""
import threading
import time
import unittest

import harness
import meter_programs

REFERENCE = meter_programs.REFERENCE
RECURSION = "def f(n):\n    if n: f(n - 1)\nf(500)\nprint('done')\n"
BUDGET = {"opcodes": 200_000, "cpu_ms": 20_000, "wall_ms": 60_000}


class Meter(harness.DaemonCase):
    def count(self, source, **params):
        return self.run_ok(source, **params)["usage"]["opcodes"]

    def assert_stops(self, source, budget=BUDGET, **params):
        result = self.run_status("opcode_limit", source, limits=budget, **params)
        self.assertEqual(result["verdict"], "TLE")
        self.assertEqual(result["error"]["type"], "OpcodeLimit")
        self.assertLessEqual(result["usage"]["opcodes"], budget["opcodes"])
        return result

    def test_reference_program(self):
        result = self.run_ok(REFERENCE, limits={"opcodes": 1_000_000})
        self.assertEqual(result["stdout"].count("\n"), 20)
        self.assertEqual(result["usage"]["opcodes"], 423)
        whole = result["stdout"]
        result = self.assert_stops(REFERENCE, {"opcodes": 300})
        self.assertTrue(whole.startswith(result["stdout"]))
        self.assertTrue(0 < len(result["stdout"]) < len(whole))
        frames = result["error"]["traceback"]
        self.assertIn("line %d" % frames[-1]["line"], result["error"]["message"])
        self.assertIn("300 opcodes", result["error"]["message"])
        self.assertEqual(frames[0]["text"], "myfunc(2)")

    def test_documented_counts(self):
        for source, count in meter_programs.DOCUMENTED:
            with self.subTest(source=source):
                self.assertEqual(self.count(source), count)

    def test_exact_budget(self):
        for source in (REFERENCE, RECURSION, *meter_programs.EQUAL[:6]):
            with self.subTest(source=source[:60]):
                need = self.count(source)
                self.assertEqual(self.count(source, limits={"opcodes": need}), need)
                result = self.assert_stops(source, {"opcodes": need - 1})
                self.assertLess(result["usage"]["opcodes"], need)

    def test_every_entry_point(self):
        for name, source in meter_programs.ENDLESS.items():
            with self.subTest(name):
                limits = dict(BUDGET, threads=4)
                self.assert_stops(source, limits)

    def test_evasions(self):
        for name, source in meter_programs.EVASIONS.items():
            with self.subTest(name):
                self.assert_stops(source)

    def test_stop_cannot_be_caught(self):
        for name, source in meter_programs.UNCAUGHT.items():
            with self.subTest(name):
                result = self.assert_stops("print('partial')\n" + source)
                self.assertEqual(result["stdout"].splitlines()[0], "partial")
                self.assertNotIn("never", result["stdout"])

    def test_pyc_and_modules_and_entry(self):
        self.assert_stops("import helper", modules={"helper": "while True: pass"})
        self.assert_stops("def f():\n while True: pass", entry={"function": "f"})
        self.assert_stops("[x for x in iter(int, 1)]", mode="eval")

    def test_same_count_everywhere(self):
        """On all workers, with the machine loaded, and on another daemon."""
        source = REFERENCE + "import string, textwrap\nprint(textwrap.fill('a b ' * 50, 20))\n"
        want = self.count(source)
        counts, stop = set(), threading.Event()

        def load():
            with self.daemon.connect() as client:
                while not stop.is_set():
                    client.run("sum(i * i for i in range(100000))")

        loaders = [threading.Thread(target=load) for _ in range(3)]
        for thread in loaders:
            thread.start()
        with self.daemon.connect() as client:
            sent = [client.send("job.run", {"source": source}) for _ in range(200)]
            counts = {client.wait(ident)["usage"]["opcodes"] for ident in sent}
        stop.set()
        for thread in loaders:
            thread.join()
        self.assertEqual(counts, {want})
        fresh = harness.Daemon()
        try:
            fresh.wait_serving()
            with fresh.connect() as client:
                result = client.run(source)
                self.assertEqual(result["usage"]["opcodes"], want)
                self.assertEqual(result["meter_id"], self.client.call("daemon.info")["meter_id"])
        finally:
            fresh.stop()
            fresh.remove()

    def test_preload_changes_only_imports(self):
        """And the meter's id, which a daemon has again when it is started again."""
        imports = "import colorsys\nprint(colorsys.rgb_to_hsv(1, 0, 0))\n"
        quiet = (REFERENCE, "pass", RECURSION, *meter_programs.EQUAL)
        found = []
        for preload in "", "colorsys", "colorsys":
            other = harness.Daemon(preload=preload)
            try:
                with other.connect() as client:
                    results = [client.run(source) for source in (*quiet, imports)]
                    info = client.call("daemon.info")
            finally:
                other.stop()
                other.remove()
            self.assertEqual({r["status"] for r in results}, {"ok"})
            self.assertEqual({r["meter_id"] for r in results}, {info["meter_id"]})
            self.assertRegex(info["meter_id"], r"^[0-9a-f]{16}$")
            found.append(([r["usage"]["opcodes"] for r in results], info["meter_id"]))
        (cold, cold_id), (warm, warm_id), again = found
        self.assertEqual(cold[:-1], warm[:-1])
        self.assertEqual(cold[:-1], [self.count(source) for source in quiet])
        # The import runs the module once, and importlib to find it; warm it is a look in sys.modules.
        self.assertGreater(cold[-1], warm[-1] + 500)
        self.assertNotEqual(cold_id, warm_id)
        self.assertEqual((warm, warm_id), again)

    def test_rate(self):
        """The same count as without, and sleeps in the slow path; a job without a rate has none."""
        source = "for i in range(30000): pass"
        limits = {"opcodes_per_second": 200_000, "wall_ms": 60_000}
        free, held = self.run_ok(source)["usage"], self.run_ok(source, limits=limits)["usage"]
        self.assertEqual(free["opcodes"], held["opcodes"])
        self.assertEqual(free["throttled_us"], 0)
        self.assertTrue(0 < held["throttled_us"] <= held["wall_us"], held)
        unused = self.run_ok(source, limits={"opcodes_per_second": 10**12})["usage"]
        self.assertEqual((unused["opcodes"], unused["throttled_us"]), (free["opcodes"], 0))

    def test_usage_of_the_client_shows_the_rate(self):
        for options, shown in ((), False), (("--opcodes-per-second", "200000"), True):
            done = harness.stint("run", "--usage", *options, "-c", "for i in range(9000): pass",
                                 socket_path=self.daemon.socket)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(b", throttled " in done.stderr, shown, done.stderr)

    def test_running_count(self):
        with self.daemon.connect() as client:
            ident = client.send("job.run", {
                "source": "import sys\nwhile True: pass", "stream": True,
                "limits": {"wall_ms": 1800 * harness.SLOW, "cpu_ms": 60_000}})
            job, deadline = None, time.monotonic() + 10
            while job is None and time.monotonic() < deadline:
                message = client.line()
                job = message["params"]["job"]
            seen = []
            while len(seen) < 3 and time.monotonic() < deadline:
                status = self.client.call("job.status", {"job": job})
                if status["state"] == "running" and status["opcodes"] > (seen or [0])[-1]:
                    seen.append(status["opcodes"])
                time.sleep(0.02)
            self.assertEqual(len(seen), 3)
            result = client.wait(ident)
            self.assertEqual(result["status"], "wall_limit")
            self.assertGreater(result["usage"]["opcodes"], seen[-1])
            progress = [n["params"]["opcodes"] for n in client.notifications
                        if n["method"] == "job.progress" and n["params"]["state"] == "running"]
            self.assertTrue(progress)
            self.assertEqual(progress, sorted(progress))

    def test_count_of_a_killed_job(self):
        result = self.run_status("cpu_limit", "while True: pass", limits={"cpu_ms": 100})
        self.assertGreater(result["usage"]["opcodes"], 10_000)

    def test_limit_is_validated(self):
        self.assert_refused(-32602, text="limits.opcodes", source="", limits={"opcodes": -1})
        self.assert_refused(-32602, text="limits.opcodes", source="", limits={"opcodes": "5"})
        self.run_ok("pass", limits={"opcodes": 1 << 62})

    def test_client(self):
        done = harness.stint("run", "--opcodes", "1e6", "--usage", "-c", REFERENCE,
                             socket_path=self.daemon.socket)
        self.assertEqual(done.returncode, 0)
        self.assertIn(b"opcodes 423", done.stderr)
        done = harness.stint("run", "--opcodes", "300", "-c", REFERENCE,
                             socket_path=self.daemon.socket)
        self.assertEqual(done.returncode, 124)


if __name__ == "__main__":
    unittest.main()
