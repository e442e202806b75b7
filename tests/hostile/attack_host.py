"""What is looked at on the host after an attack: H1 to H12 of the list of attacks.

A Host remembers how a quiet daemon looked; cheap() and thorough() return what is different, as texts
"escape|leak|lateral: what". Nothing here trusts a byte that a worker wrote.
"""
import glob
import hashlib
import json
import os
import re
import secrets
import subprocess
import time

import harness

MIB = 1 << 20
TENANT_SECONDS = 300  # the most that a job may run
KERNEL_TROUBLE = re.compile(r"\bBUG: |\bOops: |WARNING: CPU|hung task|blocked for more than")
STDLIB = "/usr/lib/python3.11"
SPARES_MAX = 8  # leaves without a worker in each hierarchy: LEAF_SPARES_MAX
LEAF_FILE = re.compile(r"/gen-(\d+/w\d+)/")
# A job's whole view of itself; what differs from worker to worker by right is left out.
SELF = """
import os, sys, signal, resource, socket, time, threading, gc, hashlib, json
d = {}
d["env"] = dict(os.environ)
d["argv"], d["cwd"] = sys.argv, os.getcwd()
d["fds"] = []
for i in range(256):
    try: d["fds"].append((i, os.fstat(i).st_mode, os.fstat(i).st_size, os.get_inheritable(i), os.get_blocking(i)))
    except OSError: pass
d["root"] = sorted((p, sorted(f)) for p, _, f in os.walk("/") if p.count("/") < 4)
d["limits"] = [resource.getrlimit(i) for i in range(16) if i not in (2,)]
d["mask"] = sorted(signal.pthread_sigmask(signal.SIG_BLOCK, []))
d["handlers"] = [str(signal.getsignal(i)) for i in range(1, 65) if i not in (32, 33)]
d["ids"] = [os.getppid(), os.getgroups(), os.getuid() == os.geteuid() == os.getgid() == os.getegid() != 0]
d["clock"] = [time.tzname, time.timezone]
d["threads"], d["uname"] = threading.active_count(), list(os.uname())[:2]
d["modules"] = hashlib.sha256(repr(sorted(sys.modules)).encode()).hexdigest()
d["builtins"] = hashlib.sha256(repr(sorted(vars(__builtins__))).encode()).hexdigest()
d["sys"] = [sys.path, sys.flags, sys.getrecursionlimit(), sys.getswitchinterval(), gc.isenabled(), gc.get_threshold()]
d["locale"] = __import__("locale").setlocale(0)
d["main"] = sorted(k for k in globals() if k not in ("d", "i", "p", "f"))
def err(f, *a):
    try: return str(f(*a))
    except BaseException as e: return type(e).__name__ + str(getattr(e, "errno", ""))
d["errors"] = [err(os.fork), err(os.open, "/tmp/x", 577), err(socket.socket), err(os.kill, 1, 9),
    err(os.execv, "/bin/true", ["x"]), err(open, "/proc/self/status"), err(open, "/etc/passwd"),
    err(os.setuid, 0), err(os.setsid), err(os.listdir, "/tmp"), err(os.nice, -1), err(os.umask, 0),
    err(os.chroot, "/"), err(os.mkdir, "/tmp/x"), err(os.sched_setaffinity, 0, [0])]
print(json.dumps(d, default=str, sort_keys=True))
"""


def tree_hash(top=STDLIB):
    """Of every file that jobs can read, through the page cache."""
    digest = hashlib.sha256()
    for directory, inner, names in os.walk(top):
        inner[:] = sorted(n for n in inner if n not in ("dist-packages", "__pycache__", "test"))
        for name in sorted(names):
            path = os.path.join(directory, name)
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as file:
                    digest.update(path.encode() + hashlib.sha256(file.read()).digest())
    return digest.hexdigest()


def mounts():
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        return sorted(file.read().splitlines())


