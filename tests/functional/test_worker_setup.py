"""What a worker must not inherit from those above it, nor from the job before: scheduling, names, secrets, state.

Workers are looked at from outside, by root: their /proc entries and their memory, byte by byte.
"""
import ctypes
import mmap
import os
import re
import secrets
import struct
import subprocess
import sys
import unittest

import harness

IOPRIO_GET = 252 if os.uname().machine == "x86_64" else 31
DRAWS = int(os.environ.get("STINT_SETUP_WORKERS", "300"))


def memory_of(pid):
    """All readable private or anonymous memory of a process; yields (name, bytes)."""
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as maps, \
            open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            fields = line.split(None, 5)
            name = fields[5].strip() if len(fields) > 5 else ""
            if "r" not in fields[1] or name.startswith(("[vvar", "[vsyscall")):
                continue
            start, end = (int(part, 16) for part in fields[0].split("-"))
            if "stint-page" in name:  # to read all of its holes would make them memory, more than the leaf allows
                end = min(end, start + (32 << 20))
            while start < end:
                size = min(end - start, 8 << 20)
                try:
                    memory.seek(start)
                    yield name, memory.read(size)
                except OSError:  # a hole of a file
                    pass
                start += size


def holds(pid, needle):
    """Where in its memory a process has those bytes."""
    return sorted({name for name, data in memory_of(pid) if needle in data})


def canary():
    """Bytes that are in no memory yet but ours; made so that this process has no second copy on purpose."""
    return "canary" + secrets.token_hex(16)


class Secrets(unittest.TestCase):
    """Nothing of the spawner's environment, of the settings or of an earlier job is in a worker or a zygote."""

    @classmethod
    def setUpClass(cls):
        cls.environment, cls.setting = canary(), canary()
        os.environ["STINT_TEST_CANARY"] = cls.environment
        try:
            cls.daemon = harness.Daemon(config=f"# {cls.setting}\n", workers_ready=2)
        finally:
            del os.environ["STINT_TEST_CANARY"]

    @classmethod
    def tearDownClass(cls):
        code = cls.daemon.stop()
        cls.daemon.wait_clean()
        cls.daemon.remove()
        assert code == 0, code

    def look(self):
        """Zygote and ready workers."""
        self.daemon.wait_idle()
        workers = self.daemon.workers()
        self.assertGreater(len(workers), 0)
        return [self.daemon.zygote_pid()] + workers

    def test_environment_of_the_spawner(self):
        needle = self.environment.encode()
        with open(f"/proc/{self.daemon.pid}/environ", "rb") as file:
            self.assertIn(needle, file.read())
        self.assertNotEqual(holds(self.daemon.pid, needle), [])  # the search finds what is there
        for pid in self.look():
            self.assertEqual(holds(pid, needle), [])
            with open(f"/proc/{pid}/environ", "rb") as file:
                self.assertEqual(re.sub(rb"LC_ALL=C.UTF-8|\0", b"", file.read()), b"")

    def test_settings_and_socket(self):
        self.assertNotEqual(holds(self.daemon.pid, self.daemon.socket.encode()), [])
        for needle in (self.setting, self.daemon.socket, os.path.basename(self.daemon.directory)):
            for pid in self.look():
                self.assertEqual(holds(pid, needle.encode()), [], needle)

    def test_earlier_jobs(self):
        source, given, printed, value = (canary() for _ in range(4))
        program = f"# {source}\nimport sys\nx = sys.stdin.read()\nprint('{printed[:10]}' + '{printed[10:]}')\n" \
                  f"result = x\nimport time\ntime.sleep(6)"
        with self.daemon.connect() as client:
            ticket = client.send("job.run", {"source": program, "stdin": given, "args": [value]})
            harness.until(lambda: self.daemon.health()["jobs"]["running"] == 1, what="the job to run")
            busy = harness.until(lambda: [p for p in self.daemon.workers() if holds(p, given.encode())], what="the job's stdin")
            self.assertEqual(len(busy), 1)  # the others are ready workers of the same generation
            for needle in (source, value):
                self.assertNotEqual(holds(busy[0], needle.encode()), [])
            self.assertEqual(client.wait(ticket)["status"], "ok")
            for _ in range(3):
                client.run("print(1)")
        for pid in self.look():
            for needle in (source, given, printed, value):
                self.assertEqual(holds(pid, needle.encode()), [])


