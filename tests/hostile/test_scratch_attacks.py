"""Attacks by way of a scratch directory: against its limits, what collects from it, the host and the next job.

Each case is a program with the status that it must end with. After the group the host is looked at as after
any other, and here also its mounts, memory and open files.
"""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "functional"))
import harness
from test_attacks import AttackCase

MIB = 1 << 20
ALL = ["**"]

HELP = """
import errno, os, sys, threading, time
def fails(f, *a, **k):
    try: f(*a, **k)
    except OSError as e: return errno.errorcode[e.errno]
    return 'nothing'
"""


def mounts():
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        return file.read()


def free_memory():
    with open("/proc/meminfo", encoding="utf-8") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("MemAvailable"))


class Scratch(AttackCase):
    @classmethod
    def setUpClass(cls):
        cls.mounts = mounts()
        super().setUpClass()

    @classmethod
    def look_at_host(cls):
        super().look_at_host()
        if mounts() != cls.mounts:
            raise AssertionError("the host's mounts have changed")
        health = cls.daemon.health()
        if health["workers"]["failed"]:
            raise AssertionError(f"workers that could not be set up: {health}")

    def attack(self, source, status="ok", collect=(), scratch=MIB, files=(), **limits):
        limits = {"scratch_bytes": scratch, **limits}
        result = self.client.run(HELP + source, limits=limits, collect=list(collect), files=list(files))
        self.assertIn(result["status"], status.split(), result)
        return result

    def names(self, result):
        return [file["name"] for file in result["files"]]

    # ---- limits of the directory ----

    def test_fill_and_free_many_times(self):
        result = self.attack("for i in range(200):\n    with open('x', 'wb') as f: f.write(bytes(1 << 20))\n    os.unlink('x')\nprint('done')")
        self.assertEqual(result["stdout"], "done\n")

    def test_open_and_unlinked_files_count(self):
        result = self.attack("keep = []\nfor i in range(20):\n    f = os.open('x', os.O_CREAT | os.O_RDWR); os.unlink('x'); keep.append(f)\n"
                             "n = 0\ntry:\n    for f in keep: n += os.write(f, bytes(100 << 10))\nexcept OSError as e: print(errno.errorcode[e.errno])\nprint(n)")
        self.assertEqual(result["stdout"].split()[0], "ENOSPC")
        self.assertLessEqual(int(result["stdout"].split()[1]), MIB)

    def test_unlinked_files_count_as_inodes(self):
        result = self.attack("keep = []\ntry:\n    for i in range(30): keep.append(os.open('x', os.O_CREAT)); os.unlink('x')\n"
                             "except OSError as e: print(errno.errorcode[e.errno], i)", scratch_files=10)
        self.assertEqual(result["stdout"], "ENOSPC 10\n")

    def test_holes_do_not_make_more_room(self):
        result = self.attack("f = os.open('x', os.O_CREAT | os.O_RDWR)\nn = 0\ntry:\n    for at in range((1 << 20) - 1, -1, -4096): n += 1; os.pwrite(f, b'x', at)\n"
                             "    for i in range(300): g = os.open(f'{i}', os.O_CREAT | os.O_RDWR); os.pwrite(g, b'x', 1 << 19); n += 1; os.close(g)\n"
                             "except OSError as e: print(errno.errorcode[e.errno], n)")
        self.assertEqual(result["stdout"], "ENOSPC 256\n")

    def test_a_mapping_over_the_end(self):
        self.attack("import mmap\nf = os.open('x', os.O_CREAT | os.O_RDWR)\nos.ftruncate(f, 1 << 20)\nm = mmap.mmap(f, 1 << 20)\n"
                    "open('y', 'wb').write(bytes(1 << 19))\nm[:] = b'x' * (1 << 20)", "runtime_error")

    def test_memory_of_the_directory_is_no_memory_of_the_job(self):
        result = self.attack("open('x', 'wb').write(bytes(1 << 20))\ntry: x = bytearray(60 << 20)\nexcept MemoryError: print('MemoryError')",
                             "ok memory_limit", scratch=64 * MIB, memory_bytes=16 * MIB)
        self.assertTrue(result["status"] == "memory_limit" or result["stdout"] == "MemoryError\n", result)

    def test_more_than_the_rounded_size_is_never_there(self):
        result = self.attack("import mmap\nn = 0\nfor i in range(300):\n    f = os.open(str(i), os.O_CREAT | os.O_RDWR)\n"
                             "    try: n += os.write(f, bytes(8192))\n    except OSError: break\n    os.close(f)\nprint(n)", scratch=3 * 4096 + 1)
        self.assertLessEqual(int(result["stdout"]), 4 * 4096)

    # ---- output and the limit on the size of files ----

    def test_output_by_every_way_around_its_cap(self):
        for how in ("os.write(1, b'x' * 4096)", "os.ftruncate(1, 1 << 20)", "os.ftruncate(1, 1 << 19); os.write(1, b'x')",
                    "os.pwrite(1, b'x' * 4096, 0)", "os.lseek(1, 0, 0); os.write(1, b'x' * 2048)",
                    "import fcntl; fcntl.fcntl(1, fcntl.F_SETFL, 0); os.lseek(1, 0, 0); os.write(1, b'x' * 4096)",
                    "d = os.dup(1); os.close(1); os.write(d, b'x' * 4096)",
                    "f = os.open('f', os.O_CREAT | os.O_RDWR); d = os.dup(1); os.dup2(f, 1); os.write(d, b'x' * 4096)",
                    "os.ftruncate(1, 0); os.write(1, b'x' * 4096)",
                    "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); fails(os.write, 1, b'x' * 4096)"):
            result = self.client.run(HELP + how, limits={"scratch_bytes": MIB, "stdout_bytes": 1000})
            self.assertIn(result["status"], ("ok", "runtime_error", "output_limit"), how)
            self.assertLessEqual(len(result["stdout"]), 1000, how)

    def test_a_signal_handler_does_not_pass_the_cap(self):
        result = self.attack("import signal\nsignal.signal(signal.SIGXFSZ, lambda *a: None)\nfor i in range(100): fails(os.write, 1, b'x' * 100)",
                             "output_limit", stdout_bytes=1000)
        self.assertEqual(result["stdout"], "x" * 1000)

    # ---- collecting ----

    def test_names_that_are_no_text_or_too_long(self):
        result = self.attack("open(b'\\xff\\xfe', 'w').close(); open('good', 'w').close()\nos.makedirs('d' * 200 + '/' + 'e' * 200)\n"
                             "open('d' * 200 + '/' + 'f' * 100, 'w').close()", collect=ALL)
        self.assertEqual(self.names(result), ["good"])
        self.assertIn("3 names", result["warnings"][0])

    def test_names_that_steer_terminals_and_parsers(self):
        names = ["\n", "\x1b[2J", '"', "\\", "a\nb: c", "-rf", " ", "\u202e", "%s%n", "$(id)", "'; --", "\x7f"]
        result = self.attack(f"for n in {names!r}: open(n, 'w').write(n)", collect=ALL)
        self.assertEqual(sorted(self.names(result)), sorted(names))
        self.assertTrue(all(file["content"] == file["name"] for file in result["files"]))

    def test_a_very_deep_tree(self):
        result = self.attack(f"d = os.open('.', 0)\nfor i in range({3000 // harness.FEWER}):\n    os.mkdir('d', dir_fd=d)\n    n = os.open('d', 0, dir_fd=d); os.close(d); d = n\n"
                             "os.close(os.open('bottom', os.O_CREAT, dir_fd=d))\nopen('top', 'w').close()", collect=ALL, scratch_files=4000, cpu_ms=5000)
        self.assertEqual(self.names(result), ["top"])
        self.assertIn("left out", result["warnings"][0])

    def test_a_very_wide_tree(self):
        result = self.attack("for i in range(20000): os.mkdir(str(i))\nopen('x', 'w').close()", collect=["**/x"], scratch_files=30000, cpu_ms=10000)
        self.assertEqual(self.names(result), ["x"])

    def test_large_holes_do_not_come_back(self):
        result = self.attack("for i in range(100):\n    f = os.open(str(i), os.O_CREAT | os.O_RDWR); os.ftruncate(f, 200 << 20); os.close(f)", "output_limit",
                             collect=ALL, scratch=256 * MIB)
        self.assertEqual(result["files"], [])

    def test_patterns_do_not_reach_outside(self):
        for pattern in ("**/os.py", "usr/**", "*/../*", "**/passwd"):
            if ".." in pattern:
                continue
            self.assertEqual(self.names(self.attack("pass", collect=[pattern])), [])

    def test_no_pattern_is_slow(self):
        result = self.attack("open('a' * 250, 'w').close()", collect=["*a" * 120 + "b"] * 64, cpu_ms=1000)
        self.assertEqual(result["files"], [])

    def test_no_special_file_and_no_link_can_be_made(self):
        result = self.attack("print(fails(os.mkfifo, 'f'), fails(os.symlink, '/etc/passwd', 's'), fails(os.link, '/usr/lib/python3.11/os.py', 'l'),"
                             " fails(os.link, 'x', 'l'), fails(os.mknod, 'n'))\nimport socket\nprint(fails(socket.socket, socket.AF_UNIX))", collect=ALL)
        self.assertEqual(set(result["stdout"].split()), {"EROFS", "EAFNOSUPPORT"})
        self.assertEqual(result["files"], [])

    def test_threads_that_change_the_tree_to_the_last(self):
        for _ in range(5):
            result = self.attack("def churn():\n    i = 0\n    while 1:\n        i += 1\n        try:\n            open('a', 'w').write('x' * (i % 5000)); os.replace('a', 'b')\n"
                                 "            os.mkdir('c'); os.rmdir('c'); os.unlink('b')\n        except OSError: pass\n"
                                 "for i in range(3): threading.Thread(target=churn, daemon=True).start()\ntime.sleep(0.05)", collect=ALL, threads=4)
            self.assertLessEqual(set(self.names(result)), {"a", "b"})

    def test_a_job_that_dies_while_it_writes(self):
        for _ in range(10):
            result = self.attack("while 1: open('x', 'ab').write(bytes(1000)); os.unlink('x')", "cpu_limit", collect=ALL, cpu_ms=20)
            self.assertEqual(result["files"], [])

    def test_files_of_a_job_that_ends_itself(self):
        for end in ("os.kill(os.getpid(), 9)", "os.abort()", "os._exit(0)", "os._exit(126)"):
            result = self.attack("open('x', 'w').write('x')\n" + end, "runtime_error", collect=ALL)
            self.assertEqual(result["files"], [])

    # ---- others ----

    def test_nothing_is_left_for_the_next_job(self):
        places = "['.', '/', '/tmp', '/dev', '/scratch', '/usr/lib/python3.11', '/var', '/run', '/dev/shm']"
        self.attack(f"for p in {places}:\n    fails(lambda: open(p + '/left', 'w').write('x')); fails(os.mkdir, p + '/leftdir')\n"
                    "fails(os.makedirs, '__pycache__')\nopen('sitecustomize.py', 'w').write('print(1)')")
        for _ in range(4):
            result = self.attack(f"for p in {places}:\n    for n in ('/left', '/leftdir'): print(os.path.exists(p + n), end='')\nprint(os.listdir())")
            self.assertNotIn("True", result["stdout"])
            self.assertTrue(result["stdout"].endswith("[]\n"))
        result = self.client.run("import os\nprint(os.listdir('/scratch'), os.getcwd())")
        self.assertEqual(result["stdout"], "[] /\n")

    def test_two_jobs_at_once_do_not_see_each_other(self):
        with self.daemon.connect() as other:
            other.send("job.run", {"source": "import time\nopen('secret', 'w').write('x' * 1000)\ntime.sleep(1)\nprint(open('secret').read() == 'x' * 1000)",
                                   "limits": {"scratch_bytes": MIB}})
            for _ in range(5):
                self.assertEqual(self.attack("print(os.listdir(), fails(os.stat, 'secret'))")["stdout"], "[] ENOENT\n")
            self.assertEqual(other.line()["result"]["stdout"], "True\n")

    def test_memory_comes_back(self):
        self.attack("pass")
        before = free_memory()
        for _ in range(15):
            self.attack("for i in range(100): open(str(i), 'wb').write(bytes(1 << 20))", scratch=100 * MIB, cpu_ms=5000)
        harness.until(lambda: free_memory() > before - (300 << 20), 20, "memory of 15 directories of 100 MiB")

    def test_own_identity_and_place_stay(self):
        result = self.attack("print(fails(os.chdir, '/'), fails(os.chroot, '.'), fails(os.rmdir, '/scratch'), fails(os.rename, '/scratch', '/x'),"
                             " fails(os.chmod, '.', 0o777), fails(os.chown, '.', 0, 0), fails(os.open, '..', os.O_RDWR))\nprint(os.stat('.').st_mode & 0o7777)")
        self.assertNotIn("nothing", result["stdout"])
        self.assertTrue(result["stdout"].endswith(f"{0o700}\n"))

    def test_files_that_come_along_cannot_be_aimed(self):
        for name in ("../x", "/x", "a/../../x", "usr/../../x", "\0", "."):
            self.assert_refused(-32602, source="1", limits={"scratch_bytes": MIB}, files=[{"name": name, "content": ""}])
        result = self.attack("print(sorted(os.listdir('usr/lib/python3.11')))", files=[{"name": "usr/lib/python3.11/os.py", "content": "evil"}])
        self.assertEqual(result["stdout"], "['os.py']\n")


if __name__ == "__main__":
    unittest.main()
