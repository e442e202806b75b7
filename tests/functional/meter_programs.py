"""Programs for the tests of the opcode meter."""

REFERENCE = """\
def otherfunc(b):
    return b * 7

def myfunc(a):
    for i in range(0, 20):
        print(i, otherfunc(i + a + 3))

myfunc(2)
"""

DOCUMENTED = (
    ("pass", 2),
    ("x, y = 2, 3; x **= y", 10),
    ("x = 6 if __name__ != '__main__' else 10", 8),
    (REFERENCE, 423),
)

LOOP = "while True: pass"

# One endless loop in each way by which code comes to run.
ENDLESS = {
    "module": LOOP,
    "for": "import itertools\nfor i in itertools.repeat(1): pass",
    "function": "def f():\n while True: pass\nf()",
    "recursion": "def f(n):\n if n: f(n - 1); f(n - 1)\nf(60)",
    "lambda": "f = lambda: [0 for i in iter(int, 1)]\nf()",
    "class body": "class A:\n while True: pass",
    "list comprehension": "[i for i in iter(int, 1)]",
    "set comprehension": "{i for i in iter(int, 1)}",
    "dict comprehension": "{i: i for i in iter(int, 1)}",
    "generator expression": "any(False for i in iter(int, 1))",
    "generator": "def g():\n while True: yield 1\nfor i in g(): pass",
    "yield from": "def g():\n while True: yield 1\ndef h(): yield from g()\nfor i in h(): pass",
    "coroutine": "async def f():\n while True: pass\nf().send(None)",
    "await": "class A:\n def __await__(self):\n  while True: yield\nasync def f(): await A()\n"
             "c = f()\nwhile True: c.send(None)",
    "async generator": "async def g():\n while True: yield 1\nasync def f():\n async for i in g(): pass\n"
                       "f().send(None)",
    "exec": "exec('while True: pass')",
    "exec bytes": "exec(b'while True: pass')",
    "exec bytearray": "exec(bytearray(b'while True: pass'))",
    "exec memoryview": "exec(memoryview(b'while True: pass'))",
    "exec many": "while True: exec('pass')",
    "exec globals": "exec('while True: pass', {}, {})",
    "eval": "eval('[i for i in iter(int, 1)]')",
    "eval blanks": "eval('  [i for i in iter(int, 1)]')",
    "compile": "exec(compile('while True: pass', 'x', 'exec'))",
    "compile eval": "eval(compile('[i for i in iter(int, 1)]', 'x', 'eval'))",
    "compile single": "exec(compile('while True: pass\\n\\n', 'x', 'single'))",
    "compile ast": "import ast\nexec(compile(ast.parse('while True: pass'), 'x', 'exec'))",
    "CodeType": "def f():\n while True: pass\nimport types\nc = f.__code__\n"
                "names = ('argcount posonlyargcount kwonlyargcount nlocals stacksize flags code consts '\n"
                " 'names varnames filename name qualname firstlineno linetable exceptiontable '\n"
                " 'freevars cellvars').split()\n"
                "exec(types.CodeType(*[getattr(c, 'co_' + n) for n in names]))",
    "code.replace": "def f():\n while True: pass\nexec(f.__code__.replace(co_name='g'))",
    "code.replace code": "def f():\n while True: pass\n"
                         "exec(f.__code__.replace(co_code=f.__code__.co_code))",
    "FunctionType": "def f():\n while True: pass\nimport types\ntypes.FunctionType(f.__code__, {})()",
    "__code__": "def f():\n while True: pass\ndef g(): pass\ng.__code__ = f.__code__\ng()",
    "marshal.loads": "import marshal\ndef f():\n while True: pass\n"
                     "exec(marshal.loads(marshal.dumps(f.__code__)))",
    "marshal.load": "import marshal, io\ndef f():\n while True: pass\n"
                    "exec(marshal.load(io.BytesIO(marshal.dumps(f.__code__))))",
    "marshal list": "import marshal, types\ndef f():\n while True: pass\n"
                    "d = b'[\\x01\\x00\\x00\\x00' + marshal.dumps(f.__code__, 0)\n"
                    "types.FunctionType(marshal.loads(d)[0], {})()",
    "stdlib": "import textwrap, itertools\nwhile True: textwrap.fill('a b c')",
    "import": "import importlib, sys\nwhile True:\n sys.modules.pop('this2', None)\n"
              " try: importlib.import_module('this2')\n except ImportError: pass",
    "importlib.reload": "import importlib, textwrap\nwhile True: importlib.reload(textwrap)",
    "frozen": "import _imp, types\n"
              "c = _imp.get_frozen_object('_frozen_importlib') if _imp.is_frozen('_frozen_importlib') "
              "else None\n" + LOOP,
    "init_frozen": "import _imp\nwhile True: _imp.init_frozen('__hello__')",
    "runpy": "import runpy\nrunpy.run_module('this') if 0 else runpy._run_code(\n"
             "compile('while True: pass', 'x', 'exec'), {})",
    "sort key": "sorted(iter(int, 1) if 0 else range(10**5), key=lambda v: -v)",
    "__eq__": "class A:\n def __eq__(self, o): return False\n[A()] * 3\nwhile True: [A()].count(1)",
    "__eq__ from C": "class A:\n def __eq__(self, o):\n  while True: pass\n[A()].index(1)",
    "__hash__": "class A:\n def __hash__(self):\n  while True: pass\nhash(A())",
    "__getattr__": "class A:\n def __getattr__(self, n):\n  while True: pass\nA().x",
    "__iter__": "class A:\n def __iter__(self): return self\n def __next__(self): return 1\nmax(A())",
    "__format__": "class A:\n def __format__(self, s):\n  while True: pass\nf'{A()}'",
    "__str__": "class A:\n def __str__(self):\n  while True: pass\nprint(A())",
    "__index__": "class A:\n def __index__(self):\n  while True: pass\n[1][A()]",
    "__bool__": "class A:\n def __bool__(self):\n  while True: pass\nif A(): pass",
    "descriptor": "class D:\n def __get__(self, *a):\n  while True: pass\nclass A: x = D()\nA().x",
    "property": "class A:\n @property\n def x(self):\n  while True: pass\nA().x",
    "metaclass": "class M(type):\n def __new__(*a):\n  while True: pass\nclass A(metaclass=M): pass",
    "__init_subclass__": "class A:\n def __init_subclass__(c):\n  while True: pass\nclass B(A): pass",
    "__set_name__": "class D:\n def __set_name__(*a):\n  while True: pass\nclass A: x = D()",
    "decorator": "def d(f):\n while True: pass\n@d\ndef f(): pass",
    "default": "def f(x=[i for i in iter(int, 1)]): pass",
    "annotation": "x: [i for i in iter(int, 1)] = 1",
    "with": "class A:\n def __enter__(self):\n  while True: pass\n def __exit__(*a): pass\nwith A(): pass",
    "__exit__": "class A:\n def __enter__(self): pass\n def __exit__(*a):\n  while True: pass\nwith A(): pass",
    "match": "class A:\n __match_args__ = 'x',\n @property\n def x(self):\n  while True: pass\n"
             "match A():\n case A(1): pass",
    "thread": "import threading\ndef f():\n while True: pass\nthreading.Thread(target=f).start()",
    "daemon thread": "import _thread\ndef f():\n while True: pass\n_thread.start_new_thread(f, ())\n"
                     "import time\ntime.sleep(50)",
    "atexit": "import atexit\ndef f():\n while True: pass\natexit.register(f)",
    "__del__": "class A:\n def __del__(self):\n  while True: pass\na = A()\ndel a",
    "__del__ at the end": "class A:\n def __del__(self):\n  while True: pass\na = A()",
    "weakref callback": "import weakref\nclass A: pass\na = A()\ndef f(r):\n while True: pass\n"
                        "r = weakref.ref(a, f)\ndel a",
    "gc callback": "import gc\ndef f(*a):\n while True: pass\ngc.callbacks.append(f)\ngc.collect()",
    "signal handler": "import signal, os, time\ndef f(*a):\n while True: pass\n"
                      "signal.signal(signal.SIGALRM, f)\nsignal.raise_signal(signal.SIGALRM)",
    "trace function": "import sys\ndef t(*a):\n while True: pass\nsys.settrace(t)\ndef f(): pass\nf()",
    "profile function": "import sys\ndef t(*a):\n while True: pass\nsys.setprofile(t)\ndef f(): pass\nf()",
    "audit hook": "import sys\ndef t(*a):\n while True: pass\nsys.addaudithook(t)\ncompile('1', 'x', 'eval')",
    "excepthook": "import sys\ndef t(*a):\n while True: pass\nsys.excepthook = t\n1/0",
    "displayhook": "import sys\ndef t(*a):\n while True: pass\nsys.displayhook = t\n"
                   "exec(compile('1', 'x', 'single'))",
    "unraisablehook": "import sys\ndef t(*a):\n while True: pass\nsys.unraisablehook = t\n"
                      "class A:\n def __del__(self): 1/0\nA()",
    "stdout": "import sys\nclass A:\n def write(self, t):\n  while True: pass\nsys.stdout = A()\nprint(1)",
    "codec": "import codecs\ndef f(n):\n while True: pass\ncodecs.register(f)\n''.encode('nothing')",
    "codec error": "import codecs\ndef f(e):\n while True: pass\ncodecs.register_error('x', f)\n"
                   "'\\xff'.encode('ascii', 'x')",
    "re.sub": "import re\ndef f(m):\n while True: pass\nre.sub('a', f, 'a')",
    "functools.reduce": "import functools\nfunctools.reduce(lambda a, b: 0, iter(int, 1))",
    "map": "max(map(lambda v: v, iter(int, 1)))",
    "json hook": "import json\ndef f(d):\n while True: pass\njson.loads('{}', object_hook=f)",
    "pickle": "import pickle\nclass A:\n def __reduce__(self):\n  while True: pass\npickle.dumps(A())",
    "buffered reader": "import io\nclass R(io.RawIOBase):\n def readable(self): return True\n"
                       " def readinto(self, b):\n  while True: pass\nio.BufferedReader(R()).read()",
    "sys.stdin hook": "import builtins, sys\nclass A:\n def readline(self):\n  while True: pass\n"
                      "sys.stdin = A()\ninput()",
    "warnings": "import warnings\ndef f(*a, **k):\n while True: pass\nwarnings.showwarning = f\nwarnings.warn('x')",
    "asyncio": "import asyncio\nasync def f():\n while True: await asyncio.sleep(0)\n"
               "c = f()\nwhile True: c.send(None)",
    "contextlib": "import contextlib\n@contextlib.contextmanager\ndef f():\n while True: pass\n yield\n"
                  "with f(): pass",
    "dataclass": "import dataclasses\nwhile True:\n @dataclasses.dataclass\n class A: x: int",
    "namedtuple": "import collections\nwhile True: collections.namedtuple('A', 'b c')",
    "timeit": "import timeit\ntimeit.timeit('pass', number=10**9)",
    "doctest": "import doctest\ndef f():\n '''\n >>> while True: pass\n '''\n"
               "doctest.run_docstring_examples(f, {})",
    "code.interact": "import code\ncode.InteractiveInterpreter().runsource('while True: pass\\n')",
}