class Inherited(unittest.TestCase):
    """The service was started with what no worker may have."""

    def start(self, prepare, **settings):
        before = os.getpriority(os.PRIO_PROCESS, 0)
        popen = subprocess.Popen
        harness.subprocess.Popen = lambda *a, **k: popen(*a, preexec_fn=prepare, **k)
        try:
            daemon = harness.Daemon(workers_ready=1, **settings)
        finally:
            harness.subprocess.Popen = popen
        self.assertEqual(os.getpriority(os.PRIO_PROCESS, 0), before)
        self.addCleanup(daemon.remove)
        self.addCleanup(daemon.wait_clean)
        self.addCleanup(daemon.stop)
        daemon.wait_idle()
        return daemon

    def pids(self, daemon):
        return [daemon.zygote_pid()] + daemon.workers()

    def test_scheduling(self):
        libc = ctypes.CDLL(None, use_errno=True)

        def prepare():
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
            os.setpriority(os.PRIO_PROCESS, 0, -5)
            libc.syscall(251 if IOPRIO_GET == 252 else 30, 1, 0, 2 << 13 | 1)
            libc.personality(0x0040000)  # ADDR_NO_RANDOMIZE

        daemon = self.start(prepare)
        with open(f"/proc/{daemon.pid}/personality", encoding="ascii") as file:
            self.assertEqual(int(file.read(), 16), 0x40000)
        self.assertEqual(os.getpriority(os.PRIO_PROCESS, daemon.pid), -5)
        for pid in self.pids(daemon):
            self.assertEqual(os.sched_getscheduler(pid), os.SCHED_OTHER)
            self.assertEqual(os.getpriority(os.PRIO_PROCESS, pid), 0)
            self.assertEqual(libc.syscall(IOPRIO_GET, 1, pid) >> 13 & 7, 0)
            with open(f"/proc/{pid}/personality", encoding="ascii") as file:
                self.assertEqual(int(file.read(), 16), 0)

    def test_turns_of_the_scheduler(self):
        """Short for who waits, the service's own for a job (3 ms or more); from Linux 6.12 on."""
        libc = ctypes.CDLL(None, use_errno=True)
        setattr_call, getattr_call = (314, 315) if os.uname().machine == "x86_64" else (274, 275)

        def turn_us(pid):
            attr = ctypes.create_string_buffer(48)
            self.assertEqual(libc.syscall(getattr_call, pid, attr, 48, 0), 0)
            return struct.unpack("=IIQiIQQQ", attr.raw)[5] // 1000

        def prepare():
            libc.syscall(setattr_call, 0, struct.pack("=IIQiIQQQ", 48, 0, 0, 0, 0, 7000000, 0, 0), 0)

        daemon = self.start(prepare)
        if turn_us(daemon.pid) != 7000:
            self.skipTest("this kernel has no such turns")
        for pid in [daemon.stintd_pid(), *self.pids(daemon)]:
            self.assertEqual(turn_us(pid), 100)
        worker = daemon.workers()[0]
        with daemon.connect() as client:
            client.send("job.run", {"source": "while True: pass"})
            harness.until(lambda: turn_us(worker) == 7000, 10, "a job with the service's own turns")

    def test_state_of_a_ready_worker(self):
        daemon = self.start(lambda: os.nice(3))
        for pid in daemon.workers():
            status = harness.process_status(pid)
            for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "SigBlk"):
                self.assertEqual(int(status[name], 16), 0, name)
            self.assertEqual(status["NoNewPrivs"], "1")
            self.assertEqual(status["Seccomp"], "2")
            self.assertEqual(status["Groups"].strip(), "")
            self.assertEqual(len(set(status["Uid"].split() + status["Gid"].split())), 1)
            self.assertEqual(status["Threads"], "1")
            self.assertEqual(os.getpriority(os.PRIO_PROCESS, pid), 3)  # lower is the operator's wish
            with open(f"/proc/{pid}/limits", encoding="ascii") as file:
                limits = {line[:26].strip(): line[26:].split()[:2] for line in file}
            for name, value in (("Max core file size", 0), ("Max locked memory", 0), ("Max msgqueue size", 0),
                                ("Max nice priority", 0), ("Max realtime priority", 0), ("Max file locks", 0),
                                ("Max pending signals", 32), ("Max open files", 256), ("Max processes", 16)):
                self.assertEqual(limits[name], [str(value)] * 2, name)

    def test_oom_victims_stay_victims(self):
        """A spawner that the kernel spares: its workers are not spared."""
        def spare():
            with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
                file.write("-500")

        if subprocess.run([sys.executable, "-c", "import os; os.write(os.open('/proc/self/oom_score_adj', os.O_WRONLY), b'-500')"],
                          stderr=subprocess.DEVNULL, check=False).returncode != 0:
            self.skipTest("needs CAP_SYS_RESOURCE")
        daemon = self.start(spare)
        with open(f"/proc/{daemon.pid}/oom_score_adj", encoding="ascii") as file:
            self.assertEqual(int(file.read()), -500)
        for pid in self.pids(daemon):
            with open(f"/proc/{pid}/oom_score_adj", encoding="ascii") as file:
                self.assertGreaterEqual(int(file.read()), 0)


