"""The scratch directory of a job: files in, files out, its limits, and what is denied in it."""
import base64
import json
import os
import socket
import tempfile
import threading
import time
import unittest

import harness

PAGE = 4096
MEGA = 1 << 20


def caught(statement, setup="import os"):
    """Source that prints the name of the errno with which the statement fails, or `done`."""
    return (f"import errno\n{setup}\ntry:\n    {statement}\nexcept OSError as e:\n"
            "    print(errno.errorcode.get(e.errno, e))\nelse:\n    print('done')\n")


class ScratchCase(harness.DaemonCase):
    def scratch(self, source, scratch_bytes=MEGA, status="ok", limits=None, **params):
        limits = {"scratch_bytes": scratch_bytes, **(limits or {})}
        return self.run_status(status, source, limits=limits, **params)

    def prints(self, source, expected, **params):
        self.assertEqual(self.scratch(source, **params)["stdout"].split(), expected.split())


class FilesInAndOut(ScratchCase):
    def test_files_come_in(self):
        result = self.scratch(
            "import os\nprint(os.getcwd(), open('a.txt').read(), open('d/e/f.bin', 'rb').read(),"
            " os.path.getsize('empty'), sorted(os.listdir()))",
            files=[{"name": "a.txt", "content": "gr\u00fcn\0"}, {"name": "d/e/f.bin", "base64": "//4A"},
                   {"name": "empty", "content": ""}])
        self.assertEqual(result["stdout"],
                         "/scratch gr\u00fcn\0 b'\\xff\\xfe\\x00' 0 ['a.txt', 'd', 'empty']\n")
        self.assertNotIn("files", result)

    def test_files_come_out_sorted_as_text_and_base64(self):
        result = self.scratch(
            "import os\nos.makedirs('out/deep')\nopen('out/b', 'wb').write(b'\\xff\\0')\n"
            "open('out/a', 'w').write('\u00e4\\n')\nopen('out/deep/c', 'w').write('')\n"
            "open('other', 'w').write('x')", collect=["out/**"])
        self.assertEqual(result["files"], [
            {"name": "out/a", "bytes": 3, "content": "\u00e4\n"},
            {"name": "out/b", "bytes": 2, "base64": base64.b64encode(b"\xff\0").decode()},
            {"name": "out/deep/c", "bytes": 0, "content": ""}])

    def test_patterns(self):
        source = ("import os\nfor n in ('a.txt', 'b.txt', 'ab.txt', '.c', 'x/a.txt', 'x/y/z.txt', 'x/y/q'):\n"
                  "    os.makedirs(os.path.dirname(n) or '.', exist_ok=True)\n    open(n, 'w').close()")
        for patterns, names in (
                (["*.txt"], "a.txt ab.txt b.txt"), (["?.txt"], "a.txt b.txt"), (["[!a]*"], ".c b.txt"),
                (["**/*.txt"], "a.txt ab.txt b.txt x/a.txt x/y/z.txt"), (["x/**/q", "x/*"], "x/a.txt x/y/q"),
                (["nothing"], ""), (["**"], ".c a.txt ab.txt b.txt x/a.txt x/y/q x/y/z.txt")):
            result = self.scratch(source, collect=patterns)
            self.assertEqual([f["name"] for f in result["files"]], names.split(), patterns)

    def test_a_failed_job_returns_its_files_too(self):
        for end, status in (("1 / 0", "runtime_error"), ("raise SystemExit(3)", "runtime_error"),
                            ("raise SystemExit", "ok")):
            result = self.scratch(f"open('x', 'w').write('here')\n{end}", collect=["*"], status=status)
            self.assertEqual([f["content"] for f in result["files"]], ["here"], end)

    def test_a_job_that_a_limit_ended_returns_none(self):
        for source, status, limits in (
                ("open('x', 'w').close()\nwhile 1: pass", "cpu_limit", {"cpu_ms": 100}),
                ("open('x', 'w').close()\nprint('x' * 100)", "output_limit", {"stdout_bytes": 10}),
                ("open('x', 'w').close()\nwhile 1: pass", "opcode_limit", {"opcodes": 5000}),
                ("open('x', 'w').close()\nimport os\nos._exit(0)", "runtime_error", {})):
            result = self.scratch(source, collect=["*"], status=status, limits=limits)
            self.assertEqual(result["files"], [], status)

    def test_files_written_by_exit_functions_and_finalisers_are_there(self):
        result = self.scratch("import atexit\natexit.register(lambda: open('late', 'w').write('1'))\n"
                              "f = open('open', 'w')\nf.write('not closed')", collect=["*"])
        self.assertEqual({f["name"]: f["content"] for f in result["files"]},
                         {"late": "1", "open": "not closed"})

    def test_collected_bytes_is_exact(self):
        source = "open('a', 'w').write('x' * 600)\nopen('b', 'w').write('y' * 400)"
        good = self.scratch(source, collect=["*"], limits={"collected_bytes": 1000})
        self.assertEqual(sum(f["bytes"] for f in good["files"]), 1000)
        bad = self.scratch(source, collect=["*"], limits={"collected_bytes": 999}, status="output_limit")
        self.assertEqual((bad["files"], bad["error"]["type"]), ([], "FilesTooLarge"))
        self.assertIn("999", bad["error"]["message"])
        failed = self.scratch(source + "\n1 / 0", collect=["*"], limits={"collected_bytes": 999},
                              status="runtime_error")
        self.assertEqual((failed["files"], failed["error"]["type"]), ([], "ZeroDivisionError"))
        self.assertIn("collected_bytes", failed["warnings"][0])

    def test_many_and_large(self):
        result = self.scratch("for i in range(1024): open(f'{i:04}', 'w').write(str(i))",
                              scratch_bytes=8 * MEGA, limits={"scratch_files": 2000}, collect=["*"])
        self.assertEqual([f["content"] for f in result["files"]], [str(i) for i in range(1024)])
        self.scratch("for i in range(1025): open(f'{i:04}', 'w').close()", scratch_bytes=MEGA,
                     limits={"scratch_files": 2000}, collect=["*"], status="output_limit")
        result = self.scratch("open('x', 'wb').write(bytes(range(256)) * (20 << 12))", scratch_bytes=32 * MEGA,
                              limits={"collected_bytes": 32 * MEGA}, collect=["x"])
        self.assertEqual(base64.b64decode(result["files"][0]["base64"]), bytes(range(256)) * (20 << 12))

    def test_value_stdin_and_threads_go_along(self):
        result = self.scratch(
            "import sys, threading\ndef write(i): open(f't{i}', 'w').write(str(i))\n"
            "ts = [threading.Thread(target=write, args=(i,)) for i in range(3)]\n"
            "[t.start() for t in ts]\n[t.join() for t in ts]\nx = sys.stdin.read()",
            limits={"threads": 4}, stdin="hello", outputs=["x"], collect=["t*"])
        self.assertEqual((result["vars"], [f["content"] for f in result["files"]]),
                         ({"x": "hello"}, ["0", "1", "2"]))

    def test_all_descriptors_left_open_do_not_hinder(self):
        result = self.scratch("import os\nos.close(os.open('x', os.O_CREAT))\ntry:\n"
                              "    while 1: os.open('x', 0)\nexcept OSError as e: print(e.errno)", collect=["x"])
        self.assertEqual((result["stdout"], len(result["files"])), ("24\n", 1))