# Attempts to reach the counter, set it back or run free. All of them loop for ever in the end.
EVASIONS = {
    "gc objects": "import gc, types\nfor f in gc.get_objects():\n"
                  " if isinstance(f, types.FunctionType): f.__code__\n" + LOOP,
    "charges": "def f():\n while True: pass\n"
               "k = [c for c in f.__code__.co_consts if type(c).__name__ == 'charge']\n"
               "assert k\nfor c in k:\n bool(c); repr(c); hash(c)\n"
               " for n in dir(c):\n  try: setattr(c, n, 0)\n  except Exception: pass\n"
               " try: type(c)()\n except TypeError: pass\n"
               " try: type(c).__bool__ = lambda s: True\n except TypeError: pass\nf()",
    "constants swapped": "def f():\n while True: pass\nc = f.__code__\n"
                         "f.__code__ = c.replace(co_consts=tuple(\n"
                         " True if type(k).__name__ == 'charge' else k for k in c.co_consts))\nf()",
    "cheapest charge": "def f():\n while True: pass\nc = f.__code__\n"
                       "k = [k for k in c.co_consts if type(k).__name__ == 'charge']\n"
                       "f.__code__ = c.replace(co_consts=tuple(\n"
                       " k[0] if type(x).__name__ == 'charge' else x for x in c.co_consts))\nf()",
    "code bytes": "import dis\ndef f():\n while True: pass\nc = f.__code__\n"
                  "b = bytearray(c.co_code)\n"
                  "for i in range(0, len(b), 2):\n"
                  " if b[i] == dis.opmap['LOAD_CONST'] and type(c.co_consts[b[i+1]]).__name__ == 'charge':\n"
                  "  b[i] = b[i+2] = dis.opmap['NOP']; b[i+1] = b[i+3] = 0\n"
                  "f.__code__ = c.replace(co_code=bytes(b))\nf()",
    "exception table": "def f():\n while True: pass\nf.__code__ = f.__code__.replace(co_exceptiontable=b'')\nf()",
    "make function": "import types, dis\ndef loop():\n while True: pass\n"
                     "o = dis.opmap\n"
                     "b = bytes([o['RESUME'], 0, o['LOAD_CONST'], 0, o['MAKE_FUNCTION'], 0, "
                     "o['RETURN_VALUE'], 0])\n"
                     "def m(): pass\n"
                     "m.__code__ = m.__code__.replace(co_code=b, co_consts=(loop.__code__,), co_stacksize=5)\n"
                     "m()()",
    "work before RESUME": "import types, dis\no = dis.opmap\ndef m(): pass\n"
                          "b = bytes([o['LOAD_CONST'], 0, o['POP_TOP'], 0] * 20000 +\n"
                          " [o['RESUME'], 0, o['LOAD_CONST'], 0, o['RETURN_VALUE'], 0])\n"
                          "m.__code__ = m.__code__.replace(co_code=b)\nfor i in range(100): m()",
    "many RESUMEs": "import types, dis\no = dis.opmap\ndef m(): pass\n"
                    "b = bytes([o['RESUME'], 0] * 20000 + [o['LOAD_CONST'], 0, o['RETURN_VALUE'], 0])\n"
                    "m.__code__ = m.__code__.replace(co_code=b)\nfor i in range(100): m()",
    "unmetered in a tuple": "import types\ndef f():\n while True: pass\n"
                            "def g(): return None\n"
                            "g.__code__ = g.__code__.replace(co_consts=((f.__code__,),))\n"
                            "types.FunctionType(g.__code__.co_consts[0][0], {})()",
    "marshal module": "import _imp, types\nspec = types.SimpleNamespace(name='marshal', origin=None)\n"
                      "m = _imp.create_builtin(spec)\n"
                      "def f():\n while True: pass\n"
                      "types.FunctionType(m.loads(m.dumps(f.__code__)), {})()",
    "marshal constants": "import marshal, types\ndef f():\n while True: pass\n"
                         "def g(): return None\n"
                         "inner = marshal.dumps(f.__code__, 0)\n"
                         "d = marshal.dumps(g.__code__.replace(co_consts=(None, ('MARK',))), 0)\n"
                         "mark = marshal.dumps('MARK', 0)\nassert d.count(mark) == 1\n"
                         "c = marshal.loads(d.replace(mark, inner))\n"
                         "code = [k for k in c.co_consts if type(k) is tuple][0][0]\n"
                         "types.FunctionType(code, {})()",
    "builtins": "import builtins\nbuiltins.compile = None\ndel builtins.exec\n" + LOOP,
    "compile rebound": "import builtins\nreal = builtins.compile\nbuiltins.compile = lambda *a, **k: real(*a, **k)\n"
                       "exec(compile('while True: pass', 'x', 'exec'))",
    "settrace none": "import sys\nsys.settrace(None)\nsys.setprofile(None)\n" + LOOP,
    "f_lineno": "import sys\ndef f():\n i = 0\n while True:\n  i += 1\n"
                "def t(frame, event, arg):\n"
                " if event == 'line':\n"
                "  try: frame.f_lineno = frame.f_code.co_firstlineno + 3\n  except ValueError: pass\n"
                " return t\nsys.settrace(t)\nf()",
    "frame clear": "import sys\ndef f():\n try: sys._getframe().clear()\n except RuntimeError: pass\n"
                   " while True: pass\nf()",
    "fresh sys": "import sys\nfor n in list(sys.modules):\n"
                 " if n not in ('sys', 'builtins'): del sys.modules[n]\nimport os\n" + LOOP,
    "raise in a loop": "def f():\n raise ValueError\nwhile True:\n try: f()\n except ValueError: pass",
    "raise first": "def f():\n x\n 1; 2; 3\nwhile True:\n try: f()\n except NameError: pass",
    "generator throw": "def g():\n while True:\n  try: yield\n  except ValueError: pass\n"
                       "i = g(); next(i)\nwhile True: i.throw(ValueError)",
    "generator close": "def g():\n try: yield\n finally:\n  while True: pass\ni = g(); next(i); i.close()",
    "stop iteration": "class A:\n def __iter__(self): return self\n def __next__(self): raise StopIteration\n"
                      "while True:\n for i in A(): pass",
}

