"""Attacks in pure Python beside those of test_attacks.py: interpreter, memory, CPU.

(id, status[/status...], program, parameters, check of the result); the ids are those of the list of attacks,
from X on our own.
"""
from attack_case import died_by, error_is, printed

MIB = 1 << 20
CPU = {"limits": {"cpu_ms": 300}}
SMALL = {"limits": {"memory_bytes": 32 * MIB, "cpu_ms": 4000, "wall_ms": 30000}}
THREADS = {"limits": {"threads": 4, "cpu_ms": 400}}
OPS = {"limits": {"opcodes": 20000, "cpu_ms": 3000}}
BOUNDED = "cpu_limit/memory_limit"

CPU_CASES = [
    ("C05 colliding keys", BOUNDED, "d = {i*(2**61-1): 0 for i in range(10**5)}", CPU),
    ("C11 tracing switched off", "opcode_limit", "import sys\nsys.settrace(None); sys.setprofile(None)\n"
     "sys._getframe().f_trace_opcodes = False\nwhile 1: pass", OPS),
    ("C16 decompression bomb", BOUNDED, "import zlib\nb = zlib.compress(bytes(10**7), 9)\nl = []\nwhile 1: l.append(zlib.decompress(b))",
     SMALL),
    ("C16b lzma", BOUNDED, "import lzma\nd = lzma.compress(bytes(10**6))\nl = []\nwhile 1: l.append(lzma.decompress(d))", SMALL),
    ("C17b digits of a power", BOUNDED, "import sys\nsys.set_int_max_str_digits(0)\nstr(10**10**6)", CPU),
    ("C17c digits by default", "runtime_error", "str(10**5000)", {}, error_is("ValueError")),
    ("C20 page faults", "cpu_limit", "import mmap\nm = mmap.mmap(-1, 1 << 22)\nwhile 1:\n for i in range(0, 1 << 22, 4096): m[i] = 1\n"
     " m.madvise(mmap.MADV_DONTNEED)", CPU),
    ("C22b sleep of nothing", "cpu_limit", "import time\nwhile 1: time.sleep(0)", CPU),
    ("C23 worst case of find", "cpu_limit", "a = 'a' * 10**6\nwhile 1: (a + 'b' + a) in (a * 4 + 'b')", CPU),
    ("C23b normalisation", BOUNDED, "import unicodedata\nwhile 1: unicodedata.normalize('NFC', '\\u0f71\\u0f72' * 10**5)", CPU),
    ("C34 sort with a lying key", "cpu_limit", "class K:\n def __lt__(s, o): return True\nwhile 1: sorted(K() for i in range(1000))", CPU),
    ("C35 generator inside a C function", "cpu_limit", "sum(iter(int, 1))", CPU),
    ("C36 opcodes by map", "opcode_limit", "for _ in map(lambda x: x, iter(int, 1)): pass", OPS),
    ("C37 opcodes in a thread", "opcode_limit", "import threading\ndef f():\n while 1: pass\nthreading.Thread(target=f).start()",
     {"limits": {"opcodes": 20000, "threads": 2, "cpu_ms": 3000}}),
    ("C38 opcodes by exec", "opcode_limit", "while 1: exec('x = 1')", OPS),
    ("C39 opcodes by a key function", "opcode_limit", "sorted(range(10**6), key=lambda x: -x)", OPS),
    ("C40 opcodes in a finaliser", "opcode_limit", "class A:\n def __del__(s):\n  while 1: pass\nA()", OPS),
    ("C41 opcodes in a comprehension", "opcode_limit", "[i for i in iter(int, 1)]", OPS),
    ("C42 product of C loops", BOUNDED, "import itertools, collections\ncollections.deque(itertools.product(range(10**3), repeat=4), 0)", CPU),
    ("C43 hash of a large tuple", "cpu_limit", "t = (1,) * 10**6\nwhile 1: hash(t)", CPU),
    ("C44 decimal", BOUNDED, "import decimal\ndecimal.getcontext().prec = 10**6\nwhile 1: decimal.Decimal(2).sqrt()", CPU),
    ("C45 pow of three", BOUNDED, "while 1: pow(3, 10**30000, 10**3000 + 1)", CPU),
    ("C46 key derivation", "cpu_limit", "import hashlib\nhashlib.pbkdf2_hmac('sha256', b'a', b'b', 10**8)", CPU),
    ("E02 micro sleeps", "cpu_limit", "import time\nwhile 1: time.sleep(5e-5)", {"limits": {"cpu_ms": 200, "wall_ms": 60000}}),
    ("E07 bytes one by one", "cpu_limit/output_limit", "import os\nwhile 1: os.write(1, b'x')", {"limits": {"cpu_ms": 300, "stdout_bytes": 10**6}}),
    ("E05 no children to hide in", "ok", "import os\nprint(os.times()[2:4])", {}, printed("(0.0, 0.0)\n")),
    ("E17 all caps at their limit", "ok", "import sys\nsys.stdout.write('o' * 1000)\nsys.stderr.write('e' * 1000)",
     {"limits": {"stdout_bytes": 1000, "stderr_bytes": 1000}}, lambda r: (len(r["stdout"]), len(r["stderr"])) == (1000, 1000)),
    ("E18 cap of one is not the other's", "output_limit", "import sys\nsys.stderr.write('e' * 1001)",
     {"limits": {"stdout_bytes": 10**6, "stderr_bytes": 1000}}, lambda r: len(r["stderr"]) == 1000),
]

