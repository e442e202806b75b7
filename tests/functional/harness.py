"""A real daemon for the functional tests, a JSON-RPC client for it, and what must be left of it: nothing.

Programs come from the build tree STINT_BUILD (default: quickstart's), each can be replaced by
STINT_SPAWNER, STINT_STINTD, STINT_ZYGOTE, STINT_CLIENT. STINT_SANITIZED says that some are built with
sanitizers; SLOW is the factor that bounds on time are stretched by: 4 then, or STINT_SLOW on a slow machine.
STINT_LAUNCH is a command that starts the spawner, in the same process: systemd-run --scope.
"""
import glob
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

TOP = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
BUILD = os.environ.get("STINT_BUILD", os.path.join(TOP, ".quickstart", "build"))
SPAWNER = os.environ.get("STINT_SPAWNER", os.path.join(BUILD, "worker", "stint-spawner"))
STINTD = os.environ.get("STINT_STINTD", os.path.join(BUILD, "daemon", "stintd"))
ZYGOTE = os.environ.get("STINT_ZYGOTE", os.path.join(BUILD, "worker", "stint-zygote"))
CLIENT = os.environ.get("STINT_CLIENT", os.path.join(BUILD, "client", "stint"))
SANITIZED = bool(os.environ.get("STINT_SANITIZED"))
SLOW = int(os.environ.get("STINT_SLOW", "4" if SANITIZED else "1"))
LAUNCH = os.environ.get("STINT_LAUNCH", "").split()
# A slow machine spends more CPU time on the same program, too.
SETTINGS = {"default_cpu_ms": 10000, "default_wall_ms": 50000} if "STINT_SLOW" in os.environ else {}

# There, a loop that only repeats itself does so less often.
FEWER = 5 if "STINT_SLOW" in os.environ or SANITIZED else 1

START_SECONDS = 30 * SLOW
STOP_SECONDS = 20 * SLOW
ANSWER_SECONDS = 30 * SLOW
# Each daemon of the tests has its own range of uids, so that a leftover is known by its uid.
UID_BASE = 1950000000
UID_COUNT = 1024
BAD_LOG = re.compile(
    r"ERROR: AddressSanitizer|LeakSanitizer|runtime error:|check failed|Assertion|assertion|require\("
)


def rounds(count):
    """How often to do the same again, where it is `count` times on a usual machine."""
    return max(3, count // FEWER)


class RpcError(Exception):
    def __init__(self, error):
        super().__init__(error.get("message"))
        self.code = error.get("code")
        self.message = error.get("message")
        self.reason = (error.get("data") or {}).get("reason")


class Client:
    """One connection. Requests may be sent ahead; answers are kept until somebody waits for them."""

    def __init__(self, path, timeout=ANSWER_SECONDS):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.buffer = bytearray()
        self.answers = {}
        self.notifications = []
        self.last = 0

    def send_raw(self, data):
        self.socket.sendall(data)

    def send(self, method, params=None, **extra):
        self.last += 1
        request = {"jsonrpc": "2.0", "id": self.last, "method": method, **extra}
        if params is not None:
            request["params"] = params
        self.send_raw(json.dumps(request).encode() + b"\n")
        return self.last

    def line(self):
        """Next line as an object; None at the end."""
        while b"\n" not in self.buffer:
            data = self.socket.recv(1 << 20)
            if not data:
                return None
            self.buffer += data
        line, _, rest = self.buffer.partition(b"\n")
        self.buffer = rest
        return json.loads(line)

    def wait_raw(self, ident):
        while ident not in self.answers:
            message = self.line()
            if message is None:
                raise ConnectionError("the daemon closed the connection")
            if "method" in message:
                self.notifications.append(message)
            else:
                self.answers[message["id"]] = message
        return self.answers.pop(ident)

    def wait(self, ident):
        answer = self.wait_raw(ident)
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer["result"]

    def call(self, method, params=None):
        return self.wait(self.send(method, params))

    def run(self, source=None, **params):
        if source is not None:
            params["source"] = source
        return self.call("job.run", params)

    def output(self, stream="stdout"):
        """What job.output notifications have brought so far."""
        params = [n["params"] for n in self.notifications if n["method"] == "job.output"]
        return "".join(p["data"] for p in params if p["stream"] == stream)

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def process_status(pid):
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    except OSError:
        return None


def pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return sorted(int(word) for word in file.read().split())
    except OSError:  # gone, or a kernel without this file
        return [p for p in pids() if (s := process_status(p)) and int(s["PPid"]) == pid]


def owner(pid):
    """Its effective uid, or that of its user namespace's root when it is not dumpable; None: it is gone."""
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return None


def descendants(pid):
    found = []
    for child in children(pid):
        found += [child] + descendants(child)
    return found


def worker_pids(uid_base, uid_count=UID_COUNT):
    """Processes of the range of uids of a daemon: its zygote's workers."""
    found = []
    for pid in pids():
        # A zombie belongs to root; a look at all of /proc is slow enough.
        if not uid_base <= (owner(pid) or 0) < uid_base + 2 * uid_count:
            continue
        status = process_status(pid)
        if status and status["State"][0] != "Z":
            uid = int(status["Uid"].split()[0])
            if uid_base <= uid < uid_base + 2 * uid_count:
                found.append(pid)
    return found


def cgroups(spawner_pid):
    """Directories of that daemon's control groups, in all hierarchies."""
    found = []
    for root in ["/sys/fs/cgroup"] + glob.glob("/sys/fs/cgroup/*"):
        for directory, inner, _ in os.walk(root):
            for name in inner:
                if name == f"stint-{spawner_pid}":
                    found.append(os.path.join(directory, name))
    return sorted(set(found))


def until(condition, seconds=10, what="condition"):
    """Wait for something that has no event of its own."""
    end = time.monotonic() + seconds * SLOW
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"timed out waiting for: {what}")
        time.sleep(0.02)


