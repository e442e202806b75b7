"""The service started by an ordinary user: it works, holds its limits, and says that it is weaker."""
import functools
import os
import shutil
import signal
import subprocess
import tempfile
import unittest
import unittest.mock

import harness

# Nobody's ids on a machine that runs tests; processes of that uid are the daemon's, all of them.
UID = 1949000000 + os.getpid() % 100000
GID = 1949200000 + os.getpid() % 100000
EXTRA = 1949400000
MISSING = ["own_uid", "cgroup_memory", "cgroup_cpu", "cgroup_pids", "cgroup_kill"]
MIB = 1 << 20
PROGRAMS = (harness.SPAWNER, harness.STINTD, harness.ZYGOTE)


def user_processes():
    found = []
    for pid in harness.pids():
        status = harness.process_status(pid)
        if status and status["Uid"].split()[0] == str(UID) and status["State"][0] != "Z":
            found.append((pid, status))
    return found


def read_lines(path):
    with open(path, encoding="ascii") as file:
        return file.read().split()


def die_with_a_job(daemon):
    """SIGKILL of the spawner while a job sleeps: the client sees it, and nothing is left."""
    with daemon.connect() as client:
        client.send("job.run", {"source": "import time; time.sleep(60)"})
        harness.until(lambda: daemon.health()["jobs"]["running"] == 1)
        daemon.process.send_signal(signal.SIGKILL)
        daemon.process.wait()
    daemon.wait_clean()


class RootlessDaemon(harness.Daemon):
    user = (UID, GID, [EXTRA])

    def __init__(self, **settings):
        # The build may be where only its owner can read.
        self.bin = tempfile.mkdtemp(prefix="stint-test-bin-", dir="/tmp")
        os.chmod(self.bin, 0o755)
        self.programs = tuple(shutil.copy(path, self.bin) for path in PROGRAMS)
        super().__init__(**{"isolation": "development", **settings})

    def workers(self):
        return harness.children(self.zygote_pid())

    def leftovers(self):
        return super().leftovers() + [f"process {pid}: {status['Name']}" for pid, status in user_processes()]

    def remove(self):
        shutil.rmtree(self.bin, ignore_errors=True)
        super().remove()