MEMORY_CASES = [
    ("M04 many mappings", "ok/memory_limit/runtime_error/cpu_limit", "import mmap\nl = []\nfor i in range(20000):\n"
     " l.append(mmap.mmap(-1, 4096, prot=1 + 2 * (i % 2)))", {"limits": {"cpu_ms": 2000}}),
    ("M07 shared memory", "runtime_error", "from multiprocessing import shared_memory\nshared_memory.SharedMemory(create=True, size=1)"),
    ("M11 larger pipes", "runtime_error", "import os, fcntl\nr, w = os.pipe()\nfcntl.fcntl(w, 1031, 1 << 20)", {}, error_is("PermissionError")),
    ("M13 files", "runtime_error", "for i in range(10): open(f'/tmp/{i}', 'w')", {}, error_is("OSError")),
    ("M14 sparse file", "runtime_error", "import os\nos.truncate('/usr/lib/python3.11/os.py', 2**62)", {}, error_is("OSError")),
    ("M15 sparse output", "runtime_error/output_limit", "import os\nos.ftruncate(1, 1 << 40)"),
    ("M16b deepcopy", "recursion_limit", "import copy\nl = []\nfor i in range(10**5): l = [l]\ncopy.deepcopy(l)"),
    ("M16c literal_eval", "runtime_error/memory_limit/recursion_limit", "import ast\nast.literal_eval('(' * 10**5)"),
    ("M16d json", "recursion_limit", "import json\njson.loads('[' * 10**5)"),
    ("M16e marshal", "runtime_error", "import marshal\nmarshal.loads(b'[\\x01\\0\\0\\0' * 10**5)"),
    ("M17b many stacks", "ok/runtime_error", "import threading, time\nthreading.stack_size(1 << 22)\ntry:\n for i in range(100):\n"
     "  threading.Thread(target=time.sleep, args=(.1,)).start()\nexcept RuntimeError: pass", THREADS),
    ("M19 at the limit, faulting", BOUNDED, "import mmap\nm = mmap.mmap(-1, 200 << 20)\nwhile 1:\n for i in range(0, len(m), 4096): m[i] = 1",
     SMALL),
    ("M22 twice the limit", "memory_limit", "b = bytearray(70 << 20)\nfor i in range(0, len(b), 4096): b[i] = 1", SMALL),
    ("M23 spike", "ok", "b = bytearray(28 << 20)\nfor i in range(0, len(b), 4096): b[i] = 1\ndel b", SMALL,
     lambda r: 28 * MIB <= r["usage"]["memory_peak_bytes"] <= 64 * MIB),
    ("M25 array", "memory_limit", "import array\narray.array('Q', [0]) * 2**28", SMALL),
    ("M25b tee", BOUNDED, "import itertools\na, b = itertools.tee(itertools.count())\nfor i in a: pass", SMALL),
    ("M26 reading the library", "ok", "import os\nfor i in range(3):\n for d, _, fs in os.walk('/usr/lib/python3.11'):\n  for f in fs:\n"
     "   try: open(os.path.join(d, f), 'rb').read()\n   except OSError: pass", {"limits": {"memory_bytes": 64 * MIB, "cpu_ms": 10000}}),
    ("M32 string doubled", BOUNDED, "s = 'x'\nwhile 1: s += s", SMALL),
    ("M33 MemoryError swallowed", "memory_limit/cpu_limit", "l = []\nwhile 1:\n try: l.append(bytearray(1 << 22)); l[-1][::4096] = b'x' * 1024\n"
     " except MemoryError: pass", {"limits": {"memory_bytes": 32 * MIB, "cpu_ms": 500}}),
    ("M34 fragments", BOUNDED, "l = []\nwhile 1: l.append(object())", SMALL),
    ("M35 huge range of a slice", "memory_limit", "l = [0]\nl[0:0] = range(10**9)", SMALL),
    ("M36 format width", "memory_limit", "'%1000000000d' % 1", SMALL),
    ("M38 advice of the set-up", "ok", "import mmap\nm = mmap.mmap(-1, 1 << 20)\nfor a in (12, 14, 18, 21, 22, 23, 25):\n"
     " try: m.madvise(a); print(a)\n except OSError: pass", {}, printed("")),
    ("M37 interned strings", BOUNDED, "import sys\ni = 0\nwhile 1:\n sys.intern('x' * 1000 + str(i)); i += 1", SMALL),
]

