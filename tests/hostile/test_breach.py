"""Tenants that run native code in their worker, under the production filters: stintd must get the verdict
right, whatever the shared memory says, and nobody else may notice.

The programs are breach_sources.py and breach_kernel.py; the zygote is stint-zygote with `_rawsys` linked in.
"""
import json
import os
import re
import secrets
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import breach_kernel
import breach_sources
from attack_case import SEEDS, AttackCase, attacks, harness
from breach_sources import HEAD

# What a job can bring about by itself; never a limit it has not reached, never an error of ours.
OWN = {"ok", "runtime_error", "compile_error", "security_violation", "output_limit", "memory_limit", "recursion_limit"}
QUICK = {"cpu_ms": 150, "wall_ms": 4000}
# Where the CPU limit would be a fault: an emulated machine beside other work is slow.
PATIENT = {**QUICK, "cpu_ms": QUICK["cpu_ms"] * harness.SLOW}
# Zero arguments would end or stop the caller, or wait: tested by name elsewhere.
WAITING = {"exit", "exit_group", "pause", "rt_sigreturn", "ppoll", "select", "pselect6"}


class BreachCase(AttackCase):
    zygote = "zygote_breach"

    def storm(self, name, jobs, allowed, check=None):
        """Many at one time; then one look at the host."""
        faults, statuses = [], {}
        jobs = list(jobs)
        limits = QUICK if "cpu_limit" in allowed else PATIENT
        for start in range(0, len(jobs), 100):
            idents = [self.client.send("job.run", {"source": source, "limits": limits, **params})
                      for source, params in jobs[start:start + 100]]
            for ident, (source, params) in zip(idents, jobs[start:start + 100]):
                result = self.client.wait(ident)
                text = json.dumps(result)
                statuses[result["status"]] = statuses.get(result["status"], 0) + 1
                faults += self.canaries.found_in(text)
                if result["status"] not in allowed or (check and not check(result)):
                    faults.append(f"status {result['status']}: {text[:600]}\nof\n{source[len(HEAD):][:800]} {params}")
            self.client.notifications.clear()
        faults += self.host.thorough()
        self.report(name, "/".join(sorted(allowed)), str(statuses), faults, len(jobs))
        self.assertEqual(faults[:4], [], name)
        return statuses


def own_output(result):
    """Nothing but what the worker itself could have put there, within the cap."""
    return len(result["stdout"] if isinstance(result["stdout"], str) else result["stdout"]["base64"]) <= 2 << 20


class SharedMemory(BreachCase):
    def test_fields_swept(self):
        jobs = list(breach_sources.sweep())
        self.assertGreater(len(jobs), 300)
        statuses = self.storm("page fields", [(source, {}) for source in jobs], OWN, own_output)
        self.assertGreater(len(statuses), 3, statuses)

    def test_scribbled(self):
        for seed in SEEDS:
            jobs = list(breach_sources.scribble(seed))
            # A scribbler that loops reaches its CPU limit.
            self.storm(f"scribble {seed}", jobs, OWN | {"cpu_limit"}, own_output)

    def test_forged_results(self):
        for seed in SEEDS:
            blobs = list(breach_sources.forged_results(seed))
            source = HEAD + "b = {!r}\npoke(page + L['result'], b)\nput('result_bytes', len(b), 8)\nput('phase', 4, 4)\nleave()"
            jobs = [(source.format(blob), {"outputs": ["x"]}) for blob in blobs]
            statuses = self.storm(f"forged results {seed}", jobs, {"ok", "runtime_error", "security_violation"})
            self.assertGreater(statuses["security_violation"], 20)
            self.assertGreater(statuses["ok"], 3)

    def test_forged_result_is_the_jobs_own(self):
        """A result that is well formed is believed as far as it harms nobody; what is measured stays measured."""
        blob = breach_sources.field(2, b'{"x":[1,2]}')
        result = self.attack("Y13 forged result", "ok", HEAD + f"poke(page + L['result'], {blob!r})\n"
                             f"put('result_bytes', {len(blob)}, 8)\nput('phase', 4, 4)\nleave()", {"outputs": ["x"]})
        self.assertEqual(result["vars"], {"x": [1, 2]})
        self.assertGreater(result["usage"]["cpu_us"], 0)

    def test_forged_traces(self):
        for seed in SEEDS:
            source = HEAD + "b = {!r}\npoke(page + L['trace'], b)\nput('trace_bytes', len(b) + {}, 8)\nleave()"
            jobs = [(source.format(trace, more), {"trace": "calls", "stream": stream})
                    for trace in breach_sources.forged_traces(seed) for more in (0, 7, 1 << 40) for stream in (False, True)]
            self.storm(f"forged traces {seed}", jobs, {"ok", "runtime_error"})

    def test_two_writers(self):
        """The levels change while stintd sends them on."""
        source = HEAD + "print('x')\nwhile 1:\n put('levels', random.getrandbits(46), 8); put('flush', random.getrandbits(13), 8)\n" \
                        " put('trace_bytes', random.getrandbits(25), 8)"
        jobs = [(source, {"stream": True, "trace": trace}) for trace in ("none", "calls", "lines")] * 4
        self.storm("levels in motion", jobs, {"cpu_limit", "output_limit"}, own_output)


