"""Plays spawner and stintd for one stint-zygote: namespaces, read-only tree, control groups, both links.

Root only. The process that uses it moves into a mount namespace of its own. Everything that is made
ends with Zygote.stop() or with the process.
"""
import ctypes
import fcntl
import mmap
import os
import select
import signal
import socket
import struct
import time

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND = 1, 2, 4, 8, 32, 4096
MS_REC, MS_PRIVATE = 16384, 1 << 18
LOCKED = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC
F_ADD_SEALS, SEALS = 1033, 7  # seal, shrink, grow
STDLIB, ROOT = "/usr/lib/python3.11", "/mnt"
UID_BASE, UID_COUNT = 1900000000, 65536
CGROUPS = "/sys/fs/cgroup"
# Directory of each hierarchy and its enum cgroup_role bits.
TREES = {"memory": 1, "cpuacct": 2, "pids": 4, "unified": 8 | 16}
V2 = os.path.exists(os.path.join(CGROUPS, "cgroup.procs"))  # alone
if V2:
    TREES = {"": 1 | 2 | 4 | 8 | 16}

READY, FORK, FORKED, KILL, EXITED, STOPPED = 31, 20, 21, 22, 23, 27
VERSION = 4  # of the messages
MESSAGE = struct.Struct("<II184s")
TERMS = struct.Struct("<IIQQQQ15Q")
ABI = 5
PAGE_RESULT = 65536
PAGE_BYTES = PAGE_RESULT + (160 << 20) + (16 << 20)
PAGE_ENDED, PAGE_SETUP_NAME = 96, 100
STDIN_FD, BLOB_FD, ASYNCIO, THREADS, SCRATCH, STOPS = 1, 2, 4, 8, 32, 128
ABOUT = "exit_code signal user_us system_us max_rss_bytes minor_faults major_faults".split()
PHASES = ["new", "ready", "terms", "running", "ended"]
LIMITS = dict(cpu_ms=2000, wall_ms=10000, memory_bytes=128 << 20, stdout_bytes=1 << 20,
              stderr_bytes=1 << 20, value_bytes=1 << 20, threads=1, opcodes=0, opcodes_per_second=0,
              open_files=32, trace_events=10000, call_depth=1000,
              scratch_bytes=0, scratch_files=256, collected_bytes=1 << 20)


