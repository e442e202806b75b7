"""Programs with faults: their shared page (fault.h, to the byte), a daemon made of them, a job that tells.

A fault is (role, call, nth): the nth call of that function in that role; what happens there is an errno, "die"
or "short".
"""
import errno
import mmap
import os
import shutil
import signal
import struct
import subprocess
import tempfile
import time

import harness

PROGRAMS = os.path.join(harness.BUILD, "tests", "fault")
ROLES = ["spawner", "spawner turn", "guardian", "launch stintd", "launch zygote", "zygote", "zygote turn", "worker", "job", "zygote trial"]
HEADER = struct.Struct("=IIIIIiIIII")
RECORD = struct.Struct("=IIIIq")
RECORDS_MAX = 4096
MAGIC = 0x746C6661
DIE, SHORT = -1, -2

# What may plausibly happen to each; all may die.
FILES = (errno.EMFILE, errno.ENOMEM, errno.EINTR)
RIGHTS = (errno.EPERM, errno.EINVAL)
PLAUSIBLE = {
    **dict.fromkeys(("open", "open64", "openat", "__openat_2"), FILES + (errno.EACCES,)),
    **dict.fromkeys(("pipe2", "socketpair", "socket", "signalfd", "memfd_create", "opendir", "fdopendir", "setmntent"), FILES),
    **dict.fromkeys(("read", "write", "pread", "pwrite", "recv", "send"), (errno.EINTR, errno.EAGAIN, errno.EIO, SHORT)),
    **dict.fromkeys(("recvmsg", "sendmsg"), (errno.EINTR, errno.EAGAIN, errno.ENOMEM, SHORT)),
    **dict.fromkeys(("mkdir", "mkdirat", "ftruncate", "bind"), (errno.ENOSPC, errno.EPERM)),
    **dict.fromkeys(("mmap", "mmap64"), (errno.ENOMEM, errno.EPERM)),
    **dict.fromkeys(("getdents64", "mprotect"), (errno.EIO, errno.ENOMEM)),
    **dict.fromkeys(("fork",), (errno.EAGAIN, errno.ENOMEM)),
    **dict.fromkeys(("setresuid", "setgroups"), (errno.EAGAIN, errno.EPERM, errno.ENOMEM)),
    **dict.fromkeys(("mount", "umount2", "mount_setattr", "unshare"), (errno.EPERM, errno.ENOMEM, errno.EINVAL)),
    **dict.fromkeys(("fstat", "stat", "lstat", "fstatat", "fstatfs", "readdir", "readdir64", "listen", "connect"), (errno.ENOMEM, errno.EIO)),
    **dict.fromkeys(("poll", "waitid", "waitpid", "wait4", "close_range"), (errno.EINTR, errno.ENOMEM)),
    **dict.fromkeys(("fcntl", "dup2", "dup3"), (errno.EMFILE, errno.EINTR, errno.EINVAL)),
    **dict.fromkeys(("syscall",), (errno.EPERM, errno.ENOMEM, errno.EAGAIN, errno.EINVAL, errno.ENOSPC)),
    **dict.fromkeys(("seccomp_init", "seccomp_rule_add_array", "seccomp_export_bpf", "seccomp_arch_add", "seccomp_arch_remove", "pthread_attr_setstacksize", "pthread_setattr_default_np"), (errno.ENOMEM,)),
}


def plausible(call):
    return PLAUSIBLE.get(call, RIGHTS) + (DIE,)


def action_name(action):
    return {DIE: "death", SHORT: "short"}.get(action) or errno.errorcode[action]


class Page:
    """The shared memory of one program, and its list of calls."""

    def __init__(self, program):
        self.path = program + ".fault"
        listed = subprocess.run([program, "--fault-calls"], stdout=subprocess.PIPE, check=True, timeout=30)
        self.calls = listed.stdout.decode().split()
        size = HEADER.size + RECORDS_MAX * RECORD.size
        with open(self.path, "w+b") as file:
            file.truncate(size)
            self.map = mmap.mmap(file.fileno(), size)
        os.chmod(self.path, 0o666)
        self.put(recording=0)

    def put(self, recording=0, role=0, call=0, nth=0, action=0, times=0):
        self.map[: HEADER.size] = HEADER.pack(MAGIC, recording, role, call, nth, action, times, 0, 0, 0)

    def arm(self, role, call, nth, action, times=1):
        self.put(0, ROLES.index(role), self.calls.index(call), nth, action, times)

    def fired(self):
        return HEADER.unpack(self.map[: HEADER.size])[7]

    def record(self):
        self.put(recording=1)

    def recorded(self):
        """What was called since record(): (role, call, nth, site, tag) in the order of the first time."""
        count = HEADER.unpack(self.map[: HEADER.size])[8]
        assert count < RECORDS_MAX, "too many records"
        rows = [RECORD.unpack_from(self.map, HEADER.size + i * RECORD.size) for i in range(count)]
        return [(ROLES[r], self.calls[c], n, site, tag) for r, c, n, site, tag in rows]


