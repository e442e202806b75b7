"""What the sections of bench/run share: a daemon, the C tools, CPU time by process, memory, tables."""
import contextlib
import json
import os
import subprocess
import sys
import tempfile

TOP = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.append(os.path.join(TOP, "tests", "functional"))
import harness  # noqa: E402

CORES = os.cpu_count()
PYTHON = "/usr/bin/python3"
TICK = os.sysconf("SC_CLK_TCK")
TRIVIAL = "print(6*7)"


def tool(name):
    path = os.path.join(harness.BUILD, "bench", name)
    if not os.access(path, os.X_OK):
        sys.exit(f"{path} is not there: make -C {harness.BUILD}/bench programs")
    return path


@contextlib.contextmanager
def daemon(config=None, **settings):
    """A stint of its own, with the built-in defaults but for `settings`; any user may connect."""
    one = harness.Daemon(config, **{"socket_mode": "0666", **settings})
    try:
        one.wait_idle()
        yield one
        if one.stop() != 0:
            sys.exit("the daemon ended badly:\n" + one.log())
    finally:
        if one.process.poll() is None:
            one.kill()
        one.remove()


def run_tool(command, statuses=(0,)):
    done = subprocess.run(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False)
    if done.returncode not in statuses:
        sys.exit(f"{' '.join(command)[:300]}: status {done.returncode}\n{done.stdout.decode(errors='replace')}")
    return done.stdout


def load(one, *words, seconds=None, warm_up=0, drain=60, calls=None, may_miss=False):
    """bench/load; the tenants' figures by name. calls: kind -> params of a job.run, or (method, params).
    may_miss: jobs that have no answer at the end of the time are no failure."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "figures")
        command = [tool("load"), "--socket", one.socket, "--json", path, "--drain", str(drain), "--warm-up", str(warm_up)]
        command += ["--seconds", str(seconds or 60)]
        for name, params in (calls or {}).items():
            method, params = params if isinstance(params, tuple) else ("job.run", params)
            if params is None:
                command += ["--call", f"{name}={method}"]
                continue
            file = os.path.join(directory, name)
            with open(file, "w", encoding="utf-8") as to:
                json.dump(params, to)
            command += ["--call", f"{name}={method}:{file}"]
        run_tool(command + list(words), (0, 1) if may_miss else (0,))
        with open(path, encoding="utf-8") as file:
            found = {tenant["name"]: tenant for tenant in json.load(file)["tenants"]}
    for tenant in found.values():
        if tenant["unreadable"] + tenant["unexpected"] + tenant["connections_lost"]:
            sys.exit(f"not what it should be: {tenant}")
    return found


def spawn(command, output="42\n", seconds=2, at_once=1, count=1000000, gap_ms=0):
    """gap_ms: from one start to the next, at least."""
    words = [tool("spawn"), "-g", str(gap_ms), "-s", str(seconds), "-p", str(at_once), "-n", str(count)]
    return json.loads(run_tool(words + ["-e", output, "--", *command]))


def floor(mode, source=None, seconds=2, at_once=1, count=1000000):
    words = [tool("floor"), "-s", str(seconds), "-p", str(at_once), "-n", str(count), mode]
    return json.loads(run_tool(words + ([source] if source is not None else [])))


# ---- what stint is compared with ---------------------------------------------------------------------

BWRAP = ["bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/usr", "/usr", "--symlink", "usr/lib", "/lib",
         "--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev"]
FIREJAIL = ["firejail", "--quiet", "--noprofile", "--net=none", "--caps.drop=all", "--seccomp", "--private"]


def rivals(source=TRIVIAL):
    """Name -> command, of those that work here."""
    python = [PYTHON, "-I", "-c", source]
    found = {"python3 -I -c": python}
    for name, words in ("bwrap --unshare-all", BWRAP), ("firejail --net=none", FIREJAIL):
        try:
            done = subprocess.run(words + [PYTHON, "-I", "-c", TRIVIAL], capture_output=True, timeout=20, check=False,
                                  stdin=subprocess.DEVNULL)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.stdout == b"42\n":
            found[name] = words + python
    return found


# ---- CPU time and memory -----------------------------------------------------------------------------

def read(path):
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def read_bytes(path):
    with open(path, "rb") as file:
        return file.read()


def run_us(pid):
    """CPU time of a process's threads, to the nanosecond where the kernel tells."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        words = read(f"/proc/{pid}/task/{thread}/schedstat").split()
        total += int(words[0]) / 1e3 if words else 0
    return total