class AsPython(ScratchCase):
    def test_tempfile_shutil_and_zipfile(self):
        self.prints(
            "import os, shutil, tempfile, zipfile\n"
            "with tempfile.TemporaryDirectory() as d:\n"
            "    print(d.startswith('/scratch/'))\n"
            "    open(d + '/x', 'w').write('x' * 10)\n"
            "    shutil.copyfile(d + '/x', 'y')\n"
            "with tempfile.TemporaryFile() as f: f.write(b'z'); f.seek(0); print(f.read())\n"
            "with tempfile.NamedTemporaryFile() as f: print(f.name.startswith('/scratch/'))\n"
            "with zipfile.ZipFile('z.zip', 'w') as z: z.write('y')\n"
            "os.rename('y', 'w'); os.replace('w', 'v'); os.mkdir('m'); os.rmdir('m')\n"
            "with open('v', 'r+') as f: f.truncate(3); os.fsync(f.fileno())\n"
            "print(os.environ['TMPDIR'], os.path.getsize('v'), sorted(os.listdir()))",
            "True b'z' True /scratch 3 ['v', 'z.zip']")

    def test_links_modes_special_files_and_paths_outside_are_denied(self):
        make = "import os, socket, stat\nopen('x', 'w').close()"
        for statement, error in (
                ("os.symlink('/etc', 'l')", "EROFS"), ("os.link('x', 'l')", "EROFS"),
                ("os.mkfifo('f')", "EROFS"), ("os.mknod('n', 0o600 | stat.S_IFCHR, os.makedev(1, 3))", "EROFS"),
                ("os.mknod('n', 0o600)", "EROFS"), ("os.chmod('x', 0o777)", "EROFS"),
                ("os.chown('x', 0, 0)", "EROFS"), ("os.truncate('x', 5)", "EROFS"),
                ("os.setxattr('x', 'user.a', b'')", "ENOTSUP"), ("os.posix_fallocate(1, 0, 9)", "ENOSYS"),
                ("os.utime('x')", "EPERM"), ("os.chdir('/')", "EPERM"), ("socket.socket(socket.AF_UNIX)", "EAFNOSUPPORT"),
                ("os.open('.', os.O_RDWR | os.O_TMPFILE)", "EROFS"), ("open('/x', 'w')", "EROFS"),
                ("open('/tmp/x', 'w')", "EROFS"), ("open('/usr/lib/python3.11/os.py', 'r+')", "EACCES"),
                ("os.unlink('/usr/lib/python3.11/os.py')", "EROFS"), ("os.mkdir('/scratch/../tmp/x')", "EROFS"),
                ("os.rename('x', '/tmp/x')", "EXDEV"), ("os.rmdir('/scratch')", "EROFS"),
                ("os.memfd_create('x')", "ENOSYS")):
            with self.subTest(statement):
                self.prints(caught(statement, make), error)

    def test_a_plain_job_is_as_before(self):
        for statement, error in (
                ("open('x', 'w')", "EROFS"), ("open('/scratch/x', 'w')", "EROFS"), ("os.mkdir('x')", "EROFS"),
                ("os.open('/', os.O_RDONLY | os.O_EXCL)", "EROFS"), ("os.unlink('/scratch')", "EROFS"),
                ("os.rename('/scratch', '/x')", "EROFS"), ("os.pwrite(1, b'x', 0)", "ENOSYS"),
                ("os.ftruncate(1, 0)", "EINVAL"), ("os.fsync(1)", "ENOSYS"), ("os.fdatasync(1)", "ENOSYS"),
                ("os.chdir('/scratch')", "EPERM")):
            with self.subTest(statement):
                self.assertEqual(self.run_ok(caught(statement))["stdout"], error + "\n")
        self.assertEqual(self.run_ok("import os; print(os.getcwd(), os.listdir('/scratch'), 'TMPDIR' in os.environ)")
                         ["stdout"], "/ [] False\n")

    def test_opcodes_are_those_of_a_plain_job(self):
        source = "import os\nx = sum(range(10))\nprint(os.getcwd())"
        self.assertEqual(self.scratch(source, files=[{"name": "a/b", "content": "x"}], collect=["**"])["usage"]["opcodes"],
                         self.run_ok(source)["usage"]["opcodes"])

    def test_the_directory_is_the_jobs_own_and_nothing_stays(self):
        look = "import os; s = os.stat('.'); print(oct(s.st_mode), s.st_uid == os.getuid(), os.listdir())"
        self.prints(look, "0o40700 True []")
        self.prints("open('secret', 'w').write('x')\n" + look, "0o40700 True ['secret']")
        self.prints(look, "0o40700 True []")