def kernel_lines():
    done = subprocess.run(["dmesg"], capture_output=True, check=False)
    return [line for line in done.stdout.decode("utf-8", "replace").splitlines()
            if KERNEL_TROUBLE.search(line)]


def leaves(pid, tops=None):
    """Leaves of workers, one list for each hierarchy that has any."""
    found = [glob.glob(f"{top}/gen-*/w[0-9]*") for top in tops or harness.cgroups(pid)]
    return [group for group in found if group]


def occupied(leaf):
    """Processes in it, or a group below it, which nobody but an intruder makes."""
    try:
        with open(f"{leaf}/cgroup.procs", encoding="ascii") as file:
            return bool(file.read(1)) or any(entry.is_dir() for entry in os.scandir(leaf))
    except OSError:  # gone meanwhile
        return False


def counts_time(path):
    """The cpu hierarchy of v1 has a cpu.stat as well, with other figures."""
    with open(path, encoding="ascii") as file:
        return not path.endswith("/cpu.stat") or "usage_usec" in file.read()


def descriptors(pid, groups):
    """How many it has, but for the files of those leaves: they are closed with their leaf."""
    names = {leaf.rpartition("/gen-")[2] for group in groups for leaf in group}
    count = 0
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            match = LEAF_FILE.search(os.readlink(f"/proc/{pid}/fd/{name}"))
        except OSError:  # closed meanwhile
            continue
        count += not match or match[1] not in names
    return count


def processes(base):
    """How many processes have a uid of the daemon's range: its zygote's and its workers'."""
    count = 0
    for name in os.listdir("/proc"):
        if name.isdigit() and base <= (harness.owner(name) or 0) < base + 2 * harness.UID_COUNT:
            try:
                with open(f"/proc/{name}/status", "rb") as file:
                    text = file.read()
            except OSError:
                continue
            uid = int(text[text.index(b"Uid:\t") + 5:].split(None, 1)[0])
            count += base <= uid < base + 2 * harness.UID_COUNT and b"State:\tZ" not in text
    return count


def links(pid):
    found = []
    for name in sorted(os.listdir(f"/proc/{pid}/fd"), key=int):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue
        found.append(re.sub(r"\d+", "N", target))
    return found


