"""Attacks by a tenant in pure Python.

Each case is a program (or a request) with the status that it must end with; the groups are those of the
list of attacks. After each the host is looked at (attack_host.py).
"""
import base64
import importlib.util
import marshal
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from attack_case import AttackCase, attacks, died_by, error_is, harness, printed
from attack_host import leaves

MIB = 1 << 20
CPU = {"cpu_ms": 300}
THREADS = {"threads": 4, "cpu_ms": 500}
LARGE = {"stdout_bytes": 64 * MIB, "stderr_bytes": 64 * MIB, "memory_bytes": 512 * MIB, "cpu_ms": 20000,
         "wall_ms": 60000}


@attacks(
    ("C01 loop", "cpu_limit", "while 1: pass", {"limits": CPU}),
    ("C02 one opcode", "cpu_limit", "9**9**9", {"limits": CPU}),
    ("C04 regular expression", "cpu_limit", "import re\nre.match(r'(a+)+$', 'a'*40+'b')", {"limits": CPU}),
    ("C07 SIGXCPU ignored", "cpu_limit",
     "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile 1: pass", {"limits": CPU}),
    ("C08 all signals blocked", "cpu_limit",
     "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\nwhile 1: pass",
     {"limits": CPU}),
    ("C10 the GIL kept by a thread", "cpu_limit",
     "import sys, threading\nsys.setswitchinterval(1e9)\n"
     "threading.Thread(target=lambda: sum(iter(int, 1))).start()", {"limits": THREADS}),
    ("C13 loop at exit", "cpu_limit", "import atexit\nx = 1\n@atexit.register\ndef f():\n while 1: pass",
     {"limits": CPU, "outputs": ["x"]}),
    ("C14 loop in a finaliser", "cpu_limit", "class A:\n def __del__(s):\n  while 1: pass\na = A()",
     {"limits": CPU}),
    ("C17 digits", "cpu_limit", "import sys\nsys.set_int_max_str_digits(0)\nint('9'*10**7)", {"limits": CPU}),
    ("C19 system calls", "cpu_limit", "import os\nwhile 1: os.getppid()", {"limits": CPU}),
    ("C22 yields", "cpu_limit", "import os\nwhile 1: os.sched_yield()", {"limits": CPU}),
    ("C30 __str__ of the exception", "cpu_limit",
     "class E(Exception):\n def __str__(s):\n  while 1: pass\nraise E", {"limits": CPU}),
    ("C31 excepthook", "cpu_limit", "import sys\ndef h(*a):\n while 1: pass\nsys.excepthook = h\n1/0",
     {"limits": CPU}),
    ("C32 unraisablehook", "cpu_limit",
     "import sys\ndef h(a):\n while 1: pass\nsys.unraisablehook = h\nclass A:\n def __del__(s): 1/0\nA()",
     {"limits": CPU}),
    ("E01 sleep over the tick", "cpu_limit",
     "import time\nwhile 1:\n t = time.perf_counter()\n while time.perf_counter() - t < .0035: pass\n"
     " time.sleep(.0004)", {"limits": {"cpu_ms": 300, "wall_ms": 30000}}),
    ("E04 slices of threads", "cpu_limit",
     "import threading\ndef f():\n while 1: pass\nfor i in range(3): threading.Thread(target=f).start()",
     {"limits": THREADS}),
)
class Cpu(AttackCase):
    def test_C33_digits_of_an_input(self):
        ident = 7
        self.client.send_raw(b'{"jsonrpc":"2.0","id":7,"method":"job.run","params":{"source":"1",'
                             b'"limits":{"cpu_ms":300},"inputs":{"x":' + b"9" * 2000000 + b"}}}\n")
        self.assertEqual(self.client.wait(ident)["status"], "cpu_limit")


WALL = {"limits": {"wall_ms": 400}}