class Limits(ScratchCase):
    def test_full_is_an_error_and_not_a_memory_limit(self):
        source = ("import errno\nn = 0\ntry:\n    with open('x', 'wb', 0) as f:\n"
                  "        while 1: n += f.write(b'x' * 4096)\nexcept OSError as e: print(errno.errorcode[e.errno], n)")
        for size in (PAGE, MEGA, 200 * MEGA):
            self.prints(source, f"ENOSPC {size}", scratch_bytes=size, limits={"memory_bytes": 16 * MEGA})
        self.prints(source, f"ENOSPC {2 * PAGE}", scratch_bytes=PAGE + 1)

    def test_files_are_counted(self):
        source = ("import errno, os\nn = 0\ntry:\n    while 1: %s; n += 1\n"
                  "except OSError as e: print(errno.errorcode[e.errno], n)")
        for statement in ("open(f'{n:0200}', 'w').close()", "os.mkdir(str(n))"):
            self.prints(source % statement, "ENOSPC 10", limits={"scratch_files": 10})
        many = 65536 // harness.FEWER
        self.prints(source % "open(f'{n:0250}', 'w').close()", f"ENOSPC {many}",
                    limits={"scratch_files": many, "memory_bytes": 16 * MEGA, "cpu_ms": 20000})

    def test_sparse_files_have_an_end(self):
        make = "import os\nf = open('x', 'w')"
        for size in (2**62, 2**40, 2 * MEGA):
            self.prints(caught(f"os.ftruncate(f.fileno(), {size})", make), "EFBIG")
            self.prints(caught(f"os.pwrite(f.fileno(), b'x', {size})", make), "EFBIG")
        self.prints(caught(f"os.ftruncate(f.fileno(), {MEGA})", make), "done")

    def test_output_caps_stay_exact(self):
        for write in ("print('x' * 100, end='')", "os.write(1, b'x' * 100)", "os.write(1, b'x')",
                      "os.writev(1, [b'x' * 33, b'x'])"):
            for caps in ({"stdout_bytes": 1000}, {"stdout_bytes": 1000, "stderr_bytes": 5 * MEGA}):
                result = self.scratch(f"import os\nwhile 1: {write}", status="output_limit",
                                      scratch_bytes=2 * MEGA, limits=caps)
                self.assertEqual((result["stdout"], result["stdout_truncated"]), ("x" * 1000, True))
            good = self.scratch(f"import os\nfor i in range(10): {write}", scratch_bytes=2 * MEGA,
                                limits={"stdout_bytes": 1000})
            self.assertFalse(good["stdout_truncated"])
        result = self.scratch("import os\nos.write(2, b'e' * 50)\nprint('o' * 70)\nos.write(2, b'e' * 51)",
                              status="output_limit", limits={"stdout_bytes": 80, "stderr_bytes": 100})
        self.assertEqual((result["stderr"], result["stderr_truncated"]), ("e" * 100, True))

    def test_a_killed_job_returns_what_it_had_printed(self):
        result = self.scratch("import os\nprint('before', end='')\nos.write(2, b'raw')\nwhile 1: pass",
                              status="cpu_limit", limits={"cpu_ms": 100})
        self.assertEqual((result["stdout"], result["stderr"]), ("before", "raw"))

    def test_streamed_output_is_the_same(self):
        with self.daemon.connect() as client:
            client.send("job.run", {"source": "import time\nprint('a', flush=True)\ntime.sleep(0.1)\nprint('b')",
                                    "stream": True, "limits": {"scratch_bytes": MEGA}})
            text = ""
            while True:
                answer = client.line()
                if answer.get("method") == "job.output":
                    text += answer["params"]["data"]
                elif "result" in answer:
                    break
        self.assertEqual((text, answer["result"]["stdout"]), ("a\nb\n", "a\nb\n"))

    def test_output_made_shorter_is_the_jobs_own_loss(self):
        result = self.client.run("import os\nprint('x', flush=True)\nos.ftruncate(1, 0)\nos.write(1, b'y' * 50)",
                                 limits={"scratch_bytes": MEGA, "stdout_bytes": 10})
        self.assertIn(result["status"], ("ok", "runtime_error", "output_limit"))
        self.assertLessEqual(len(result["stdout"]), 10)


