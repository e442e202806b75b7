"""What the service says of its isolation, that it refuses to serve with less, and `stint doctor`."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import harness

DEF = os.path.join(harness.TOP, "protocol", "isolation.def")
WEAK = os.path.join(harness.BUILD, "worker", "zygote_weak")

# Makes the machine look like a kernel without Landlock to a program and all below it.
NO_LANDLOCK = """#!/usr/bin/python3
import ctypes, os, struct, sys
LANDLOCK_CREATE_RULESET, ENOSYS, LOAD, EQUAL, RETURN = 444, 38, 0x20, 0x15, 0x06
code = [(LOAD, 0, 0, 0), (EQUAL, 0, 1, LANDLOCK_CREATE_RULESET), (RETURN, 0, 0, 0x00050000 | ENOSYS),
        (RETURN, 0, 0, 0x7fff0000)]
text = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in code))
program = struct.pack("HxxxxxxQ", len(code), ctypes.addressof(text))
assert ctypes.CDLL(None).prctl(22, 2, program, 0, 0) == 0
os.execv(SPAWNER, [SPAWNER] + sys.argv[1:])
"""


def layers():
    with open(DEF, encoding="utf-8") as file:
        return re.findall(r"^ISOLATION\((\w+), (\w+)", file.read(), re.M)


ALL = [name for name, _ in layers()]


class Serving(harness.DaemonCase):
    def test_info_has_every_layer(self):
        info = self.client.call("daemon.info")
        self.assertEqual(info["isolation_level"], "full")
        self.assertEqual(info["isolation_missing"], [])
        self.assertRegex(info["isolation"][0], "^cgroup_v[12]$")
        self.assertEqual(info["isolation"][1:], ALL)

    def test_the_proof_leaves_nothing(self):
        zygote = self.daemon.zygote_pid()
        names = [os.readlink(f"/proc/{zygote}/fd/{fd}") for fd in os.listdir(f"/proc/{zygote}/fd")]
        self.assertFalse([name for name in names if name.startswith(("/proc", "/memfd:page"))], names)
        for worker in self.daemon.workers():
            self.assertLessEqual(len(os.listdir(f"/proc/{worker}/fd")), 4)

    def test_doctor_with_a_daemon(self):
        done = harness.stint("doctor", "--json", socket_path=self.daemon.socket)
        told = json.loads(done.stdout)
        self.assertEqual(done.returncode, 0, told)
        self.assertTrue(told["daemon_answers"])
        self.assertEqual(told["daemon"]["isolation_level"], "full")
        states = {row["name"]: row for row in told["checks"] if row["section"] == "layers"}
        self.assertEqual(list(states), ALL)
        for row in states.values():
            self.assertEqual((row["state"], row["needed"]), ("ok", True), row)
        self.assertEqual(told["missing"], 0)

    def test_doctor_as_a_table(self):
        done = harness.stint("doctor", socket_path=self.daemon.socket)
        text = done.stdout.decode()
        self.assertEqual(done.returncode, 0, text)
        for line in text.splitlines():
            self.assertRegex(line, r"^(kernel|layers|host): |^daemon$|^isolation = full: 0 missing|^  ")
        self.assertRegex(text, r"(?m)^  ok +seccomp_job +proved +\w")
        risks = re.findall(r"(?m)^  risk .*\n(.*)", text)
        self.assertTrue(all(line.strip().startswith("remedy: ") for line in risks), risks)


class Doctor(unittest.TestCase):
    def doctor(self, *arguments, user=None):
        command = [harness.CLIENT, "doctor", "--socket", "/nonexistent/stint.sock", *arguments]
        if user:
            command = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] + command
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def test_without_a_daemon(self):
        done = self.doctor("--json")
        told = json.loads(done.stdout)
        self.assertEqual(done.returncode, 0, told)
        self.assertFalse(told["daemon_answers"])
        self.assertEqual(told["isolation_level"], "full")
        unknown = [row for row in told["checks"] if row["section"] == "layers"]
        self.assertEqual({row["state"] for row in unknown}, {"unknown"})

    @unittest.skipIf(harness.BUILD.startswith("/root"), "the build is not readable by others")
    def test_without_root(self):
        done = self.doctor("--json", user=65534)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        rows = {row["name"]: row for row in json.loads(done.stdout)["checks"]}
        self.assertEqual(rows["cgroup_delegation"]["state"], "risk")

    def test_no_user_namespaces(self):
        """In a user namespace whose own limit is 0."""
        script = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
        command = ["unshare", "-Ur", "sh", "-c", script, "sh", harness.CLIENT, "doctor", "--socket", "/none"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"MISSING  user_namespaces +0 .*\n.*remedy: sysctl -w user\.")
        self.assertRegex(done.stdout, r"isolation = full: 1 missing")

    def test_wrong_options(self):
        for arguments in (("--isolation", "none"), ("word",), ("--usage",)):
            done = self.doctor(*arguments)
            self.assertEqual(done.returncode, 125, arguments)
            self.assertTrue(done.stderr.startswith("stint: "), done.stderr)


class Start(unittest.TestCase):
    """Services that must not come up, or must say what they lack."""

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="stint-test-", dir="/tmp")
        os.chmod(self.directory, 0o755)
        self.addCleanup(shutil.rmtree, self.directory)

    def start(self, *settings, zygote=harness.ZYGOTE, prefix=()):
        """Runs until it ends by itself; its status and its log."""
        base = harness.UID_BASE + (os.getpid() % 1000) * 64 * 2 * harness.UID_COUNT
        command = [*prefix, harness.SPAWNER, "--stintd", harness.STINTD, "--zygote", zygote]
        for setting in (f"socket={self.directory}/s.sock", f"uid_base={base}",
                        f"uid_count={harness.UID_COUNT}", "state_dir=", *settings):
            command += ["--set", setting]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60 * harness.SLOW,
                              stdin=subprocess.DEVNULL, check=False)
        self.assertFalse(os.path.exists(f"{self.directory}/s.sock"))
        self.assertNotIn("serving on", done.stderr)
        return done.returncode, done.stderr

    def weak(self, layer):
        path = f"{self.directory}/without-{layer}"
        shutil.copy(WEAK, path)
        return path

    def test_each_layer_that_is_left_out_is_found_out(self):
        for left_out, lost in (
            ("no_capabilities", ["no_capabilities"]), ("rlimits", ["rlimits"]), ("landlock", ["landlock"]),
            ("read_only_root", ["read_only_root"]), ("seccomp", ["seccomp", "seccomp_job"]), ("seccomp_job", ["seccomp_job"]),
        ):
            with self.subTest(layer=left_out):
                code, log = self.start(zygote=self.weak(left_out))
                self.assertEqual(code, 1, log)
                self.assertEqual(re.findall(r"layer (\w+) is missing \(.+\): .+", log), lost, log)
                self.assertEqual(log.count("generation 1 started"), 1, log)

    def test_a_scratch_directory_is_proved_too(self):
        """Else its failures would be a tenant's to cause, and would hold up the starts of all workers."""
        for left_out, text in (("scratch", "ended with status 126"), ("scratch_size", "ended with status 126")):
            with self.subTest(left_out):
                code, log = self.start(zygote=self.weak(left_out))
                self.assertEqual(code, 1, log)
                self.assertRegex(log, f"proof of a scratch directory .*max_scratch_bytes = 0.*{text}")
        zygote, harness.ZYGOTE = harness.ZYGOTE, self.weak("scratch")
        try:
            daemon = harness.Daemon(max_scratch_bytes=0)
        finally:
            harness.ZYGOTE = zygote
        try:
            daemon.wait_serving()
            self.assertEqual(daemon.stop(), 0)
            daemon.wait_clean()
        finally:
            daemon.kill()
            daemon.remove()

    def test_reduced_serves_without_landlock_and_says_so(self):
        self.assertEqual(self.start("isolation=none")[0], 2)
        zygote, harness.ZYGOTE = harness.ZYGOTE, self.weak("landlock")
        try:
            daemon = harness.Daemon(isolation="reduced")
        finally:
            harness.ZYGOTE = zygote
        try:
            with daemon.connect() as client:
                info = client.call("daemon.info")
            self.assertEqual(info["isolation_level"], "reduced")
            self.assertEqual(info["isolation_missing"], ["landlock"])
            self.assertNotIn("landlock", info["isolation"])
            self.assertIn("isolation = reduced: without layer landlock", daemon.log())
            done = harness.stint("doctor", socket_path=daemon.socket)
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertRegex(done.stdout.decode(), r"(?m)^  risk +landlock +not there")
            full = harness.stint("doctor", "--isolation", "full", socket_path=daemon.socket)
            self.assertEqual(full.returncode, 1, full.stdout)
            self.assertEqual(daemon.stop(), 0)
            daemon.wait_clean()
        finally:
            daemon.kill()
            daemon.remove()

    def without_landlock(self):
        path = f"{self.directory}/spawner"
        with open(path, "w", encoding="utf-8") as file:
            file.write(NO_LANDLOCK.replace("SPAWNER", repr(harness.SPAWNER)))
        os.chmod(path, 0o755)
        return path

    def test_a_kernel_without_landlock(self):
        spawner, harness.SPAWNER = harness.SPAWNER, self.without_landlock()
        try:
            code, log = self.start()
            self.assertEqual(code, 1, log)
            self.assertRegex(log, "isolation = full needs landlock.*remedy: boot with landlock in the lsm= list")
            daemon = harness.Daemon(isolation="reduced")
        finally:
            harness.SPAWNER = spawner
        try:
            with daemon.connect() as client:
                self.assertEqual(client.call("daemon.info")["isolation_missing"], ["landlock"])
                self.assertEqual(client.run("print(1)")["stdout"], "1\n")
            self.assertIn("isolation = reduced: without layer landlock", daemon.log())
            self.assertEqual(daemon.stop(), 0)
            daemon.wait_clean()
        finally:
            daemon.kill()
            daemon.remove()

    def test_reduced_needs_the_rest(self):
        code, log = self.start("isolation=reduced", zygote=self.weak("seccomp_job"))
        self.assertEqual(code, 1, log)
        self.assertIn("isolation = reduced needs 1 more layer", log)

    def test_no_unified_tree(self):
        script = 'for d in $(awk \'$3 == "cgroup2" {print $2}\' /proc/mounts); do umount "$d"; done; exec "$@"'
        with open("/proc/mounts", encoding="utf-8") as file:
            if " cgroup " not in file.read():
                self.skipTest("control groups are v2 only: without them nothing starts")
        code, log = self.start(prefix=("unshare", "-m", "sh", "-c", script, "sh"))
        self.assertEqual(code, 1, log)
        self.assertRegex(log, r"layer cgroup_kill is missing \(.*\): mount the unified tree")

    def test_what_the_spawner_lacks_is_named(self):
        nested = ("unshare", "-Urmp", "--fork")
        zero = 'echo 0 > /proc/sys/user/max_%s_namespaces && exec "$@"'
        nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        for prefix, words in (
            ((*nested, "sh", "-c", zero % "user", "sh"), "no user namespaces: .* sysctl -w user.max_user_namesp"),
            ((*nested, "sh", "-c", zero % "net", "sh"), "no net namespaces: .* sysctl -w user.max_net_namesp"),
            (nested, "ids of workers, .* are not in /proc/self/uid_map: .*remedy: start the service on the host"),
            (("setpriv", "--bounding-set=-sys_admin"), "lacks CAP_SYS_ADMIN.*remedy: "),
            (nobody, "root is needed.*remedy: sudo"),
        ):
            with self.subTest(prefix=prefix):
                code, log = self.start(prefix=prefix)
                self.assertEqual(code, 1, log)
                self.assertRegex(log, words)
                self.assertLess(len(log.strip().splitlines()), 3, log)

    def test_an_ordinary_user_is_refused_who_does_not_ask_for_less(self):
        nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        for level in ("full", "reduced"):
            code, log = self.start(f"isolation={level}", prefix=nobody)
            self.assertEqual(code, 1)
            self.assertIn("--set isolation=development", log)


if __name__ == "__main__":
    unittest.main()
