"""Start a program as a unit file says, without a service manager: for tests of deploy/systemd.

    unit_launcher.py UNIT LISTEN_FD PROGRAM [ARG...]

Applied are those switches that the program could notice: capabilities, no_new_privs, the system call
filter (as `systemd-analyze syscall-filter` spells it out), a read-only system, hidden processes, homes and
devices, no network, no new address families, umask. An unknown switch that takes rights away ends the test:
then this file has to learn it. LISTEN_FD becomes descriptor 3 with LISTEN_FDS and LISTEN_PID.
"""
import ctypes
import os
import subprocess
import sys

# What has nothing to take away from the program, or works on other processes alone.
NEUTRAL = {
    "Type", "ExecStart", "ExecReload", "NotifyAccess", "TimeoutStartSec", "KillMode", "TimeoutStopSec", "WatchdogSec",
    "Restart", "RestartSec", "RestartPreventExitStatus", "Slice", "Delegate", "OOMPolicy", "TasksMax",
    "LimitNOFILE", "LimitCORE", "IPAddressDeny", "KeyringMode", "PrivateTmp", "DevicePolicy",
    "SystemCallArchitectures", "PrivateMounts", "AmbientCapabilities", "ProtectClock",
    "StateDirectory", "StateDirectoryMode", "LogsDirectory",
}
# Switches whose other value would need an emulation that is not here.
FIXED = {
    "ProtectSystem": "strict", "ProtectHome": "yes", "PrivateDevices": "yes", "ProtectKernelTunables": "yes",
    "ProtectKernelModules": "yes", "ProtectKernelLogs": "yes", "ProtectProc": "invisible",
    "ProcSubset": "all", "ProtectControlGroups": "no", "PrivateNetwork": "yes", "RestrictNamespaces": "no",
    "RestrictAddressFamilies": "AF_UNIX", "PrivateUsers": "no", "ProtectHostname": "no",
    "LockPersonality": "yes", "MemoryDenyWriteExecute": "yes", "RestrictRealtime": "yes",
    "SystemCallErrorNumber": "EPERM", "NoNewPrivileges": "yes", "RestrictSUIDSGID": "yes", "UMask": "0022",
}
CAPABILITIES = """CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE
SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE
AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF
CHECKPOINT_RESTORE""".split()
CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = (
    1, 2, 4, 8, 32, 4096, 16384, 1 << 18)
PR_SET_NO_NEW_PRIVS, PR_CAPBSET_DROP, PR_SET_SECCOMP = 38, 24, 22
SCMP_ACT_ALLOW, SCMP_CMP_NE, SCMP_CMP_MASKED_EQ = 0x7FFF0000, 1, 7
EPERM, EAFNOSUPPORT, AF_UNIX, PROT_WRITE, PROT_EXEC = 1, 97, 1, 2, 4
libc = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")
    return result


def read_unit(path):
    """Settings of [Service]; those that may be given more than once are joined."""
    settings, section = {}, None
    with open(path, encoding="utf-8") as file:
        for line in file:
            line = line.strip()
            if line.startswith("["):
                section = line
            elif section == "[Service]" and line and line[0] not in "#;":
                name, value = line.split("=", 1)
                settings[name] = (settings.get(name, "") + " " + value).strip()
    return settings


def system_calls(words):
    """Names behind a SystemCallFilter=, sets spelt out."""
    names, todo, seen = set(), list(words), set()
    while todo:
        word = todo.pop()
        if not word.startswith("@"):
            names.add(word)
        elif word not in seen:
            seen.add(word)
            text = subprocess.run(["systemd-analyze", "syscall-filter", word], check=True,
                                  capture_output=True, text=True).stdout
            todo += [line.strip() for line in text.splitlines()[1:] if not line.strip().startswith("#")]
    return names