def user_system_us(pid):
    words = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return [int(word) * 1e6 / TICK for word in words[11:13]]


def group_us(path):
    """CPU time of a control group and all that were below it: (all, user, system)."""
    v1 = [read(os.path.join(path, f"cpuacct.{name}")) for name in ("usage", "usage_user", "usage_sys")]
    if v1[0]:
        return [int(text or 0) / 1e3 for text in v1]
    v2 = dict(line.split() for line in read(os.path.join(path, "cpu.stat")).splitlines())
    return [int(v2.get(name, 0)) for name in ("usage_usec", "user_usec", "system_usec")]


def workers_us(one):
    """CPU time of all workers that this daemon has had, from fork to death: its generations less their zygotes."""
    total = [0, 0, 0]
    tops = harness.cgroups(one.pid)
    # On a hybrid host the unified tree counts the same once more.
    for top in [top for top in tops if os.path.exists(os.path.join(top, "cpuacct.usage"))] or tops:
        for name in os.listdir(top):
            if name.startswith("gen-"):
                path = os.path.join(top, name)
                whole, zygote = group_us(path), group_us(os.path.join(path, "zygote"))
                total = [t + w - z for t, w, z in zip(total, whole, zygote)]
    return total


def kernel_threads_us():
    return sum(sum(user_system_us(pid)) for pid in harness.children(2) if os.path.exists(f"/proc/{pid}/stat"))


def machine_us():
    """Busy time of all cores, and time that the hypervisor took."""
    words = [int(word) * 1e6 / TICK for word in read("/proc/stat").split("\n")[0].split()[1:]]
    return sum(words[:3]) + sum(words[5:7]), words[7] if len(words) > 7 else 0


class Clocks:
    """CPU time since this was made, of all that a daemon consists of."""

    def __init__(self, one):
        self.one = one
        self.pids = {"stintd": one.stintd_pid(), "zygote": one.zygote_pid(), "spawner": one.pid}
        self.before = self.now()

    def now(self):
        found = {name: run_us(pid) for name, pid in self.pids.items()}
        found["workers"], found["workers, user"], found["workers, kernel"] = workers_us(self.one)
        found["kernel threads (whole machine)"] = kernel_threads_us()
        user, system = user_system_us(self.pids["stintd"])
        found["stintd, user"], found["stintd, kernel"] = user, system
        found["machine, busy"], found["machine, stolen"] = machine_us()
        return found

    def since(self):
        now = self.now()
        return {name: now[name] - before for name, before in self.before.items()}


def memory_bytes(pid):
    """rss, pss and private of a process."""
    found = {}
    for line in read(f"/proc/{pid}/smaps_rollup").splitlines()[1:]:
        words = line.split()
        found[words[0].rstrip(":")] = int(words[1]) * 1024
    return {"rss": found.get("Rss", 0), "pss": found.get("Pss", 0),
            "private": found.get("Private_Clean", 0) + found.get("Private_Dirty", 0)}


# ---- tables ------------------------------------------------------------------------------------------

def text_of(value):
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}" if abs(value) < 1 else f"{value:.1f}" \
            if abs(value) >= 100 else f"{value:.2f}"
    return "" if value is None else str(value)


def print_table(table):
    print(f"\n{table['title']}")
    rows = [table["columns"]] + [[text_of(value) for value in row] for row in table["rows"]]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        print("  " + "  ".join(cells).rstrip())
    for note in table.get("notes", []):
        print(f"  {note}")
    sys.stdout.flush()


def table(title, columns, rows, notes=()):
    return {"title": title, "columns": columns, "rows": rows, "notes": list(notes)}


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
