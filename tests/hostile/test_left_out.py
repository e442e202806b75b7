"""Each layer of the sandbox switched off by itself, in test-only builds: the suite must notice, and no attack
in pure Python may get out while the others stand. The table at the end says who noticed.

The service proves most layers by itself and refuses to start: that is tested by itself, and then left out,
too ("lie"), so that the attacks have to notice. With STINT_SEEDS above 1 the tables of pure Python run whole.
"""
import json
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from attack_case import REPORT, SEEDS, harness, program
import attack_host
import breach_bare
import breach_kernel
import cases_python
import cases_system
import confinement

ZYGOTE, BARE, SPAWNER = "zygote_breach-lie", "zygote_breach-lie-wide-narrow", "spawner_breach-lie"
RLIMITS = ("nproc", "nofile", "fsize", "data", "cputime", "stack", "memlock", "msgqueue", "sigpending")
LEFT_OUT = {
    "nothing": (ZYGOTE, None), "ids": (f"{ZYGOTE}-ids", None), "capabilities": (f"{ZYGOTE}-capabilities", None),
    "rlimits": (f"{ZYGOTE}-rlimits", None), "wide filter": (f"{ZYGOTE}-wide", None),
    "narrow filter": (f"{ZYGOTE}-narrow", None), "both filters": (BARE, None), "root": (f"{ZYGOTE}-root", None),
    "own pid": (f"{ZYGOTE}-ownpid", None), "control groups": (f"{ZYGOTE}-leaf", None), "descriptors": (f"{ZYGOTE}-keep", None),
    "own uid": (f"{ZYGOTE}-shared", None), "dumpable": (f"{ZYGOTE}-dumpable", None),
    "core limit": (f"{ZYGOTE}-core", f"{SPAWNER}-core"), "network namespace": (ZYGOTE, f"{SPAWNER}-net"),
    "ipc namespace": (ZYGOTE, f"{SPAWNER}-ipc"), "uts namespace": (ZYGOTE, f"{SPAWNER}-uts"),
    **{f"{word} group": (f"{ZYGOTE}-{word}", None) for word in ("memory", "cpu", "pids", "kill")},
    **{f"{word} limit": (f"{ZYGOTE}-{word}", None) for word in RLIMITS},
}
# What only shows where no filter stands before it. The measure itself is "both filters".
BEHIND = {"landlock": "landlock", "parent-death signal": "parent", "new code": "code", "securebits": "securebits",
          "dumpable flag": "dumpable", "capabilities kept": "capabilities"}
# Without these the service does not start: what must be in its log.
CLOSED = {
    "no_new_privs": ("zygote_breach-privs", None, '"landlock"'), "read-only tree": (None, "spawner_breach-writable", "is not ro"),
    "user namespace": (None, "spawner_breach-user", "layer user_namespace is missing"),
    "user namespace, unproved": (ZYGOTE, f"{SPAWNER}-user", ""),
    "pid namespace": (None, "spawner_breach-pid", "pid 1"), "pid namespace, unproved": (ZYGOTE, f"{SPAWNER}-pid", "pid 1"),
    "mount namespace": (None, "spawner_breach-mnt", "mounts private"),
    "network namespace": (None, "spawner_breach-net", "layer net_namespace is missing"),
    "ipc namespace": (None, "spawner_breach-ipc", "layer ipc_namespace is missing"),
    "uts namespace": (None, "spawner_breach-uts", "layer uts_namespace is missing"),
    "ids": ("zygote_breach-ids", None, "layer no_capabilities is missing"), "securebits": ("zygote_breach-securebits", None, '"lock"'),
    "capabilities": ("zygote_breach-capabilities", None, '"lock"'),
    "wide filter": ("zygote_breach-wide", None, "layer seccomp is missing"),
    "narrow filter": ("zygote_breach-narrow", None, "layer seccomp_job is missing"),
    "root": ("zygote_breach-root", None, "layer read_only_root is missing"),
    "landlock": ("zygote_breach-landlock", None, "layer landlock is missing"),
    **{f"{word} limit": (f"zygote_breach-{word}", None, "layer rlimits is missing") for word in RLIMITS if word != "sigpending"},
}
# What hangs for want of a layer hangs so long. With all of them nothing does, and what takes longer was held up
# by a busy machine.
WALL_MS, WHOLE_WALL_MS = 3000, 60000
WALL_MAX_MS = 300000  # of the built-in defaults
# What it looks for comes first, however much there is on the host.
HUNT = ("F01b hunt", "ok", "import os, sys\nfor top in ('/tmp', '/etc', '/root', '/home', '/run', '/proc/self', '/proc/1'):\n"
        " for d, ds, fs in os.walk(top):\n  if d.count('/') > 3: ds.clear()\n  for f in sorted(fs, key=lambda f: 'canary' not in f):\n"
        "   try: sys.stdout.write(open(os.path.join(d, f), encoding='ascii', errors='ignore').read(200))\n   except OSError: pass", {"limits": {"cpu_ms": 10000, "wall_ms": 50000}},
        lambda result: result["stdout"] == "")