class Refused(ScratchCase):
    def refused(self, text, **params):
        params.setdefault("limits", {"scratch_bytes": MEGA})
        self.assert_refused(-32602, text=text, source="1", **params)

    def test_names(self):
        for name, text in (("", "is empty"), ("/etc/passwd", "not relative"), ("../x", '".."'), ("a/../b", '".."'),
                           ("./x", '"."'), ("a//b", "empty component"), ("a/", "empty component"), ("a\0b", "NUL"),
                           ("x" * 256, "255 bytes"), ("/".join("a" * 17), "16 components"),):
            self.refused(text, files=[{"name": name, "content": ""}])
        for pattern in ("", "/x", "../*", "a//b"):
            self.refused("collect", collect=[pattern])

    def test_conflicts(self):
        def files(*names):
            return [{"name": name, "content": ""} for name in names]
        self.refused('"a" stands twice', files=files("a", "a"))
        self.refused('"a/b" lies below another file', files=files("a", "a/b"))
        self.refused('"a" is also a directory', files=files("a/b", "a"))
        self.scratch("pass", files=files("a/b", "a/c", "ab"))

    def test_shape(self):
        for files in ({}, [1], [{"name": "a"}], [{"content": ""}], [{"name": "a", "content": "", "base64": ""}],
                      [{"name": "a", "content": 1}], [{"name": 1, "content": ""}], [{"name": "a", "base64": "?"}],
                      [{"name": "a", "content": "", "mode": 1}], [{"name": f"{i}", "content": ""} for i in range(1025)]):
            self.refused("files", files=files)
        for collect in ("x", [1], ["x"] * 65):
            self.refused("collect", collect=collect)

    def test_room(self):
        self.refused("needs a scratch directory", files=[{"name": "a", "content": ""}], limits={})
        self.refused("needs a scratch directory", collect=["a"], limits={})
        self.refused("do not fit", files=[{"name": "a", "content": "x" * 5000}], limits={"scratch_bytes": PAGE})
        self.refused("scratch_files", files=[{"name": "a/b", "content": ""}],
                     limits={"scratch_bytes": PAGE, "scratch_files": 1})
        self.scratch("print(len(open('a').read()))", files=[{"name": "a", "content": "x" * 4096}], scratch_bytes=PAGE)
        self.assert_refused(reason="limit_too_high", source="1", limits={"scratch_bytes": 257 * MEGA})


