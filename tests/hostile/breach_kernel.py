"""Attacks on the kernel's surface by a tenant with native code: (id, status, program, params, check).

errno(nr, ...) of a call that comes back is printed; a call of the kill list ends the job by SIGSYS.
"""
import os
import re

from breach_sources import HEAD

VIOLATION = "security_violation"
UNISTD = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"
EPERM, ENOSYS, EINVAL, ECHILD, ENOTTY, EROFS, EAFNOSUPPORT = 1, 38, 22, 10, 25, 30, 97


def numbers():
    with open(UNISTD, encoding="ascii") as file:
        return {name: int(number) for name, number in re.findall(r"#define __NR_(\w+) (\d+)", file.read())}


NR = numbers()


def fatal_names():
    """The kill list as the rules have it: the wide filter's, and what the narrow one takes from a job."""
    found = []
    for name, pattern in (("seccomp_rules.def", r"^FATAL\((\w+)\)"), ("seccomp_narrow_rows.def", r"^TAKE\((\w+), TO_KILL\)")):
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "worker", name)
        with open(path, encoding="utf-8") as file:
            found += [word for word in re.findall(pattern, file.read(), re.M) if word in NR]
    return found


def killed(ident, *calls):
    """Each is a job's only call."""
    return [(f"{ident} {name}", VIOLATION, f"{HEAD}call({NR[name]}, {', '.join(map(str, args)) or 0})\nprint('back')", {},
             lambda result: result["stdout"] == "" and result["signal"] == 31) for name, *args in calls]


def refused(ident, expected, *calls):
    """All of them in one job; every one must have failed with that errno (or one of those)."""
    expected = expected if isinstance(expected, tuple) else (expected,)
    lines = [f"print({name!r}, errno({NR[name]}, {', '.join(map(str, args)) or 0}))" for name, *args in calls]

    def check(result):
        pairs = [line.split() for line in result["stdout"].splitlines()]
        return len(pairs) == len(calls) and all(int(number) in expected for _, number in pairs)

    return (ident, "ok", HEAD + "\n".join(lines), {}, check)


def text(ident, status, source, expected=None, params=None):
    check = (lambda result: result["stdout"] == expected) if expected is not None else None
    return (ident, status, HEAD + source, params or {}, check)