@attacks(*breach_kernel.CASES)
class Kernel(BreachCase):
    def test_K01_all_numbers(self):
        """Each number in a worker of its own: those of the kill list end it, no other does."""
        names = {number: name for name, number in breach_kernel.NR.items()}
        todo = [n for n in range(600) if names.get(n) not in WAITING]
        fatal = {breach_kernel.NR[name] for name in breach_kernel.fatal_names()} | {
            breach_kernel.NR[name] for name in
            ("seccomp", "mount", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self")}
        source = HEAD + "print(errno({0}, 0, 0, 0, 0, 0, 0), flush=True)\nleave()"
        idents = {n: self.client.send("job.run", {"source": source.format(n), "limits": PATIENT}) for n in todo}
        found = {n: self.client.wait(ident)["status"] for n, ident in idents.items()}
        self.assertEqual({n for n, status in found.items() if status == "security_violation"}, fatal)
        self.assertLessEqual(set(found.values()), {"ok", "runtime_error", "security_violation"})
        self.assertEqual(self.host.thorough(), [])

    def test_K02_random_calls(self):
        for seed in SEEDS:
            jobs = [(source, {}) for source in breach_sources.random_calls(seed)]
            jobs += [(source, {"limits": {**QUICK, "threads": 4}}) for source in breach_sources.random_calls(seed + 1000)]
            self.storm(f"random calls {seed}", jobs, OWN | {"cpu_limit", "wall_limit"})

    def test_K03_calls_that_are_allowed(self):
        with open(os.path.join(harness.TOP, "worker", "seccomp_rules.def"), encoding="utf-8") as file:
            names = set(re.findall(r"^(?:ALLOW|MATCH)\((\w+)", file.read(), re.M)) - WAITING
        numbers = {breach_kernel.NR[name] for name in names if name in breach_kernel.NR}
        self.assertGreater(len(numbers), 60)
        for seed in SEEDS:
            jobs = [(source, {}) for source in breach_sources.allowed_calls(seed, numbers)]
            self.storm(f"allowed calls {seed}", jobs, OWN | {"cpu_limit", "wall_limit"})


@attacks(*[case for case in breach_kernel.CASES if case[0].startswith(("K29 ", "K32 "))])
class KernelPinned(BreachCase):
    """Here the wide filter has the call that binds a process to cores; what keeps a job from it is the narrow one."""

    settings = {"pin_cores": "yes"}


SCAN = """
found = spans = size = 0
seen = set()
for start in (page, stack, heap, code, vdso):
    for first, end in _rawsys.regions(start, 1 << 24):
        if first not in seen and end - first < 1 << 30:
            seen.add(first); spans += 1; size += end - first
            for w in words: found += _rawsys.find_reversed(w, first, end)
print(found, spans > 5, size > 10 << 20)
"""


class Memory(BreachCase):
    def scan(self, words, name):
        """How often the words stand in a worker's memory; they are given backwards."""
        source = f"{HEAD}words = {[word.encode()[::-1] for word in words]!r}\n{SCAN}"
        limits = {"memory_bytes": 512 << 20, "cpu_ms": 20000, "wall_ms": 60000}
        result = self.attack(name, "ok", source, {"limits": limits})
        return result["stdout"]

    def test_Y11_nothing_of_others(self):
        self.assertEqual(self.scan(list(self.canaries.words.values()), "Y11 memory"), "0 True True\n")

    def test_Y11_the_scan_finds(self):
        word = secrets.token_hex(16)
        source = f"{HEAD}words = [{word.encode()[::-1]!r}]\nkeep = bytes(reversed(words[0]))\n{SCAN}"
        limits = {"memory_bytes": 512 << 20, "cpu_ms": 20000, "wall_ms": 60000}
        result = self.client.run(source, limits=limits)
        self.assertRegex(result["stdout"], r"^[1-9]\d* True True\n")

    def test_T01_nothing_of_the_one_before(self):
        """Whatever earlier tenants filled their memory with."""
        word = secrets.token_hex(16)
        filler = f"{HEAD}w = {word!r}.encode()\nl = [w + str(i).encode() for i in range(20000)]\npoke(page + 65536, w * 1000)\n" \
                 f"poke(page + 8192, w * 100)\nos.environ['X'] = w.decode()\nsys.w = w\nleave()"
        for _ in range(12):
            self.client.run(filler)
        self.assertEqual(self.scan([word], "T01 residue"), "0 True True\n")


KEPT = "zygote_breach-keep"
OPEN = "zygote_breach-lie-keep-wide-narrow"


CHANNEL = HEAD + "c = L['channel_fd']\n"


class Channel(BreachCase):
    """As if native code had run before the worker closed its channel and the page's descriptor."""

    zygote = KEPT

    def test_spoken(self):
        bodies = ["struct.pack('<IIQ', 0x53544831, 1, 1)", "b''", "b'x'", "bytes(16)", "bytes(65536)", "os.urandom(200)"]
        jobs = [(CHANNEL + f"m = {body}\nprint(call(1, c, m, len(m)), flush=True)\n{end}", {})
                for body in bodies for end in ("leave()", "leave(126)", "poke(0, b'x')", "1")]
        self.storm("I04 channel", jobs, {"security_violation"})

    def test_flooded(self):
        source = CHANNEL + "call(72, c, 4, 2048)\nm = bytes(1000)\nn = 0\nwhile call(1, c, m, 1000)[0] == 1000: n += 1\nprint(n)\n"
        self.storm("I04 flood", [(source, {})] * 8, {"security_violation"})
        self.storm("I04 flood that waits", [(CHANNEL + "m = bytes(1000)\nwhile 1: call(1, c, m, 1000)",
                                             {"limits": {"cpu_ms": 500, "wall_ms": 500}})] * 4,
                   {"wall_limit", "cpu_limit"})

    def test_page_by_descriptor(self):
        """The filter refuses all that could change its size or seals."""
        fd = breach_kernel.HEAD + "p = L['page_fd']\n"
        source = fd + "print({call(77, f, n)[0] for f in (p, 1, 2) for n in (0, 1, 1 << 40)} | {call(285, f, 3, 0, 1 << 20)[0] for f in" \
                      " (p, 1, 2)} | {call(72, f, 1033, s)[0] for f in (p, 1, 2) for s in (1, 2, 4, 8, 16)} |" \
                      " {call(28, page, 1 << 20, 9)[0]})"
        self.attack("page by descriptor", "ok", source, {}, lambda result: result["stdout"] == "{-1}\n")


class Unfiltered(BreachCase):
    """Without any filter: what is shared is cut, sealed and punched, and stintd goes on."""

    zygote = OPEN

    def test_files_cut_sealed_punched(self):
        acts = [f"call({call}, {fd}, {args})" for fd in ("L['page_fd']", 1, 2, "c")
                for call, args in ((77, "0"), (77, "1"), (77, "1 << 19"), (285, "3, 0, 1 << 26"), (72, "1033, 31"), (72, "1033, 16"),
                                   (72, "1033, 8"), (72, "1033, 1"), (73, "2"), (74, "0"), (72, "4, 0x2c00"), (48, "2"))]
        acts += ["call(28, page, L['file_bytes'], 9)", "call(11, page, 1 << 27)", "call(25, page, 1 << 27, 4096, 1)"]
        jobs = [(f"{CHANNEL}print('x' * 5000)\nos.write(1, b'y' * 5000)\n{act}\nprint('z' * 100)\n{end}",
                 {"stream": stream, "trace": "calls" if stream else "none"})
                for act in acts for end in ("1", "leave()", "put('phase', 4, 4); put('result_bytes', 100, 8); leave()")
                for stream in (False, True)]
        self.storm("files cut", jobs, OWN)

    def test_bounds_still_hold(self):
        """Ids, namespaces and control groups do not depend on the filter."""
        self.attack("P01 fork without a filter", "ok/runtime_error/memory_limit",
                    "import os\nn = 0\ntry:\n while 1:\n  if os.fork() == 0: os.kill(os.getpid(), 19)\n  n += 1\nexcept OSError: print(n)",
                    {"limits": {"wall_ms": 1000}})
        self.attack("S08 kill without a filter", "ok",
                    HEAD + "me = call(39)[0]\ncall(62, -1, 9)\nprint({errno(62, p, 9) for p in range(1, 300) if p != me} <= {1, 3})", {},
                    lambda result: result["stdout"] == "True\n")
        self.attack("F02 files without a filter", "ok",
                    "import os\nfor p in ('/tmp/x', '/usr/lib/python3.11/os.py', '/x'):\n try: os.open(p, 65)\n"
                    " except OSError as e: print(e.errno)", {}, lambda result: set(result["stdout"].split()) <= {"30", "13"})
        self.attack("K20 mounts without a filter", "ok",
                    HEAD + "print({errno(165, b'none\\0', b'/tmp\\0', b'tmpfs\\0', 0, 0), errno(155, b'/\\0', b'/\\0'), errno(161, b'/\\0'),"
                    " errno(308, 1, 0)})", {}, lambda result: "0" not in result["stdout"].strip("{}\n").split(", "))


if __name__ == "__main__":
    unittest.main()