class Engine(ScratchCase):
    settings = {"running_max": 2, "workers_ready": 2}

    def test_both_kinds_go_on_beside_each_other(self):
        done = []

        def work(scratch):
            with self.daemon.connect() as client:
                for i in range(15):
                    limits = {"scratch_bytes": PAGE * (1 + i % 3)} if scratch else {}
                    done.append((scratch, client.run("print(1)", limits=limits)["status"]))
        threads = [threading.Thread(target=work, args=(i % 2 == 0,)) for i in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(done), [(False, "ok")] * 45 + [(True, "ok")] * 45)

    def test_a_worker_without_its_job_goes(self):
        for _ in range(5):
            clients = [self.daemon.connect() for _ in range(6)]
            for i, client in enumerate(clients):
                client.send("job.run", {"source": "import time; time.sleep(5)",
                                        "limits": {"scratch_bytes": PAGE * (i + 1)}})
            time.sleep(0.01)
            for client in clients:
                client.close()
        self.daemon.wait_idle()
        harness.until(lambda: self.daemon.health()["workers"]["ready"] == 2, 10, "only plain workers")
        self.assertEqual(self.daemon.health()["workers"]["failed"], 0)

    def test_memory_and_mounts_are_given_back(self):
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            before = file.read()
        for i in range(20):
            self.scratch("open('x', 'wb').write(b'x' * (8 << 20))" + ("\nwhile 1: pass" if i % 4 == 0 else ""),
                         scratch_bytes=16 * MEGA, **({"status": "cpu_limit", "limits": {"cpu_ms": 200}} if i % 4 == 0 else {}))
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            self.assertEqual(file.read(), before)
        self.daemon.wait_idle()
        with open(f"/proc/{self.daemon.zygote_pid()}/mountinfo", encoding="utf-8") as file:
            self.assertNotIn("/scratch", file.read())


