"""Each layer of the sandbox switched off by itself, in test-only builds: the suite must notice, and no attack
in pure Python may get out while the others stand. The table at the end says who noticed.
"""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from attack_case import REPORT, harness, program
import attack_host
import breach_kernel
import cases_system
import confinement

LEFT_OUT = {
    "nothing": ("zygote_breach", None), "ids": ("zygote_breach-ids", None), "capabilities": ("zygote_breach-capabilities", None),
    "rlimits": ("zygote_breach-rlimits", None), "wide filter": ("zygote_breach-wide", None),
    "narrow filter": ("zygote_breach-narrow", None), "both filters": ("zygote_breach-wide-narrow", None),
    "root": ("zygote_breach-root", None), "control groups": ("zygote_breach-leaf", None),
    "network namespace": (None, "spawner_breach-net"), "ipc namespace": (None, "spawner_breach-ipc"),
    "uts namespace": (None, "spawner_breach-uts"),
}
# Without these the service does not start at all.
CLOSED = {"no_new_privs": ("zygote_breach-privs", None), "read-only tree": (None, "spawner_breach-writable")}
HUNT = ("F01b hunt", "ok", "import os, sys\nfor top in ('/tmp', '/etc', '/root', '/home', '/run', '/proc/self', '/proc/1'):\n"
        " for d, ds, fs in os.walk(top):\n  if d.count('/') > 3: ds.clear()\n  for f in fs:\n"
        "   try: sys.stdout.write(open(os.path.join(d, f), errors='replace').read(200))\n   except OSError: pass", {},
        lambda result: result["stdout"] == "")
# A layer alone that keeps the host's files out of sight; until a second one stands behind it.
SHOWS_FILES = {"root"}
# A job that may have threads can fork without this one; the orphan falls to the zygote, which takes that for
# a surprise and ends, with the jobs of its generation. stintd goes on with the next.
ENDS_ZYGOTE = {"wide filter", "both filters"}
# The command line's own table is long in CPU time: once whole, and where much is off.
SELFTEST = {"nothing", "ids", "root", "both filters"}


class Layers(unittest.TestCase):
    table = {}

    def setUp(self):
        self.usual = harness.ZYGOTE, harness.SPAWNER
        self.addCleanup(self.restore)
        self.canaries = attack_host.Canaries()
        self.addCleanup(self.canaries.end_tenant)

    def restore(self):
        harness.ZYGOTE, harness.SPAWNER = self.usual

    @classmethod
    def tearDownClass(cls):
        width = max(map(len, cls.table), default=0)
        for layer, noticed in cls.table.items():
            print(f"without {layer:{width}}  {len(noticed):3} noticed: {', '.join(noticed)[:150]}", flush=True)
            if REPORT:
                with open(REPORT, "a", encoding="utf-8") as file:
                    file.write(json.dumps({"layer": layer, "noticed": noticed}) + "\n")

    def start(self, zygote, spawner):
        harness.ZYGOTE = program(zygote or "zygote_breach")
        if spawner:
            harness.SPAWNER = program(spawner)
        return harness.Daemon()

    def run_cases(self, daemon, cases, canary):
        """Ids of those that did not end as they must, and of those that brought a canary out."""
        wrong, out = [], []
        with daemon.connect() as client:
            idents = [client.send("job.run", {"source": source, **{"limits": {"cpu_ms": 1000, "wall_ms": 3000}, **(rest[0] if rest else {})}})
                      for _, _, source, *rest in cases]
            for ident, (name, status, _, *rest) in zip(idents, cases):
                result = client.wait(ident)
                if result["status"] not in status.split("/") or (len(rest) > 1 and rest[1] and not rest[1](result)):
                    wrong.append(name.split()[0])
                if canary(json.dumps(result)):
                    out.append(name)
        return wrong, out

    def look(self, layer, zygote, spawner):
        daemon = self.start(zygote, spawner)
        try:
            daemon.wait_idle()
            pids = daemon.stintd_pid(), daemon.zygote_pid()
            noticed = [f"outside ({fault})" for fault in confinement.faults_of(daemon)]
            python = [HUNT, *cases_system.FILE_CASES, *cases_system.PROCESS_CASES, *cases_system.NETWORK_CASES]
            wrong, out = self.run_cases(daemon, python, self.canaries.found_in)
            noticed += wrong
            wrong, _ = self.run_cases(daemon, [case for case in breach_kernel.CASES if "cpu_limit" not in case[1]], lambda text: False)
            noticed += wrong
            if layer in SELFTEST:
                done = harness.stint("selftest", socket_path=daemon.socket)
                lines = done.stdout.decode().splitlines()
                noticed += ["selftest " + line.split()[1] for line in lines if line.startswith("FAILED")]
                self.assertEqual(done.returncode, 1 if any("FAILED" in line for line in lines) else 0)
                self.assertRegex(lines[-1], r"^\d+ passed, \d+ failed$")
            daemon.wait_idle()
            self.assertEqual(daemon.stintd_pid(), pids[0], daemon.log()[-2000:])
            if layer not in ENDS_ZYGOTE:
                self.assertEqual(daemon.zygote_pid(), pids[1], daemon.log()[-2000:])
            self.table[layer] = noticed
            self.assertEqual(out, [] if layer not in SHOWS_FILES else out, f"{layer}: out of the sandbox in pure Python")
            return noticed
        finally:
            daemon.stop()
            daemon.wait_clean()
            daemon.remove()

    def test_nothing_left_out(self):
        """The measure itself: with all layers nobody notices anything."""
        self.assertEqual(self.look("nothing", *LEFT_OUT["nothing"]), [])

    def test_does_not_start_without(self):
        usual, harness.START_SECONDS = harness.START_SECONDS, 3
        try:
            for layer, programs in CLOSED.items():
                with self.subTest(layer), self.assertRaisesRegex(AssertionError, "does not serve|ended with"):
                    self.start(*programs).kill()
                self.restore()
                self.table[layer] = ["refuses to start"]
        finally:
            harness.START_SECONDS = usual


def add(layer, programs):
    def method(self):
        self.assertNotEqual(self.look(layer, *programs), [], f"nobody noticed that {layer} is off")

    setattr(Layers, "test_without_" + layer.replace(" ", "_"), method)


for layer, programs in LEFT_OUT.items():
    if layer != "nothing":
        add(layer, programs)

if __name__ == "__main__":
    unittest.main()
