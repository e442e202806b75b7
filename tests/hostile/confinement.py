"""Every layer around a running job, read from outside: what /proc of the host says of its process."""
import os
import re

import harness

SECURE = {"ro", "nosuid", "nodev", "noexec"}
NAMESPACES = ("user", "pid", "mnt", "net", "ipc", "uts")
SLEEP = "import time\nprint('here', flush=True)\ntime.sleep(60)"


def limits(pid):
    with open(f"/proc/{pid}/limits", encoding="ascii") as file:
        rows = [re.split(r"\s{2,}", line.strip()) for line in file.readlines()[1:]]
    return {row[0]: (row[1], row[2]) for row in rows}


def of_ids(pid, daemon):
    status, faults = harness.process_status(pid), []
    uids, gids = set(status["Uid"].split()), set(status["Gid"].split())
    if len(uids) != 1 or uids != gids:
        faults.append(f"ids: {uids} {gids}")
    if {int(u) for u in uids} & {daemon.uid_base, daemon.uid_base + harness.UID_COUNT} or min(map(int, uids)) < daemon.uid_base:
        faults.append(f"own uid: {uids}")
    if status["Groups"].strip():
        faults.append(f"groups: {status['Groups']}")
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        if int(status[name], 16):
            faults.append(f"{name}: {status[name]}")
    for name, value in (("NoNewPrivs", "1"), ("Seccomp", "2"), ("Seccomp_filters", "2"), ("Threads", "1")):
        if status[name].strip() != value:
            faults.append(f"{name}: {status[name]}, not {value}")
    if str(os.stat(f"/proc/{pid}/environ").st_uid) in uids - {str(daemon.uid_base)}:
        faults.append("dumpable")  # else it belongs to the namespace's root
    return faults


def of_limits(pid):
    found, faults = limits(pid), []
    for name, value in (("Max core file size", "0"), ("Max open files", "32"), ("Max processes", "1"), ("Max locked memory", "0"),
                        ("Max msgqueue size", "0"), ("Max realtime priority", "0")):
        if found[name] != (value, value):
            faults.append(f"{name}: {found[name]}")
    for name in ("Max file size", "Max data size", "Max cpu time", "Max stack size"):
        if "unlimited" in found[name] or found[name][0] != found[name][1]:
            faults.append(f"{name}: {found[name]}")
    return faults


def of_mounts(pid):
    faults = []
    with open(f"/proc/{pid}/mountinfo", encoding="utf-8") as file:
        for line in file:
            fields = line.split()
            if SECURE - set(fields[5].split(",")) or " - proc " in line or " - sysfs " in line or " - devtmpfs " in line:
                faults.append(f"mount {fields[4]}: {fields[5]}")
    return faults[:3]


def of_world(pid, daemon):
    faults = [f"{name} namespace of the host" for name in NAMESPACES
              if os.readlink(f"/proc/{pid}/ns/{name}") == os.readlink(f"/proc/self/ns/{name}")]
    with open(f"/proc/{pid}/cgroup", encoding="utf-8") as file:
        for line in file:
            _, _, path = line.rstrip("\n").split(":", 2)
            if f"stint-{daemon.pid}" in path and not re.search(r"/w\d+$", path):
                faults.append(f"no leaf: {line.strip()}")
    names = sorted(os.listdir(f"/proc/{pid}/fd"))
    if names != ["0", "1", "2"]:
        faults.append(f"descriptors {names}")
    with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
        faults += [f"mapping {line.strip()}" for line in file if "wx" in line.split()[1]][:2]
    return faults


def faults_of(daemon):
    """Start a job and look at its process; what is missing, as texts."""
    with daemon.connect() as client:
        zygote = daemon.zygote_pid()
        client.send("job.run", {"source": SLEEP, "stream": True})
        while not client.output():
            message = client.line()
            if "method" not in message:
                return [f"no job runs: {message}"]
            client.notifications.append(message)
        workers = [pid for pid in harness.worker_pids(daemon.uid_base) if pid != zygote]
        # A job has its own limit of file size, a ready worker none; where nobody has one the oldest runs.
        running = [pid for pid in workers if limits(pid)["Max file size"][0] != "unlimited"]
        pid = (running or workers)[0]
        faults = of_ids(pid, daemon) + of_limits(pid) + of_mounts(pid) + of_world(pid, daemon)
    return faults
