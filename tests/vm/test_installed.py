#!/usr/bin/python3
"""The package in a running system: installed, used through its socket by a member of the group, struck, drained,
upgraded while clients come, removed, installed again, purged. The tests are steps and run in the order of their names."""
import glob
import os
import pwd
import signal
import socket
import subprocess
import threading
import time
import unittest

import harness

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PACKAGES = glob.glob(os.path.join(TOP, "deb", "stint_*.deb"))
SOCKET = "/run/stint/stint.sock"
GROUP = "/sys/fs/cgroup/stint.slice/stint.service"
ANSWER = "print(6 * 7)"
OWN_LINE = "# the operator's own line\n"


def journal():
    return subprocess.run(["journalctl", "--no-pager", "-n", "40", "-u", "stint.service", "-u", "stint.socket"],
                          text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False).stdout


def command(*words, check=True, user=None, seconds=180):
    if user:
        words = ("runuser", "-u", user, "--", *words)
    child = subprocess.Popen(words, stdin=subprocess.DEVNULL, text=True, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT)
    try:
        output, _ = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        raise AssertionError(f"{' '.join(words)} does not end:\n{journal()}") from None
    if check and child.returncode:
        raise AssertionError(f"{' '.join(words)} ended with {child.returncode}:\n{output}\n{journal()}")
    return subprocess.CompletedProcess(words, child.returncode, output)


def active(unit):
    return command("systemctl", "is-active", unit, check=False).stdout.strip()


def members(*group):
    with open(os.path.join(GROUP, *group, "cgroup.procs"), encoding="utf-8") as file:
        return [int(line) for line in file]


def main_pid():
    return int(command("systemctl", "show", "-P", "MainPID", "stint.service").stdout)


def named(name):
    """Pids in the service's groups by their command."""
    return [pid for pid in ([main_pid()] if main_pid() else []) + harness.descendants(main_pid())
            if (harness.process_status(pid) or {}).get("Name") == name[:15]]


def serving():
    """Asks as any client would; a service that is not there is started by that."""
    try:
        with harness.Client(SOCKET) as client:
            return client.call("daemon.health")["status"] == "ok"
    except (OSError, harness.RpcError):
        return False


class Callers:
    """Clients that come all the time: every connection must be taken, however the service fares."""

    def __init__(self):
        self.faults, self.taken, self.over = [], 0, threading.Event()
        self.thread = threading.Thread(target=self.call)

    def call(self):
        while not self.over.is_set():
            caller = socket.socket(socket.AF_UNIX)
            caller.settimeout(60 * harness.SLOW)
            try:
                caller.connect(SOCKET)
                self.taken += 1
            except OSError as error:
                self.faults.append(repr(error))
            caller.close()
            time.sleep(0.05)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