class Compare(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def load(filter_, name, action, *compares):
    seccomp = filter_[0]
    number = seccomp.seccomp_syscall_resolve_name(name.encode())
    if number < 0:
        return  # of another machine
    array = (Compare * max(1, len(compares)))(*compares)
    if seccomp.seccomp_rule_add_array(ctypes.c_void_p(filter_[1]), action, number, len(compares), array) < 0:
        raise OSError(f"no rule for {name}")


def filters(names):
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    seccomp.seccomp_rule_add_array.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint,
                                               ctypes.POINTER(Compare)]
    errno = lambda number: 0x00050000 | number
    listed = (seccomp, seccomp.seccomp_init(errno(EPERM)))
    for name in names:
        load(listed, name, SCMP_ACT_ALLOW)
    rest = (seccomp, seccomp.seccomp_init(SCMP_ACT_ALLOW))
    load(rest, "socket", errno(EAFNOSUPPORT), Compare(0, SCMP_CMP_NE, AF_UNIX))
    both = PROT_WRITE | PROT_EXEC
    load(rest, "mmap", errno(EPERM), Compare(2, SCMP_CMP_MASKED_EQ, both, both))
    load(rest, "mprotect", errno(EPERM), Compare(2, SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC))
    load(rest, "pkey_mprotect", errno(EPERM), Compare(2, SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC))
    return [rest, listed]


def mount(source, target, kind, flags):
    check(libc.mount(source.encode() if source else None, target.encode(), kind.encode() if kind else None,
                     ctypes.c_ulong(flags), None), f"mount {target}")


def read_only(path, flags):
    mount(path, path, None, MS_BIND | MS_REC)
    mount(None, path, None, MS_BIND | MS_REMOUNT | MS_RDONLY | flags)


def mounts():
    """ProtectSystem=strict and its neighbours, about as the manager does it."""
    check(libc.unshare(CLONE_NEWNS | CLONE_NEWNET), "unshare")
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    with open("/proc/self/mounts", encoding="ascii") as file:
        points = [line.split()[1] for line in file]
    for point in points:  # in place: a new mount over / would look like a chroot, which forbids user namespaces
        if not point.startswith(("/proc", "/sys", "/dev", "/etc")):
            mount(None, point, None, MS_BIND | MS_REMOUNT | MS_RDONLY)
    for path in ("/home", "/root"):
        mount("hidden", path, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
    check(libc.mount(b"proc", b"/proc", b"proc", ctypes.c_ulong(MS_NOSUID | MS_NODEV | MS_NOEXEC),
                     b"hidepid=invisible"), "mount /proc")
    for path in ("/proc/sys", "/proc/sysrq-trigger", "/proc/irq"):
        if os.path.exists(path):
            read_only(path, MS_NOSUID | MS_NODEV | MS_NOEXEC)


def main():
    unit, listen_fd, program = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    settings = read_unit(unit)
    unknown = set(settings) - NEUTRAL - set(FIXED) - {"CapabilityBoundingSet", "SystemCallFilter"}
    wrong = {name for name, value in FIXED.items() if settings.get(name) != value}
    if unknown or wrong:
        sys.exit(f"unit_launcher: switches that it does not know: {sorted(unknown | wrong)}")
    ready = filters(system_calls(settings["SystemCallFilter"].split()))
    kept = {name.removeprefix("CAP_") for name in settings["CapabilityBoundingSet"].split()}
    os.dup2(listen_fd, 3, inheritable=True)
    if os.environ.get("UNIT_LAUNCHER_MOUNTS") != "0":
        mounts()
    for number, name in enumerate(CAPABILITIES):
        if name not in kept:
            check(libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0), f"drop {name}")
    os.umask(int(settings["UMask"], 8))
    check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    environment = {name: os.environ[name] for name in ("NOTIFY_SOCKET",) if name in os.environ}
    environment.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()), WATCHDOG_PID=str(os.getpid()))
    for seccomp, context in ready:
        if seccomp.seccomp_load(ctypes.c_void_p(context)) < 0:
            sys.exit("unit_launcher: the filter cannot be loaded")
    os.execve(program[0], program, environment)


if __name__ == "__main__":
    main()
