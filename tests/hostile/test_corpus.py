"""The tables of cases_*.py, group by group, and attacks that need two tenants or a look from outside."""
import os
import random
import secrets
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cases_python
import cases_system
from attack_case import SEEDS, AttackCase, attacks, harness


@attacks(*cases_python.CPU_CASES)
class CpuCorpus(AttackCase):
    pass


@attacks(*cases_python.MEMORY_CASES)
class MemoryCorpus(AttackCase):
    pass


@attacks(*cases_python.INTERPRETER_CASES)
class InterpreterCorpus(AttackCase):
    def test_Y05_random_byte_code(self):
        """Code objects of random bytes: at worst the worker dies."""
        for seed in SEEDS:
            rng = random.Random(seed)
            for i in range(15):
                code = [bytes([151, 0]) + rng.randbytes(2 * rng.randrange(1, 60)) for _ in range(4)]
                source = f"f = lambda a=1: [a, print, 0]\nfor c in {code!r}:\n" \
                         " try: f.__code__ = f.__code__.replace(co_code=c, co_stacksize=100); f()\n except Exception: pass"
                self.attack(f"Y05 {seed} {i}", "ok/runtime_error/cpu_limit/memory_limit/recursion_limit/wall_limit", source,
                            {"limits": {"cpu_ms": 200, "wall_ms": 1000}})

    def test_Y25_budget_to_the_opcode(self):
        for source in ("for i in range(10): pass", "[i for i in range(9)]", "exec('x = 1')", "sorted([3, 1, 2], key=lambda x: x)"):
            used = self.run_ok(source)["usage"]["opcodes"]
            for budget, status in ((used - 1, "opcode_limit"), (used, "ok"), (used + 1, "ok")):
                self.attack(f"Y25 {source} {budget - used}", status, source, {"limits": {"opcodes": budget}})


@attacks(*cases_system.FILE_CASES)
class FileCorpus(AttackCase):
    pass


@attacks(*cases_system.PROCESS_CASES, *cases_system.SIGNAL_CASES)
class ProcessCorpus(AttackCase):
    pass


@attacks(*cases_system.NETWORK_CASES)
class NetworkCorpus(AttackCase):
    pass


class Tenants(AttackCase):
    def test_T01_state_of_the_interpreter(self):
        """Whatever a tenant changes in its interpreter, the next one sees the golden view of itself."""
        word = secrets.token_hex(8)
        for _ in range(6):
            self.attack("T01 state", "ok", f"import sys, os, builtins, locale, random, signal\nsys.x = builtins.y = os.environ['Z'] = '{word}'\n"
                        "sys.path.append('/x'); sys.setrecursionlimit(60); sys.setswitchinterval(1)\nsignal.signal(10, signal.SIG_IGN)\n"
                        "signal.pthread_sigmask(0, [12])\nsys.modules['json'] = None\nimport gc; gc.disable()\ndel builtins.print")

    def test_T02_jobs_of_others(self):
        """Ids near one's own and random ones: neither found nor told apart."""
        with self.daemon.connect() as other:
            job = self.client.run("1")["job"]
            number, reasons = int(job, 16), set()
            for guess in [number + i for i in range(-20, 21)] + [secrets.randbits(128) for _ in range(20)]:
                for method in ("job.cancel", "job.status"):
                    try:
                        other.call(method, {"job": f"{guess % (1 << 128):032x}"})
                        reasons.add("found")
                    except harness.RpcError as error:
                        reasons.add(error.reason)
            self.assertEqual(reasons, {"not_found"})

    def test_T06_a_running_job_of_another_connection(self):
        with self.daemon.connect() as other:
            self.client.send("job.cancel", {"id": 1})
            for method in ("job.cancel", "job.status"):
                with self.assertRaises(harness.RpcError):
                    other.call(method, {"id": self.canaries.ident})

    def test_T07_noise(self):
        """While another tenant does its worst, everybody's results stay their own."""
        worst = ["while 1: pass", "l = []\nwhile 1: l.append(bytearray(1 << 20))", "while 1: print('x' * 1000)", "import os\nwhile 1: os.getppid()",
                 "import os\nos.kill(os.getpid(), 9)", "import time\ntime.sleep(100)"]
        stop = threading.Event()

        def noise():
            with self.daemon.connect() as client:
                while not stop.is_set():
                    idents = [client.send("job.run", {"source": s, "limits": {"cpu_ms": 100, "wall_ms": 500, "memory_bytes": 32 << 20}}) for s in worst]
                    for ident in idents:
                        client.wait(ident)

        thread = threading.Thread(target=noise)
        thread.start()
        try:
            for i in range(40):
                word = secrets.token_hex(8)
                result = self.client.run(f"x = '{word}'\nprint(x)", outputs=["x"])
                self.assertEqual((result["status"], result["stdout"], result["vars"]), ("ok", word + "\n", {"x": word}))
        finally:
            stop.set()
            thread.join()
        self.assertEqual(self.host.cheap(), [])

    def test_T08_channels(self):
        """What one job holds, another must not be able to feel: software objects only."""
        probe = "import os, json\nr = []\nfor f in (lambda: sorted(os.listdir('/tmp')), lambda: os.stat('/usr/lib/python3.11/os.py').st_atime_ns," \
                " lambda: os.access('/tmp/x', 0), lambda: len(os.listdir('/dev'))):\n try: r.append(f())\n except OSError as e: r.append(e.errno)\nprint(r)"
        before = self.run_ok(probe)["stdout"]
        for source in ("open('/usr/lib/python3.11/os.py').read()", "import os\nps = [os.pipe() for i in range(10)]"):
            with self.daemon.connect() as sender:
                sender.send("job.run", {"source": source + "\nimport time\ntime.sleep(60)"})
                harness.until(lambda: self.daemon.health()["jobs"]["running"] == 2, 10, "the sender")
                self.assertEqual(self.run_ok(probe)["stdout"], before)
            harness.until(self.host.settled, 10, "the sender's end")

    def test_D17_cancelled_at_the_end(self):
        """Whoever wins, each job has one verdict and nothing is left."""
        for seed in SEEDS:
            rng = random.Random(seed)
            for _ in range(10):
                idents = [self.client.send("job.run", {"source": f"for i in range({rng.randrange(3000)}): pass"}) for _ in range(10)]
                cancels = [self.client.send("job.cancel", {"id": ident}) for ident in rng.sample(idents, 10)]
                for ident in idents:
                    self.assertIn(self.client.wait(ident)["status"], ("ok", "cancelled"))
                for ident in cancels:
                    self.client.wait_raw(ident)
        self.assertEqual(self.host.thorough(), [])

    def test_Z02_many_jobs(self):
        """The zygote's own memory, descriptors and threads do not grow with the jobs."""
        for _ in range(5):
            idents = [self.client.send("job.run", {"source": "x = [0] * 10000"}) for _ in range(100)]
            self.assertEqual({self.client.wait(ident)["status"] for ident in idents}, {"ok"})
        self.assertEqual(self.host.thorough(), [])

    def test_Z04_zygote_is_quiet(self):
        """No mapping that is shared and writable, one thread, nothing of the environment."""
        with open(f"/proc/{self.host.zygote}/maps", encoding="utf-8") as file:
            self.assertEqual([line for line in file if " rw-s " in line or "wx" in line.split()[1]], [])
        with open(f"/proc/{self.host.zygote}/environ", "rb") as file:
            self.assertNotIn(self.canaries.words["environment"].encode(), file.read())


if __name__ == "__main__":
    unittest.main()