class FaultDaemon(harness.Daemon):
    """A daemon of the programs with faults; `plan` is armed before it starts (page name, role, call, ...)."""

    def __init__(self, plan=None, record=None, wait=True, **settings):
        self.folder = tempfile.mkdtemp(prefix="stint-fault-", dir="/tmp")
        os.chmod(self.folder, 0o755)
        self.wait_at_start = wait
        self.pages = {}
        try:
            for name in ("spawner", "zygote"):
                path = shutil.copy(os.path.join(PROGRAMS, f"stint-{name}-fault"), self.folder)
                self.pages[name] = Page(path)
            harness.SPAWNER = os.path.join(self.folder, "stint-spawner-fault")
            harness.ZYGOTE = os.path.join(self.folder, "stint-zygote-fault")
            if plan:
                self.page_of(plan[0]).arm(*plan)
            for name in record or ():
                self.pages[name].record()
            super().__init__(**settings)
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def page_of(self, role):
        return self.pages["zygote" if role.startswith(("zygote", "worker")) else "spawner"]

    def wait_serving(self, seconds=None):
        if self.wait_at_start:
            super().wait_serving(seconds)

    def outcome(self):
        """After a start with a fault: "serves", or the spawner's exit code."""
        end = time.monotonic() + harness.START_SECONDS
        while time.monotonic() < end:
            code = self.process.poll()
            if code is not None:
                return code
            try:
                if self.health()["status"] == "ok":
                    return "serves"
            except (OSError, harness.RpcError, ConnectionError, TypeError):
                pass
            time.sleep(0.02)
        return "neither serves nor ends"

    def remove(self):
        super().remove()
        shutil.rmtree(self.folder, ignore_errors=True)


CANARY = "canary-of-the-job"
PROBE = """
import os, signal, sys, time
class Go(Exception): pass
def go(*_): raise Go
signal.signal(signal.SIGUSR1, go)
try:
    print("%s", os.getuid(), flush=True)
    time.sleep(30)
except Go: pass
def attempt(name, what):
    try: what()
    except Exception as e: print(name, type(e).__name__)
    else: print(name, "WORKED")
import socket, threading
attempt("fork", os.fork)
attempt("socket", socket.socket)
attempt("write", lambda: open("/tmp/x", "w"))
attempt("mkdir", lambda: os.mkdir("/x"))
attempt("setuid", lambda: os.setuid(0))
attempt("kill", lambda: os.kill(1, 9))
attempt("exec", lambda: os.execv("/bin/sh", ["sh"]))
attempt("proc", lambda: os.listdir("/proc"))
attempt("dynload", lambda: os.listdir("/usr/lib/python3.11/lib-dynload")[0])
attempt("descriptor", lambda: os.fstat(3))
print(sorted(os.listdir("/")), os.getgroups(), len({os.getuid(), os.geteuid(), os.getgid(), os.getegid()}), os.getppid())
print(len(sys.stdin.buffer.read()))
""" % CANARY
SAME = ("Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Seccomp_filters",
        "SigBlk", "Threads")


def observe(daemon, uid):
    """What the kernel says of the worker with that id."""
    bases = (daemon.uid_base + uid, daemon.uid_base + harness.UID_COUNT + uid)
    found = [(p, s) for p in harness.worker_pids(daemon.uid_base) if (s := harness.process_status(p)) and int(s["Uid"].split()[0]) in bases]
    assert len(found) <= 1, found
    try:
        return describe(*found[0])
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return None, None  # died with its zygote


def describe(pid, status):
    facts = {name: status.get(name) for name in SAME}
    facts["one id"] = len(set(status["Uid"].split() + status["Gid"].split()))
    with open(f"/proc/{pid}/limits", encoding="ascii") as file:
        facts["limits"] = file.read()
    facts["descriptors"] = sorted(os.listdir(f"/proc/{pid}/fd"), key=int)
    with open(f"/proc/{pid}/cgroup", encoding="ascii") as file:
        lines = [line.rstrip("\n").split(":", 2) for line in file]
    facts["leaves"] = sorted(name for _, name, path in lines if os.path.basename(path).startswith("w") and "/gen-" in path)
    facts["root"] = sorted(os.listdir(f"/proc/{pid}/root"))
    facts["namespaces"] = [n for n in ("user", "pid", "mnt", "net", "ipc", "uts")
                           if os.readlink(f"/proc/{pid}/ns/{n}") != os.readlink(f"/proc/self/ns/{n}")]
    return pid, facts


VARIANTS = {
    "plain": {},
    "by descriptor": {"source": PROBE + "\n#" + "x" * 300000, "stdin": "y" * 300000},
    "threads": {"limits": {"threads": 4}},
    "scratch": {"limits": {"scratch_bytes": 1 << 20}, "files": [{"name": "a", "content": "b"}]},
}


def probe(daemon, variant="plain"):
    """Run the job that tells: (result, facts seen from outside or None when it did not begin)."""
    with daemon.connect() as client:
        params = {"source": PROBE, "stream": True, **VARIANTS[variant]}
        params["limits"] = {"wall_ms": 60000, **params.get("limits", {})}
        ident = client.send("job.run", params)
        facts = None
        while True:
            message = client.line()
            if message is None:
                raise ConnectionError("closed")
            if message.get("method") == "job.output":
                text = message["params"]["data"]
                client.notifications.append(message)
                if facts is None and CANARY in text:
                    pid, facts = observe(daemon, int(text.split()[1]))
                    if pid is not None:
                        os.kill(pid, signal.SIGUSR1)
            elif message.get("id") == ident:
                if "error" in message:
                    raise harness.RpcError(message["error"])
                result = message["result"]
                out = client.output()
                result["told"] = out.split("\n", 1)[1] if CANARY in out else out
                return result, facts