# The stop is no exception: nothing of the program runs after it.
UNCAUGHT = {
    "except BaseException": "while True:\n try:\n  while True: pass\n except BaseException: print('never')",
    "bare except": "while True:\n try:\n  while True: pass\n except: print('never')",
    "finally": "def f():\n try:\n  while True: pass\n finally: print('never')\nf()",
    "finally loop": "def f():\n while True:\n  try:\n   while True: pass\n  finally: continue\nf()",
    "with": "class A:\n def __enter__(self): pass\n def __exit__(*a): print('never'); return True\n"
            "while True:\n with A():\n  while True: pass",
    "suppress": "import contextlib\nwhile True:\n with contextlib.suppress(BaseException):\n  while True: pass",
    "generator": "def g():\n try:\n  while True: yield\n finally: print('never')\nfor i in g(): pass",
    "__del__": "class A:\n def __del__(self): print('never')\na = A()\nwhile True: pass",
    "atexit": "import atexit\natexit.register(print, 'never')\nwhile True: pass",
    "excepthook": "import sys\nsys.excepthook = lambda *a: print('never')\nwhile True: pass",
    "thread": "import signal\nsignal.signal(signal.SIGTERM, lambda *a: print('never'))\nwhile True: pass",
    "in an except": "try: 1/0\nexcept ZeroDivisionError:\n while True: pass",
    "in sorted": "try: sorted(range(10**6), key=lambda v: v)\nexcept BaseException: print('never')",
}