INTERPRETER_CASES = [
    ("Y01 walk to system", "runtime_error", "for c in ().__class__.__base__.__subclasses__():\n if c.__name__ == '_wrap_close':\n"
     "  print(c.__init__.__globals__['system']('id'))\n", {}, error_is("PermissionError")),
    ("Y02 create_dynamic", "runtime_error", "import _imp, importlib.machinery as m\n_imp.create_dynamic(m.ModuleSpec('x', None, origin='/lib/x.so'))",
     {}, error_is("ImportError")),
    ("Y02b reload of os", "ok", "import importlib, os, posix\nimportlib.reload(os)\ntry: os.fork()\nexcept OSError: print('no')", {},
     printed("no\n")),
    ("Y02c modules popped", "ok", "import sys\nfor k in list(sys.modules):\n if k not in ('sys', 'builtins'): sys.modules.pop(k)\nimport os\n"
     "try: os.fork()\nexcept OSError: print('no')", {}, printed("no\n")),
    ("Y03 ctypes", "runtime_error", "import ctypes", {}, error_is("ModuleNotFoundError", "ImportError")),
    ("Y05b names out of range", "ok/runtime_error", "f = lambda: x\nf.__code__ = f.__code__.replace(co_names=())\ntry: f()\nexcept Exception: pass"),
    ("Y05c jump out of code", "ok/runtime_error", "f = lambda: 1\nf.__code__ = f.__code__.replace(co_code=bytes([151, 0, 110, 255, 83, 0]))\nf()"),
    ("Y05d stack of nothing", "ok/runtime_error", "f = lambda: 1\nf.__code__ = f.__code__.replace(co_code=bytes([151, 0] + [1, 0] * 50 + [83, 0]))\nf()"),
    ("Y05e extended argument chain", "ok/runtime_error", "f = lambda: 1\nf.__code__ = f.__code__.replace(co_code=bytes([151, 0] + [144, 255] * 100 + [100, 0, 83, 0]))\nf()"),
    ("Y07 mappingproxy use after free", "ok/runtime_error", "class X:\n def __eq__(s, o):\n  global d\n  d = o\n  return 1\n"
     "type.__dict__ == X()\ntry: d['x'] = 1\nexcept Exception: pass"),
    ("Y08b bytearray under a search", "ok/runtime_error", "class I:\n def __index__(s):\n  global b\n  b.clear(); return 0\nb = bytearray(1000)\n"
     "try: b[I()] = 1\nexcept Exception: pass"),
    ("Y09 gc referents of the proxy", "ok/runtime_error", "import gc\nd = gc.get_referents(int.__dict__)[0]\nd['x'] = 1\n"
     "d['__add__'] = lambda a, b: 7\nprint((1).x)"),
    ("Y10b json patched", "ok", "import json\njson.dumps = lambda *a, **k: 'evil'\njson.JSONEncoder = None\nx = {'a': 1}", {"outputs": ["x"]},
     lambda r: r["vars"] == {"x": {"a": 1}}),
    ("Y10c str methods by referents", "ok/runtime_error", "import gc\nd = gc.get_referents(str.__dict__)[0]\nd['encode'] = d['__str__'] = d['__repr__'] ="
     " lambda *a: 1/0\nx = 'a'", {"outputs": ["x"]}),
    ("Y14 dump of tracebacks", "ok/output_limit/runtime_error/cpu_limit", "import faulthandler, time\ntry: faulthandler.dump_traceback_later(1e-3, repeat=True, file=1)\n"
     "except RuntimeError: pass\ntime.sleep(.2)", THREADS),
    ("Y16b hook at the end", "ok/runtime_error", "import sys\ndef h(*a):\n raise SystemExit(3)\nsys.addaudithook(h)"),
    ("Y17b cycle of contexts", "runtime_error", "a = ValueError(1); b = ValueError(2)\na.__context__ = b; b.__context__ = a\nraise a", {},
     error_is("ValueError")),
    ("Y17c surrogates in the message", "runtime_error", "raise ValueError('\\ud800\\0\\x1b[31m')", {}, error_is("ValueError")),
    ("Y17d class that lies", "runtime_error", "class E(Exception):\n __class__ = property(lambda s: 1/0)\n __module__ = None\nraise E"),
    ("Y17e name of a class", "runtime_error", "raise type('a' * 10**6, (Exception,), {})"),
    ("Y17f notes", "runtime_error", "e = ValueError(1)\ne.__notes__ = [type('S', (), {'__str__': lambda s: 1/0})()] * 1000\nraise e"),
    ("Y19b stdout is None", "ok", "import sys\nsys.stdout = sys.stderr = None\nprint(1)", {}, printed("")),
    ("Y19c stdout that raises", "runtime_error", "import sys\nclass E:\n def write(s, x): 1/0\n def flush(s): 1/0\nsys.stdout = E()\nprint(1)"),
    ("Y19d excepthook that raises", "runtime_error", "import sys\nsys.excepthook = lambda *a: 1/0\nraise ValueError"),
    ("Y20b subinterpreters", "ok/runtime_error", "import _xxsubinterpreters as s\ni = s.create()\ns.run_string(i, 'while 1: pass')", CPU),
    ("Y20c raw fork_exec", "runtime_error", "import _posixsubprocess\n_posixsubprocess.fork_exec([b'/bin/true'], [b'/bin/true'], True, (), None,"
     " None, -1, -1, -1, -1, -1, -1, -1, -1, False, False, 0, None, None, None, -1, None, False)"),
    ("Y23 recursion in getattr", "recursion_limit/runtime_error", "class A:\n def __getattr__(s, n): return getattr(s, n + 'a')\nA().x"),
    ("Y23b stack of a thread", "ok/runtime_error/recursion_limit", "import threading, sys\nsys.setrecursionlimit(10**6)\nthreading.stack_size(32768)\n"
     "def f(): f()\nt = threading.Thread(target=f); t.start(); t.join()", THREADS),
    ("Y35 type cycles", "ok/runtime_error", "class A: pass\nclass B(A): pass\ntry: A.__bases__ = (B,)\nexcept TypeError: print('no')"),
    ("Y36 import hook", "ok", "import sys\nsys.meta_path.insert(0, type('F', (), {'find_spec': lambda *a: 1/0})())\nprint(1)", {}, printed("1\n")),
    ("Y37 code object of nothing", "ok/runtime_error", "import types\ntry: exec(types.CodeType(0, 0, 0, 0, 0, 0, b'', (), (), (), '', '', '', 1, b'', b''))\n"
     "except Exception: pass"),
    ("Y38 weakref callbacks at the end", "ok", "import weakref\nclass A: pass\na = A()\nr = weakref.ref(a, lambda x: 1/0)", {}),
    ("Y39 settrace in the traced", "ok", "import sys\nsys.settrace(lambda *a: 1/0)\ntry: (lambda: 1)()\nexcept Exception: print(1)", {"trace": "opcodes"}),
    ("Y40 signals during shutdown", "ok/runtime_error/cpu_limit", "import signal, atexit, os\nsignal.signal(10, lambda *a: 1/0)\n"
     "atexit.register(lambda: os.kill(os.getpid(), 10))", CPU),
    ("Y41 os._exit in a finaliser", "ok", "class A:\n def __del__(s): __import__('os')._exit(0)\na = A()"),
    ("Y42 exec of a huge source", "ok/memory_limit/cpu_limit", "exec('x=1\\n' * 10**5)", CPU),
    ("Y43 outputs that are modules", "runtime_error", "import sys as x", {"outputs": ["x"]}, error_is("UnsupportedValue")),
    ("Y44 NaN as value", "runtime_error/ok", "x = float('nan')", {"outputs": ["x"]}),
    ("Y45 SystemExit of an object", "runtime_error/ok", "class S:\n def __str__(s): raise KeyboardInterrupt\nraise SystemExit(S())"),
    ("Y46 KeyboardInterrupt", "runtime_error", "raise KeyboardInterrupt", {}),
    ("Y47 abort in a thread", "runtime_error", "import threading, os\nthreading.Thread(target=os.abort).start()\nwhile 1: pass", THREADS, died_by(6)),
]
