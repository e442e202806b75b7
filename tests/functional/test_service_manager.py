"""What the service manager sees of the service, and the units of deploy/systemd with a real daemon."""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

import harness
from harness import BUILD, SPAWNER, STINTD, TOP, ZYGOTE, Client, Daemon, until

LAUNCHER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "unit_launcher.py")
UNIT = os.path.join(BUILD, "deploy", "stint.service")


class Activated(Daemon):
    """A daemon that was started as systemd starts it: a socket at descriptor 3, a notify socket."""

    def __init__(self, unit=UNIT, **settings):  # pylint: disable=super-init-not-called
        self.directory = tempfile.mkdtemp(prefix="stint-test-", dir="/tmp")
        os.chmod(self.directory, 0o755)
        self.socket = os.path.join(self.directory, "activated.sock")
        self.log_path = os.path.join(self.directory, "log")
        Daemon.started += 1
        self.uid_base = harness.UID_BASE + (os.getpid() % 1000) * 64 * 2 * harness.UID_COUNT
        self.uid_base += (Daemon.started % 64) * 2 * harness.UID_COUNT
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(self.socket)
        self.listening.listen(16)
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.bind(os.path.join(self.directory, "notify"))
        self.manager.settimeout(harness.START_SECONDS)
        command = [sys.executable, "-B", LAUNCHER, unit, str(self.listening.fileno()),
                   SPAWNER, "--stintd", STINTD, "--zygote", ZYGOTE]
        # The setting names a path that must not be touched: the inherited socket counts.
        values = {"socket": "/nonexistent/stint.sock", "uid_base": self.uid_base,
                  "uid_count": harness.UID_COUNT, "state_dir": "", **settings}
        for name, value in values.items():
            command += ["--set", f"{name}={value}"]
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                pass_fds=[self.listening.fileno()],
                env={**os.environ, "NOTIFY_SOCKET": os.path.join(self.directory, "notify")})
        self.pid = self.process.pid

    def told(self, seconds=None):
        """Next line to the manager, or None."""
        self.manager.settimeout(seconds or harness.START_SECONDS)
        try:
            return self.manager.recv(4096).decode()
        except TimeoutError:
            if seconds is None:
                raise AssertionError(f"the manager is told nothing:\n{self.log()}") from None
            return None

    def end(self, case):
        try:
            case.assertEqual(self.stop(), 0, self.log())
            case.assertIsNone(harness.BAD_LOG.search(self.log()), self.log())
            case.assertTrue(os.path.exists(self.socket), "an inherited socket is not ours to remove")
            os.unlink(self.socket)
            self.wait_clean()
        finally:
            if self.process.poll() is None:
                self.kill()
            self.listening.close()
            self.manager.close()
            self.remove()


SANITIZED = unittest.skipIf(harness.SLOW > 1, "the unit takes away ptrace, which the leak check needs")


@SANITIZED
class ServiceManagerTest(unittest.TestCase):
    def test_jobs_run_under_the_unit_and_the_manager_hears_of_it(self):
        daemon = Activated(silence_max="2s", asyncio="yes")
        try:
            # Connected before anybody accepts: it waits, and is not refused.
            with Client(daemon.socket) as early:
                ident = early.send("job.run", {"source": "print(sum(range(10)))"})
                self.assertEqual(daemon.told(), "READY=1", daemon.log())
                self.assertEqual(early.wait(ident)["stdout"], "45\n")
                # every part of a job's confinement is made under the unit's own
                result = early.run("import asyncio, threading\n"
                                   "async def f(): await asyncio.sleep(0)\n"
                                   "asyncio.run(f())\n"
                                   "t = threading.Thread(target=print, args=['t']); t.start(); t.join()",
                                   limits={"threads": 2})
                self.assertEqual((result["status"], result["stdout"]), ("ok", "t\n"), result)
                result = early.run("open('f', 'w').write('x'); print(open('f').read())",
                                   limits={"scratch_bytes": 1 << 20})
                self.assertEqual((result["status"], result["stdout"]), ("ok", "x\n"), result)
                result = early.run("b'x' * (1 << 28)")
                self.assertEqual(result["status"], "memory_limit")
                result = early.run("while True: pass", limits={"cpu_ms": 50})
                self.assertEqual(result["status"], "cpu_limit")
            beats = [daemon.told() for _ in range(3)]
            self.assertEqual(beats, ["WATCHDOG=1"] * 3)
        except BaseException:
            print(daemon.log())
            raise
        finally:
            daemon.end(self)

    def test_a_stintd_that_hangs_is_not_vouched_for_and_replaced(self):
        daemon = Activated(silence_max="2s")
        try:
            self.assertEqual(daemon.told(), "READY=1")
            first = daemon.stintd_pid()
            os.kill(first, signal.SIGSTOP)
            while daemon.told(0.2):  # what was under way
                pass
            self.assertIsNone(daemon.told(1), "a hanging stintd is vouched for")
            self.assertEqual(daemon.told(), "READY=1", daemon.log())
            self.assertIn("no sign of life", daemon.log())
            self.assertNotEqual(daemon.stintd_pid(), first)
            with daemon.connect() as client:
                self.assertEqual(client.run("print(1)")["stdout"], "1\n")
        finally:
            daemon.end(self)

    def test_the_stop_is_announced(self):
        daemon = Activated(silence_max="600s")
        try:
            self.assertEqual(daemon.told(), "READY=1")
            with daemon.connect() as client:
                ident = client.send("job.run", {"source": "import time; time.sleep(1); print('done')",
                                                "stream": False})
                until(lambda: daemon.health()["jobs"]["running"] == 1, what="a running job")
                daemon.process.send_signal(signal.SIGTERM)
                self.assertEqual(daemon.told(), "STOPPING=1")
                self.assertEqual(client.wait(ident)["stdout"], "done\n")  # a drain, no kill
        finally:
            daemon.end(self)


