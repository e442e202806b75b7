"""Control groups of workers go from one worker to the next: what one job did in its group is not felt in the next."""
import contextlib
import glob
import os
import unittest

import harness

MIB = 1 << 20
BIG = {"limits": {"memory_bytes": 256 * MIB, "cpu_ms": 20000, "wall_ms": 60000}}
TOUCH = "b = bytearray(100 << 20)\nfor i in range(0, len(b), 4096): b[i] = 1\n"


class Leaves(harness.DaemonCase):
    settings = {"workers_ready": 1, "running_max": 1}

    def leaves(self):
        """Those that there are, by identity: a name alone could be another group's by now."""
        found = set()
        for path in (path for top in harness.cgroups(self.daemon.pid) for path in glob.glob(f"{top}/gen-*/w*")):
            with contextlib.suppress(FileNotFoundError):  # gone since it was listed
                found.add((path, os.stat(path).st_ino))
        return found

    def renews(self):
        """Whether this kernel lets the peak of a group begin anew: v1, or Linux 6.12."""
        files = [path for top in harness.cgroups(self.daemon.pid)
                 for name in ("memory.max_usage_in_bytes", "memory.peak") for path in glob.glob(f"{top}/gen-*/w*/{name}")]
        self.assertTrue(files)
        return all(os.stat(path).st_mode & 0o200 for path in files)

    def rest(self):
        self.daemon.wait_idle()

    def test_they_are_used_again(self):
        seen, jobs = set(), 40
        for ident in [self.client.send("job.run", {"source": "pass"}) for _ in range(jobs)]:
            self.assertEqual(self.client.wait(ident)["status"], "ok")
            seen |= self.leaves()
        trees = len(harness.cgroups(self.daemon.pid))
        if self.renews():
            self.assertLess(len(seen), jobs * trees, seen)
        self.rest()
        self.assertLess(len(self.leaves()), 8 * trees)

    def test_they_are_used_again_after_much_output(self):
        """What a job wrote is charged to its group until it was read."""
        if not self.renews():
            self.skipTest("this kernel lets no peak begin anew")
        seen = set()
        for _ in range(20):
            self.run_status("output_limit", "while True: print('x' * 9999)")
            self.rest()
            seen |= self.leaves()
        self.assertLess(len(seen), 10 * len(harness.cgroups(self.daemon.pid)), seen)

    def test_counters_begin_anew(self):
        for _ in range(3):
            heavy = self.run_ok(TOUCH + "import time\nwhile time.process_time() < 0.5: pass", **BIG)["usage"]
            self.assertGreater(heavy["memory_peak_bytes"], 100 * MIB)
            self.assertGreater(heavy["cpu_us"], 450000)
            self.rest()
            light = self.run_ok("print(1)")["usage"]
            self.assertLess(light["memory_peak_bytes"], 20 * MIB)
            self.assertLess(light["cpu_us"], 400000)
            self.rest()

    def test_a_kill_by_the_kernel_is_not_the_next_ones(self):
        for _ in range(3):
            self.run_status("memory_limit", "import mmap\nm = mmap.mmap(-1, 300 << 20)\n"
                            "for i in range(0, len(m), 4096): m[i] = 1", limits={"memory_bytes": 32 * MIB})
            self.rest()
            self.run_ok("print(1)")
            self.rest()

    def test_a_kill_through_a_group_ends_nobody_else(self):
        """Neither by a limit nor by a cancel: workers that come later are born, and live."""
        for _ in range(5):
            self.run_status("cpu_limit", "sum(range(10**12))", limits={"cpu_ms": 50})
            self.run_status("wall_limit", "import time; time.sleep(100)", limits={"wall_ms": 50})
            ident = self.client.send("job.run", {"source": "import time; time.sleep(100)"})
            harness.until(lambda: self.daemon.health()["jobs"]["running"] == 1, 20, "the job")
            self.client.call("job.cancel", {"id": ident})
            self.assertEqual(self.client.wait(ident)["status"], "cancelled")
            for _ in range(3):
                self.run_ok("print(1)")
        self.rest()
        self.assertEqual(self.daemon.health()["workers"]["failed"], 0)
        self.assertNotIn("ended while", self.daemon.log())

    def test_limits_of_the_next_job_hold(self):
        """From small to large and back: each is what its own job was given."""
        for size in (16, 200, 16, 400, 32) * 2:
            limits = {"limits": {"memory_bytes": size * MIB, "cpu_ms": 20000, "wall_ms": 60000}}
            self.run_ok(f"b = bytearray({size - 8} << 20)", **limits)
            over = self.client.run(f"b = bytearray({size + 40} << 20)\nfor i in range(0, len(b), 4096): b[i] = 1", **limits)
            self.assertEqual(over["status"], "memory_limit", over)

    def test_threads_of_the_next_job(self):
        source = "import threading\nfor _ in range(3): threading.Thread(target=lambda: None).start()\nprint('done')"
        for _ in range(3):
            result = self.run_ok(source, limits={"threads": 8})
            self.assertEqual(result["stdout"], "done\n")
            one = self.client.run(source, limits={"threads": 1})
            self.assertIn("can't start new thread", one["stderr"])

    def test_what_a_result_still_holds(self):
        """Output that nobody reads yet is charged to the group: the next job does not inherit it."""
        idents = [self.client.send("job.run", {"source": "print('x' * (30 << 20))", "limits": {"stdout_bytes": 32 * MIB}})
                  for _ in range(3)]
        with self.daemon.connect() as other:
            for _ in range(5):
                usage = other.run("print(1)")["usage"]
                self.assertLess(usage["memory_peak_bytes"], 20 * MIB)
        for ident in idents:
            self.assertEqual(len(self.client.wait(ident)["stdout"]), (30 << 20) + 1)


if __name__ == "__main__":
    unittest.main()