class RootlessCase(harness.DaemonCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = RootlessDaemon(**cls.settings)


class Jobs(RootlessCase):
    settings = {"workers_ready": 2}

    def test_hello(self):
        result = self.run_ok("import sys; print('hello'); print('err', file=sys.stderr)")
        self.assertEqual((result["stdout"], result["stderr"]), ("hello\n", "err\n"))
        # No control group counts: it is the resident memory of the process.
        self.assertGreater(result["usage"]["memory_peak_bytes"], MIB)
        more = self.run_ok("x = b'x' * (50 << 20)")["usage"]["memory_peak_bytes"]
        self.assertGreater(more - result["usage"]["memory_peak_bytes"], 40 * MIB)

    def test_input_and_stream(self):
        self.assertEqual(self.run_ok("print(input()[::-1])", stdin="abc\n")["stdout"], "cba\n")
        result = self.client.run("for i in range(3): print(i, flush=True)", stream=True)
        self.assertEqual(result["status"], "ok", result)
        self.assertEqual(self.client.output(), "0\n1\n2\n")

    def test_cpu_limit(self):
        # The second does not look at its stop flag: it has to be killed, and the zygote does it.
        for source in ("while True: pass", "sum(range(10**12))"):
            result = self.run_status("cpu_limit", source, limits={"cpu_ms": 200})
            self.assertGreaterEqual(result["usage"]["cpu_us"], 200000)

    def test_wall_limit_of_a_sleeping_job(self):
        self.run_status("wall_limit", "import time; time.sleep(60)", limits={"wall_ms": 200})
        self.run_status("wall_limit", "import os; os.kill(os.getpid(), 19)", limits={"wall_ms": 200})

    def test_opcode_and_output_limits(self):
        self.run_status("opcode_limit", "while True: pass", limits={"opcodes": 10000})
        result = self.run_status("output_limit", "while True: print('x' * 99)", limits={"stdout_bytes": 1000})
        self.assertEqual(len(result["stdout"]), 1000)

    def test_memory_limit(self):
        source = "try: bytearray({0})\nexcept MemoryError: print('caught')\nbytearray({0})"
        result = self.run_status("memory_limit", source.format(100 * MIB), limits={"memory_bytes": 64 * MIB})
        self.assertEqual(result["stdout"], "caught\n")
        self.run_ok(f"bytearray({50 * MIB})", limits={"memory_bytes": 64 * MIB})

    def test_shared_mappings_are_bounded(self):
        """RLIMIT_DATA does not see them: RLIMIT_AS does, with the main stack's size (64 MiB) to spare."""
        source = "import mmap\nkept = []\ntry:\n while 1: kept.append(mmap.mmap(-1, 1 << 20))\n"
        source += "except OSError as error: print(len(kept), error.errno)"
        result = self.run_ok(source, limits={"memory_bytes": 64 * MIB})
        count, errno = map(int, result["stdout"].split())
        self.assertEqual(errno, 12)
        self.assertTrue(64 <= count <= 64 + 70, count)

    def test_threads(self):
        source = """
            import threading
            go = threading.Event()
            threads = [threading.Thread(target=go.wait) for _ in range(3)]
            for thread in threads: thread.start()
            go.set()
            for thread in threads: thread.join()
            print('joined')
        """
        source = "\n".join(line[12:] for line in source.splitlines())
        self.assertEqual(self.run_ok(source, limits={"threads": 4})["stdout"], "joined\n")
        result = self.run_status("runtime_error", source)
        self.assertIn("can't start new thread", result["stderr"])

    def test_threads_of_all_jobs_together_are_bounded(self):
        """Not one job's: the kernel counts the account's tasks, and that is everybody's."""
        source = """
            import threading
            go, count = threading.Event(), 1
            threading.stack_size(32768)
            try:
                while count < 1000:
                    threading.Thread(target=go.wait, daemon=True).start()
                    count += 1
            except RuntimeError:
                pass
            print(count)
            go.set()
        """
        source = "\n".join(line[12:] for line in source.splitlines())
        limits = {"threads": 4, "memory_bytes": 1024 * MIB, "cpu_ms": 10000}
        count = int(self.run_ok(source, limits=limits)["stdout"])
        self.assertTrue(4 <= count <= 4 + 257, count)
        self.run_ok("print(1)")

    def test_cancel(self):
        ident = self.client.send("job.run", {"source": "import time; print(1, flush=True); time.sleep(60)", "stream": True})
        while (message := self.client.line()).get("method") != "job.output":
            self.assertIn("method", message)
        with self.daemon.connect() as other:
            other.call("job.cancel", {"job": message["params"]["job"]})
        self.assertEqual(self.client.wait(ident)["status"], "cancelled")

    def test_scratch(self):
        source = "open('a', 'w').write('x'); import os; print(os.getcwd(), os.stat('a').st_uid)"
        result = self.run_ok(source, limits={"scratch_bytes": MIB})
        self.assertEqual(result["stdout"], "/scratch 1\n")

    def test_many_at_once(self):
        waiting = [self.client.send("job.run", {"source": f"print({i})"}) for i in range(40)]
        self.assertEqual([self.client.wait(i)["stdout"] for i in waiting], [f"{i}\n" for i in range(40)])


class Confinement(RootlessCase):
    def test_from_inside(self):
        source = """
            import os, signal, _socket
            def name(call, *words):
                try: call(*words)
                except OSError as error: return type(error).__name__
                return 'done'
            print(os.getuid(), os.getgid(), os.geteuid(), sorted(os.listdir('/')), os.listdir('/tmp'))
            print([os.path.exists(p) for p in ('/etc', '/proc', '/sys', '/home', '/root', '/bin/sh')])
            print(name(open, '/etc/passwd'), name(open, '/tmp/x', 'w'), name(open, '/usr/x', 'w'))
            print(name(_socket.socket), name(os.fork), name(os.kill, 1, 9), name(os.setuid, 0))
            print(name(os.chmod, '/tmp', 0o777), name(os.execv, '/bin/sh', ['sh']))
        """
        source = "\n".join(line[12:] for line in source.splitlines())
        lines = self.run_ok(source)["stdout"].splitlines()
        self.assertEqual(lines[0], "1 1 1 ['dev', 'scratch', 'tmp', 'usr'] []")
        self.assertEqual(lines[1], str([False] * 6))
        self.assertNotIn("done", " ".join(lines[2:]))

    def test_from_outside(self):
        """What the kernel says of the processes: the user, and not one right of his outside."""
        self.daemon.wait_idle()
        stintd, zygote, workers = self.daemon.stintd_pid(), self.daemon.zygote_pid(), self.daemon.workers()
        self.assertTrue(workers)
        for pid in (stintd, *workers):
            status = harness.process_status(pid)
            self.assertEqual(set(status["Uid"].split()), {str(UID)})
            # The kernel lets nobody give groups up in such a namespace: they are the user's.
            self.assertEqual((set(status["Gid"].split()), status["Groups"].split()), ({str(GID)}, [str(EXTRA)]))
            self.assertEqual([int(status[f"Cap{s}"], 16) for s in ("Inh", "Prm", "Eff", "Amb")], [0] * 4)
            # A stintd with AddressSanitizer is not confined; it says so.
            filtered = "0" if harness.SANITIZED and pid == stintd else "2"
            self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), ("1", filtered))
        for space in ("user", "pid", "mnt", "net", "ipc", "uts"):
            own = {os.readlink(f"/proc/{pid}/ns/{space}") for pid in (zygote, *workers)}
            self.assertEqual(len(own), 1)
            self.assertNotIn(os.readlink(f"/proc/{stintd}/ns/{space}"), own)
            self.assertNotIn(os.readlink(f"/proc/self/ns/{space}"), own)
        with open(f"/proc/{workers[0]}/uid_map", encoding="ascii") as file:
            self.assertEqual(file.read().split(), ["1", str(UID), "1"])

    def test_info_and_the_log_say_it(self):
        info = self.client.call("daemon.info")
        self.assertIs(info["rootless"], True)
        self.assertEqual((info["isolation_level"], info["isolation_missing"]), ("development", MISSING))
        self.assertFalse([name for name in info["isolation"] if name.startswith("cgroup")])
        log = self.daemon.log()
        self.assertIn("warning spawner: ROOTLESS, for development only", log)
        for layer in MISSING:
            self.assertIn(f"isolation = development: without layer {layer} ", log)

    def test_the_client_says_it(self):
        status = harness.stint("status", socket_path=self.daemon.socket).stdout.decode()
        self.assertRegex(status, r"(?m)^rootless +yes$")
        doctor = harness.stint("doctor", socket_path=self.daemon.socket).stdout.decode()
        self.assertRegex(doctor, r"isolation = development \(weaker than full\), ROOTLESS: workers share")
        self.assertRegex(doctor, r"risk +own_uid +not there")