def check(result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def mount(source, target, kind, flags, data=None):
    check(LIBC.mount(source and source.encode(), target.encode(), kind and kind.encode(),
                     ctypes.c_ulong(flags), data and data.encode()))


def make_root():
    """The tree as the spawner makes it, in a mount namespace of this process."""
    check(LIBC.unshare(CLONE_NEWNS))
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    mount("stint", ROOT, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=64k,mode=0755")
    for path in ("/tmp", "/dev", "/scratch", STDLIB):
        os.makedirs(ROOT + path)
    mount(STDLIB, ROOT + STDLIB, None, MS_BIND)
    mount(ROOT + "/dev", ROOT + STDLIB + "/lib-dynload", None, MS_BIND)
    for path in (STDLIB, STDLIB + "/lib-dynload", ""):
        mount(None, ROOT + path, None, MS_BIND | MS_REMOUNT | LOCKED)


class Worker:
    """One worker: stintd's side of its channel, page and files."""

    def __init__(self, zygote, serial, uid, kind=(0, 0)):
        self.zygote, self.serial, self.uid, self.kind = zygote, serial, uid, kind
        self.channel, self.their_channel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.channel.settimeout(10)
        self.files = []
        for name in ("out", "err"):
            fd = os.memfd_create(name)
            fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)
            self.files.append(fd)
        self.page_fd = os.memfd_create("page", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.page_fd, PAGE_BYTES)
        fcntl.fcntl(self.page_fd, F_ADD_SEALS, SEALS)
        self.page = mmap.mmap(self.page_fd, PAGE_BYTES)
        self.pidfd = self.exited = self.pid = None

    def fork(self, fds=None):
        """Sends FORK; returns the errno of FORKED."""
        null = os.open("/dev/null", os.O_RDONLY)
        if fds is None:
            fds = [self.their_channel.fileno(), null] + self.files + [self.page_fd]
        self.zygote.send(FORK, struct.pack("<QIIQQ", self.serial, self.kind[0] > 0, self.uid, *self.kind), fds)
        os.close(null)
        self.their_channel.close()
        body, received = self.zygote.receive(FORKED)
        serial, error, self.pid = struct.unpack_from("<QiI", body)
        assert serial == self.serial
        if error == 0:
            self.pidfd, = received
        return error

    def hello(self):
        """Waits for the hello; returns the host pid."""
        data, ancillary, _, _ = self.channel.recvmsg(64, 256)
        magic, abi, serial = struct.unpack("<IIQ", data)
        assert (magic, abi, serial) == (0x53544831, ABI, self.serial), data
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                return struct.unpack("iii", content)[0]
        raise AssertionError("no credentials")

    def terms(self, blob, stdin=None, flags=0, as_file=False, magic=0x53545431, stdin_fd=None, start=True,
              core=0, **limits):
        """core: number + 1, for a zygote with pin_cores. stdin_fd: any descriptor for fd 0, in place of a file with the bytes `stdin`.
        start: send what comes behind the record."""
        fds = []
        if stdin_fd is not None:
            fds.append(os.dup(stdin_fd))
            flags |= STDIN_FD
        if stdin is not None:
            fds.append(os.memfd_create("stdin"))
            os.write(fds[0], stdin)
            os.lseek(fds[0], 0, 0)
            flags |= STDIN_FD
        if as_file:
            fds.append(os.memfd_create("blob"))
            os.write(fds[-1], blob)
            flags |= BLOB_FD
        values = list({**LIMITS, **limits}.values())
        record = TERMS.pack(magic, flags, self.serial, len(blob), 12, core, *values)
        socket.send_fds(self.channel, [record], fds)
        for fd in fds:
            os.close(fd)
        if start:
            try:
                self.channel.send(b"S" if as_file else blob)
            except OSError:
                pass  # it did not like the record

    def stopped(self):
        """STOPPED: {exit_code, signal, user_us, ...}."""
        body, _ = self.zygote.receive(STOPPED)
        fields = struct.unpack_from("<QiiQQQQQ", body)
        assert fields[0] == self.serial, fields
        return dict(zip(ABOUT, fields[1:]))

    def wait(self):
        """EXITED: {exit_code, signal, user_us, ...}."""
        while self.exited is None:
            self.zygote.receive(EXITED)
        return self.exited

    def setup(self):
        """Number, errno and name of the step that failed."""
        step, error = struct.unpack_from("<II", self.page, 12)
        return step, error, self.page[PAGE_SETUP_NAME : PAGE_SETUP_NAME + 28].rstrip(b"\0").decode()

    def ended(self):
        """1 + the exit code of one that stopped at its job's end, or 0."""
        return struct.unpack_from("<I", self.page, PAGE_ENDED)[0]

    def phase(self):
        return PHASES[struct.unpack_from("<I", self.page, 0)[0]]

    def out(self):
        return os.pread(self.files[0], 1 << 26, 0).decode()

    def err(self):
        return os.pread(self.files[1], 1 << 26, 0).decode()

    def close(self):
        self.channel.close()
        self.page.close()
        for fd in self.files + [self.page_fd] + ([self.pidfd] if self.pidfd else []):
            os.close(fd)
        self.zygote.remove_leaf(self.serial)


class Zygote:
    """One generation."""

    def __init__(self, program, preload="", asyncio="yes", trees=TREES, hash_seed=0, other_dir=None, landlock="on",
                 pin_cores="no"):
        self.trees = {name: bits for name, bits in trees.items()
                      if os.path.isdir(os.path.join(CGROUPS, name))}
        self.group = "stint-harness-%d-%x" % (os.getpid(), time.monotonic_ns() & 0xffffff)
        self.serial, self.workers, self.log = 0, {}, os.memfd_create("log")
        fcntl.fcntl(self.log, fcntl.F_SETFL, os.O_APPEND)
        self.dirs = [self.make_group(name, bits) for name, bits in self.trees.items()]
        roles = list(self.trees.values())
        if other_dir:  # a directory that is no control group, taken for one of v1
            self.dirs.append(os.open(other_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
            roles.append(4)
        self.link, their_link = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.link.settimeout(20)
        self.arguments = [program, "--root", ROOT, "--stdlib", STDLIB, "--roles",
                          ",".join(map(str, roles)), "--preload", preload,
                          "--hash-seed", str(hash_seed), "--asyncio", asyncio, "--pin-cores", pin_cores, "--scratch", "yes",
                          "--landlock", landlock, "--ids", "own", "--log-level", "info"]
        self.keeper = self.start(their_link)
        their_link.close()

    def path(self, name, *rest):
        return os.path.join(CGROUPS, name, self.group, *rest)

    def make_group(self, name, bits):
        os.makedirs(self.path(name, "zygote"))
        if bits & 16:
            if bits & 1:
                with open(self.path(name, "cgroup.subtree_control"), "w") as file:
                    file.write("+memory +pids")
            os.chown(self.path(name, "cgroup.procs"), -1, UID_BASE)
            os.chmod(self.path(name, "cgroup.procs"), 0o660)
        return os.open(self.path(name), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def make_leaf(self, serial):
        for name, bits in self.trees.items():
            leaf = self.path(name, "w%d" % serial)
            os.mkdir(leaf)
            file = os.path.join(leaf, "cgroup.procs" if bits & 16 else "tasks")
            os.chown(file, -1, UID_BASE)
            os.chmod(file, 0o660)

    def remove_leaf(self, serial):
        for name in self.trees:
            try:
                os.rmdir(self.path(name, "w%d" % serial))
            except FileNotFoundError:
                pass

    def start(self, link):
        """A keeper in a new pid namespace's parent role; its child is the zygote. Returns its pid."""
        ours, theirs = socket.socketpair()
        keeper = os.fork()
        if keeper == 0:
            try:
                self.keep(link, theirs)
            finally:
                os._exit(99)
        theirs.close()
        assert ours.recv(1) == b"u"
        for name in ("uid_map", "gid_map"):
            with open("/proc/%d/%s" % (keeper, name), "w") as file:
                file.write("0 %d %d" % (UID_BASE, UID_COUNT))
        for name, bits in self.trees.items():
            with open(self.path(name, "zygote", "cgroup.procs"), "w") as file:
                file.write(str(keeper))
        ours.send(b"m")
        ours.close()
        return keeper

    def keep(self, link, control):
        self.link.close()
        LIBC.prctl(1, signal.SIGKILL, 0, 0, 0)
        check(LIBC.unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC |
                           CLONE_NEWUTS))
        control.send(b"u")
        assert control.recv(1) == b"m"
        os.setgroups([])
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        child = os.fork()
        if child == 0:
            LIBC.prctl(1, signal.SIGKILL, 0, 0, 0)
            high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 100)
                    for fd in [self.log, link.fileno()] + self.dirs]
            os.dup2(high[0], 1)
            os.dup2(high[0], 2)
            for i, fd in enumerate(high[1:]):
                os.dup2(fd, 3 + i)
            os.closerange(2 + len(high), 1000)
            os.execve(self.arguments[0], self.arguments, {"LC_ALL": "C.UTF-8"})
        link.close()
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xff)

    def send(self, kind, body=b"", fds=(), version=VERSION):
        socket.send_fds(self.link, [MESSAGE.pack(kind, version, body)], list(fds))

    def receive(self, wanted):
        """The next message of that type; deaths that come before it are noted."""
        while True:
            data, fds, _, _ = socket.recv_fds(self.link, MESSAGE.size, 4)
            if not data:
                raise EOFError(self.log_text())
            kind, version, body = MESSAGE.unpack(data)
            assert version == VERSION
            if kind == EXITED:
                fields = struct.unpack_from("<QiiQQQQQ", body)
                self.workers[fields[0]].exited = dict(zip(ABOUT, fields[1:]))
            if kind == wanted:
                return body, fds
            assert kind == EXITED, kind

    def ready(self):
        body, _ = self.receive(READY)
        version, abi, data, rss, seed = struct.unpack_from("<IIQQQ", body)
        assert (version, abi) == (VERSION, ABI)
        return {"data": data, "rss": rss, "seed": seed, "python": body[32:96].rstrip(b"\0").decode()}

    def worker(self, leaf=True, uid=None, serial=None, kind=(0, 0)):
        self.serial = serial or self.serial + 1
        if leaf:
            self.make_leaf(self.serial)
        worker = Worker(self, self.serial, uid if uid is not None else 1 + self.serial % 60000, kind)
        self.workers[self.serial] = worker
        return worker

    def run(self, blob, **terms):
        """One job from the fork to the death; the worker, closed but for its results."""
        worker = self.worker()
        error = worker.fork()
        assert error == 0, os.strerror(error)
        worker.hello()
        worker.terms(blob, **terms)
        worker.wait()
        return worker

    def log_text(self):
        return os.pread(self.log, 1 << 20, 0).decode()

    def end(self):
        """Exit code of the zygote (after its link was closed, or a breach)."""
        pidfd = os.pidfd_open(self.keeper)
        done = select.select([pidfd], [], [], 10)[0]
        os.close(pidfd)
        if not done:
            os.kill(self.keeper, signal.SIGKILL)
        _, status = os.waitpid(self.keeper, 0)
        self.keeper = None
        assert done, "the zygote does not end"
        return os.waitstatus_to_exitcode(status)

    def stop(self):
        """Closes the link, waits for the end, removes the groups; returns the zygote's exit code."""
        self.link.close()
        code = self.end() if self.keeper else None
        for name in self.trees:
            for entry in os.scandir(self.path(name)):
                if entry.is_dir():
                    for _ in range(100):
                        try:
                            os.rmdir(entry.path)
                            break
                        except OSError:
                            time.sleep(0.01)
            os.rmdir(self.path(name))
        for fd in self.dirs:
            os.close(fd)
        return code
