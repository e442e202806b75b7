#!/usr/bin/python3
"""stint-spawner with stand-ins for stintd and the zygote: start, generations, deaths, clean-up.

The stand-ins (fake_stintd.c, fake_zygote.c) do what a test tells them over the client socket, so each
request, breach and death comes at a chosen moment. Needs root.
"""
import errno
import glob
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("STINT_BUILD", os.path.join(TOP, ".quickstart", "build")))
SPAWNER = os.path.join(BUILD, "worker", "stint-spawner")
FAKES = os.path.join(BUILD, "tests", "functional")
BASE, COUNT = 1900000000, 65536
PATIENCE_S = 20 * int(os.environ.get("STINT_SLOW", "1"))
LAUNCH = os.environ.get("STINT_LAUNCH", "").split()


def setUpModule():
    if not shutil.which("make"):  # a machine for tests has the programs alone
        return
    subprocess.run(["make", "-s", "-C", os.path.join(BUILD, "tests"), "functional/fake_stintd",
                    "functional/fake_zygote"], check=True, stdout=subprocess.DEVNULL)


def wait_for(condition, what):
    """Poll until true; the time is only a bound against hanging."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError("never happened: " + what)


def processes(name):
    """Pids of live processes that run the program `name` (by link of its file)."""
    found = []
    for path in glob.glob("/proc/[0-9]*/exe"):
        try:
            if os.readlink(path) == name:
                found.append(int(path.split("/")[2]))
        except OSError:
            pass
    return found


def groups(pid):
    return glob.glob("/sys/fs/cgroup/**/stint-%d" % pid, recursive=True)


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


class Service:
    """One running spawner and a connection to its fake stintd."""

    def __init__(self, *options, env=None, expect=True):
        self.dir = tempfile.mkdtemp(prefix="stint-test-")
        os.chmod(self.dir, 0o755)
        self.path = os.path.join(self.dir, "run", "s.sock")
        self.log = open(os.path.join(self.dir, "log"), "w+")
        self.child = subprocess.Popen(
            LAUNCH + [SPAWNER, "--stintd", FAKES + "/fake_stintd", "--zygote", FAKES + "/fake_zygote",
                      "--set", "state_dir=", "--set", "socket=" + self.path] + list(options),
            stderr=self.log, stdout=self.log, stdin=subprocess.DEVNULL, env=env)
        self.pid = self.child.pid
        self.client = None
        if expect:
            self.connect()

    def connect(self):
        def attempt():
            self.client = socket.socket(socket.AF_UNIX)
            try:
                self.client.connect(self.path)
                return True
            except OSError:
                return False
        wait_for(attempt, "a socket to connect to; log: " + self.text())
        self.client.settimeout(PATIENCE_S)

    def ask(self, line):
        self.client.sendall(line.encode() + b"\n")
        data = b""
        while not data.endswith(b"\n"):
            more = self.client.recv(65536)
            if not more:
                raise ConnectionError("stintd is gone")
            data += more
        return data.decode().rstrip("\n")

    def asked(self, line):
        answer = self.ask(line)
        return dict(word.split("=", 1) for word in answer.split() if "=" in word)

    def start(self, number):
        assert self.ask("start %d" % number) == "ok"
        answer = self.asked("next")
        assert answer["type"] != "unknown" and int(answer["number"]) == number, answer
        return answer

    def text(self):
        with open(self.log.name) as log:
            return log.read()

    def guardian(self):
        def find():
            for path in glob.glob("/proc/[0-9]*/comm"):
                try:
                    with open(path) as comm:
                        if comm.read().strip() != "stint-guardian":
                            continue
                    pid = int(path.split("/")[2])
                    with open("/proc/%d/stat" % pid) as stat:
                        state, parent = stat.read().rsplit(")", 1)[1].split()[:2]
                    if int(parent) == self.pid and state not in "ZX":
                        return pid
                except OSError:
                    pass
            return None
        return wait_for(find, "a guardian")

    def nothing_left(self):
        wait_for(lambda: not groups(self.pid), "removal of control groups %s" % groups(self.pid))
        assert not os.path.lexists(self.path), "socket is still there"
        wait_for(lambda: not processes(FAKES + "/fake_stintd"), "end of stintd")
        wait_for(lambda: not processes(FAKES + "/fake_zygote"), "end of zygotes")

    def end(self):
        if self.client:
            self.client.close()
        # The second signal stops at once; signals that come too close are one.
        end = time.monotonic() + PATIENCE_S
        while self.child.poll() is None and time.monotonic() < end:
            self.child.terminate()
            time.sleep(0.02)
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        self.log.close()
        subprocess.run(["rm", "-rf", self.dir], check=True)


def breach(service, *lines):
    service.ask("ready")
    service.start(1)
    pid = int(service.asked("id")["pid"])
    try:
        for line in lines:
            service.ask(line)
    except (ConnectionError, OSError):
        pass
    wait_for(lambda: not alive(pid), "end of the stintd that broke the rules")
    wait_for(lambda: "ending stintd" in service.text(), "a log line")
    service.client.close()
    service.connect()
    assert service.start(1)["error"] == "0"


class TestSpawner(unittest.TestCase):
    def service(self, *options):
        """A service that is ended after the test, and must leave nothing."""
        service = Service(*options)
        self.addCleanup(service.nothing_left)
        self.addCleanup(service.end)
        return service

    def test_serves(self):
        service = self.service()
        assert "serving" not in service.text()
        assert service.ask("ready") == "ok"
        wait_for(lambda: "stint: serving on " + service.path in service.text(), "the serving line")
        assert os.stat(service.path).st_mode & 0o777 == 0o660
        own = service.asked("id")
        assert own["uid"] == own["gid"] != "0", own
        assert os.stat(service.path).st_gid == int(own["gid"])
        assert own["groups"] == "%d,%d," % (BASE, BASE + COUNT), own
        # 0 1 2, the listening socket, the link, and the client's connection
        assert own["fds"] == "7" and own["files_full"] == "1", own
        status = open("/proc/%s/status" % own["pid"]).read()
        assert "CapEff:\t0000000000000000" in status and "NoNewPrivs:\t1" in status
        for line in open("/proc/%s/cgroup" % own["pid"]):
            if line.split(":")[1] in ("memory", "pids", ""):
                assert "/stint-%d/daemon" % service.pid in line, line

    def test_generation(self):
        service = self.service()
        service.ask("ready")
        answer = service.start(1)
        assert answer["error"] == "0" and answer["count"] == str(COUNT), answer
        base = int(answer["base"])
        assert base == BASE + COUNT
        uid = service.asked("id")["uid"]
        line = service.ask("zygote 1 args")
        roles = [int(r) for r in line.split("[--roles][")[1].split("]")[0].split(",")]
        union = 0
        for role in roles:
            union |= role
        assert union & 7 == 7, roles
        assert "[--root][/" in line and "[--asyncio][yes]" in line and "[--pin-cores][no]" in line and "[--hash-seed][0]" in line, line
        own = service.asked("zygote 1 self")
        assert own["pid"] == "1" and own["ppid"] == "0" and own["uid"] == own["gid"] == "0", own
        assert own["groups"] == "0" and own["host"] == "stint" and own["cwd"] == "/", own
        assert own["stack"] == str(64 << 20) and own["core"] == "0" and own["death"] == "9", own
        assert own["fds"] == str(4 + len(roles)) and own["term_blocked"] == "0", own
        assert own["env"] == "LC_ALL=C.UTF-8,", own
        inside = service.ask("zygote 1 cgroup")
        assert inside.count("/stint-%d/gen-1/zygote;" % service.pid) == len(roles), inside
        # ownership of the directories, as stintd sees them
        service.ask("end 1")
        ended = service.asked("next")
        assert ended["status"] == "9" and ended["number"] == "1", ended
        assert not [g for g in groups(service.pid) if os.path.exists(g + "/gen-1")]
        service.ask("start 2")
        dirs = [w[4:] for w in service.ask("next").split() if w.startswith("dir=")]
        assert len(dirs) == len(roles)
        for entry in dirs:
            assert entry.split(":")[1:] == [uid, str(BASE), "750"], entry

    def test_tree(self):
        service = self.service()
        service.start(1)
        line = service.ask("zygote 1 tree")
        names = dict(word.split("=", 1) for word in line.split())
        assert set(names[""].split("(")[0].strip(",").split(",")) == {"usr", "dev", "scratch", "tmp"}, line
        for path in ("/dev", "/tmp", "/usr/lib/python3.11/lib-dynload"):
            assert names[path].startswith("(0)"), line
        for path in ("", "/dev", "/tmp", "/usr/lib/python3.11", "/usr/lib/python3.11/json"):
            assert names[path].endswith(")EROFS"), (path, line)
        assert "(9999)" not in names["/usr/lib/python3.11/json"], line

    def test_birth(self):
        service = self.service()
        service.start(1)
        assert service.ask("leaf 1 w7") == "done"
        line = service.ask("zygote 1 w7")
        roles = service.ask("zygote 1 args").split("[--roles][")[1].split("]")[0].split(",")
        assert line.endswith("exit=5"), line
        assert line.count("/stint-%d/gen-1/w7;" % service.pid) == len(roles), line
        assert service.ask("rmleaf 1 w7") == "done"
        # a leaf that stintd leaves behind goes with its generation
        assert service.ask("leaf 1 w8") == "done"
        service.ask("end 1")
        assert service.asked("next")["status"] == "9"
        assert not [g for g in groups(service.pid) if os.path.exists(g + "/gen-1")]

    def test_ranges(self):
        service = self.service()
        first, second = service.start(1), service.start(2)
        assert {int(first["base"]), int(second["base"])} == {BASE, BASE + COUNT}
        service.ask("end 1")
        service.asked("next")
        third = service.start(3)
        service.ask("end 3")
        service.asked("next")
        # 4 would share its range with 2 if numbers alone decided
        assert service.start(4)["base"] == third["base"] != second["base"]

    def test_zygote_dies(self):
        service = self.service()
        service.start(1)
        service.client.sendall(b"zygote 1 exit\n")
        service.client.recv(100)
        ended = service.asked("next")
        assert ended["type"] == "GENERATION_ENDED" or "ended" in ended["type"].lower(), ended
        assert ended["status"] == str(9 << 8), ended
        assert not processes(FAKES + "/fake_zygote")
        assert service.ask("end 1") == "ok"  # crossed with the report: no breach
        assert service.start(2)["error"] == "0"

    def test_stintd_killed(self):
        service = self.service()
        service.ask("ready")
        for number in (1, 2):
            service.start(number)
        first = int(service.asked("id")["pid"])
        os.kill(first, signal.SIGKILL)
        service.client.close()
        service.connect()
        again = wait_for(lambda: [p for p in processes(FAKES + "/fake_stintd") if p != first],
                         "another stintd")
        assert len(again) == 1
        wait_for(lambda: not processes(FAKES + "/fake_zygote"), "end of zygotes")
        assert service.start(1)["error"] == "0"
        assert service.child.poll() is None

    def test_breaches(self):
        for lines in (["short"], ["hangup"], ["unknown"], ["withfd"], ["dirty"], ["ready"], ["start 1"],
                      ["end 5"], ["start 2", "next", "start 3"]):
            service = Service()
            try:
                breach(service, *lines)
            finally:
                service.end()
            service.nothing_left()

    def test_spawner_killed(self):
        service = self.service()
        service.ask("ready")
        service.start(1)
        service.start(2)
        service.ask("leaf 1 w1")
        guardian = service.guardian()
        assert groups(service.pid)
        service.child.kill()
        service.child.wait()
        service.nothing_left()
        wait_for(lambda: not alive(guardian), "end of the guardian")

    def test_guardian_killed(self):
        service = self.service()
        first = service.guardian()
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: not alive(first), "its death")
        second = service.guardian()
        assert first != second
        service.child.kill()
        service.child.wait()
        service.nothing_left()

    def test_term(self):
        service = self.service()
        service.ask("ready")
        service.start(1)
        guardian = service.guardian()
        service.child.terminate()
        answer = service.asked("next")
        assert "drain" in answer["type"].lower(), answer
        service.client.sendall(b"exit 0\n")
        assert service.child.wait(PATIENCE_S) == 0
        assert not groups(service.pid) and not os.path.lexists(service.path)
        assert not alive(guardian)
        service.nothing_left()

    def test_hangup_while_draining(self):
        service = self.service()
        service.ask("ready")
        service.child.terminate()
        assert "drain" in service.asked("next")["type"].lower()
        assert service.ask("hangup") == "ok"
        assert alive(int(service.asked("id")["pid"]))
        service.client.sendall(b"exit 0\n")
        assert service.child.wait(PATIENCE_S) == 0
        assert "ending stintd" not in service.text(), service.text()

    def test_sighup(self):
        service = self.service()
        service.child.send_signal(signal.SIGHUP)
        wait_for(lambda: "configuration read again" in service.text(), "a log line")
        told = service.asked("next")
        assert (told["type"], told["fds"], told["number"]) == ("config", "1", "0"), told
        assert service.start(1)["error"] == "0"

    def test_unusable_programs(self):
        with tempfile.TemporaryDirectory() as directory:
            broken = directory + "/broken"
            with open(broken, "wb") as program:
                program.write(b"\x7fNOT")
            os.chmod(broken, 0o755)
            service = self.service("--zygote", broken)
            for number in (1, 2, 3):
                answer = service.start(number)
                assert answer["error"] == str(errno.ENOEXEC) and answer["fds"] == "0", answer
            assert not [g for g in groups(service.pid) if glob.glob(g + "/gen-*")]
            service.end()
            service = Service("--stintd", broken, expect=False)
            try:
                assert service.child.wait(PATIENCE_S) == 1
                assert service.text().count('step "exec"') == 5, service.text()
                service.nothing_left()
            finally:
                service.end()

    def test_second_term(self):
        service = self.service()
        service.start(1)
        service.child.terminate()
        assert "drain" in service.asked("next")["type"].lower()
        service.child.terminate()
        assert service.child.wait(PATIENCE_S) == 0
        service.nothing_left()

    def test_gives_up(self):
        service = Service("--set", "hash_seed=4000000000", expect=False)
        try:
            assert service.child.wait(PATIENCE_S) == 1
            assert "giving up" in service.text()
            assert service.text().count("ended with status 3") == 5, service.text()
            service.nothing_left()
        finally:
            service.end()

    def test_socket_in_the_way(self):
        service = self.service()
        other = subprocess.run([SPAWNER, "--stintd", FAKES + "/fake_stintd", "--zygote",
                                FAKES + "/fake_zygote", "--set", "state_dir=",
                                "--set", "socket=" + service.path],
                               stderr=subprocess.PIPE, text=True, timeout=PATIENCE_S)
        assert other.returncode == 1 and "another daemon serves on" in other.stderr, other
        assert service.asked("id")["pid"]
        plain = os.path.join(service.dir, "plain")
        link = os.path.join(service.dir, "link")
        open(plain, "w").close()
        os.symlink(service.path, link)
        for path in (plain, link):
            other = subprocess.run([SPAWNER, "--set", "state_dir=", "--set", "socket=" + path, "--stintd",
                                    FAKES + "/fake_stintd", "--zygote", FAKES + "/fake_zygote"],
                                   stderr=subprocess.PIPE, text=True, timeout=PATIENCE_S)
            assert other.returncode == 1 and "is not a socket" in other.stderr, other
            assert os.path.lexists(path)

    def test_stale_socket(self):
        with tempfile.TemporaryDirectory() as directory:
            path = directory + "/s"
            with socket.socket(socket.AF_UNIX) as stale:
                stale.bind(path)
            service = Service("--set", "socket=" + path, expect=False)
            service.path = path
            try:
                service.connect()
                service.ask("id")
            finally:
                service.end()
            service.nothing_left()

    def test_swept(self):
        """What a killed spawner and a killed guardian left goes at the next start."""
        service = self.service()
        guardian = service.guardian()
        os.kill(guardian, signal.SIGSTOP)
        service.child.kill()
        service.child.wait()
        assert groups(service.pid)
        os.kill(guardian, signal.SIGKILL)
        wait_for(lambda: not alive(guardian), "its death")
        other = Service()
        try:
            other.ask("id")  # the socket listens before the sweep is over; stintd runs after it
            assert not groups(service.pid), groups(service.pid)
        finally:
            other.end()
        other.nothing_left()

    def test_activation(self):
        with tempfile.TemporaryDirectory() as directory:
            path = directory + "/activated"
            with socket.socket(socket.AF_UNIX) as listening:
                listening.bind(path)
                listening.listen(8)
                pid = os.fork()
                if pid == 0:
                    os.dup2(os.open("/dev/null", os.O_WRONLY), 2)
                    os.dup2(listening.fileno(), 3)
                    os.set_inheritable(3, True)
                    os.execve(SPAWNER, [SPAWNER, "--stintd", FAKES + "/fake_stintd", "--zygote",
                                        FAKES + "/fake_zygote"],
                              {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"})
                with socket.socket(socket.AF_UNIX) as client:
                    client.settimeout(PATIENCE_S)
                    client.connect(path)
                    client.sendall(b"id\n")
                    assert b"uid=" in client.recv(4096)
                ended = []

                def gone():
                    # the first one drains, any later one ends at once
                    os.kill(pid, signal.SIGTERM)
                    ended[:] = os.waitpid(pid, os.WNOHANG)
                    return ended[0] == pid
                wait_for(gone, "the end")
                assert ended[1] == 0, ended
                assert os.path.exists(path), "an inherited socket is not ours to remove"
            wait_for(lambda: not groups(pid), "removal")

    def test_notify(self):
        with tempfile.TemporaryDirectory() as directory:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
                manager.bind(directory + "/notify")
                manager.settimeout(PATIENCE_S)
                service = Service(env={"NOTIFY_SOCKET": directory + "/notify"})
                try:
                    service.ask("ready")
                    assert manager.recv(100) == b"READY=1"
                finally:
                    service.end()
                service.nothing_left()

    def test_command_line(self):
        with tempfile.TemporaryDirectory() as directory:
            path = directory + "/conf"
            for text, code, said in (("workers_ready = 3\n", 0, "configuration is valid"),
                                     ("\nworkers_redy = 3\n", 2, path + ":2:")):
                with open(path, "w") as config:
                    config.write(text)
                run = subprocess.run([SPAWNER, "--config", path, "--check-config"],
                                     capture_output=True, text=True, timeout=PATIENCE_S)
                assert run.returncode == code and said in run.stdout + run.stderr, run
            for options, code in ((["--version"], 0), (["--help"], 0), (["--print-config"], 0),
                                  (["--nonsense"], 2), (["word"], 2), (["--set", "user=root"], 1),
                                  (["--config", "/nonexistent"], 2), (["--stintd", "/etc"], 1),
                                  (["--set", "hash_seed=1"] * 65, 2), (["--config", "/" + "x" * 5000], 2)):
                run = subprocess.run([SPAWNER] + options, capture_output=True, text=True,
                                     timeout=PATIENCE_S)
                assert run.returncode == code and run.stdout + run.stderr, run

    def test_config_passed_on(self):
        with tempfile.TemporaryDirectory() as directory:
            os.chmod(directory, 0o700)
            with open(directory + "/conf", "w") as config:
                config.write("hash_seed = 5\nservice_memory_max = 512M\nasyncio = no\n")
            service = Service("--config", directory + "/conf", "--set", "hash_seed=6")
            try:
                assert service.asked("id")["fds"] == "7"
                service.start(1)
                line = service.ask("zygote 1 args")
                assert "[--hash-seed][6]" in line and "[--asyncio][no]" in line, line
                limits = [open(p).read().strip() for g in groups(service.pid)
                          for p in glob.glob(g + "/memory.limit_in_bytes") + glob.glob(g + "/memory.max")]
                assert limits == [str(512 << 20)], limits
            finally:
                service.end()
            service.nothing_left()

    def test_mounts_of_the_host(self):
        with open("/proc/self/mountinfo") as mounts:
            before = mounts.read()
        service = self.service()
        service.start(1)
        with open("/proc/self/mountinfo") as mounts:
            self.assertEqual(before, mounts.read())


if __name__ == "__main__":
    unittest.main()