@attacks(
    ("W01 sleep", "wall_limit", "import time\ntime.sleep(1e6)", WALL),
    ("W02 lock", "wall_limit", "import threading\nl = threading.Lock()\nl.acquire()\nl.acquire()", WALL),
    ("W04 SIGSTOP", "wall_limit", "import os\nprint('x')\nos.kill(os.getpid(), 19)", WALL, printed("x\n")),
    ("W06 sigwait", "runtime_error", "import signal\nsignal.sigwait([10])", WALL, error_is("OSError")),
    ("W07 pause", "wall_limit", "import signal\nsignal.pause()", WALL),
    ("W05 read of an own pipe", "wall_limit", "import os\nr, w = os.pipe()\nos.read(r, 1)", WALL),
    ("W08 all descriptors closed", "wall_limit",
     "import os, time\nprint('x', flush=True)\nfor i in range(64):\n try: os.close(i)\n"
     " except OSError: pass\ntime.sleep(1e6)", WALL, printed("x\n")),
    ("W12 a thread that does not end", "wall_limit",
     "import threading\nl = threading.Lock()\nl.acquire()\nthreading.Thread(target=l.acquire).start()",
     {"limits": {"wall_ms": 400, "threads": 2}}),
)
class Wall(AttackCase):
    def test_W10_shortest_limits(self):
        """Killed before they have read their program, as a rule: no error of ours, nothing in the log."""
        for limit in ("wall_ms", "cpu_ms"):
            idents = [self.client.send("job.run", {"source": "pass\n" * 9000, "limits": {limit: 1}})
                      for _ in range(60)]
            statuses = {self.client.wait(ident)["status"] for ident in idents}
            self.assertLessEqual(statuses, {"ok", "wall_limit", "cpu_limit"})
        self.assertNotIn(" error ", self.daemon.log())


SMALL = {"limits": {"memory_bytes": 32 * MIB, "cpu_ms": 10000, "wall_ms": 60000}}


@attacks(
    ("M01 one large block", "memory_limit", "bytearray(2**33)"),
    ("M02 many blocks", "memory_limit", "l = []\nwhile 1: l.append(bytearray(1 << 20))", SMALL),
    ("M05 shared mappings", "memory_limit",
     "import mmap\nl = []\nwhile 1:\n l.append(mmap.mmap(-1, 1 << 20))\n l[-1][:] = b'x' * (1 << 20)", SMALL,
     lambda result: result["usage"]["memory_peak_bytes"] <= (32 + 16 + 4) * MIB),
    ("M16 repr of a deep list", "recursion_limit", "l = []\nfor i in range(10**5): l = [l]\nrepr(l)"),
    ("M17 deep pickle", "recursion_limit",
     "import pickle\nl = []\nfor i in range(10**5): l = [l]\npickle.dumps(l)", {"limits": {"call_depth": 10000}}),
    ("M18 no recursion limit", "recursion_limit",
     "import sys\nsys.setrecursionlimit(10**9)\ndef f(): f()\nf()", {"limits": {"call_depth": 10000}}),
    ("M21 deep tuple freed", "ok", "t = ()\nfor i in range(10**5): t = (t,)\ndel t"),
    ("M24 stacks of threads", "runtime_error",
     "import threading\nthreading.stack_size(1 << 30)\nthreading.Thread(target=print).start()",
     {"limits": THREADS}, error_is("RuntimeError")),
    ("M10 full pipes", "ok",
     "import os\nps = []\ntry:\n while 1: ps.append(os.pipe())\nexcept OSError: pass\nfor r, w in ps:\n"
     " os.set_blocking(w, False)\n try:\n  while 1: os.write(w, bytes(65536))\n except BlockingIOError: pass",
     {"limits": {"open_files": 256}}),
    ("M28 large value", "output_limit", "x = 'a' * 2000000", {"outputs": ["x"]}, error_is("ValueTooLarge")),
    ("M29 deep value", "runtime_error", "x = []\nfor i in range(10**5): x = [x]", {"outputs": ["x"]},
     error_is("UnsupportedValue")),
    ("M30 value with itself in it", "runtime_error", "x = []\nx.append(x)", {"outputs": ["x"]},
     error_is("UnsupportedValue")),
)
class Memory(AttackCase):
    def test_limits_are_those_of_the_running_job(self):
        limits = {"memory_bytes": 40 * MIB, "stdout_bytes": 1000, "stderr_bytes": 2000, "value_bytes": 3000,
                  "threads": 3, "wall_ms": 60000}
        with self.daemon.connect() as client:
            client.send("job.run", {"source": "import time; time.sleep(60)", "limits": limits})
            harness.until(lambda: self.daemon.health()["jobs"]["running"] == 2, 10, "the job's worker")
            expected = 40 * MIB + 1000 + 2000 + 2 * 3000 + 16 * MIB + 2 * (4 * MIB)
            expected = (expected + 4095) // 4096 * 4096
            found = {"memory": [], "pids": [], "tasks": []}
            for leaf in sum(leaves(self.daemon.pid), []):
                for key, names in (("memory", ("memory.limit_in_bytes", "memory.max")),
                                   ("pids", ("pids.max",))):
                    for path in (os.path.join(leaf, name) for name in names):
                        if os.path.exists(path):
                            with open(path, encoding="ascii") as file:
                                found[key].append(file.read().strip())
            self.assertEqual(found["memory"].count(str(expected)), 1, found)
            self.assertEqual(found["pids"].count("3"), 1, found)
        harness.until(self.host.settled, 10, "its end")


