"""The command line: stint run, status and cancel, and quickstart."""
import json
import os
import py_compile
import signal
import subprocess
import tempfile
import time
import unittest

import harness


class Case(harness.DaemonCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.directory = tempfile.mkdtemp(dir=cls.daemon.directory)

    def stint(self, *arguments, **keywords):
        return harness.stint(*arguments, socket_path=self.daemon.socket, cwd=self.directory, **keywords)

    def file(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def assert_run(self, arguments, stdout=b"", stderr=b"", code=0, **keywords):
        done = self.stint("run", *arguments, **keywords)
        self.assertEqual((done.stdout, done.returncode), (stdout, code), done.stderr)
        if stderr is not None:
            self.assertEqual(done.stderr, stderr)
        return done


class Running(Case):
    def test_streams(self):
        self.assert_run(["-c", "import sys; print('out'); print('err', file=sys.stderr)"], b"out\n", b"err\n")

    def test_file_args_and_stdin(self):
        path = self.file("prog.py", "import sys\nprint(sys.argv, repr(sys.stdin.read()))")
        self.assert_run([path, "--", "-x", "y z"], b"['prog.py', '-x', 'y z'] 'in\\n'\n", stdin=b"in\n")
        self.assert_run([path, "plain"], b"['prog.py', 'plain'] ''\n")
        self.assert_run([path, "--no-stdin"], b"['prog.py'] ''\n", stdin=b"ignored")
        data = self.file("data.txt", "from a file")
        self.assert_run([path, "--stdin", data], b"['prog.py'] 'from a file'\n", stdin=b"ignored")

    def test_source_on_stdin(self):
        self.assert_run(["-"], b"hi\n", stdin=b"print('hi')")

    def test_binary_stdin(self):
        self.assert_run(["-c", "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read()[::-1])"], b"\xff\0a", stdin=b"a\0\xff")

    def test_module(self):
        self.assert_run(["-m", "calendar", "--", "2024", "2"], subprocess.run(
            ["/usr/bin/python3", "-m", "calendar", "2024", "2"], capture_output=True, check=True).stdout)
        self.file("own.py", "print('own', __name__)")
        self.assert_run(["-m", "own"], b"own __main__\n")

    def test_pyc(self):
        path = self.file("c.py", "print('compiled')")
        py_compile.compile(path, cfile=path + "c", doraise=True)
        self.assert_run([path + "c"], b"compiled\n")

    def test_eval_entry_inputs_outputs_modules(self):
        self.assert_run(["--eval", "-c", "10**30"], b"1" + b"0" * 30 + b"\n")
        done = self.stint("run", "-c", "cost = price + 1", "--input", f"price={10**30}", "--input", 'name="é"', "--output", "cost", "--output=name")
        self.assertEqual(json.loads(done.stdout), {"cost": 10**30 + 1, "name": "é"})
        done = self.stint("run", "-c", "def f(a, b=0): return [a, b]", "--entry", "f", "--entry-args", "[1]", "--entry-kwargs", '{"b": 2}')
        self.assertEqual(json.loads(done.stdout), [1, 2])
        lib = self.file("lib.py", "x = 5")
        self.assert_run(["-c", "import a.b; print(a.b.x)", "--module", f"a={lib}", "--module", f"a.b={lib}"], b"5\n")

    def test_exit_statuses(self):
        for text, options, code in (
            ("pass", [], 0), ("import sys; sys.exit(7)", [], 7), ("raise ValueError", [], 1), ("def f(:", [], 1),
            ("import os; os.kill(os.getpid(), 9)", [], 137), ("import os; os.abort()", [], 134),
            ("while True: pass", ["--cpu", "200ms"], 124), ("import time; time.sleep(9)", ["--wall", "0.2s"], 124),
            ("x = []\nwhile True: x.append(bytearray(10**6))", ["--memory", "32M"], 123),
            ("while True: print('x' * 1000)", ["--stdout", "10K"], 122), ("'x' * 9999", ["--eval", "--value", "1K"], 122),
        ):
            with self.subTest(text=text):
                done = self.stint("run", *options, "-c", text)
                self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn(b"--cpu", self.stint("run", "--cpu", "0.1s", "-c", "while 1: pass").stderr)

    def test_output_before_a_limit(self):
        done = self.stint("run", "--wall", "300ms", "-c", "print('partial'); import time; time.sleep(60)")
        self.assertEqual((done.stdout, done.returncode), (b"partial\n", 124))

    def test_exact_cap(self):
        done = self.stint("run", "--stdout", "1000", "-c", "while True: print('x' * 99)")
        self.assertEqual((len(done.stdout), done.returncode), (1000, 122))

    def test_json_and_usage(self):
        done = self.stint("run", "--json", "--usage", "-c", "print(1); x = 10**40", "--output", "x")
        result = json.loads(done.stdout)
        self.assertEqual((result["status"], result["stdout"], result["vars"]), ("ok", "1\n", {"x": 10**40}))
        self.assertRegex(done.stderr.decode(), r"^stint: ok: cpu [\d.]+ (us|ms|s), wall .*, memory .*, stdout 2 B, stderr 0 B, opcodes \d+\n$")

    def test_streaming_is_immediate(self):
        process = subprocess.Popen(
            [harness.CLIENT, "run", "--no-stdin", "--socket", self.daemon.socket, "-c", "import time; print('now'); time.sleep(3)"],
            stdout=subprocess.PIPE,
        )
        start = time.monotonic()
        self.assertEqual(process.stdout.readline(), b"now\n")
        self.assertLess(time.monotonic() - start, 2.5)
        process.kill()
        process.wait()
        process.stdout.close()

    def test_ctrl_c_cancels(self):
        process = subprocess.Popen(
            [harness.CLIENT, "run", "--no-stdin", "--socket", self.daemon.socket, "-c", "import time; print('on'); time.sleep(9)"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        self.assertEqual((process.returncode, err), (130, b"stint: interrupted, the job is cancelled\n"))
        self.daemon.wait_idle()


class Usage(Case):
    def test_bad_usage_names_the_option_and_the_remedy(self):
        for arguments, words in (
            (["run"], ["FILE"]), (["run", "--bogus", "x"], ["--bogus", "--"]), (["run", "--cpu", "2", "-c", "1"], ["--cpu", "2s"]),
            (["run", "--memory", "lots", "-c", "1"], ["--memory", "256M"]), (["run", "-c"], ["-c"]), (["run", "-c", "1", "-m", "x"], ["-m"]),
            (["run", "--input", "x", "-c", "1"], ["--input", "NAME=JSON"]), (["run", "--input", "x=text", "-c", "1"], ["x", "quotes"]),
            (["run", "--entry-args", "[1]", "-c", "1"], ["--entry"]), (["run", "/no/such/file.py"], ["/no/such/file.py"]),
            (["run", "--threads", "-1", "-c", "1"], ["--threads"]), (["frobnicate"], ["frobnicate", "run"]), (["cancel"], ["id"]),
            (["run", "--eval", "--entry", "f", "-c", "1"], ["--entry", "--eval"]), (["run", "--cpu", "1e99s", "-c", "1"], ["--cpu", "large"]),
        ):
            with self.subTest(arguments=arguments):
                done = self.stint(*arguments)
                self.assertEqual(done.returncode, 125)
                self.assertEqual(done.stdout, b"")
                for word in words:
                    self.assertIn(word, done.stderr.decode())

    def test_refusals(self):
        done = self.stint("run", "--cpu", "10min", "-c", "1")
        self.assertEqual(done.returncode, 125)
        self.assertIn(b"limit_too_high", done.stderr)
        done = harness.stint("run", "-c", "1", socket_path="/nonexistent/stint.sock")
        self.assertEqual(done.returncode, 125)
        self.assertIn(b"/nonexistent/stint.sock", done.stderr)
        self.assertIn(b"--socket", done.stderr)

    def test_not_utf8_source(self):
        path = os.path.join(self.directory, "latin.py")
        with open(path, "wb") as file:
            file.write(b"print('\xe9')")
        done = self.stint("run", path)
        self.assertEqual(done.returncode, 125)
        self.assertIn(b"iconv", done.stderr)

    def test_help_and_version(self):
        self.assertRegex(self.stint("--version").stdout.decode(), r"^stint \d")
        for topic in ([], ["run"], ["status"], ["cancel"]):
            self.assertEqual(self.stint("help", *topic).returncode, 0)
        self.assertIn(b"--open-files", self.stint("help", "run").stdout)


class Status(Case):
    def test_status(self):
        done = self.stint("status")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout.decode(), r"(?m)^status +ok$")
        self.assertRegex(done.stdout.decode(), r"(?m)^ +cpu_ms +2\.00 s$")
        self.assertEqual(json.loads(self.stint("status", "--json").stdout)["status"], "ok")

    def test_status_and_cancel_of_a_job(self):
        self.client.send("job.run", {"source": "import time\nprint('on', flush=True)\ntime.sleep(30)", "stream": True, "limits": {"wall_ms": 60000}})
        job = None
        while job is None:
            message = self.client.line()
            if message.get("method") == "job.output":
                job = message["params"]["job"]
        done = self.stint("status", job)
        self.assertRegex(done.stdout.decode(), r"(?m)^state +running$")
        self.assertEqual(self.stint("cancel", job).returncode, 0)
        self.assertEqual(self.client.wait(1)["status"], "cancelled")
        done = self.stint("status", job)
        self.assertEqual(done.returncode, 125)
        self.assertIn(b"not_found", done.stderr)


class Quickstart(unittest.TestCase):
    """Only where quickstart's own build is the one under test: it would build another one."""

    def setUp(self):
        if os.path.realpath(harness.CLIENT) != os.path.join(os.path.realpath(harness.TOP), ".quickstart", "build", "client", "stint"):
            self.skipTest("another build is under test")

    def quickstart(self, *arguments, stdin=subprocess.DEVNULL):
        return subprocess.run([os.path.join(harness.TOP, "quickstart"), *arguments], stdin=stdin, capture_output=True, timeout=300, check=False)

    def test_every_example(self):
        examples = os.path.join(harness.TOP, "examples")
        names = sorted(name for name in os.listdir(examples) if name.endswith(".py"))
        self.assertGreaterEqual(len(names), 7)
        for name in names:
            with self.subTest(name=name):
                done = self.quickstart("run", os.path.join(examples, name))
                self.assertEqual(done.returncode, 124 if name == "limit.py" else 0, done.stderr.decode())
                self.assertNotEqual(done.stdout, b"")
                self.assertRegex(done.stderr.decode(), r"(?m)^stint: \w+: cpu ")

    def test_run_passes_stdin_arguments_and_exit_code(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "p.py")
            with open(path, "w", encoding="utf-8") as file:
                file.write("import sys\nprint(sys.argv[1:], sys.stdin.read())\nsys.exit(5)")
            with open(path, "rb") as stdin:
                done = self.quickstart("run", path, "a", "--b", stdin=stdin)
        self.assertEqual(done.returncode, 5)
        self.assertTrue(done.stdout.startswith(b"['a', '--b'] import sys"), done.stdout)

    def test_serve(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "new", "stint.sock")
            process = subprocess.Popen(
                [os.path.join(harness.TOP, "quickstart"), "serve", "--socket", path, "--set", "max_cpu_ms=3000"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )
            try:
                harness.until(lambda: harness.stint("status", "--socket", path).returncode == 0, 60, "service")
                self.assertEqual(harness.stint("run", "--socket", path, "-c", "print(1)").stdout, b"1\n")
                self.assertEqual(harness.stint("run", "--socket", path, "--cpu", "4s", "-c", "1").returncode, 125)
            finally:
                process.terminate()
                process.communicate(timeout=30)
            self.assertEqual(process.returncode, 0)
            self.assertFalse(os.path.exists(path))

    def test_bad_usage(self):
        for arguments in (["run"], ["run", "/no/file.py"], ["serve"], ["serve", "--bogus"], ["nope"]):
            done = self.quickstart(*arguments)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(b"quickstart:", done.stderr)


if __name__ == "__main__":
    unittest.main()