def private_dirty(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Private_Dirty")) * 1024


def uids_left(base):
    """Objects that outlive processes: System V IPC and keys of the range of uids."""
    found = []
    for name in ("shm", "sem", "msg"):
        with open(f"/proc/sysvipc/{name}", encoding="ascii") as file:
            for line in file.readlines()[1:]:
                if any(base <= int(word) < base + 2 * harness.UID_COUNT for word in line.split() if word.isdigit()):
                    found.append(f"{name}: {line.strip()}")
    if os.path.exists("/proc/keys"):
        with open("/proc/keys", encoding="utf-8") as file:
            for line in file:
                fields = line.split()
                if len(fields) > 5 and fields[5].isdigit() and base < int(fields[5]) < base + 2 * harness.UID_COUNT:
                    found.append(f"key: {line.strip()}")
    return found


def network_used(pid):
    """H11: packets that any interface of that process's namespace has seen, and sockets that could send some."""
    with open(f"/proc/{pid}/net/dev", encoding="ascii") as file:
        rows = [line.split() for line in file.readlines()[2:]]
    found = [f"interface {row[0]}" for row in rows if row[0] != "lo:" or any(int(word) for word in row[1:])]
    for name in ("tcp", "tcp6", "udp", "udp6", "raw", "packet"):
        path = f"/proc/{pid}/net/{name}"
        if os.path.exists(path):
            with open(path, encoding="ascii") as file:
                found += [f"{name} socket" for _ in file.readlines()[1:]]
    return found


class Canaries:
    """Random strings where no job may find them; planted before the daemon starts."""

    def __init__(self):
        self.words = {place: secrets.token_hex(16) for place in ("environment", "file", "source", "stdin", "output")}
        os.environ["STINT_CANARY"] = self.words["environment"]
        self.path = f"/tmp/stint-canary-{os.getpid()}"
        with open(self.path, "w", encoding="ascii") as file:
            file.write(self.words["file"])
        self.client = None

    def start_tenant(self, daemon):
        """Another tenant's job, at work during all attacks."""
        self.client = daemon.connect()
        source = f"import sys, time\nx = sys.stdin.read()\nprint('{self.words['output']}', flush=True)\n" \
                 f"y = '{self.words['source']}'\ntime.sleep(1000)"
        self.ident = self.client.send("job.run", {"source": source, "stdin": self.words["stdin"], "limits": {
            "wall_ms": TENANT_SECONDS * 1000}})
        self.began = time.monotonic()

    def found_in(self, text):
        return [f"leak: canary of {place}" for place, word in self.words.items() if word in text]

    def stop_tenant(self):
        """What became of that job: it must not have noticed anything."""
        self.client.send("job.cancel", {"id": self.ident})
        result = self.client.wait(self.ident)
        self.client.close()
        if (result["status"], result["stdout"]) != ("cancelled", self.words["output"] + "\n"):
            return [f"lateral: the other tenant's job: {result}"]
        return []

    def end_tenant(self):
        faults = self.stop_tenant() if self.client else []
        os.environ.pop("STINT_CANARY", None)
        os.unlink(self.path)
        return faults


class Host:
    """How a quiet daemon looked, and what is different now."""

    def __init__(self, daemon, canaries):
        self.daemon, self.canaries = daemon, canaries
        self.clients = 0  # connections of the test's own that are open
        daemon.wait_idle()
        self.start_tenant()
        self.stintd, self.zygote = daemon.stintd_pid(), daemon.zygote_pid()
        self.self_text = self.describe()
        harness.until(self.settled, 20, "a quiet daemon")
        self.tops = harness.cgroups(daemon.pid)
        self.fds, self.links = descriptors(self.stintd, leaves(daemon.pid, self.tops)), links(self.zygote)
        self.stintd_rss = self.rss(self.stintd)
        self.dirty = private_dirty(self.zygote)
        self.mounts, self.tree, self.kernel = mounts(), tree_hash(), len(kernel_lines())
        self.left = uids_left(daemon.uid_base)
        self.cpu_files = [path for top in harness.cgroups(daemon.pid)
                          for name in ("cpuacct.usage", "cpu.stat") for path in glob.glob(f"{top}/gen-*/{name}")
                          if counts_time(path)]

    def start_tenant(self):
        self.canaries.start_tenant(self.daemon)
        harness.until(lambda: self.daemon.health()["workers"]["busy"] == 1 and self.settled(), 20, "the other tenant")

    def renew_tenant(self):
        """No job may run as long as all attacks take on a slow machine. What was wrong with the old one."""
        if time.monotonic() - self.canaries.began < TENANT_SECONDS / 3:
            return []
        faults = self.canaries.stop_tenant()
        self.start_tenant()
        return faults

    def settled(self, health=None):
        health = health or self.daemon.health()
        return (health["jobs"]["queued"] + health["workers"]["starting"] == 0 and health["jobs"]["running"] == 1
                and health["workers"]["busy"] == 1 and health["workers"]["ready"] > 0)

    @staticmethod
    def rss(pid):
        return int(harness.process_status(pid)["VmRSS"].split()[0]) * 1024

    def describe(self):
        with self.daemon.connect() as client:
            result = client.run(SELF)
        if result["status"] != "ok":
            return f"no description: {result}"
        return result["stdout"]

    def cpu_ns(self):
        """CPU time of all workers and their zygote so far, by the kernel; None when it cannot be read."""
        values = []
        for path in self.cpu_files:
            with open(path, encoding="ascii") as file:
                words = file.read().split()
            values.append(int(words[words.index("usage_usec") + 1]) * 1000 if "usage_usec" in words else int(words[0]))
        return max(values) if values else None

    def at_rest(self, spares_max=SPARES_MAX):
        """Workers, leaves and descriptors as at the begin; the first difference, or None.

        So many empty leaves may be kept for later workers; stintd removes them after a while.
        """
        health = self.daemon.health()
        if not self.settled(health):
            return "lateral: it does not become idle"
        expected = health["workers"]["ready"] + health["workers"]["busy"]
        found = processes(self.daemon.uid_base) - 1
        if found != expected:
            return f"escape: {found} processes of workers, not {expected}"
        groups = leaves(self.daemon.pid, self.tops)
        if not groups or any(not expected <= len(group) <= expected + spares_max for group in groups):
            return f"escape: control groups {groups}, not {expected} each"
        if any(sum(occupied(leaf) for leaf in group) != expected for group in groups):
            return f"escape: processes in control groups {groups}, not in {expected} of each"
        count = descriptors(self.stintd, groups)
        if count != self.fds + self.clients:
            return f"lateral: {count} descriptors of stintd, not {self.fds + self.clients}"
        return None

    def cheap(self, spares_max=SPARES_MAX):
        """H1, H3, H6, H7 and the next tenant's view (H12)."""
        faults = []
        if not all(harness.process_status(pid) for pid in (self.stintd, self.zygote)):
            return faults + [f"lateral: stintd or its zygote is gone:\n{self.daemon.log()[-3000:]}"]
        try:
            harness.until(lambda: self.at_rest(spares_max) is None, 10, "rest")
        except AssertionError:
            faults.append(self.at_rest(spares_max) or "lateral: slow to come to rest")
        status = harness.process_status(self.zygote)
        if status["Threads"] != "1":
            faults.append("lateral: threads of the zygote")
        try:  # it may just be making a worker
            harness.until(lambda: links(self.zygote) == self.links, 5, "the zygote's descriptors")
        except AssertionError:
            faults.append(f"lateral: descriptors of the zygote {links(self.zygote)}")
        text = self.describe()
        if text != self.self_text:
            faults.append(f"lateral: the next job sees {difference(self.self_text, text)}")
        return faults

    def thorough(self, rss_bytes=16 * MIB):
        """H2, H4, H5, H6, H7, H8, H10, H11 besides."""
        faults = self.cheap(0)
        faults += [f"escape: {fault}" for fault in network_used(self.zygote)]
        if mounts() != self.mounts:
            own = [line for line in mounts() if line not in self.mounts and "stint-" in line]
            faults += [f"escape: mount {line}" for line in own]
        if tree_hash() != self.tree:
            faults.append("escape: the standard library's bytes changed")
        if uids_left(self.daemon.uid_base) != self.left:
            faults.append(f"escape: objects left {uids_left(self.daemon.uid_base)}")
        if self.rss(self.stintd) > self.stintd_rss + rss_bytes and not harness.SANITIZED:  # sanitizers keep what is freed
            faults.append(f"lateral: stintd has grown from {self.stintd_rss} to {self.rss(self.stintd)}")
        if private_dirty(self.zygote) > self.dirty + 4 * MIB:
            faults.append(f"lateral: the zygote's own memory {self.dirty} to {private_dirty(self.zygote)}")
        if len(kernel_lines()) > self.kernel:
            faults.append(f"escape: the kernel says {kernel_lines()[self.kernel:]}")
        log = self.daemon.log()
        faults += [f"{fault} in the log" for fault in self.canaries.found_in(log)]
        if max((len(line) for line in log.splitlines()), default=0) > 2000:
            faults.append("lateral: a long line in the log")
        if harness.BAD_LOG.search(log):
            faults.append(f"lateral: in the log: {harness.BAD_LOG.search(log).group()}")
        return faults


def difference(before, after):
    try:
        old, new = json.loads(before), json.loads(after)
    except ValueError:
        return after[:400]
    return {key: (old.get(key), new.get(key)) for key in {*old, *new} if old.get(key) != new.get(key)}