PERMISSION = error_is("PermissionError")


@attacks(
    ("P01 fork", "runtime_error", "import os\nos.fork()", {}, PERMISSION),
    ("P02 subprocess", "runtime_error", "import subprocess\nsubprocess.run(['true'])", {}, PERMISSION),
    ("P04 exec", "runtime_error", "import os\nos.execv('/usr/bin/python3', ['python3'])", {}, PERMISSION),
    ("P07 daemon thread at the end", "ok",
     "import threading\ndef f():\n while 1: pass\nthreading.Thread(target=f, daemon=True).start()",
     {"limits": THREADS}),
    ("P11 session", "runtime_error", "import os\nos.setsid()", {}, PERMISSION),
    ("P13 wait", "runtime_error", "import os\nos.waitpid(-1, 0)", {}, error_is("ChildProcessError")),
    ("P19 exit with half a result", "runtime_error",
     "import threading, os\nx = 'a'\nthreading.Thread(target=os._exit, args=(0,)).start()\nwhile 1: pass",
     {"limits": THREADS, "outputs": ["x"]}, error_is("ResultMissing")),
    ("P21 exit before the value", "runtime_error", "__import__('os')._exit(0)", {"mode": "eval"},
     error_is("ResultMissing")),
    ("P22 exit code of a failed set-up", "runtime_error", "import os\nos._exit(126)"),
    ("P23 the same, program by descriptor", "runtime_error", "import os\nos._exit(126)\n" + "#" * 100000),
    ("P24 too many threads", "ok",
     "import threading, time\nn = 0\ntry:\n for i in range(50):\n"
     "  threading.Thread(target=time.sleep, args=(1,), daemon=True).start(); n += 1\n"
     "except RuntimeError: print(n)", {"limits": THREADS}, printed("3\n")),
)
class Processes(AttackCase):
    pass