class Delegated(unittest.TestCase):
    """A part of the unified tree that belongs to the user is used, as far as it goes."""

    @classmethod
    def setUpClass(cls):
        with open("/proc/mounts", encoding="utf-8") as file:
            mounts = [line.split()[1] for line in file if line.split()[2] == "cgroup2"]
        if not mounts:
            raise unittest.SkipTest("there is no unified tree")
        cls.group = f"{mounts[0]}/stint-test-{os.getpid()}"
        for path in (cls.group, f"{cls.group}/in"):
            os.mkdir(path)
            os.chown(path, UID, GID)
            os.chown(f"{path}/cgroup.procs", UID, GID)
            os.chown(f"{path}/cgroup.subtree_control", UID, GID)

    @classmethod
    def tearDownClass(cls):
        # Also what a failed test has left.
        for path, _, _ in os.walk(cls.group, topdown=False):
            harness.until(lambda path=path: not read_lines(f"{path}/cgroup.procs"))
            os.rmdir(path)

    def start(self):
        """The daemon, which at its birth is moved into the group."""
        # Opened here, by root: the kernel asks who opened it.
        with open(f"{self.group}/in/cgroup.procs", "wb", buffering=0) as members:
            popen = functools.partial(subprocess.Popen, preexec_fn=functools.partial(members.write, b"0"))
            with unittest.mock.patch.object(harness.subprocess, "Popen", popen):
                daemon = RootlessDaemon()
        self.addCleanup(daemon.remove)
        self.addCleanup(daemon.kill)
        return daemon

    def test_it_is_used_and_left_as_it_was(self):
        daemon = self.start()
        with daemon.connect() as client:
            info = client.call("daemon.info")
            self.assertIs(info["rootless"], True)
            self.assertEqual(info["isolation"][0], "cgroup_v2")
            self.assertIn("own_uid", info["isolation_missing"])
            self.assertFalse({"cgroup_kill", "cgroup_cpu"} & set(info["isolation_missing"]))
            self.assertEqual(client.run("print(1)")["stdout"], "1\n")
            result = client.run("sum(range(10**12))", limits={"cpu_ms": 200})
            self.assertEqual(result["status"], "cpu_limit", result)
        self.assertTrue(os.path.isdir(f"{self.group}/in/stint-{daemon.pid}/gen-1/zygote"))
        self.assertEqual(daemon.stop(), 0)
        daemon.wait_clean()

    def test_death_of_the_spawner_leaves_nothing(self):
        daemon = self.start()
        die_with_a_job(daemon)