CASES = [
    refused("P04 execveat", EPERM, ("execve", "b'/bin/sh\\0'", 0, 0), ("execveat", 1, "b'\\0'", 0, 0, 0x1000)),
    text("P08 clone flags", "ok",
         "print({errno(56, 0x3D0F00 ^ (1 << b), 0, 0, 0, 0) for b in range(64)}, errno(56, 17), errno(56, 0x3D0F00))",
         "{1} 1 1\n"),
    text("P08b clone flags with threads", "ok",
         "print({errno(56, 0x3D0F00 ^ (1 << b), 0, 0, 0, 0) for b in range(64)})", "{1}\n", {"limits": {"threads": 4}}),
    refused("P10 clone3", ENOSYS, ("clone3", "bytearray(88)", 88)),
    refused("P16 prctl", EPERM, *[("prctl", n, 1, 0, 0, 0) for n in (*range(0, 81), 0x4d4d4d4d, 0x59616d61)]),
    refused("P20 fork", EPERM, ("fork",), ("vfork",)),
    refused("F08 directories", (1, 2, 9, 20, 22, 30, 38), *[("openat", fd, "b'etc/passwd\\0'", 0) for fd in range(12)],
            *[("openat", fd, "b'\\0'", 0x1000) for fd in range(12)], *[("fchdir", fd) for fd in range(12)]),
    refused("F10 chroot", (EPERM, EROFS), ("mkdir", "b'x\\0'", 0o777), ("chroot", "b'/tmp\\0'"), ("chdir", "b'..\\0'")),
    refused("F16 page cache by splice", EPERM, ("splice", 0, 0, 1, 0, 4096, 0), ("tee", 0, 1, 4096, 0)),
    refused("F16c sendfile", ENOSYS, ("sendfile", 1, 0, 0, 4096), ("copy_file_range", 0, 0, 1, 0, 4096, 0)),
    refused("F17 AF_ALG", EAFNOSUPPORT, *[("socket", family, kind, 0) for family in range(46) for kind in (1, 2, 3)]),
    text("F19 shared writable mapping", "ok",
         "f = os.open('/usr/lib/python3.11/os.py', 0)\nprint(errno(9, 0, 4096, 3, 1, f, 0), errno(10, code & ~4095, 4096, 7))",
         "13 1\n"),
    text("F21 write modes", "ok",
         "print({errno(257, -100, b'/tmp/x\\0', f, 0o777) for f in (1, 2, 64, 0x41, 0x202, 0x401, 0x410000, 0x200000, 0x1000000)}"
         " | {errno(2, b'/tmp/x\\0', 0x41, 0o777), errno(85, b'/tmp/x\\0', 0o777), errno(437, -100, b'/tmp/x\\0', bytes(24), 24)})"),
    refused("N10 messages", EPERM, ("sendmsg", 0, "bytes(56)", 0), ("recvmsg", 0, "bytearray(56)", 0)),
    refused("N10b many messages", ENOSYS, ("sendmmsg", 0, 0, 0, 0), ("recvmmsg", 0, 0, 0, 0, 0)),
    refused("N11 sendto", (EPERM, ENOSYS), ("sendto", 1, "b'x'", 1, 1, 0, 0), ("sendto", 1, "b'x'", 1, 0x4000000, 0, 0)),
    text("N11b sendto where allowed", "ok",
         "import socket\na, b = socket.socketpair()\nprint({errno(44, a.fileno(), b'x', 1, f, 0, 0) for f in (1, 0x4000000,"
         " 0x20000000, 8, 0x800)}, errno(44, a.fileno(), b'x', 1, 0, bytes(16), 16))", "{1} 1\n"),
    refused("N16 sockets", ENOSYS, *[(name, fd, "bytes(16)", 16) for name in ("connect", "bind", "listen", "accept", "accept4")
                                     for fd in range(4)]),
    refused("N17 io_uring", ENOSYS, ("io_uring_setup", 8, "bytearray(120)")),
    refused("I01 System V", ENOSYS, ("shmget", 1, 4096, 0o1777), ("semget", 1, 1, 0o1777), ("msgget", 1, 0o1777), ("shmat", 0, 0, 0),
            ("shmctl", 0, 0, 0), ("msgsnd", 0, 0, 0, 0), ("semop", 0, 0, 0)),
    refused("I02 message queues", ENOSYS, ("mq_open", "b'x\\0'", 0x42, 0o777, 0), ("mq_unlink", "b'x\\0'")),
    refused("I11 locks", EPERM, *[("fcntl", 1, command, "bytearray(32)") for command in (5, 6, 7, 36, 37, 38, 8, 10, 1024, 1025,
                                                                                     1026, 1031, 1033, 1034, 1036, 1040)]),
    refused("I13 watches", ENOSYS, ("inotify_init",), ("inotify_init1", 0), ("inotify_add_watch", 1, "b'/\\0'", 4095)),
    text("I14 shared futex", "ok",
         "print({errno(202, code & ~4095, op, 0, struct.pack('2q', 0, 1), 0, 0xffffffff) for op in (0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11,"
         " 12, 13, 256, 265, 131, 132, 133, 134, 139, 140)})", "{38}\n"),
    text("I16 merging", "ok",
         "print({errno(28, heap & ~4095, 4096, a) for a in (3, 9, 10, 11, 12, 14, 15, 17, 18, 19, 20, 21, 22, 23, 24, 25, 100, 101)})",
         "{22}\n"),
    refused("I18 futexes of later kernels", ENOSYS, ("futex_waitv", 0, 0, 0, 0, 0)),
    text("S08 every process", "ok",
         "me = call(39)[0]\nseen = set()\nfor p in (*range(-300, 400), 1 << 31, (1 << 32) - 1, 1 << 32):\n"
         " if p % (1 << 32) != me:\n  for s in (0, 9, 19, 31):\n   seen |= {errno(62, p, s), errno(234, p, p, s), errno(200, p, s)}\n"
         "seen |= {errno(129, 1, 9, bytes(128)), errno(297, 1, 1, 9, bytes(128))}\nprint(seen)", "{1}\n"),
    text("S10 handler of SIGSYS", VIOLATION,
         "import signal\nsignal.signal(31, lambda *a: print('caught'))\ncall(101, 0)\nprint('back')", ""),
    text("S11 forged frame", "runtime_error", "_rawsys.sigreturn(os.urandom(2048))", ""),
    text("S11b frame to a fork", "runtime_error", "_rawsys.sigreturn(bytes(8) * 21 + struct.pack('<Q', code) * 40)", ""),
    text("K04 x32", VIOLATION, "call(0x40000000 + 39)\nprint('back')", ""),
    text("K04b x32 of an allowed call", VIOLATION, "call(0x40000000)\nprint('back')", ""),
    text("K04c negative number", "ok/security_violation", "print(errno(-1), errno(0x7fffffff))"),
    # A processor or a hypervisor without that entry answers by SIGSEGV.
    text("K05 32-bit entry", VIOLATION + "/runtime_error", "_rawsys.int80(1)\nprint('back')", ""),
    text("K07 mremap", "ok",
         "print({errno(25, heap & ~4095, 4096, 4096, f, code & ~4095) for f in (2, 3, 4, 5, 7, 1 << 32)})", "{22}\n"),
    text("K09 no page to execute", "ok",
         "print({errno(9, 0, 4096, p, f, -1, 0) for p in (4, 5, 6, 7, 1 << 24, 1 << 32) for f in (0x22, 0x21)} |"
         " {errno(10, page, 4096, p) for p in (4, 5, 6, 7, 0x1000003, 0x2000003)} | {errno(329, page, 4096, 7, 0)})"),
    text("K09b mapping flags", "ok",
         "print({errno(9, 0, 4096, 3, 0x22 | f, -1, 0) for f in (0x40, 0x100, 0x2000, 0x8000, 0x40000, 0x80000, 1 << 32)})", "{1}\n"),
    refused("K13 by descriptor", ENOSYS, ("pidfd_open", 1, 0), ("pidfd_send_signal", 0, 9, 0, 0)),
    text("K16 robust list", "ok/runtime_error",
         "b = bytearray(48)\na = id(b)\nm = call(9, 0, 65536, 3, 0x22, -1, 0)[0]\nfor i in range(2048):\n"
         " poke(m + 24 * i, struct.pack('3Q', m + 24 * ((i + 1) % 2048), 0, 0))\nprint(errno(273, m, 24), flush=True)\nleave()", "0\n"),
    text("K17 pipe2", "ok", "print({errno(293, bytearray(8), 1 << b) for b in range(32) if 1 << b not in (0x800, 0x80000)})", "{22}\n"),
    text("K19 counters", "runtime_error", "_rawsys.rdpmc()", ""),
    text("K22 core size", "runtime_error",
         "print(errno(160, 4, struct.pack('2Q', -1 % 2**64, -1 % 2**64)), errno(302, 0, 4, struct.pack('2Q', 1 << 40, 1 << 40), 0),"
         " flush=True)\nos.abort()"),
    text("K25 rseq", "runtime_error/ok", "m = call(9, 0, 4096, 3, 0x22, -1, 0)[0]\nprint(errno(334, m, 32, 0, 0x53053053))\n"
         "poke(m + 8, struct.pack('Q', 0xdead))\nfor i in range(10**6): pass"),
    refused("K27 memory of another kind", ENOSYS, ("memfd_create", "b'x\\0'", 0), ("memfd_secret", 0), ("mincore", "heap & ~4095", 4096, 0),
            ("pkey_alloc", 0, 0), ("membarrier", 0, 0, 0)),
    refused("K28 timers and signals by descriptor", ENOSYS, ("timerfd_create", 0, 0), ("signalfd4", -1, 0, 8, 0), ("timer_create", 2, 0, 0)),
    refused("K29 scheduling", EPERM, ("sched_setscheduler", 0, 1, "bytes(4)"), ("sched_setaffinity", 0, 8, "bytes(8)"),
            ("setpriority", 0, 0, -20), ("sched_setattr", 0, "bytes(48)", 0)),
    refused("K30 ids", EPERM, ("setuid", 0), ("setgid", 0), ("setresuid", 0, 0, 0), ("setgroups", 0, 0), ("capset", "bytes(8)", "bytes(24)"),
            ("setfsuid", 0), ("setreuid", 0, 0)),
    text("K31 clocks of others", "ok", "print({errno(228, c, bytearray(16)) for c in (-2, -6, -10, 8, 9, 10, 12, -1 - (1 << 3))})", "{22}\n"),
    text("K32 affinity of others", "ok", "print({errno(204, p, 8, bytearray(8)) for p in (1, 2, 300)})", "{1}\n"),
    text("E01 raw sleep over the tick", "cpu_limit",
         "import time\nt = struct.pack('2q', 0, 400000)\nwhile 1:\n n = time.perf_counter() + .0035\n"
         " while time.perf_counter() < n: pass\n call(35, t, 0)", None, {"limits": {"cpu_ms": 300, "wall_ms": 30000}}),
    text("Y08 counter of opcodes refilled", "cpu_limit/opcode_limit", "put('granted', 1 << 62, 8); put('left', 1 << 62, 8)\nwhile 1: pass",
         None, {"limits": {"cpu_ms": 300, "opcodes": 100000}}),
    text("Y08b counter negative", "opcode_limit/runtime_error/ok/cpu_limit", "put('left', -(1 << 63), 8)\nfor i in range(100): pass", None,
         {"limits": {"cpu_ms": 300, "opcodes": 100000}}),
    text("Y13 a lie about the end", "cpu_limit", "put('phase', 4, 4); put('reason', 0, 4)\nwhile 1: pass", None, {"limits": {"cpu_ms": 200}}),
    text("Y33 set-up failure faked", "runtime_error", "put('phase', 0, 4); put('setup_step', 3, 4); put('setup_errno', 12, 4)\nleave(126)", ""),
    text("Y34 stop flag set by itself", "ok/runtime_error/opcode_limit/output_limit", "put('stop', 1, 4)\nfor i in range(1000): pass"),
    text("M31 all of the page file", "ok/memory_limit", "for o in range(L['result'], L['file_bytes'], 4096): poke(page + o, b'x')\nleave()", None,
         {"limits": {"memory_bytes": 32 << 20}}),
    *killed("P14", ("ptrace", 0)),
    *killed("P14b", ("ptrace", 16, 1)),
    *killed("K10", ("io_uring_enter", 0), ("io_uring_register", 0)),
    *killed("K33", *[(name,) for name in ("process_vm_readv", "process_vm_writev", "unshare", "setns", "mount", "umount2", "pivot_root",
                                          "bpf", "perf_event_open", "userfaultfd", "keyctl", "add_key", "request_key", "personality",
                                          "kexec_load", "init_module", "open_by_handle_at", "vmsplice", "move_pages", "seccomp")]),
]