class Daemon:
    """stint-spawner and all below it, on a socket of its own."""

    started = 0

    # An ordinary user (uid, gid, extra groups) who starts it; None: whoever runs the tests.
    user = None
    programs = None  # other files for SPAWNER, STINTD, ZYGOTE

    def __init__(self, config=None, **settings):
        self.directory = tempfile.mkdtemp(prefix="stint-test-", dir="/tmp")
        os.chmod(self.directory, 0o755)
        self.socket = os.path.join(self.directory, "stint.sock")
        self.log_path = os.path.join(self.directory, "log")
        Daemon.started += 1
        self.uid_base = UID_BASE + (os.getpid() % 1000) * 64 * 2 * UID_COUNT
        self.uid_base += (Daemon.started % 64) * 2 * UID_COUNT
        values = {"socket": self.socket, "uid_base": self.uid_base, "uid_count": UID_COUNT, "state_dir": "",
                  **SETTINGS}
        values.update(settings)
        spawner, stintd, zygote = self.programs or (SPAWNER, STINTD, ZYGOTE)
        command = (LAUNCH if not self.user else []) + [spawner, "--stintd", stintd, "--zygote", zygote]
        as_user = {}
        if self.user:
            uid, gid, groups = self.user
            os.chown(self.directory, uid, gid)
            as_user = {"user": uid, "group": gid, "extra_groups": groups}
        if config is not None:
            path = os.path.join(self.directory, "stint.conf")
            with open(path, "w", encoding="utf-8") as file:
                file.write(config)
            command += ["--config", path]
        for name, value in values.items():
            command += ["--set", f"{name}={value}"]
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **as_user
            )
        self.pid = self.process.pid
        try:
            self.wait_serving()
        except BaseException:
            self.kill()
            self.remove()
            raise

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def connect(self, timeout=ANSWER_SECONDS):
        return Client(self.socket, timeout)

    def health(self):
        with self.connect() as client:
            return client.call("daemon.health")

    def serving(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the daemon ended with {self.process.returncode}:\n{self.log()}")
        try:
            return self.health()["status"] == "ok"
        except (OSError, RpcError):
            return False

    def wait_serving(self, seconds=None):
        end = time.monotonic() + (seconds or START_SECONDS)
        while not self.serving():
            if time.monotonic() > end:
                raise AssertionError(f"the daemon does not serve:\n{self.log()}")
            time.sleep(0.03)

    def find(self, name):
        """Pids below the spawner whose command is `name` (a worker has its zygote's)."""
        found = []
        for pid in descendants(self.pid):
            status = process_status(pid)
            if status and status["Name"] == name[:15]:
                found.append(pid)
        return found

    def stintd_pid(self):
        return self.find(os.path.basename(STINTD))[0]

    def zygote_pid(self):
        """Of the first zygote; where it has just died the next one is waited for."""

        def own():
            return [p for p in children(self.pid) if p in self.find(os.path.basename(ZYGOTE))]

        return until(own, 20, "a zygote")[0]

    def workers(self):
        """Workers alone: a zygote has the first uid of its generation's range."""
        first = {self.uid_base, self.uid_base + UID_COUNT}
        pairs = [(pid, process_status(pid)) for pid in worker_pids(self.uid_base)]
        return [pid for pid, s in pairs if s and int(s["Uid"].split()[0]) not in first]

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.stintd_pid()}/fd"))

    def idle(self):
        """No job in work and the pool of ready workers full again."""
        health = self.health()
        return (
            health["jobs"]["queued"] + health["jobs"]["running"] == 0
            and health["workers"]["starting"] + health["workers"]["busy"] == 0
            and health["workers"]["ready"] > 0
        )

    def wait_idle(self):
        until(self.idle, 20, "an idle daemon")

    def stop(self):
        """SIGTERM; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            log = self.log()
            self.kill()
            raise AssertionError(f"the daemon does not stop:\n{log}") from None

    def kill(self):
        for pid in descendants(self.pid) + [self.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()

    def leftovers(self):
        """What should not be there any more after the end, as texts."""
        found = [f"process {p}: {process_status(p)}" for p in worker_pids(self.uid_base)]
        found += [f"process {p} below the spawner" for p in descendants(self.pid)]
        found += [f"control group {path}" for path in cgroups(self.pid)]
        with open("/proc/self/mounts", encoding="utf-8") as file:
            found += [f"mount {line.split()[1]}" for line in file if f"stint-{self.pid}" in line]
        if os.path.exists(self.socket):
            found.append(f"socket {self.socket}")
        return found

    def wait_clean(self, seconds=5):
        try:
            until(lambda: not self.leftovers(), seconds)
        except AssertionError:
            raise AssertionError("left behind: " + "; ".join(self.leftovers())) from None

    def remove(self):
        shutil.rmtree(self.directory, ignore_errors=True)


class DaemonCase(unittest.TestCase):
    """Tests that share one daemon. At the end it must stop well and leave nothing."""

    settings = {}
    config = None

    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon(cls.config, **cls.settings)

    @classmethod
    def tearDownClass(cls):
        try:
            code = cls.daemon.stop()
            log = cls.daemon.log()
            if code != 0:
                raise AssertionError(f"the daemon ended with {code}:\n{log}")
            if BAD_LOG.search(log):
                raise AssertionError(f"in the daemon's log:\n{log}")
            cls.daemon.wait_clean()
        finally:
            cls.daemon.remove()

    def setUp(self):
        self.addCleanup(self.tell_log)
        self.client = self.daemon.connect()
        self.addCleanup(self.client.close)

    def tell_log(self):
        """What the daemon said last, when a test has failed."""
        if not self._outcome.success:
            print("\n" + "".join(f"# log: {line}\n" for line in self.daemon.log().splitlines()[-12:]), end="", flush=True)

    def run_ok(self, source, **params):
        result = self.client.run(source, **params)
        self.assertEqual(result["status"], "ok", result)
        return result

    def run_status(self, status, source, **params):
        result = self.client.run(source, **params)
        self.assertEqual(result["status"], status, result)
        return result

    def assert_refused(self, rpc_code=None, reason=None, text=None, method="job.run", **params):
        with self.assertRaises(RpcError) as caught:
            self.client.call(method, params)
        if rpc_code is not None:
            self.assertEqual(caught.exception.code, rpc_code, caught.exception.message)
        if reason is not None:
            self.assertEqual(caught.exception.reason, reason, caught.exception.message)
        if text is not None:
            self.assertIn(text, caught.exception.message)
        return caught.exception


def stint(*arguments, socket_path=None, stdin=b"", timeout=60, cwd=None, environment=None):
    """Run the command-line client; returns the CompletedProcess, bytes as they are."""
    env = {**os.environ, **(environment or {})}
    if socket_path is not None:
        env["STINT_SOCKET"] = socket_path
    return subprocess.run(
        [CLIENT, *arguments], input=stdin, capture_output=True, timeout=timeout * SLOW, env=env, cwd=cwd
    )