class Draws(harness.DaemonCase):
    """Every worker draws its own random values, although all are forks of one process."""

    settings = {"preload": "random uuid tempfile secrets hashlib json", "workers_ready": 4}
    DRAW = ("import json, os, random, secrets, tempfile, uuid, hashlib\n"
            "r = random.Random()\n"
            "print(json.dumps({'random': random.random(), 'getrandbits': random.getrandbits(64), 'instance': r.random(),\n"
            "  'system': random.SystemRandom().random(), 'shuffle': random.sample(range(1000), 8),\n"
            "  'uuid1': str(uuid.uuid1()), 'clock_seq': uuid.uuid1().clock_seq + (uuid.uuid1().node << 14),\n"
            "  'uuid4': str(uuid.uuid4()), 'secrets': secrets.token_hex(), 'urandom': os.urandom(16).hex(),\n"
            "  'tempfile': next(tempfile._get_candidate_names())}))\n")

    def test_all_are_distinct(self):
        import json
        seen = {}
        clients = [self.daemon.connect() for _ in range(4)]
        for client in clients:
            self.addCleanup(client.close)
        for _ in range(0, DRAWS, len(clients)):
            for client, ticket in [(c, c.send("job.run", {"source": self.DRAW})) for c in clients]:
                result = client.wait(ticket)
                self.assertEqual(result["status"], "ok", result)
                for name, value in json.loads(result["stdout"]).items():
                    seen.setdefault(name, set()).add(str(value))
        for name, values in seen.items():
            self.assertGreaterEqual(len(values), DRAWS, name)
        self.assertEqual(len(seen), 11)

    def test_no_generator_of_openssl_is_in_reach(self):
        """Its state would be the zygote's: nothing in a worker draws from it."""
        result = self.run_ok("import hashlib, _hashlib\nprint([n for n in dir(_hashlib) if 'rand' in n.lower()])\n"
                             "try: import ssl\nexcept ImportError: print('no ssl')")
        self.assertEqual(result["stdout"], "[]\nno ssl\n")


class Absent(harness.DaemonCase):
    """Modules that have no place in a worker cannot be imported, and are not in its root."""

    NAMES = ("_ctypes", "_ctypes_test", "ctypes", "_posixshmem", "_multiprocessing", "_curses", "_curses_panel",
             "readline", "nis", "ossaudiodev", "termios", "_crypt", "_dbm", "_gdbm", "_tkinter", "_ssl", "_testcapi",
             "_testbuffer", "_testimportmultiple", "_testinternalcapi", "_testmultiphase", "_testclinic", "_xxtestfuzz",
             "_xxsubinterpreters", "xxlimited", "xxlimited_35")

    def test_not_importable(self):
        out = self.run_ok("import importlib\nfor n in %r:\n    try: importlib.import_module(n); print(n)\n"
                          "    except ImportError: pass" % (self.NAMES,))["stdout"]
        self.assertEqual(out.split(), [n for n in out.split() if n in self.BUILT_IN])

    # Compiled into libpython: no file to leave out. The filter is what holds there.
    BUILT_IN = ("_xxsubinterpreters",)

    def test_nothing_to_load(self):
        out = self.run_ok(
            "import os, stat\nfor d, ds, fs in os.walk('/'):\n    for n in ds + fs:\n        p = os.path.join(d, n)\n"
            "        s = os.lstat(p)\n        if s.st_mode & 0o6000: print('setid', p)\n"
            "        if not (stat.S_ISREG(s.st_mode) or stat.S_ISDIR(s.st_mode) or stat.S_ISLNK(s.st_mode)): print('special', p)\n"
            "        if n.endswith(('.so', '.a')) or '.so.' in n: print('library', p)\n"
            "        if d in ('/dev', '/proc', '/sys'): print('system', p)\n"
            "print(sorted(os.listdir('/')), sorted(os.listdir('/dev')))")["stdout"]
        self.assertEqual(out, "['dev', 'scratch', 'tmp', 'usr'] []\n")

    def test_files_cannot_be_loaded(self):
        out = self.run_ok(
            "import importlib.machinery, importlib.util\n"
            "for p in ('/usr/lib/python3.11/lib-dynload/_ctypes.cpython-311-x86_64-linux-gnu.so', '/usr/lib/x86_64-linux-gnu/libc.so.6',\n"
            "          '/dev/fd/0', 'libc.so.6', '/usr/lib/python3.11/os.py'):\n"
            "    l = importlib.machinery.ExtensionFileLoader('_ctypes', p)\n"
            "    try: importlib.util.module_from_spec(importlib.util.spec_from_loader('_ctypes', l)); print('GOT', p)\n"
            "    except ImportError: print('ImportError')")["stdout"]
        self.assertEqual(out, "ImportError\n" * 5)