# Beyond the group's limit with memory that no rlimit counts, but not so far that the host would feel it.
SHARED = ("M05 shared mapping", "memory_limit", "import mmap\nm = mmap.mmap(-1, 100 << 20)\nfor i in range(0, len(m), 4096): m[i] = 1",
          {"limits": {"memory_bytes": 32 << 20, "cpu_ms": 4000}})
# A job that may have threads can fork without this one.
FORKS = {"wide filter", "both filters"}
# A job at its limit cannot be killed without the kill group; the generation is given up then. That of CPU time is the same,
# the unified tree, where there is one, and all are when there is no other.
LOSES = {"kill group", "cpu group"}
if os.path.exists("/sys/fs/cgroup/cgroup.procs"):
    LOSES |= {"memory group", "pids group"}
    del LEFT_OUT["control groups"]  # it is about `tasks` of v1; here each of the others is all of them
# Layers that calls of native code run into; the others have them with more seeds.
CALLS = {"nothing", "ids", "capabilities", "wide filter", "narrow filter", "both filters", "root", "own pid"}
# The command line's own table is long in CPU time: once whole, and where much is off.
SELFTEST = {"nothing", "ids", "root", "both filters"}
SYSTEM = [HUNT, SHARED, *cases_system.FILE_CASES, *cases_system.PROCESS_CASES, *cases_system.NETWORK_CASES]
# Those of the interpreter, memory and CPU that do not spend whole CPU limits.
CHEAP = [case for case in (*cases_python.CPU_CASES, *cases_python.MEMORY_CASES, *cases_python.INTERPRETER_CASES)
         if "cpu_limit" not in case[1]]
