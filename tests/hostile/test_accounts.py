"""What jobs are charged for, and what many of them, or many clients that say little, leave behind."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from attack_case import SEEDS, AttackCase, harness, program
from attack_host import MIB, tree_hash

BURN = {"C01 loop": "while time.process_time() < .8: pass", "C19 calls": "while time.process_time() < .8: os.getppid()",
        "C20 faults": "import mmap\nm = mmap.mmap(-1, 1 << 22)\nwhile time.process_time() < .8:\n m[::4096] = bytes(1024)\n"
                      " m.madvise(mmap.MADV_DONTNEED)",
        "E04 threads": "import threading\ndef f():\n while time.process_time() < .8: pass\n"
                       "for i in range(3): threading.Thread(target=f).start()"}
LIMITS = {"limits": {"cpu_ms": 10000, "wall_ms": 60000, "threads": 4}}


def groups():
    """Memory control groups of the kernel's, those of the dead among them."""
    with open("/proc/cgroups", encoding="ascii") as file:
        return next((int(line.split()[2]) for line in file if line.startswith("memory")), 0)


class Accounts(AttackCase):
    def spent_us(self, source):
        """(reported, by the kernel): of a job and of the worker that is made for the next one."""
        before = self.host.cpu_ns()
        reported = self.run_ok("import os, time\n" + source, **LIMITS)["usage"]["cpu_us"]
        harness.until(self.host.settled, 10, "the next worker")
        return reported, (self.host.cpu_ns() - before) / 1000

    def test_H9_reported_is_what_was_used(self):
        """Neither more nor less, within 25 ms and a hundredth: the fork of the next worker varies by so much."""
        if self.host.cpu_ns() is None:
            self.fail("no control group accounts CPU time")
        base = [self.spent_us("1") for _ in range(5)]
        around = sorted(kernel - reported for reported, kernel in base)[2]
        for name, source in BURN.items():
            with self.subTest(name):
                reported, kernel = self.spent_us(source)
                self.assertGreater(reported, 750000)  # the program counts from the fork
                self.assertLess(abs(reported - (kernel - around)), 25000 * harness.SLOW + reported / 100, (reported, kernel, around))

    def test_E11_many_short_jobs(self):
        """None is free, and together they are charged what they used."""
        if self.host.cpu_ns() is None:
            self.fail("no control group accounts CPU time")
        before, count = self.host.cpu_ns(), 200 * len(SEEDS)
        idents = [self.client.send("job.run", {"source": "for i in range(20000): pass"}) for _ in range(count)]
        used = [self.client.wait(ident)["usage"]["cpu_us"] for ident in idents]
        harness.until(self.host.settled, 10, "rest")
        kernel = (self.host.cpu_ns() - before) / 1000
        self.assertGreater(min(used), 200)
        self.assertLess(sum(used), kernel)
        # The rest is the forks and the set-up of as many workers.
        self.assertGreater(sum(used), kernel / 20)

    def test_E14_pages_of_the_zygote(self):
        """Memory that a job copies by writing, here counts of references, is the job's, not the zygote's."""
        walk = "import gc, sys\nl, seen, todo = [], set(), [sys.modules]\nwhile todo:\n o = todo.pop()\n if id(o) not in seen:\n" \
               "  seen.add(id(o)); l.append(o); todo += gc.get_referents(o)\nprint(len(l))"
        dirty = self.run_ok(walk)
        count = int(dirty["stdout"])
        self.assertGreater(count, 5000)
        same = self.run_ok(f"import gc, sys\nl, seen = [], set()\nfor i in range({count}): seen.add(10**9 + i); l.append(i)")
        self.assertGreater(dirty["usage"]["memory_peak_bytes"], same["usage"]["memory_peak_bytes"] + MIB)
        self.assertEqual(self.host.thorough(), [])

    def test_M20_groups_of_the_dead(self):
        """Jobs that fill their memory, one after another: their control groups do not stay."""
        before, count = groups(), 60 * len(SEEDS)
        source = "import mmap\nm = mmap.mmap(-1, 100 << 20)\nfor i in range(0, len(m), 4096): m[i] = 1"
        for _ in range(0, count, 20):
            idents = [self.client.send("job.run", {"source": source, "limits": {"memory_bytes": 16 * MIB}}) for _ in range(20)]
            self.assertEqual({self.client.wait(ident)["status"] for ident in idents}, {"memory_limit"})
        harness.until(lambda: groups() <= before + 40, 30, f"the end of memory groups: {before} before")
        self.assertEqual(self.host.thorough(), [])

    def test_H4_on_the_disk(self):
        """What jobs can read is what is on the disk, not only in the page cache."""
        self.attack("F19b private mapping", "ok", "import mmap\nf = open('/usr/lib/python3.11/os.py')\n"
                    "m = mmap.mmap(f.fileno(), 4096, mmap.MAP_PRIVATE)\nm[:4] = b'evil'")
        os.sync()
        try:
            with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
                file.write("1")
        except OSError as error:
            self.skipTest(f"drop_caches: {error}")
        self.assertEqual(tree_hash(), self.host.tree)

    def test_D02_byte_by_byte(self):
        """A thousand clients that have begun a line each keep nobody else from being served."""
        slow = [self.daemon.connect() for _ in range(900)]
        try:
            for round_ in range(3):
                for client in slow:
                    client.send_raw(b'{"j'[round_:round_ + 1])
                for _ in range(20):
                    self.run_ok("1")
            self.assertEqual(self.daemon.health()["status"], "ok")
        finally:
            for client in slow:
                client.close()
        harness.until(self.host.settled, 20, "rest")


class Preload(unittest.TestCase):
    def test_Z05_module_that_starts_a_thread(self):
        """A zygote with a second thread forks nothing: the service does not start."""
        usual, seconds = harness.ZYGOTE, harness.START_SECONDS
        try:
            harness.ZYGOTE, harness.START_SECONDS = program("zygote_breach-thread"), 5 * harness.SLOW
            with self.assertRaisesRegex(AssertionError, "left 2 threads, not 1"):
                harness.Daemon(preload="_rawsys").kill()
            harness.ZYGOTE, harness.START_SECONDS = program("zygote_breach"), seconds
            daemon = harness.Daemon(preload="_rawsys")
            daemon.stop()
            daemon.remove()
        finally:
            harness.ZYGOTE, harness.START_SECONDS = usual, seconds


if __name__ == "__main__":
    unittest.main()