class Pages(harness.DaemonCase):
    """Where the code of zygote and workers lies, and what of their memory they share in huge pages."""

    settings = {"workers_ready": 2}

    @staticmethod
    def mappings(pid):
        """Of /proc/PID/smaps: (permissions, name, {field: KiB})."""
        found = []
        with open(f"/proc/{pid}/smaps", encoding="utf-8", errors="replace") as file:
            for line in file:
                words = line.split(None, 5)
                if not words[0].endswith(":"):
                    found.append((words[1], words[5].strip() if len(words) > 5 else "", {}))
                elif len(words) > 2 and words[2] == "kB":
                    found[-1][2][words[0][:-1]] = int(words[1])
        return found

    @staticmethod
    def kernel_makes_huge_pages():
        """MADV_COLLAPSE: Linux 6.1, and a free huge page; of memory files that may be executed, where nobody forbids it."""
        for path, forbidden in (("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "[deny]"), ("/proc/sys/vm/memfd_noexec", "2")):
            if os.path.exists(path):
                with open(path, encoding="ascii") as file:
                    if forbidden in file.read():
                        return False
        size = 2 << 20
        with mmap.mmap(-1, 2 * size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory, memoryview(memory) as view:
            libc = ctypes.CDLL(None, use_errno=True)
            start = ctypes.addressof(ctypes.c_char.from_buffer(view))
            view[::4096] = bytes(2 * size // 4096)
            collapsed = libc.madvise(ctypes.c_void_p(-(-start // size) * size), ctypes.c_size_t(size), 25) == 0
        return collapsed and os.uname().machine == "x86_64"

    def both(self):
        return [self.daemon.zygote_pid(), self.daemon.workers()[0]]

    def test_nothing_is_writable_and_executable(self):
        for pid in self.both():
            executable = [(permissions, name) for permissions, name, _ in self.mappings(pid) if "x" in permissions]
            self.assertTrue(executable)
            for permissions, name in executable:
                self.assertNotIn("w", permissions, name)
                self.assertTrue(name.startswith(("/usr/", "/lib", os.path.dirname(harness.ZYGOTE), "/memfd:stint-text", "[vdso]",
                                                 "[vsyscall]")), name)

    def test_they_are_huge(self):
        if not self.kernel_makes_huge_pages():
            self.skipTest("the kernel makes no huge pages on demand")
        zygote, worker = (self.mappings(pid) for pid in self.both())
        if any("libpython" in name for _, name, _ in zygote):
            self.skipTest("the interpreter is a shared library")
        for mappings in (zygote, worker):
            code = [fields for permissions, name, fields in mappings if permissions == "r-xp" and name.startswith("/memfd:stint-text")]
            self.assertEqual([fields["ShmemPmdMapped"] == fields["Size"] >= 2048 for fields in code], [True])
        self.assertGreaterEqual(sum(fields["AnonHugePages"] for _, _, fields in zygote), 2048)


if __name__ == "__main__":
    unittest.main()
