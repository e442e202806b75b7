"""Native code in a worker that has a scratch directory, and in the grace before a kill.

Raw system calls and writes to the shared page under the production filters, as in test_breach.py, with the
profile SCRATCH granted; and jobs that fight for their verdict between page.stop and the kill.
"""
import os
import struct
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import breach_kernel
import breach_sources
from attack_case import AttackCase, harness
from breach_kernel import NR
from breach_sources import HEAD, field
from test_breach import OWN, QUICK, WAITING, BreachCase, own_output

MIB = 1 << 20
SCRATCH = {**QUICK, "scratch_bytes": MIB}
NAME, BYTES = 10, 11
SYS_ADMIN = 1 << 21


def a_file(name, data=b"x"):
    return field(NAME, name) + field(BYTES, data)


GOOD_FILES = [a_file(b"a"), a_file(b"a") + a_file(b"a/b") + a_file(b"b"), a_file("\u00e4\x1b".encode(), b""), a_file(b"a", b"\0\xff" * 99),
              field(1, b"1") + a_file(b"z") + field(9, b"w"), b"".join(a_file(b"%04d" % i) for i in range(1024))]
BAD_FILES = [a_file(name) for name in (b"", b"/x", b"../x", b"a/../b", b"a/", b"a//b", b".", b"..", b"./a", b"a\0", b"\xff", b"\xed\xa0\x80",
                                       b"x" * 256, b"/" * 255)] + [
    field(NAME, b"a"), field(BYTES, b"a"), a_file(b"a") + field(BYTES, b"2"), field(NAME, b"a") + a_file(b"b"), a_file(b"a") * 2,
    a_file(b"b") + a_file(b"a"), a_file(b"aa") + a_file(b"a"), a_file(b"a", b"x" * (MIB // 2 + 1)) + a_file(b"b", b"x" * (MIB // 2)),
    field(NAME, b"a") + field(1, b"1"), b"".join(a_file(b"%04d" % i) for i in range(1025)), field(NAME, b"a") + field(BYTES, b"x", 1 << 31),
    field(NAME, b"a", (1 << 32) - 1), a_file(b"a")[:-1], field(NAME, b"a") + b"\x0b\0\0",
]
PUT_BLOB = HEAD + "b = {!r}\npoke(page + L['result'], b)\nput('result_bytes', len(b), 8)\nput('phase', 4, 4)\nleave()"


class Shared(BreachCase):
    """What stintd reads of a worker with files of its own."""

    def test_forged_files(self):
        for blobs, allowed in ((GOOD_FILES, {"ok"}), (BAD_FILES, {"security_violation"})):
            jobs = [(PUT_BLOB.format(blob), {"limits": SCRATCH, "collect": ["**"]}) for blob in blobs]
            self.storm("forged files", jobs, allowed, lambda result: allowed == {"ok"} or result["files"] == [])

    def test_files_that_nobody_asked_for(self):
        jobs = [(PUT_BLOB.format(GOOD_FILES[0]), {"limits": limits}) for limits in (SCRATCH, QUICK)]
        self.storm("files not asked for", jobs, {"security_violation"})

    def test_fields_swept(self):
        jobs = [(source, {"limits": SCRATCH, "collect": ["**"], "trace": ("none", "lines")[n % 2]})
                for n, source in enumerate(breach_sources.sweep())]
        self.storm("page fields with scratch", jobs[::2], OWN, own_output)

    def test_output_files_cut_stretched_and_holed(self):
        """ftruncate and pwrite are granted here; append mode can be taken off; the files begin with a hole."""
        acts = [f"call(77, {fd}, {size})" for fd in (1, 2) for size in (0, 1, 4096, MIB - 1, MIB, MIB + 1, 1 << 40, -1)]
        acts += [f"call(72, {fd}, 4, 0)\n" + act for fd in (1, 2) for act in (
            f"call(18, {fd}, b'h' * 4096, 4096, 0)", f"for i in range(256): call(18, {fd}, b'h' * 4096, 4096, i << 12)",
            f"call(18, {fd}, b'h' * 9999, 9999, {MIB - 5000})", f"call(8, {fd}, 0, 0); call(1, {fd}, b'h' * 50000, 50000)",
            f"call(8, {fd}, 0, 0); call(77, {fd}, 0); call(1, {fd}, b'h' * 9, 9)",
            f"m = call(9, 0, 1 << 21, 3, 1, {fd}, 0)[0]\nif m > 0: poke(m + (1 << 20) - 100, b'h' * 100)")]
        jobs = [(f"{HEAD}print('x' * 500)\nos.write(1, b'y' * 500)\n{act}\nprint('z' * 100)\n{end}",
                 {"stream": stream, "limits": {**SCRATCH, "stdout_bytes": 5000, "stderr_bytes": 700}})
                for act in acts for end in ("1", "leave()", "put('flush', (1 << 20) + 1, 8); put('levels', 8192, 8); leave()")
                for stream in (False, True)]
        self.storm("output with scratch", jobs, OWN,
                   lambda result: all(len(result[name]) <= cap for name, cap in (("stdout", 5000), ("stderr", 700))
                                      if isinstance(result[name], str)))

    def test_the_larger_leaf_has_an_end(self):
        """Its share for files can be had as shared memory too, and no more than that."""
        grow = HEAD + "n = 0\nm = call(9, 0, 1 << 30, 3, 0x4021, -1, 0)[0]\nfor i in range(1 << 18): poke(m + (i << 12), b'x')\n"
        self.attack("memory of scratch", "memory_limit", grow, {"limits": {
            "cpu_ms": 5000, "scratch_bytes": 64 * MIB, "memory_bytes": 16 * MIB}},
            lambda result: result["usage"]["memory_peak_bytes"] < 200 * MIB)


PLACES = ["/", "/usr", "/usr/lib/python3.11/os.py", "/usr/lib/python3.11/x", "/tmp/x", "/dev/x", "/x", "/etc/passwd", "../x",
          "/scratch/../x", "/proc/self/status", "/sys/kernel"]
MOUNTS = ["mount", "umount2", "pivot_root", "fsopen", "fsmount", "fspick", "open_tree", "move_mount", "mount_setattr", "setns", "unshare",
          "name_to_handle_at", "open_by_handle_at", "seccomp", "landlock_create_ruleset", "landlock_restrict_self"]


class Kernel(BreachCase):
    def test_all_numbers(self):
        """As K01, with all profiles granted."""
        names = {number: name for name, number in NR.items()}
        fatal = {NR[name] for name in breach_kernel.fatal_names()}
        fatal |= {NR[name] for name in ("seccomp", "mount", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self")}
        source = HEAD + "print(errno({0}, 0, 0, 0, 0, 0, 0), flush=True)\nleave()"
        idents = {n: self.client.send("job.run", {"source": source.format(n), "limits": {**SCRATCH, "threads": 2}})
                  for n in range(600) if names.get(n) not in WAITING}
        found = {n: self.client.wait(ident)["status"] for n, ident in idents.items()}
        self.assertEqual({n for n, status in found.items() if status == "security_violation"}, fatal)
        self.assertLessEqual(set(found.values()), {"ok", "runtime_error", "security_violation"})
        self.assertEqual(self.host.thorough(), [])

    def test_random_and_allowed_calls(self):
        numbers = {NR[name] for name in ("openat", "mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "rename", "renameat", "ftruncate",
                                         "pwrite64", "fsync", "fdatasync", "getdents64", "lseek", "write", "mmap", "newfstatat", "dup2")}
        jobs = [(source, {"limits": {**SCRATCH, "threads": threads}, "collect": ["**"]}) for threads in (1, 4)
                for source in list(breach_sources.random_calls(7 + threads, 15)) + list(breach_sources.allowed_calls(7 + threads, numbers, 15))]
        self.storm("random calls with scratch", jobs, OWN | {"cpu_limit", "wall_limit"})

    def test_mounts_and_namespaces(self):
        jobs = [(f"{HEAD}call({NR[name]}, *{args})\nprint('back')", {"limits": SCRATCH}) for name in MOUNTS
                for args in ((0,) * 5, ("b'scratch\\0'", "b'/scratch\\0'", "b'tmpfs\\0'", 0x50e, 0), (0x50e,) * 5)]
        jobs = [(source.replace('"', "").replace("\\\\", "\\"), params) for source, params in jobs]
        self.storm("mounts with scratch", jobs, {"security_violation"}, lambda result: "back" not in result["stdout"])

    def test_nothing_is_written_outside(self):
        flags = [os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_CREAT, os.O_RDWR | os.O_CREAT | os.O_EXCL, os.O_WRONLY | os.O_TRUNC, os.O_RDONLY | os.O_TRUNC]
        result = self.attack("F outside", "ok", f"""{HEAD}
top = call(257, -100, b'/scratch/../\\0', 0)[0]
lib = call(257, top, b'usr/lib/python3.11\\0', 0)[0]
os.close(os.open('/scratch/own', os.O_CREAT | os.O_RDWR)); os.mkdir('/scratch/dir')
done = []
def no(what, *a):
    if call(*a)[0] != -1: done.append((what, a))
for p in {PLACES!r}:
    n = p.encode() + b'\\0'
    for f in {flags!r}: no(p, 257, -100, n, f, 0o600); no(p, 257, top, n.lstrip(b'/') or b'x', f, 0o600)
    no(p, 83, n, 0o700); no(p, 87, n); no(p, 84, n); no(p, 263, top, n.lstrip(b'/'), 0x200)
    no(p, 82, b'/scratch/own\\0', n); no(p, 82, n, b'/scratch/y\\0'); no(p, 264, -100, b'/scratch/own\\0', lib, b'z\\0')
    no(p, 86, n, b'/scratch/l\\0'); no(p, 265, -100, n, -100, b'/scratch/l\\0', 0); no(p, 88, n, b'/scratch/l\\0')
    no(p, 316, -100, b'/scratch/own\\0', -100, n, 0); no(p, 76, n, 0); no(p, 90, n, 0o777); no(p, 92, n, 0, 0)
no('link own', 86, b'/scratch/own\\0', b'/scratch/l\\0'); no('linkat own', 265, -100, b'/scratch/own\\0', -100, b'/scratch/l\\0', 0)
no('tmpfile', 257, -100, b'/scratch\\0', 0x410002, 0o600); no('path', 257, -100, b'/scratch\\0', 0x200000)
no('mknod', 133, b'/scratch/n\\0', 0o20666, 0x103); no('fifo', 133, b'/scratch/n\\0', 0o10666, 0); no('sock', 133, b'/scratch/n\\0', 0o140666, 0)
no('away', 82, b'/scratch\\0', b'/scratch/dir/x\\0'); no('rmdir', 84, b'/scratch\\0'); no('chdir', 80, b'/\\0'); no('chroot', 161, b'/scratch\\0')
own = os.open('/scratch/own', os.O_RDWR); os.ftruncate(own, 4096)
no('map', 9, 0, 4096, 5, 2, own, 0); no('map shared', 9, 0, 4096, 7, 1, own, 0)
m = call(9, 0, 4096, 3, 1, own, 0)[0]
no('protect', 10, m, 4096, 5); no('exec', 59, b'/scratch/own\\0', 0, 0); no('execat', 322, own, b'\\0', 0, 0, 0x1000)
no('seal', 72, 1, 1033, 31); no('lease', 72, own, 1024, 1); no('owner', 72, own, 8, 1); no('lock', 73, own, 2); no('xattr', 190, own, b'user.x\\0', b'', 0, 0)
no('suid', 91, own, 0o6777); no('mode', 91, own, 0o777); no('fallocate', 285, own, 0, 0, 1 << 20); no('copy', 326, own, 0, own, 0, 1, 0)
print(done, os.listdir('/scratch'))
""", {"limits": SCRATCH})
        self.assertEqual(result["stdout"], "[] ['dir', 'own']\n", result["stdout"])


ENDS = ["leave(0)", "leave(126)", "call(62, call(39)[0], 31)", "call(101, 0)", "poke(0, b'x')", "call(62, call(39)[0], 25)",
        "b = b'\\1\\0\\0\\0\\1\\0\\0\\0' + b'1'; poke(page + L['result'], b); put('result_bytes', 9, 8); put('phase', 4, 4); leave()",
        "put('phase', 1, 4); put('setup_step', 3, 4); leave(126)", "b = b'\\xff' * 64; poke(page + L['result'], b); put('result_bytes', 64, 8); put('phase', 4, 4); leave()",
        "put('reason', 5, 4); put('stop', 0, 4)\nwhile 1: pass", "put('stop', 0, 4); os.write(1, bytes(1 << 20))\nos.write(1, bytes(1 << 20))"]
WATCH = HEAD + "put('left', 1 << 60, 8)\n{wait}\nwhile peek(page + L['stop'], 4) == bytes(4): {idle}\n{end}\n"


class Grace(BreachCase):
    """Between the stop flag and the kill the worker may do what it likes: the verdict stands."""

    def test_limits_stand(self):
        for status, idle, limits in (("cpu_limit", "pass", {"cpu_ms": 40, "wall_ms": 8000}), ("wall_limit", "call(24)", {"cpu_ms": 5000, "wall_ms": 60})):
            for scratch in ({}, {"scratch_bytes": MIB}):
                jobs = [(WATCH.format(wait="", idle=idle, end=end), {"limits": {**limits, **scratch}}) for end in ENDS]
                for source, params in jobs:  # one by one: the grace is short
                    self.storm(f"grace {status}", [(source, params)], {status},
                               lambda result: result["signal"] == 9 and result["usage"]["cpu_us"] < 150_000 * harness.SLOW)

    def test_cancelled_stays_cancelled(self):
        for end in ENDS:
            source = WATCH.format(wait="print('on', flush=True)", idle="pass", end=end)
            ident = self.client.send("job.run", {"source": source, "tag": "x", "stream": True})
            harness.until(lambda: self.client.call("daemon.health") and self.client.notifications, 10, "the first output")
            job = self.client.notifications[0]["params"]["job"]
            self.client.call("job.cancel", {"job": job})
            self.assertEqual(self.client.wait(ident)["status"], "cancelled", end)
            self.client.notifications.clear()
        self.assertEqual(self.host.thorough(), [])


class Churn(BreachCase):
    """Workers made and thrown away: nobody else's job pays for it."""

    def test_cancelled_before_their_worker_is_there(self):
        with self.daemon.connect() as noisy:
            good = []
            for i in range(400):
                noisy.send("job.run", {"source": "1", "limits": {"scratch_bytes": 4096 * (i + 1)}, "tag": "n"})
                if i % 20 == 0:
                    good.append(self.client.send("job.run", {"source": "open('x', 'w').write('y')\nprint(1)", "limits": {"scratch_bytes": 8192}}))
                    good.append(self.client.send("job.run", {"source": "print(1)"}))
                if i % 8 == 7:
                    noisy.close()
                    noisy = self.daemon.connect()
            noisy.close()
        self.assertEqual([self.client.wait(ident)["status"] for ident in good], ["ok"] * len(good))
        self.assertEqual(self.host.thorough(), [])
        self.assertEqual(self.daemon.health()["workers"]["failed"], 0)


def capabilities(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return {line.split()[0]: int(line.split()[1], 16) for line in file if line.startswith("Cap")}


class Rights(AttackCase):
    """Seen from the host: what zygote and workers hold."""

    def test_zygote_and_scratch_worker(self):
        zygote = self.daemon.zygote_pid()
        self.assertEqual(capabilities(zygote)["CapPrm:"] & SYS_ADMIN, SYS_ADMIN)
        before = set(self.daemon.workers())
        ident = self.client.send("job.run", {"source": "import time; time.sleep(1.5)", "limits": {"scratch_bytes": MIB}})
        seen = harness.until(lambda: [p for p in self.daemon.workers() if p not in before and
                                      os.readlink(f"/proc/{p}/ns/mnt") != os.readlink(f"/proc/{zygote}/ns/mnt")], 5, "a scratch worker")
        pid = (seen or [p for p in self.daemon.workers() if os.readlink(f"/proc/{p}/ns/mnt") != os.readlink(f"/proc/{zygote}/ns/mnt")])[0]
        harness.until(lambda: f"Seccomp_filters:\t2" in open(f"/proc/{pid}/status", encoding="ascii").read(), 3, "its filters")
        self.assertEqual(set(capabilities(pid).values()), {0})
        with open(f"/proc/{pid}/mountinfo", encoding="ascii") as file:
            lines = [line.split() for line in file]
        own = [line for line in lines if line[4] == "/scratch"]
        self.assertEqual(len(own), 1)
        for option in ("rw", "nosuid", "nodev", "noexec", "nosymfollow"):
            self.assertIn(option, own[0][5].split(","))
        self.assertTrue(all("ro" in line[5].split(",") for line in lines if line[4] != "/scratch"))
        with open(f"/proc/{zygote}/mountinfo", encoding="ascii") as file:
            self.assertNotIn(" /scratch ", file.read())
        self.assertEqual(self.client.wait(ident)["status"], "ok")


BROKEN = '''
import dis, random
def f(): yield 1
def make(code, table=b""):
    try: f.__code__.replace(co_code=code, co_exceptiontable=table, co_stacksize=20)
    except (ValueError, MemoryError): return 1
    return 0
refused = sum(make(bytes.fromhex(c), bytes.fromhex(t)) for c, t in (
    ("010281007b028c0277026a03a6057b0090034b03a603a603ab006e01", "a04b2449"),
    ("4b0564027b0581008cff5d03090577ff230209ff4b0209017b01ab02", "2ea9d99a")) for _ in range(300))
r = random.Random(1)
ops = [dis.opmap[n] for n in ("RESUME", "YIELD_VALUE", "SEND", "LOAD_CONST", "JUMP_BACKWARD", "PUSH_EXC_INFO", "FOR_ITER", "EXTENDED_ARG",
                              "RETURN_VALUE", "RETURN_GENERATOR", "MAKE_CELL", "LOAD_ATTR", "CALL", "PRECALL", "BINARY_OP", "LOAD_GLOBAL")]
for i in range(5000):
    code = bytes(b for _ in range(r.randrange(1, 16)) for b in (r.choice(ops), r.choice((0, 1, 2, 3, 5, 255))))
    make(code, r.randbytes(r.choice((0, 0, 4, 8))))
print(refused)
'''


class ByteCode(AttackCase):
    def test_making_code_that_is_cut_off(self):
        """Refused before it ever runs, and nothing is written where its last caches would be."""
        result = self.attack("cut off code", "ok", BROKEN, {"limits": {"cpu_ms": 20000, "wall_ms": 60000}})
        self.assertEqual(result["stdout"], "600\n")


class NoScratch(unittest.TestCase):
    """`max_scratch_bytes = 0`: the right to mount is not kept."""

    def test_capability_is_gone(self):
        daemon = harness.Daemon(max_scratch_bytes=0)
        try:
            held = capabilities(daemon.zygote_pid())
            self.assertEqual(held["CapPrm:"] & SYS_ADMIN, 0)
            self.assertNotEqual(held["CapPrm:"], 0)
            with daemon.connect() as client:
                self.assertEqual(client.run("print(1)")["status"], "ok")
                with self.assertRaises(harness.RpcError):
                    client.run("print(1)", limits={"scratch_bytes": 4096})
        finally:
            daemon.stop()
            daemon.wait_clean()
            daemon.remove()


if __name__ == "__main__":
    unittest.main()
