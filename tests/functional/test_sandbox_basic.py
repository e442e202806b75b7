"""What every program tries first: each is an ordinary Python exception, and nothing is reached."""
import os
import unittest

import harness


def attempt(code, imports=""):
    """A program that tries `code`; modules that are not there at all are fine, too."""
    return (
        "try:\n    import os" + imports + "\n    r = " + code + "\nexcept BaseException as e:\n    print(type(e).__name__, isinstance(e, Exception))\n"
        "else:\n    print('GOT', repr(r)[:200])\n"
    )


class Files(harness.DaemonCase):
    def check(self, code, *modules):
        result = self.run_ok(attempt(code, "".join(", " + m for m in modules)))
        name = result["stdout"].split()
        self.assertNotEqual(name[0], "GOT", f"{code}: {result['stdout']}")
        self.assertEqual(name[1], "True", result["stdout"])
        return name[0]

    def test_reading_the_hosts_files(self):
        for path in ("/etc/passwd", "/etc/shadow", "/proc/1/environ", "/proc/self/maps", "/sys/kernel/version", "/root",
                     "/dev/mem", "/var/log/syslog", self.daemon.log_path, self.daemon.socket):
            with self.subTest(path=path):
                self.assertIn(self.check(f"open({path!r}).read()"),
                              ("FileNotFoundError", "PermissionError", "IsADirectoryError", "OSError"))

    def test_writing(self):
        for path in ("/tmp/x", "x", "/x", "/usr/lib/python3.11/x.py", "/dev/shm/x", "/run/x", "/dev/null/x"):
            with self.subTest(path=path):
                self.assertIn(self.check(f"open({path!r}, 'w')"),
                              ("PermissionError", "OSError", "FileNotFoundError", "NotADirectoryError"))
        for code in ("os.mkdir('/tmp/d')", "os.remove('/usr/lib/python3.11/os.py')", "os.symlink('a', '/tmp/b')",
                     "os.chmod('/usr', 0o777)", "os.rename('/usr', '/x')", "os.truncate('/usr/lib/python3.11/os.py', 0)",
                     "tempfile.TemporaryFile()"):
            with self.subTest(code=code):
                self.check(code, "tempfile")

    def test_no_trace_on_the_host(self):
        self.run_ok("for p in ('/tmp/stint-canary', 'stint-canary', '/stint-canary'):\n  try: open(p, 'w')\n  except OSError: pass")
        for path in ("/tmp/stint-canary", "/stint-canary", "stint-canary"):
            self.assertFalse(os.path.exists(path))


class Processes(harness.DaemonCase):
    check = Files.check

    def test_no_processes(self):
        for code, *modules in (("os.fork()",), ("os.forkpty()",), ("os.execv('/bin/sh', ['sh'])",), ("os.posix_spawn('/bin/id', ['id'], {})",),
                               ("subprocess.run(['id'])", "subprocess"), ("multiprocessing.Process(target=print).start()", "multiprocessing"),
                               ("pty.spawn('id')", "pty")):
            with self.subTest(code=code):
                self.check(code, *modules)

    def test_os_system_fails(self):
        result = self.run_ok("import os\ntry:\n  print('code', os.system('id'))\nexcept Exception as e: print(type(e).__name__)")
        self.assertNotIn("uid=", result["stdout"])
        self.assertNotEqual(result["stdout"], "code 0\n")

    def test_killing_others(self):
        other = self.daemon.connect()
        self.addCleanup(other.close)
        waiting = other.send("job.run", {"source": "import time\ntime.sleep(1)\nprint('alive')"})
        for code in ("os.kill(1, 9)", "os.kill(os.getppid(), 15)", f"os.kill({self.daemon.stintd_pid()}, 9)",
                     "[os.kill(p, 9) for p in range(2, 500) if p != os.getpid()]", "os.killpg(os.getpgrp(), 0) or 1/0"):
            with self.subTest(code=code):
                self.client.run(attempt(code))
        self.run_ok("import os\ntry: os.kill(-1, 9)\nexcept OSError as e: print(type(e).__name__)")
        self.assertEqual(other.wait(waiting)["stdout"], "alive\n")
        self.assertEqual(self.daemon.health()["status"], "ok")

    def test_proc_is_not_there(self):
        self.assertIn(self.check("os.listdir('/proc')"), ("FileNotFoundError", "PermissionError"))

    def test_no_rights(self):
        for code, *modules in (("os.setuid(0)",), ("os.chroot('/')",), ("os.setgroups([0])",), ("os.nice(-5)",), ("socket.sethostname('x')", "socket"),
                               ("resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))", "resource"),
                               ("resource.prlimit(1, resource.RLIMIT_CPU)", "resource"),
                               ("signal.pidfd_send_signal(os.pidfd_open(1), 9)", "signal")):
            with self.subTest(code=code):
                self.check(code, *modules)

    def test_identity(self):
        out = self.run_ok("import os\nprint(os.getuid() != 0, os.geteuid() != 0, os.getgid() != 0, os.getgroups())")["stdout"]
        self.assertEqual(out, "True True True []\n")


