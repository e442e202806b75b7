"""The configuration: defaults, a file, --set, --check-config, and what is refused."""
import os
import stat
import subprocess
import tempfile
import unittest

import harness


def spawner(*arguments):
    return subprocess.run([harness.SPAWNER, *arguments], capture_output=True, text=True, timeout=60, check=False)


class Check(unittest.TestCase):
    def check(self, text):
        with tempfile.NamedTemporaryFile("wb", suffix=".conf") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
            file.flush()
            return spawner("--check-config", "--config", file.name), file.name

    def test_good(self):
        for text in ("", "# comment only\n\n", "socket = /run/x/y.sock\nsocket_mode = 0600\n", "max_cpu_ms = 5s\ndefault_cpu_ms = 500ms\n",
                     "max_memory_bytes = 1G\nworkers_ready=2\n", "preload = json re\nlog_level = debug\nasyncio = no\n"):
            with self.subTest(text=text):
                done, _ = self.check(text)
                self.assertEqual(done.returncode, 0, done.stderr)

    def test_bad_names_file_line_and_reason(self):
        for text, line, word in (
            ("bogus = 1\n", 1, "bogus"), ("\n# c\nsocket_mode = 9999\n", 3, "socket_mode"), ("max_cpu_ms = soon\n", 1, "max_cpu_ms"),
            ("workers_ready = 1\nworkers_ready = 2\n", 2, "workers_ready"), ("no equals sign\n", 1, ""), ("workers_ready = -1\n", 1, "workers_ready"),
            ("workers_ready = 99999\n", 1, "workers_ready"), ("asyncio = maybe\n", 1, "asyncio"), ("log_level = loud\n", 1, "log_level"),
            ("workers_ready = 1 2\n", 1, "workers_ready"), (b"preload = \xff\xfe\n", 1, ""),
        ):
            with self.subTest(text=text):
                done, name = self.check(text)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(f"{name}:{line}", done.stderr)
                self.assertIn(word, done.stderr)

    def test_rules_between_settings(self):
        done, _ = self.check("default_cpu_ms = 10s\nmax_cpu_ms = 5s\n")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("cpu_ms", done.stderr)

    def test_missing_file_and_bad_set(self):
        self.assertNotEqual(spawner("--check-config", "--config", "/no/such.conf").returncode, 0)
        for assignment in ("bogus=1", "workers_ready", "workers_ready=x"):
            done = spawner("--check-config", "--set", assignment)
            self.assertNotEqual(done.returncode, 0, assignment)
            self.assertIn(assignment.split("=")[0], done.stderr)

    def test_unknown_option(self):
        self.assertNotEqual(spawner("--frobnicate").returncode, 0)

    def test_help_and_version(self):
        self.assertEqual(spawner("--help").returncode, 0)
        self.assertIn("0.1", spawner("--version").stdout)


class Serving(harness.DaemonCase):
    config = (
        "# a whole file\nmax_cpu_ms = 700ms\ndefault_cpu_ms = 200ms   # short\nsocket_mode = 0606\nworkers_ready = 2\n"
        "running_max = 2\npreload = json\nhash_seed = 7\n"
    )

    def test_settings_hold(self):
        info = self.client.call("daemon.info")
        self.assertEqual((info["limits"]["default"]["cpu_ms"], info["limits"]["max"]["cpu_ms"]), (200, 700))
        self.assertEqual(info["settings"]["preload"], "json")
        self.assertEqual(info["hash_seed"], 7)
        result = self.run_status("cpu_limit", "while True: pass")
        self.assertLess(result["usage"]["cpu_us"], 500_000)
        self.assert_refused(reason="limit_too_high", source="1", limits={"cpu_ms": 701})

    def test_socket_mode(self):
        self.assertEqual(stat.S_IMODE(os.stat(self.daemon.socket).st_mode), 0o606)

    def test_hash_seed_is_the_configured_one(self):
        expected = subprocess.run(
            ["/usr/bin/python3", "-c", "print(hash('stint'))"], env={"PYTHONHASHSEED": "7"}, capture_output=True, text=True, check=True
        ).stdout
        self.assertEqual(self.run_ok("print(hash('stint'))")["stdout"], expected)

    def test_preload_is_what_was_asked_for(self):
        self.assertEqual(self.run_ok("import sys\nprint('json' in sys.modules, 'decimal' in sys.modules)")["stdout"], "True False\n")

    def test_second_daemon_on_the_same_socket_is_refused(self):
        done = spawner("--stintd", harness.STINTD, "--zygote", harness.ZYGOTE, "--set", f"socket={self.daemon.socket}",
                       "--set", "state_dir=")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(self.daemon.socket, done.stderr)
        self.run_ok("print(1)")


class WithoutAsyncio(harness.DaemonCase):
    settings = {"asyncio": "no"}

    def test_event_loops_are_off(self):
        result = self.client.run("import asyncio\nasync def f(): print('ran')\nasyncio.run(f())")
        self.assertEqual((result["status"], result["stdout"]), ("runtime_error", ""), result)


class BadPreload(unittest.TestCase):
    def test_daemon_says_which_module(self):
        saved, harness.START_SECONDS = harness.START_SECONDS, 3 * harness.SLOW
        try:
            with self.assertRaises(AssertionError) as caught:
                harness.Daemon(preload="json no_such_module_x").kill()
        finally:
            harness.START_SECONDS = saved
        self.assertIn("no_such_module_x", str(caught.exception))


if __name__ == "__main__":
    unittest.main()