KERNEL = [case for case in breach_kernel.CASES if "cpu_limit" not in case[1]]


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
        # Without the root or the ids no scratch directory can be made, and the service would say so at its start.
        settings = {"max_scratch_bytes": 0} if re.search("-(root|ids)", harness.ZYGOTE) else {}
        return harness.Daemon(**settings)

    def run_cases(self, daemon, cases, canary=lambda text: False, wall_ms=WALL_MS):
        """Ids of those that did not end as they must, and of those that brought a canary out."""
        wrong, out = [], []
        usual = {"limits": {"cpu_ms": 1000 * harness.SLOW, "wall_ms": min(wall_ms * harness.SLOW, WALL_MAX_MS)}}
        with daemon.connect(timeout=5 * wall_ms / 1000 * harness.SLOW) as client:
            idents = [client.send("job.run", {"source": source, **usual, **(rest[0] if rest else {})})
                      for _, _, source, *rest in cases]
            for ident, (name, status, _, *rest) in zip(idents, cases):
                try:
                    result = client.wait(ident)
                except TimeoutError:
                    return wrong + [f"{name.split()[0]} never ended"], out
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
            bare = zygote.startswith(BARE)
            whole = len(SEEDS) > 1
            python = [HUNT] if bare and layer != "both filters" else SYSTEM + CHEAP * (whole or layer in SELFTEST)
            wall_ms = WALL_MS if layer != "nothing" else WHOLE_WALL_MS
            wrong, out = self.run_cases(daemon, python, self.canaries.found_in, wall_ms)
            noticed += wrong
            noticed += self.run_cases(daemon, breach_bare.CASES * bare + KERNEL * (whole or layer in CALLS), wall_ms=wall_ms)[0]
            if layer in SELFTEST:
                done = harness.stint("selftest", socket_path=daemon.socket)
                lines = done.stdout.decode().splitlines()
                noticed += ["selftest " + line.split()[1] for line in lines if line.startswith("FAILED")]
                self.assertEqual(done.returncode, 1 if any("FAILED" in line for line in lines) else 0)
                self.assertRegex(lines[-1], r"^\d+ passed, \d+ failed$")
            if not any("never ended" in name for name in noticed):
                daemon.wait_idle()
            self.assertEqual(daemon.stintd_pid(), pids[0], daemon.log()[-2000:])
            if layer not in FORKS | LOSES and not bare:
                self.assertEqual(daemon.zygote_pid(), pids[1], daemon.log()[-2000:])
            if "is lost" in daemon.log():
                noticed.append("a generation was given up")
                self.assertIn(layer, LOSES)
            self.table[layer] = noticed
            self.assertEqual(out, [], f"{layer}: out of the sandbox in pure Python")
            return noticed
        finally:
            daemon.stop()
            daemon.wait_clean()
            daemon.remove()

    def test_nothing_left_out(self):
        """The measure itself: with all layers nobody notices anything."""
        self.assertEqual(self.look("nothing", *LEFT_OUT["nothing"]), [])

    def test_behind_the_filters(self):
        """Without the filters: each of what stands behind them is noticed by one case, and by no other's absence."""
        names = {case[0].split()[0] for case in breach_bare.CASES}
        self.assertEqual(names & set(self.look("filters, for what is behind", BARE, None)), set())
        seen = {}
        for layer, word in BEHIND.items():
            with self.subTest(layer):
                seen[layer] = names & set(self.look(f"{layer}, and filters", f"{BARE}-{word}", None))
                self.restore()
        expected = {"landlock": {"B05"}, "parent-death signal": {"B01"}, "new code": {"B04"}, "securebits": {"B03"},
                    "dumpable flag": {"B02"}, "capabilities kept": {"B03", "B06", "B08"}}
        self.assertEqual(seen, {layer: found - breach_bare.LACKING for layer, found in expected.items()})

    def test_the_hunt_finds(self):
        """With root and Landlock both off the host's files are there: the search for them would see any hole."""
        daemon = self.start(f"{ZYGOTE}-root-landlock", None)
        try:
            daemon.wait_idle()
            # As long as there is much on the host: its answer is waited for.
            _, out = self.run_cases(daemon, [HUNT], self.canaries.found_in, WHOLE_WALL_MS)
            self.assertEqual(out, [HUNT[0]])
        finally:
            daemon.stop()
            daemon.remove()

    def test_orphan_of_a_job(self):
        """Without the wide filter: a fork is noticed, the generation replaced, and nobody else's job ends."""
        daemon = self.start(f"{ZYGOTE}-wide", None)
        try:
            daemon.wait_idle()
            with daemon.connect() as other, daemon.connect() as client:
                zygote = daemon.zygote_pid()
                ident = other.send("job.run", {"source": "import time\ntime.sleep(3)\nprint('mine')"})
                harness.until(lambda: daemon.health()["jobs"]["running"] == 1, 10, "the other tenant's job")
                result = client.run("import os, time\nif os.fork() == 0: time.sleep(60)\n", limits={"threads": 4})
                self.assertEqual(result["status"], "ok", result)
                harness.until(lambda: daemon.zygote_pid() != zygote, 20, "another generation")
                result = other.wait(ident)
                self.assertEqual((result["status"], result["stdout"]), ("ok", "mine\n"))
            daemon.wait_idle()
            self.assertEqual(daemon.log().count("which is no worker"), 1)
            self.assertIn("has forked, so a layer of it does not hold", daemon.log())
            self.assertNotIn("is lost", daemon.log())
        finally:
            daemon.stop()
            daemon.wait_clean()
            daemon.remove()

    def test_does_not_start_without(self):
        usual, harness.START_SECONDS = harness.START_SECONDS, 3 * harness.SLOW
        try:
            for layer, (zygote, spawner, text) in CLOSED.items():
                with self.subTest(layer):
                    with self.assertRaises(AssertionError) as caught:
                        self.start(zygote, spawner).kill()
                    self.assertRegex(str(caught.exception), "does not serve|ended with")
                    self.assertIn(text, str(caught.exception))
                self.restore()
                self.table[f"{layer}, proved"] = ["refuses to start"]
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