class UnitTest(unittest.TestCase):
    def test_the_launcher_does_take_rights_away(self):
        # Otherwise the test above would show nothing.
        with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as listening:
            listening.bind(os.path.join(directory, "s"))
            script = (
                "import socket, os\n"
                "for family in (socket.AF_INET, socket.AF_NETLINK):\n"
                "    try: socket.socket(family, socket.SOCK_RAW); print('socket')\n"
                "    except OSError: pass\n"
                "for call in (lambda: open('/usr/x', 'w'), lambda: open('/home/x', 'w'),\n"
                "             lambda: open('/proc/sys/kernel/hostname', 'w'),\n"
                "             lambda: os.mknod('/dev/shm/n', 0o020600, 1),\n"
                "             lambda: os.chroot('/'), lambda: os.nice(-1),\n"
                "             lambda: __import__('ctypes').CDLL(None).ptrace(0, 0, 0, 0) < 0 or 1 / 0):\n"
                "    try:\n"
                "        if call() is not True: print('allowed')\n"
                "    except OSError: pass\n"
                "print(open('/proc/self/status').read().split('CapBnd:')[1].split()[0])\n"
                "print('NoNewPrivs:\\t1' in open('/proc/self/status').read())\n")
            done = subprocess.run(
                [sys.executable, "-B", LAUNCHER, UNIT, str(listening.fileno()), sys.executable, "-c", script],
                pass_fds=[listening.fileno()], capture_output=True, text=True, timeout=60, check=False)
            bits = [0, 1, 5, 6, 7, 21]  # CHOWN DAC_OVERRIDE KILL SETGID SETUID SYS_ADMIN
            expected = f"{sum(1 << bit for bit in bits):016x}\nTrue\n"
            self.assertEqual(done.stdout, expected, done.stderr)

    @SANITIZED
    def test_each_capability_is_needed(self):
        # Those whose lack shows at the start; KILL and DAC_OVERRIDE only matter later.
        for name in ("CAP_SYS_ADMIN", "CAP_SETUID", "CAP_SETGID"):
            with self.subTest(name), tempfile.TemporaryDirectory() as directory:
                unit = os.path.join(directory, "unit")
                with open(UNIT, encoding="utf-8") as file:
                    text = re.sub(rf"^(CapabilityBoundingSet=.*?){name} ?", r"\1", file.read(), flags=re.M)
                with open(unit, "w", encoding="utf-8") as file:
                    file.write(text)
                os.environ["UNIT_LAUNCHER_MOUNTS"] = "0"
                daemon = Activated(unit, start_time_max="5s")
                try:
                    self.assertNotEqual(daemon.process.wait(60), 0)
                finally:
                    del os.environ["UNIT_LAUNCHER_MOUNTS"]
                    daemon.listening.close()
                    daemon.manager.close()
                    daemon.remove()

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze is not installed")
    def test_the_units_are_valid_and_their_exposure_is_low(self):
        with tempfile.TemporaryDirectory() as directory:
            for name in ("stint.socket", "stint.slice"):
                shutil.copy(os.path.join(TOP, "deploy", "systemd", name), directory)
            with open(UNIT, encoding="utf-8") as file:
                text = re.sub(r"^(Exec\w+)=\S+", r"\1=/bin/true", file.read(), flags=re.M)
            with open(os.path.join(directory, "stint.service"), "w", encoding="utf-8") as file:
                file.write(text)
            paths = [os.path.join(directory, name) for name in os.listdir(directory)]
            done = subprocess.run(["systemd-analyze", "verify", "--man=no", *sorted(paths)], timeout=60,
                                  capture_output=True, text=True, check=False)
            said = [line for line in done.stderr.splitlines() if "stint" in line]
            self.assertEqual((done.returncode, said), (0, []), done.stderr)
            done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--threshold=35",
                                   os.path.join(directory, "stint.service")], timeout=60,
                                  capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            print(done.stdout.splitlines()[-1].strip())


if __name__ == "__main__":
    unittest.main()