@attacks(
    ("F02 write", "runtime_error", "open('/tmp/x', 'w')", {}, error_is("OSError")),
    ("F05 proc", "runtime_error", "open('/proc/self/mem')", {}, error_is("FileNotFoundError")),
    ("F07 descriptors", "ok",
     "import os\nfor i in range(1024):\n try: os.fstat(i); print(i)\n except OSError: pass", {},
     printed("0\n1\n2\n")),
    ("F20 nothing writable", "ok",
     "import os\nfor d, ds, fs in os.walk('/'):\n for f in fs:\n"
     "  if os.access(os.path.join(d, f), os.W_OK): print(d, f)", {}, printed("")),
    ("F30 descriptor 1 is another file", "runtime_error",
     "import os\nprint('a')\nos.close(1)\nos.open('/usr/lib/python3.11/os.py', 0)\nprint('b')", {},
     printed("")),
    ("F31 1 and 2 swapped", "ok",
     "import os, sys\nd = os.dup(1)\nos.dup2(2, 1)\nos.dup2(d, 2)\nprint('out')\nsys.stderr.write('err')", {},
     lambda result: (result["stdout"], result["stderr"]) == ("err", "out\n")),
    ("F32 closed and brought back", "ok",
     "import os\nprint('a', flush=True)\nd = os.dup(1)\nos.close(1)\nos.dup2(d, 1)\nprint('b')", {},
     printed("a\nb\n")),
    ("F33 overwritten", "ok",
     "import os, fcntl\nos.write(1, b'hello')\nfcntl.fcntl(1, fcntl.F_SETFL, 0)\nos.lseek(1, 0, 0)\n"
     "os.write(1, b'J')", {}, printed("Jello")),
    ("F34 mapped", "ok", "import mmap, os\nos.write(1, b'hello')\nmmap.mmap(1, 5)[:] = b'HELLO'", {},
     printed("HELLO")),
    ("F35 far beyond the cap", "runtime_error",
     "import os, fcntl\nfcntl.fcntl(1, fcntl.F_SETFL, 0)\nos.lseek(1, 1 << 40, 0)\nos.write(1, b'x')", {},
     died_by(25)),
    ("F36 beyond the cap, sparse", "output_limit",
     "import os, fcntl\nfcntl.fcntl(1, fcntl.F_SETFL, 0)\nos.lseek(1, 1 << 20, 0)\nos.write(1, b'x')"),
    ("F37 cap reached by os.write", "output_limit",
     "import os\ntry:\n while 1: os.write(1, b'x' * 1000)\nexcept BaseException: os._exit(0)",
     {"limits": {"stdout_bytes": 10, "stderr_bytes": 20}}, printed("x" * 10)),
    ("F38 SIGXFSZ ignored", "output_limit",
     "import os, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nwhile 1: os.write(1, b'x' * 1000)",
     {"limits": {"stdout_bytes": 10}}, printed("x" * 10)),
    ("F39 stop swallowed", "output_limit", "while 1:\n try: print('x' * 1000)\n except BaseException: pass",
     {"limits": {"stdout_bytes": 10}}, printed("x" * 10)),
    ("F40 stop swallowed in a finaliser", "output_limit",
     "class A:\n def __del__(s): print('x' * 1000)\nA()\nwhile 1: pass",
     {"limits": {"stdout_bytes": 10, "cpu_ms": 500}}, printed("x" * 10)),
    ("F41 stop in a thread", "output_limit",
     "import threading, time\nthreading.Thread(target=print, args=('x' * 1000,)).start()\ntime.sleep(60)",
     {"limits": {"stdout_bytes": 10, "threads": 2}}, printed("x" * 10)),
    ("F42 too much at exit", "output_limit", "import atexit\natexit.register(print, 'x' * 2000000)"),
    ("F43 no output at all", "output_limit", "print()", {"limits": {"stdout_bytes": 0}}, printed("")),
    ("F22 no descriptor left for an import", "runtime_error",
     "import os\ntry:\n while 1: os.dup(1)\nexcept OSError: pass\nimport http.client", {"limits": {
         "open_files": 8}}),
)
class Files(AttackCase):
    def test_output_of_control_characters_keeps_the_connection(self):
        """A result that JSON would make six times as long as it is must not cost the client its others."""
        other = self.client.send("job.run", {"source": "import time; time.sleep(2); print('mine')"})
        ident = self.client.send("job.run", {"source": "print(end='\\0' * (64 << 20))", "limits": LARGE})
        result = self.client.wait(ident)
        self.assertEqual(result["status"], "ok")
        self.assertEqual(base64.b64decode(result["stdout"]["base64"]), bytes(64 * MIB))
        self.assertEqual(self.client.wait(other)["stdout"], "mine\n")

    def test_all_caps_at_once(self):
        result = self.client.run(
            "import sys\nsys.stdout.write('\\n' * (64 << 20))\nsys.stderr.write('\"' * (64 << 20))",
            limits=LARGE)
        self.assertEqual((result["status"], len(result["stdout"]), len(result["stderr"])),
                         ("ok", 64 * MIB, 64 * MIB))