@unittest.skipUnless(PACKAGES, "there is no package: the units and scripts are not tried")
class Service(unittest.TestCase):
    def assert_runs(self):
        self.assertEqual(command("stint", "run", "-c", ANSWER, user="judge").stdout, "42\n")

    def job_in_flight(self, source):
        client = harness.Client(SOCKET, 60 * harness.SLOW)
        self.addCleanup(client.close)
        client.send("job.run", {"source": "print('on', flush=True)\n" + source, "stream": True,
                                "limits": {"wall_ms": 300_000}})
        while not client.output().startswith("on\n"):
            message = client.line()
            self.assertIn("method", message, "an answer, before the job is there")
            client.notifications.append(message)
        return client

    def assert_whole(self, client):
        result = client.wait(1)
        self.assertEqual((result["status"], result["stdout"]), ("ok", "on\nwhole\n"), result)

    def limited(self):
        """Groups of workers whose memory has a limit."""
        leaves = []
        for leaf in glob.glob(os.path.join(GROUP, f"stint-{main_pid()}", "gen-*", "w*")):
            with open(os.path.join(leaf, "memory.max"), encoding="utf-8") as file:
                if file.read().strip() != "max" and members(leaf):
                    leaves.append(leaf)
        return leaves

    def test_01_install(self):
        command("useradd", "-m", "outsider")
        command("dpkg", "-i", PACKAGES[0])
        command("useradd", "-m", "-G", "stint", "judge")
        self.assertEqual(active("stint.socket"), "active")
        about = os.stat(SOCKET)
        self.assertEqual(about.st_mode & 0o777, 0o660)
        self.assertEqual(about.st_gid, pwd.getpwnam("stint").pw_gid)

    def test_02_a_member_of_the_group_runs_a_job(self):
        self.assert_runs()
        self.assertEqual(active("stint.service"), "active")

    def test_02_security(self):
        """What systemd thinks of the unit is shown, where it would have more; that it knows every line is asserted."""
        seen = command("systemd-analyze", "--no-pager", "security", "stint.service").stdout.split("\n")
        print("\n".join("# " + line.rstrip() for line in seen if "\u2717" in line or "Overall" in line), flush=True)
        self.assertEqual(command("systemd-analyze", "verify", "--man=no", "stint.service", "stint.socket").stdout, "")

    def test_03_others_are_kept_out(self):
        done = command("stint", "run", "-c", ANSWER, user="outsider", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("ermission", done.stdout)

    def test_04_groups(self):
        self.job_in_flight("import time\ntime.sleep(1000)")
        service = os.path.join(GROUP, f"stint-{main_pid()}")
        self.assertEqual(members(), [])
        self.assertIn(main_pid(), members(service, "spawner"))
        self.assertEqual(len(glob.glob(os.path.join(service, "gen-*"))), 1)
        self.assertTrue(self.limited())

    def test_05_doctor(self):
        done = command("stint", "doctor", user="judge", check=False)
        print("# " + "\n# ".join(done.stdout.rstrip().split("\n")), flush=True)
        self.assertRegex(done.stdout, r"(?m)^isolation = \w+: 0 missing; ")
        self.assertIn("proved", done.stdout)  # it has asked the daemon
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_06_selftest(self):
        command("stint", "selftest", user="judge")

    def test_07_killed_processes_come_back(self):
        for name in ("stintd", "stint-zygote", "stint-guardian"):
            with self.subTest(name):
                victim = named(name)[0]
                os.kill(victim, signal.SIGKILL)
                harness.until(lambda v=victim: not os.path.exists(f"/proc/{v}"), 20, f"the end of {name}")
                harness.until(serving, 60, f"a service without its {name}")
                self.assert_runs()

    def test_08_killed_spawner(self):
        self.job_in_flight("import time\ntime.sleep(1000)")
        old = main_pid()
        with Callers() as callers:
            os.kill(old, signal.SIGKILL)
            harness.until(lambda: main_pid() not in (0, old), 60, "another spawner")
            harness.until(serving, 60, "a service with another spawner")
        self.assertEqual(callers.faults, [])
        self.assertGreater(callers.taken, 0)
        self.assertFalse(os.path.exists(os.path.join(GROUP, f"stint-{old}")))
        self.assert_runs()

    def test_08_killed_worker(self):
        """That job alone has an end that is not its own."""
        other = self.job_in_flight("import time\ntime.sleep(3)\nprint('whole')")
        client = self.job_in_flight("import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(1000)")
        while client.output().count("\n") < 2:
            client.notifications.append(client.line())
        inside = client.output().split()[1]
        before = main_pid(), named("stintd"), harness.children(main_pid())
        (worker,) = [pid for pid in harness.descendants(main_pid())
                     if (harness.process_status(pid) or {}).get("NSpid", "").split()[1:] == [inside]]
        os.kill(worker, signal.SIGKILL)
        self.assertIn(client.wait(1)["status"], ("runtime_error", "internal_error"))
        self.assert_whole(other)
        self.assertEqual((main_pid(), named("stintd"), harness.children(main_pid())), before)
        self.assert_runs()

    def test_09_stop_drains(self):
        clients = [self.job_in_flight("import time\ntime.sleep(3)\nprint('whole')") for _ in range(3)]
        command("systemctl", "stop", "stint.service")
        for client in clients:
            self.assert_whole(client)
        self.assertEqual(active("stint.socket"), "active")
        self.assertEqual(command("systemctl", "show", "-P", "Result", "stint.service").stdout.strip(), "success")
        self.assertEqual(glob.glob(GROUP + "/stint-*"), [])
        self.assert_runs()  # the socket starts it

    def test_10_restart(self):
        old = main_pid()
        with Callers() as callers:
            command("systemctl", "restart", "stint.service")
            harness.until(serving, 60, "a service that was restarted")
        self.assertEqual(callers.faults, [])
        self.assertNotEqual(main_pid(), old)
        self.assert_runs()

    def test_11_reload(self):
        old, path = main_pid(), "/etc/stint/stint.conf"
        with open(path, encoding="utf-8") as file:
            before = file.read()

        def log(text):
            return command("journalctl", "--no-pager", "-u", "stint.service").stdout.count(text)

        def reload(text, line):
            count = log(line)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            command("systemctl", "reload", "stint.service")
            harness.until(lambda: log(line) > count, 30, line)

        try:
            reload(before + "\n[tenant nobody]\nusers = nobody\n", "daemon: configuration read again")
            reload("hash_seed = 1\n" + before, "hash_seed: cannot change while")
            with open(path, "w", encoding="utf-8") as file:
                file.write(before + "\nno_such = 1\n")
            done = subprocess.run(["systemctl", "reload", "stint.service"], check=False, capture_output=True)
            self.assertNotEqual(done.returncode, 0)
        finally:
            reload(before, "daemon: configuration read again")
        self.assert_runs()
        self.assertEqual(main_pid(), old)

    def test_12_upgrade_over_a_running_service(self):
        old = main_pid()
        with open("/etc/stint/stint.conf", "a", encoding="utf-8") as file:
            file.write(OWN_LINE)
        client = self.job_in_flight("import time\ntime.sleep(15)\nprint('whole')")
        with Callers() as callers:
            command("dpkg", "-i", PACKAGES[0])
            harness.until(serving, 60, "a service that was upgraded")
        self.assertEqual(callers.faults, [])
        self.assertGreater(callers.taken, 0)
        self.assertNotEqual(main_pid(), old)
        self.assert_whole(client)
        self.assert_own_line()
        self.assert_runs()

    def test_13_nothing_was_logged_that_should_not(self):
        log = command("journalctl", "--no-pager", "-u", "stint.service").stdout
        self.assertIsNone(harness.BAD_LOG.search(log), log)
        self.assertNotIn("using the root", log)

    def assert_own_line(self):
        with open("/etc/stint/stint.conf", encoding="utf-8") as file:
            self.assertIn(OWN_LINE, file.read())

    def assert_gone(self):
        self.assertNotEqual(active("stint.service"), "active")
        self.assertNotEqual(active("stint.socket"), "active")
        self.assertFalse(os.path.exists(SOCKET))
        left = [p for p in harness.pids() if (harness.process_status(p) or {}).get("Name", "").startswith("stint")]
        self.assertEqual(left, [], [harness.process_status(p) for p in left])
        self.assertEqual(glob.glob("/sys/fs/cgroup/**/stint-[0-9]*", recursive=True), [])

    def test_14_removed_and_installed_again(self):
        """The configuration outlives it."""
        command("dpkg", "-r", "stint")
        self.assert_gone()
        self.assert_own_line()
        command("dpkg", "-i", PACKAGES[0])
        self.assert_own_line()
        self.assert_runs()

    def test_15_purged(self):
        command("dpkg", "-P", "stint")
        self.assert_gone()
        self.assertFalse(os.path.exists("/etc/stint"))
        for path in ("/etc/subuid", "/etc/subgid"):
            with open(path, encoding="utf-8") as file:
                self.assertNotIn("stint:", file.read())
        self.assertNotEqual(command("dpkg-query", "-W", "stint", check=False).returncode, 0)

    def test_16_purged_and_installed_again(self):
        """As new: the account that stayed is taken, and who was in its group is so still."""
        command("dpkg", "-i", PACKAGES[0])
        self.assertEqual(active("stint.socket"), "active")
        self.assert_runs()
        with open("/etc/stint/stint.conf", encoding="utf-8") as file:
            self.assertNotIn(OWN_LINE, file.read())
        command("dpkg", "-P", "stint")
        self.assert_gone()


if __name__ == "__main__":
    unittest.main()