class Ends(unittest.TestCase):
    def daemon(self, **settings):
        daemon = RootlessDaemon(**settings)
        self.addCleanup(daemon.remove)
        self.addCleanup(daemon.kill)
        return daemon

    def test_death_of_the_spawner_leaves_nothing(self):
        daemon = self.daemon()
        die_with_a_job(daemon)

    def test_death_of_the_zygote_is_survived(self):
        daemon = self.daemon()
        os.kill(daemon.zygote_pid(), signal.SIGKILL)
        harness.until(lambda: daemon.health()["generation"] == 2 and daemon.idle())
        with daemon.connect() as client:
            self.assertEqual(client.run("print(1)")["stdout"], "1\n")
        self.assertEqual(daemon.stop(), 0)
        daemon.wait_clean()

    def test_generations_follow_each_other(self):
        daemon = self.daemon(generation_jobs_max=100)
        with daemon.connect() as client:
            for _ in range(3):
                ids = [client.send("job.run", {"source": "print(1)"}) for _ in range(100)]
                self.assertEqual({client.wait(i)["stdout"] for i in ids}, {"1\n"})
        harness.until(lambda: daemon.health()["generation"] > 1)
        self.assertEqual(daemon.stop(), 0)
        daemon.wait_clean()


class Start(unittest.TestCase):
    """It is never chosen by itself, and refuses what lacks the layers that it can have."""

    def start(self, *settings, zygote=None, prefix=(), user=UID):
        directory = tempfile.mkdtemp(prefix="stint-test-", dir="/tmp")
        self.addCleanup(shutil.rmtree, directory)
        os.chmod(directory, 0o755)
        programs = [shutil.copy(path, directory) for path in PROGRAMS]
        if zygote:
            programs[2] = shutil.copy(zygote[0], f"{directory}/{zygote[1]}")
        os.chown(directory, user, user)
        command = [*prefix, programs[0], "--stintd", programs[1], "--zygote", programs[2],
                   "--set", f"socket={directory}/s.sock", "--set", "state_dir="]
        for setting in settings:
            command += ["--set", setting]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60 * harness.SLOW, check=False,
                              stdin=subprocess.DEVNULL, user=user, group=user, extra_groups=[])
        self.assertNotIn("serving on", done.stderr)
        self.assertFalse(os.path.exists(f"{directory}/s.sock"))
        harness.until(lambda: not user_processes(), what="the end of all processes")
        return done.returncode, done.stderr

    def test_refused_without_the_setting(self):
        for settings in ((), ("isolation=full",), ("isolation=reduced",)):
            code, log = self.start(*settings)
            self.assertEqual(code, 1)
            self.assertRegex(log, "root is needed.*sudo.*systemd unit.*--set isolation=development")
            self.assertNotIn("ROOTLESS", log)

    def test_a_layer_that_is_left_out_is_found_out(self):
        weak = os.path.join(harness.BUILD, "worker", "zygote_weak")
        for layer, lost in (("seccomp_job", "seccomp_job"), ("rlimits", "rlimits"),
                            ("read_only_root", "read_only_root")):
            with self.subTest(layer=layer):
                code, log = self.start("isolation=development", zygote=(weak, f"without-{layer}"))
                self.assertEqual(code, 1, log)
                self.assertIn(f"layer {lost} is missing", log)

    def test_no_namespaces_for_users(self):
        """A process whose group does not exist in its namespace may not make another one."""
        prefix = ("unshare", "-U", f"--map-user={UID}")
        code, log = self.start("isolation=development", prefix=prefix, user=0)
        self.assertEqual(code, 1)
        self.assertRegex(log, "an ordinary user may not make namespaces here .remedy: .*or start the service as root")

    def test_root_is_never_rootless(self):
        daemon = harness.Daemon(isolation="development")
        try:
            with daemon.connect() as client:
                info = client.call("daemon.info")
                self.assertIs(info["rootless"], False)
                self.assertIn("own_uid", info["isolation"])
            self.assertTrue(daemon.workers())
            self.assertNotIn("ROOTLESS", daemon.log())
            self.assertEqual(daemon.stop(), 0)
            daemon.wait_clean()
        finally:
            daemon.kill()
            daemon.remove()


if __name__ == "__main__":
    unittest.main()