class CommandLine(ScratchCase):
    def stint(self, *arguments, **how):
        return harness.stint("run", "--scratch", "1M", *arguments, socket_path=self.daemon.socket, **how)

    def setUp(self):
        super().setUp()
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.place = place.name
        self.out = os.path.join(self.place, "out")

    def read(self, name):
        with open(os.path.join(self.out, name), "rb") as file:
            return file.read()

    def test_files_there_and_back(self):
        source = os.path.join(self.place, "in")
        with open(source, "wb") as file:
            file.write(b"\xff\0data")
        done = self.stint("--file", f"a/b={source}", "--collect", "a/*", "--collect", "n", "--out", self.out, "-c",
                          "import shutil\nshutil.copyfile('a/b', 'a/c')\nopen('n', 'w').write('\u00e4')\nprint('ok')")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"ok\n", b""))
        self.assertEqual((self.read("a/b"), self.read("a/c"), self.read("n")), (b"\xff\0data", b"\xff\0data", "\u00e4".encode()))

    def test_nothing_is_replaced_and_no_link_is_followed(self):
        write = ("--collect", "**", "--out", self.out, "-c", "import os\nos.mkdir('d')\nopen('d/x', 'w').write('new')")
        self.assertEqual(self.stint(*write).returncode, 0)
        self.assertEqual(self.read("d/x"), b"new")
        done = self.stint(*write)
        self.assertEqual(done.returncode, 125)
        self.assertIn(b"d/x: not replaced", done.stderr)
        os.unlink(os.path.join(self.out, "d/x"))
        victim = os.path.join(self.place, "victim")
        os.symlink(victim, os.path.join(self.out, "d/x"))
        self.assertEqual(self.stint(*write).returncode, 125)
        os.unlink(os.path.join(self.out, "d/x"))
        os.rmdir(os.path.join(self.out, "d"))
        os.mkdir(victim)
        os.symlink(victim, os.path.join(self.out, "d"))
        self.assertEqual(self.stint(*write).returncode, 125)
        self.assertEqual(os.listdir(victim), [])

    def test_a_hostile_daemon_cannot_write_outside(self):
        path = os.path.join(self.place, "fake.sock")
        for name in ("../x", "/tmp/stint-test-x", "a/../../x", "", ".", "a\0b"):
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(path)
            listener.listen(1)

            def answer():
                client, _ = listener.accept()
                client.recv(1 << 20)
                client.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "result": {
                    "status": "ok", "exit_code": 0, "stdout": "", "stderr": "",
                    "files": [{"name": name, "content": "x"}]}}).encode() + b"\n")
                client.close()
            thread = threading.Thread(target=answer)
            thread.start()
            done = harness.stint("run", "--socket", path, "--scratch", "1M", "--collect", "x", "--out", self.out, "-c", "1")
            thread.join()
            listener.close()
            os.unlink(path)
            self.assertEqual(done.returncode, 125, name)
            self.assertEqual(sorted(os.listdir(self.place)), ["out"])
            self.assertEqual(os.listdir(self.out), [])

    def test_options_that_do_not_go_together(self):
        for arguments, text in ((("--out", "x"), b"--collect"), (("--collect", "x"), b"--out"), (("--file", "x"), b"NAME=PATH")):
            done = self.stint(*arguments, "-c", "1")
            self.assertEqual(done.returncode, 125)
            self.assertIn(text, done.stderr)
        done = harness.stint("run", "--collect", "x", "--json", "-c", "1", socket_path=self.daemon.socket)
        self.assertIn(b"--scratch 16M", done.stderr)


if __name__ == "__main__":
    unittest.main()