@attacks(
    ("N01 inet", "runtime_error", "import socket\nsocket.socket()", {}, error_is("OSError")),
    ("N02 unix", "runtime_error", "import socket\nsocket.socket(socket.AF_UNIX)", {}, error_is("OSError")),
    ("N04 netlink", "runtime_error", "import socket\nsocket.socket(socket.AF_NETLINK, socket.SOCK_RAW)", {},
     error_is("OSError")),
    ("N07 names", "runtime_error", "import socket\nsocket.getaddrinfo('example.org', 80)", {},
     error_is("gaierror")),
    ("N10 descriptors passed", "runtime_error",
     "import socket, array\na, b = socket.socketpair()\na.sendmsg([b'x'], [(socket.SOL_SOCKET,"
     " socket.SCM_RIGHTS, array.array('i', [1]))])", {}, PERMISSION),
    ("N14 interfaces", "runtime_error", "import socket\nsocket.if_nameindex()", {}, error_is("OSError")),
    ("I10 lock of a shared file", "runtime_error",
     "import fcntl\nfcntl.lockf(open('/usr/lib/python3.11/os.py'), fcntl.LOCK_SH)", {}, PERMISSION),
    ("I17 load", "runtime_error", "import os\nos.getloadavg()", {}, error_is("OSError")),
)
class Network(AttackCase):
    pass


@attacks(
    ("S02 ignored", "cpu_limit",
     "import signal\nfor s in signal.valid_signals():\n try: signal.signal(s, signal.SIG_IGN)\n"
     " except OSError: pass\nwhile 1: pass", {"limits": CPU}),
    ("S05 SIGKILL", "runtime_error", "import os\nos.kill(os.getpid(), 9)", {}, died_by(9)),
    ("S06 SIGXFSZ is no output limit", "runtime_error", "import os\nos.kill(os.getpid(), 25)", {}, died_by(25)),
    ("S07 SIGXCPU is no time limit", "runtime_error", "import os\nos.kill(os.getpid(), 24)", {}, died_by(24)),
    ("S09 SIGSYS is no violation", "runtime_error", "import os\nos.kill(os.getpid(), 31)", {}, PERMISSION),
    ("S10 SIGSYS of a thread", "runtime_error", "import signal\nsignal.raise_signal(31)", {}, PERMISSION),
    ("S11 abort", "runtime_error", "import os\nos.abort()", {}, died_by(6)),
    ("S12 segmentation fault", "runtime_error", "print('p')\nimport faulthandler\nfaulthandler._sigsegv()", {},
     lambda result: died_by(11)(result) and result["stdout"] == "p\n"),
    ("S08 others", "ok",
     "import os\nfor p in (1, 0, -1, *range(2, 200)):\n try:\n  if p != os.getpid(): os.kill(p, 9); print(p)\n"
     " except PermissionError: pass", {}, printed("")),
    ("S13 timer storm", "cpu_limit",
     "import signal\nsignal.signal(14, lambda *a: None)\nsignal.setitimer(0, 1e-6, 1e-6)\nwhile 1: pass",
     {"limits": CPU}),
    ("S15 storm of its own", "cpu_limit",
     "import os, signal\nsignal.signal(10, lambda *a: None)\nwhile 1: os.kill(os.getpid(), 10)",
     {"limits": CPU}),
)
class Signals(AttackCase):
    pass


ZERO = error_is("ZeroDivisionError")