# No Python frame raises in these.
EQUAL = [
    "def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)\nr = fib(12)\n",
    "s = 0\nfor i in range(50):\n    if i % 3:\n        s += i\n    else:\n        s -= 1\nprint(s)\n",
    "i = 0\nwhile i < 10:\n    i += 1\n    if i % 2: continue\n    if i == 8: break\nelse:\n    print('no')\n",
    "class A:\n    def __init__(self, v): self.v = v\n    def __lt__(self, o): return self.v < o.v\n"
    "l = sorted([A(i % 7) for i in range(30)])\nt = any(x.v == 3 for x in l)\n",
    "def g(n):\n    for i in range(n):\n        x = yield i\n        if x: print(x)\n"
    "def h():\n    r = yield from g(3)\n    yield r\nl = list(h()) + list(g(5))\n",
    "match (1, 2, 3):\n    case (1, x, y): r = x + y\n    case _: r = 0\n"
    "match {'a': 1}:\n    case {'b': x}: r = 1\n    case {'a': x}: r = 2\n",
]

# Python frames raise in these, and catch.
RAISING = [
    "def f(): raise ValueError\nfor i in range(10):\n    try: f()\n    except ValueError: x = i\n",
    "d = {}\nfor i in range(10):\n    try: d[i]\n    except KeyError: d[i] = 1\n    finally: x = i\n",
    "def f(n):\n    if n: f(n - 1)\n    else: 1 / 0\ntry: f(20)\nexcept ZeroDivisionError as e: x = str(e)\n",
    "class A:\n    def __iter__(self): return self\n    n = 0\n    def __next__(self):\n"
    "        self.n += 1\n        if self.n > 9: raise StopIteration\n        return self.n\nx = list(A())\n",
    "def g():\n    try: yield 1\n    except ValueError: yield 2\n    finally: x = 3\n"
    "i = g()\nnext(i)\ni.throw(ValueError)\ni.close()\n",
    "import contextlib\nwith contextlib.suppress(KeyError):\n    {}[1]\n    x = 2\n",
    "for i in range(5):\n    try:\n        for j in range(5):\n            if j == 3: raise IndexError\n"
    "    except IndexError: continue\n    else: break\n",
    "try:\n    try: a\n    except NameError as e: raise ValueError from e\nexcept ValueError: pass\n",
    "def f():\n    for i in range(3):\n        try: return i\n        finally: continue\nx = f()\n",
    "try:\n    raise ExceptionGroup('g', [ValueError(1), TypeError(2)])\n"
    "except* ValueError: x = 1\nexcept* TypeError: y = 2\n",
]