class Network(harness.DaemonCase):
    check = Files.check

    def test_no_sockets(self):
        for code in ("socket.socket()", "socket.socket(socket.AF_UNIX)", "socket.socket(socket.AF_INET6)", "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
                     "socket.create_connection(('127.0.0.1', 22), 1)", "urllib.request.urlopen('http://127.0.0.1/')",
                     f"socket.socket(socket.AF_UNIX).connect({self.daemon.socket!r})"):
            with self.subTest(code=code):
                self.check(code, "socket", "urllib.request")


class Neighbours(harness.DaemonCase):
    def test_other_jobs_are_out_of_sight(self):
        other = self.daemon.connect()
        self.addCleanup(other.close)
        waiting = other.send("job.run", {"source": "secret = 'swordfish'\nimport time\ntime.sleep(0.5)", "args": ["swordfish"]})
        out = self.run_ok(
            "import gc, os, sys\nfound = [n for n in range(3, 256) if os.path.exists(f'/dev/fd/{n}')]\n"
            "fds = []\nfor n in range(256):\n  try: os.fstat(n); fds.append(n)\n  except OSError: pass\n"
            "print(fds)\nprint('sword' + 'fish' in str(gc.get_objects())[:0])"
        )["stdout"]
        self.assertIn("[0, 1, 2", out)
        other.wait(waiting)

    def test_descriptors_of_a_worker_are_harmless(self):
        out = self.run_ok(
            "import os, stat\nfor n in range(64):\n  try: s = os.fstat(n)\n  except OSError: continue\n"
            "  print(n, stat.S_ISREG(s.st_mode), stat.S_ISCHR(s.st_mode), stat.S_ISSOCK(s.st_mode), stat.S_ISDIR(s.st_mode))"
        )["stdout"]
        for line in out.splitlines():
            number, regular, char, sock, directory = line.split()
            self.assertEqual(directory, "False", out)

    def test_workers_have_uids_of_their_own(self):
        clients = [self.daemon.connect() for _ in range(3)]
        for client in clients:
            self.addCleanup(client.close)
        sent = [c.send("job.run", {"source": "import os, time\nprint(os.getuid())\ntime.sleep(0.5)"}) for c in clients]
        uids = {c.wait(i)["stdout"] for c, i in zip(clients, sent)}
        self.assertEqual(len(uids), 3)

    def test_environment_is_empty(self):
        out = self.run_ok("import os, sys\nprint(sorted(os.environ), sys.flags.isolated, sys.path)")["stdout"]
        for word in ("HOME", "USER", "SSH", "STINT", "/root", "/home"):
            self.assertNotIn(word, out)


if __name__ == "__main__":
    unittest.main()