@attacks(
    ("Y04 constants out of range", "runtime_error",
     "f = lambda: None\nf.__code__ = f.__code__.replace(co_consts=(), co_code=bytes([151, 0, 100, 250, 83, 0]))\n"
     "f()", {}, error_is("ValueError")),
    ("Y10 builtins gone", "runtime_error",
     "import builtins\nfor k in list(vars(builtins)):\n if k != 'setattr': setattr(builtins, k, None)\n"
     "1/0"),
    ("Y11 modules gone", "runtime_error", "import sys\nsys.modules.clear()\n1/0", {}, ZERO),
    ("Y12 modules None", "runtime_error",
     "import sys\nfor k in list(sys.modules): sys.modules[k] = None\n1/0", {}, ZERO),
    ("Y13 sys emptied", "runtime_error", "import sys\nsys.__dict__.clear()\n1/0", {}, ZERO),
    ("Y15 main replaced", "runtime_error", "import sys\nsys.modules['__main__'] = None\nx = 1", {"outputs": ["x"]}),
    ("Y16 audit hook", "ok", "import sys\nsys.addaudithook(lambda *a: 1/0)"),
    ("Y17 chain of exceptions", "runtime_error",
     "e = None\nfor i in range(10**5):\n n = ValueError(i); n.__context__ = e; e = n\nraise e", {},
     error_is("ValueError")),
    ("Y18 group of groups", "runtime_error",
     "e = ValueError(1)\nfor i in range(10**4): e = ExceptionGroup('x', [e])\nraise e", {},
     error_is("ExceptionGroup")),
    ("Y19 long message", "output_limit", "class E(Exception):\n def __str__(s): return 'x' * 50000000\nraise E"),
    ("Y20 message raises", "runtime_error", "class E(Exception):\n def __str__(s): raise SystemExit(0)\nraise E",
     {}, error_is("E")),
    ("Y21 stdout detached", "runtime_error", "import sys\nsys.stdout.detach()\nprint(1)", {},
     error_is("ValueError")),
    ("Y22 stdout made anew", "ok",
     "import sys\nb = sys.stdout.buffer\nb.__init__(b.raw)\nb.write(b'x')\nsys.stdout.__init__(b)\nprint('y')", {},
     printed("xy\n")),
    ("Y24 raw write that lies", "runtime_error",
     "import sys, io\nclass W(io.RawIOBase):\n def write(s, x): return 10**9\n def writable(s): return True\n"
     "w = type(sys.stdout.buffer)(W())\nw.write(b'z' * 20000)\nw.flush()", {}, error_is("OSError")),
    ("Y25 uninitialised stream", "runtime_error", "import sys\nT = type(sys.stdout)\nT.__new__(T).write('a')", {},
     error_is("ValueError")),
    ("Y26 traceback of a million frames", "runtime_error",
     "import types\ntry: 1/0\nexcept Exception as e: t = e.__traceback__; E = e\n"
     "for i in range(10**6): t = types.TracebackType(t, t.tb_frame, 0, 1)\nraise E.with_traceback(t)",
     {"limits": {"cpu_ms": 20000}}, ZERO),
    ("Y27 hostile subclasses in a value", "ok",
     "class D(dict):\n def items(s): 1/0\n def __iter__(s): 1/0\nclass S(str):\n def __str__(s): 1/0\n"
     "x = D({S('a'): S('b')})", {"outputs": ["x"]}, lambda result: result["vars"] == {"x": {"a": "b"}}),
    ("Y28 own module in the way of the stdlib", "ok", "import os, json\nprint(os.getpid() > 0, json.x)",
     {"modules": {"os": "1/0", "json": "x = 1", "sys": "1/0", "__main__": "1/0"}}, printed("True 1\n")),
    ("Y29 nested parentheses", "compile_error", "(" * 200000),
    ("Y30 unary minus", "compile_error", "x = " + "-" * 1000000 + "1", {"limits": {"cpu_ms": 20000}}),
    ("Y31 attributes", "compile_error", "x" + ".a" * 100000, {"limits": {"cpu_ms": 20000}}),
    ("Y32 random numbers differ", "ok", "import os, random\nassert os.urandom(8) != os.urandom(8)"),
)
class Interpreter(AttackCase):
    def run_code(self, code):
        return self.client.run(code=base64.b64encode(code).decode())["status"]

    def test_Y05_byte_code(self):
        head = importlib.util.MAGIC_NUMBER + bytes(12)
        code = compile("x = 1", "m", "exec")
        for name, status, data in (
            ("header alone", "compile_error", head),
            ("garbage", "compile_error", head + b"\xff" * 100),
            ("huge list", "compile_error", head + b"[\xff\xff\xff\x7f"),
            ("deep lists", "compile_error", head + b"[\x01\0\0\0" * 100000 + b"N"),
            ("no code object", "compile_error", head + marshal.dumps(5)),
            ("another version", "compile_error", bytes(16) + marshal.dumps(code)),
            ("constant out of range", "compile_error",
             head + marshal.dumps(code.replace(co_consts=(), co_code=bytes([100, 200] * 50)))),
        ):
            with self.subTest(name):
                self.assertEqual(self.run_code(data), status)

    def test_random_numbers_of_two_jobs_differ(self):
        source = "import os, random, uuid\nprint(os.urandom(8).hex(), random.random(), uuid.uuid4())"
        seen = {word for _ in range(4) for word in self.run_ok(source)["stdout"].split()}
        self.assertEqual(len(seen), 12)


if __name__ == "__main__":
    unittest.main()
