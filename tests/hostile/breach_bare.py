"""What is left of a worker when both filters are off: flags and rules of the kernel, each by what it says or does.

(id, status, program, params, check), as in breach_kernel.py. In production the filters refuse these calls, so
only here it shows whether the layer behind them is on.
"""
import ctypes

from breach_sources import HEAD

PRCTL, CAPGET, SOCKET, BIND, MMAP, MPROTECT = 157, 125, 41, 49, 9, 10
# NOROOT, NO_SETUID_FIXUP and KEEP_CAPS off, NO_CAP_AMBIENT_RAISE: values and locks of linux/securebits.h.
SECUREBITS = 1 | 2 | 8 | 32 | 64 | 128
SIGKILL, EACCES = 9, 13


def bare(ident, source, expected):
    return (ident, "ok", HEAD + source, {}, lambda result: result["stdout"] == expected)


def kernel_has():
    """Ids of the cases of what only newer kernels have: MDWE is of Linux 6.3, Landlock's network rules of 6.7."""
    libc = ctypes.CDLL(None)
    landlock = libc.syscall(444, None, ctypes.c_size_t(0), 1)  # landlock_create_ruleset: the version of its interface
    mdwe = libc.prctl(66, 0, 0, 0, 0)  # PR_GET_MDWE
    return {name for name, there in (("B04", mdwe >= 0), ("B05", landlock >= 4)) if there}


CASES = [
    bare("B01 parent-death signal", f"b = bytearray(4)\ncall({PRCTL}, 2, b)\nprint(b[0])", f"{SIGKILL}\n"),
    bare("B02 dumpable", f"print(call({PRCTL}, 3))", "(0, 0)\n"),
    bare("B03 securebits", f"print(call({PRCTL}, 27))", f"({SECUREBITS}, 0)\n"),
    bare("B04 new code", f"m = call({MMAP}, 0, 4096, 3, 0x22, -1, 0)[0]\n"
         f"print(errno({MMAP}, 0, 4096, 7, 0x22, -1, 0), errno({MPROTECT}, m, 4096, 5))", f"{EACCES} {EACCES}\n"),
    bare("B05 network by Landlock", f"s = call({SOCKET}, 2, 1, 0)[0]\n"
         f"print(s > 2, errno({BIND}, s, b'\\2\\0\\x20\\0' + bytes(12), 16))", f"True {EACCES}\n"),
    bare("B06 capabilities", f"d = bytearray(24)\nprint(call({CAPGET}, struct.pack('Ii', 0x20080522, 0), d), d == bytes(24))",
         "(0, 0) True\n"),
    bare("B07 capabilities that could come back", f"print({{call({PRCTL}, 23, n)[0] for n in range(41)}})", "{0}\n"),
    bare("B08 ids", f"print({{errno(n, 0) for n in (105, 106)}}, errno(116, 0, 0), errno(117, 0, 0, 0))", "{1} 1 1\n"),
]
LACKING = {"B04", "B05"} - kernel_has()
CASES = [case for case in CASES if case[0].split()[0] not in LACKING]
