"""Programs whose output, error text and exit code must be those of python3, byte for byte.

Each is a name and a source, or a name and a dictionary: source, stdin, args, modules, flags.
"""

TRACEBACKS = {
    "division": "def f(x):\n    return x / 0 + 3\nf(1)\n",
    "name_hint": "value = 1\nprint(valeu)\n",
    "attribute_hint": "import math\nmath.sqroot(2)\n",
    "import_hint": "from math import sqroot\n",
    "no_module": "import nothing_like_this\n",
    "no_submodule": "import math.nothing\n",
    "key_error": "{}['a\\n']\n",
    "index_error": "[1, 2][5]\n",
    "call_carets": "def f(a): pass\nprint('x' + str(f(1, 2)))\n",
    "nested_carets": "x = {'a': {'b': None}}\nprint(x['a']['b']['c'])\n",
    "multi_line_call": "def f(*a):\n    raise ValueError(a)\nf(1,\n  2,\n  3)\n",
    "wide_characters": "x = 'äö漢字'; y = '漢' + 1 + x\n",
    "tabs": "if True:\n\tx = [1,\t2][5]\n",
    "no_final_newline": "x = 1\nraise ValueError('last line')",
    "crlf": "def f():\r\n    1 / 0\r\n\r\nf()\r\n",
    "cr": "def f():\r    1 / 0\rf()\r",
    "form_feed": "x = 1\n\x0cdef f():\n    1 / 0\n\x0c\nf()\n",
    "bom": "\ufeffdef f():\n    1 / 0\nf()\n",
    "chained": "try:\n    {}['k']\nexcept KeyError as e:\n    raise ValueError('bad') from e\n",
    "context": "try:\n    {}['k']\nexcept KeyError:\n    int('x')\n",
    "suppressed": "try:\n    1/0\nexcept ZeroDivisionError:\n    raise ValueError from None\n",
    "notes": "e = ValueError('a')\ne.add_note('one')\ne.add_note('two\\nlines')\nraise e\n",
    "group": "def f(n):\n    raise OSError(n)\nerrors = []\nfor n in range(3):\n    try:\n        f(n)\n"
             "    except OSError as e:\n        errors.append(e)\n"
             "raise ExceptionGroup('many', errors + [ExceptionGroup('inner', [ValueError(1)])])\n",
    "repeated": "def f(n):\n    return f(n + 1) if n < 50 else 1 / 0\nf(0)\n",
    "recursion": "def f(n):\n    return f(n + 1)\nf(0)\n",
    "recursion_two": "def f(n):\n    return g(n)\ndef g(n):\n    return f(n)\nf(0)\n",
    "recursion_repr": "a = []\nfor _ in range(100000):\n    a = [a]\nrepr(a)\n",
    "custom": "class Broken(Exception):\n    def __str__(self):\n        return 'broken: %d' % self.args\n"
              "raise Broken(7)\n",
    "inner_class": "class A:\n    class B(Exception):\n        pass\nraise A.B('x')\n",
    "str_fails": "class E(Exception):\n    def __str__(self):\n        raise ValueError('no')\nraise E\n",
    "multi_line_message": "raise ValueError('one\\ntwo\\n')\n",
    "library_frames": "import json\njson.loads('{')\n",
    "library_type": "import decimal\ndecimal.Decimal('x')\n",
    "lambda_frames": "sorted([1, 2], key=lambda v: v.nothing)\n",
    "comprehension": "print([1 / v for v in (1, 0)])\n",
    "generator": "def g():\n    yield 1\n    raise RuntimeError('in g')\nfor v in g():\n    print(v)\n",
    "class_body": "class A:\n    x = 1 / 0\n",
    "decorator": "def d(f):\n    raise TypeError('d')\n@d\ndef g():\n    pass\n",
    "with_exit": "class C:\n    def __enter__(self): return self\n    def __exit__(self, *a): 1 / 0\n"
                 "with C():\n    raise KeyError('inside')\n",
    "assertion": "assert 1 == 2, ('not', 'equal')\n",
    "stop_iteration": "next(iter([]))\n",
    "keyboard": "print('before')\nraise KeyboardInterrupt\n",
    "keyboard_subclass": "class K(KeyboardInterrupt): pass\nraise K('x')\n",
    "generator_exit": "raise GeneratorExit('x')\n",
    "surrogate": "raise ValueError('\\udc80 \\ud800')\n",
    "exec_frames": "exec('def f():\\n    1 / 0\\nf()\\n')\n",
    "exec_syntax": "exec('x = = 1')\n",
    "eval_error": "eval('1 +')\n",
    "compiled_name": "exec(compile('1/0', 'elsewhere.py', 'exec'))\n",
    "async_frames": "import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    raise ValueError('a')\n"
                    "asyncio.run(f())\n",
    "unicode_decode": "b'\\xff'.decode()\n",
    "os_error": "open('/nonexistent/file')\n",
    "traceback_module": "import traceback\ndef f():\n    1 / 0\ntry:\n    f()\nexcept Exception:\n"
                        "    traceback.print_exc()\n    print(traceback.format_exc())\n",
    "traceback_stack": "import traceback\ndef f():\n    traceback.print_stack()\nf()\n",
    "reraised": "def f():\n    try:\n        1 / 0\n    except Exception as e:\n        raise e\nf()\n",
    "with_traceback": "try:\n    1 / 0\nexcept Exception as e:\n    raise ValueError().with_traceback("
                      "e.__traceback__)\n",
    "cookie_latin1": "# -*- coding: latin-1 -*-\ndef f():\n    raise ValueError('é')  # é\nf()\n",
    "value_in_f_string": "x = 0\nprint(f'{1 / x}')\n",
    "match": "match 1:\n    case int(a, b):\n        pass\n",
}

SYNTAX = {
    "invalid": "x = = 1\n",
    "print_statement": "print 'hello'\n",
    "missing_colon": "if True\n    pass\n",
    "unclosed": "x = (1,\n     2\ny = 3\n",
    "unterminated": "x = 'abc\ny = 1\n",
    "unterminated_triple": "x = '''abc\n\n",
    "indent": "def f():\nreturn 1\n",
    "unindent": "if 1:\n        x = 1\n    y = 2\n",
    "unexpected_indent": "x = 1\n  y = 2\n",
    "tab_mix": "if 1:\n\tx = 1\n        y = 2\n",
    "return_outside": "x = 1\nreturn x\n",
    "break_outside": "def f():\n    break\n",
    "await_outside": "def f():\n    await g()\n",
    "nonlocal_module": "x = 1\nnonlocal x\n",
    "global_late": "def f():\n    x = 1\n    global x\n",
    "duplicate_argument": "def f(a, a): pass\n",
    "assign_literal": "x = 1\n1 = x\n",
    "assign_call": "f() = 3\n",
    "comma_hint": "x = [1 2]\n",
    "f_string": "x = f'{1 +}'\n",
    "f_string_empty": "x = f'{}'\n",
    "bad_character": "x = 1 € 2\n",
    "invisible": "x = 1\u00a0+ 2\n",
    "walrus": "(x.y := 1)\n",
    "keyword": "class = 1\n",
    "star": "*a = 1\nprint(a)\n",
    "future": "x = 1\nfrom __future__ import annotations\n",
    "future_unknown": "from __future__ import braces\n",
    "eof": "def f():\n",
    "not_last_line": "x = (\n\n\n",
    "unicode_error": "x = '\\N{no such name}'\n",
    "deep": "x = " + "(" * 300 + ")" * 300 + "\n",
    "unknown_cookie": "# coding: nothing-like-it\nx = 1\n",
    "cookie_ascii": "# coding: ascii\nx = 1\ny = 'é'\n",
    "cookie_bom": "\ufeff# coding: latin-1\nx = 1\n",
    "cookie_second_line": "#!/usr/bin/python3\n# vim: set fileencoding=no-such :\nx = 1\n",
    "class_eof": "x = 1\nclass A:\n    # nothing\n",
    "if_eof": "if 1:\n    if 2:",
    "try_eof": "try:\n    x = 1\n",
    "colon_middle": "for i in range(3):\nprint(i)\n",
    "yield_outside": "yield 1\n",
    "del_literal": "del 1\n",
    "no_newline": "x = (1",
    "wide": "漢字 = '漢字' 漢字\n",
    "except_star_mix": "try:\n    pass\nexcept A:\n    pass\nexcept* B:\n    pass\n",
    "continuation": "x = 1 \\\n    + \\ \n 2\n",
}

EXITS = {
    "nothing": "",
    "comment": "# only a comment",
    "pass": "pass\n",
    "exit_0": "import sys\nprint('a')\nsys.exit(0)\nprint('b')\n",
    "exit_7": "import sys\nsys.exit(7)\n",
    "exit_none": "raise SystemExit\n",
    "exit_text": "import sys\nsys.exit('reason: ä')\n",
    "exit_tuple": "raise SystemExit(1, 2)\n",
    "exit_object": "class A:\n    def __str__(self): return 'an A'\nraise SystemExit(A())\n",
    "exit_negative": "raise SystemExit(-1)\n",
    "exit_256": "raise SystemExit(256)\n",
    "exit_huge": "raise SystemExit(10 ** 30)\n",
    "exit_true": "raise SystemExit(True)\n",
    "exit_float": "raise SystemExit(1.5)\n",
    "exit_builtin": "exit(3)\n",
    "quit_builtin": "quit()\n",
    "exit_in_function": "def f():\n    try:\n        exit(4)\n    finally:\n        print('finally')\nf()\n",
    "os_exit": "import os\nprint('lost', flush=True)\nos._exit(9)\n",
    "abort": "import os\nprint('x', flush=True)\nos.abort()\n",
    "excepthook": "import sys\nsys.excepthook = lambda t, v, tb: print('hook', t.__name__, v)\n1 / 0\n",
    "excepthook_fails": "import sys\ndef hook(*a):\n    raise KeyError('in hook')\nsys.excepthook = hook\n1/0\n",
    "excepthook_exits": "import sys\nsys.excepthook = lambda *a: sys.exit(5)\n1 / 0\n",
    "excepthook_gone": "import sys\ndel sys.excepthook\n1 / 0\n",
    "excepthook_sys": "import sys\nsys.excepthook = lambda *a: print(sys.last_type, sys.last_value)\n1/0\n",
    "stderr_gone": "import sys\nsys.stderr = None\n1 / 0\n",
    "stdout_gone": "import sys\nsys.stdout = None\nprint('x')\n",
    "stderr_own": "import sys\nclass W:\n    def write(self, t): sys.stdout.write('[' + t + ']')\n"
                  "    def flush(self): print('flush')\nsys.stderr = W()\n1 / 0\n",
    "stdout_own": "import sys\nclass W:\n    def write(self, t): sys.__stdout__.write('<' + t + '>')\n"
                  "    def flush(self): sys.__stdout__.write('flush;')\nsys.stdout = W()\nprint('x')\n",
    "stdout_closed": "import sys\nprint('a')\nsys.stdout.close()\n",
    "fd_closed": "import os\nos.close(1)\nprint('x')\n",
    "help_repr": "print(repr(exit), repr(quit), repr(copyright)[:20], repr(credits)[:20], help)\n",
}

ENDS = {
    "atexit": "import atexit\natexit.register(print, 'first')\natexit.register(print, 'second', end='!\\n')\n"
              "print('body')\n",
    "atexit_raises": "import atexit\ndef f():\n    raise ValueError('at exit')\natexit.register(f)\n"
                     "atexit.register(print, 'other')\n",
    "atexit_exits": "import atexit, sys\natexit.register(sys.exit, 3)\natexit.register(print, 'x')\n",
    "atexit_after_error": "import atexit\natexit.register(print, 'x')\n1 / 0\n",
    "atexit_nested": "import atexit\ndef f():\n    atexit.register(print, 'inner')\n    print('outer')\n"
                     "atexit.register(f)\n",
    "del_global": "class A:\n    def __del__(self): print('del', self.n)\na = A(); a.n = 1\nb = A(); b.n = 2\n",
    "del_private": "class A:\n    def __init__(self, n): self.n = n\n    def __del__(self): print('del', self.n)\n"
                   "b = A('b'); _a = A('_a'); c = A('c')\n",
    "del_with_function": "class A:\n    def __init__(self, n): self.n = n\n"
                         "    def __del__(self): print('del', self.n)\n"
                         "def f(): return x\nx = A('x'); _y = A('_y'); z = A('z')\n",
    "del_cycle": "class A:\n    def __del__(self): print('del', self.n)\na = A(); a.n = 1; a.me = a\n"
                 "b = A(); b.n = 2; b.other = a; del a, b\n",
    "del_raises": "class A:\n    def __del__(self): 1 / 0\na = A()\nprint('end')\n",
    "del_raises_now": "class A:\n    def __del__(self):\n        raise ValueError('now')\na = A()\ndel a\nprint(1)\n",
    "del_uses_global": "class A:\n    def __del__(self): print(other, print)\nother = 'o'\na = A()\n",
    "del_prints_sys": "import sys\nclass A:\n    def __del__(self): print(sys.argv, sys.path, sys.meta_path)\n"
                      "a = A()\n",
    "del_after_error": "class A:\n    def __del__(self): print('del')\ndef f():\n    a = A()\n    1 / 0\nf()\n",
    "del_in_module": "import types\nclass A:\n    def __del__(self): print('del')\nm = types.ModuleType('m')\n"
                     "m.a = A()\n",
    "weakref_finalize": "import weakref\nclass A: pass\na = A()\nweakref.finalize(a, print, 'finalized')\n",
    "weakref_callback": "import weakref\nclass A: pass\na = A()\nr = weakref.ref(a, lambda r: print('gone'))\n",
    "gc_disabled": "import gc\ngc.disable()\nclass A:\n    def __del__(self): print('del')\na = A(); a.a = a\n",
    "generator_at_end": "def g():\n    try:\n        yield 1\n    finally:\n        print('closed')\nx = g(); next(x)\n",
    "file_order": "import os, sys\nprint('one')\nos.write(1, b'two\\n')\nsys.stdout.flush()\nos.write(1, b'three\\n')\n",
    "never_awaited": "async def f(): pass\nf()\n",
    "unraisable_hook": "import sys\nsys.unraisablehook = lambda u: print('hook', u.exc_value, u.err_msg)\n"
                       "class A:\n    def __del__(self): 1 / 0\na = A()\ndel a\n",
    "context_exit": "import contextlib\n@contextlib.contextmanager\ndef c():\n    try:\n        yield\n"
                    "    finally:\n        print('left')\nx = c(); x.__enter__()\n",
    "last_traceback": "class A:\n    def __del__(self): print('del')\ndef f(a):\n    raise ValueError\nf(A())\n",
    "del_without_collector": "class A(int):\n    __slots__ = ()\n    def __del__(self): print('del', int(self))\n"
                             "x = {1: (A(3),)}\n",
    "del_in_default": "class A:\n    def __del__(self): print('del')\ndef f(a=A()): pass\n",
    "close_of_its_own": "import io\nx = io.StringIO()\nx.close = lambda: print('closed')\n",
    "weak_dictionary": "import weakref\nclass A: pass\na = A()\nd = weakref.WeakKeyDictionary({a: 1})\n"
                       "r = weakref.ref(d, lambda r: print('gone'))\n",
    "stdin_method": "import sys\nread = sys.stdin.readline\nbuffer = sys.stdin.buffer\nprint(repr(read()))\n",
    "stdout_given_flush": "import sys\nsys.stdout.flush = lambda: print('flush', file=sys.stderr)\n",
    "stdout_closed_below": "import sys\nprint(1, flush=True)\nsys.stdout.buffer.raw.close()\n",
    "del_frozen": "import gc\nclass A:\n    def __del__(self): print('del')\na = A()\ngc.freeze()\n",
    "del_at_threshold": "import gc\nclass A:\n    def __init__(self): self.me = self\n    def __del__(self): print('del')\n"
                        "gc.collect()\ngc.disable(); A()\ngc.set_threshold(1); gc.enable()\n",
    "detached_buffer": "import os, sys\nb = sys.stdout.detach()\nb.write(b'first\\n')\ndel b\nos.write(1, b'second\\n')\n",
    "buffer_anew": "import sys\nb = sys.stdout.detach(); b.__init__(b.raw); b.write(b'x'); sys.stdout = None\n",
    "kept_buffer": "import sys\nout = sys.stdout.buffer\nout.write(b'a')\nerr = sys.stderr.buffer.raw\nerr.write(b'b')\n",
    "own_lines": "import linecache\nprint(linecache.getline(__file__, 2), __loader__.get_data(__file__))\n",
    "own_names": "print(sorted(globals()), __annotations__, __spec__, __loader__.path == __file__, __loader__.name)\n"
                 "import sys, __main__\nprint(sys.argv == [__file__], sys.modules['__main__'] is __main__, vars(__main__) is globals())\n",
    "tempfile_names": "import io\nx = io.StringIO('a')\nprint(x.read())\n",
}

THREADS = {
    "thread": "import threading\nt = threading.Thread(target=print, args=('in thread',))\nt.start()\nt.join()\n",
    "thread_joined_at_end": "import threading, time\ndef f():\n    time.sleep(0.05)\n    print('late')\n"
                            "threading.Thread(target=f).start()\nprint('body')\n",
    "thread_raises": "import threading\ndef f():\n    1 / 0\nt = threading.Thread(target=f, name='T')\n"
                     "t.start()\nt.join()\n",
    "thread_exits": "import threading, sys\nt = threading.Thread(target=sys.exit, args=(3,))\nt.start()\nt.join()\n",
    "thread_before_atexit": "import atexit, threading, time\natexit.register(print, 'atexit')\n"
                            "def f():\n    time.sleep(0.05)\n    print('thread')\n"
                            "threading.Thread(target=f).start()\n",
    "daemon": "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
              "print('end')\n",
    "executor": "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(2) as e:\n"
                "    print(list(e.map(str, range(5))))\n",
    "executor_open": "from concurrent.futures import ThreadPoolExecutor\ne = ThreadPoolExecutor(2)\n"
                     "e.submit(print, 'x')\n",
    "thread_names": "import threading\nprint(threading.current_thread(), threading.active_count())\n",
    "thread_error_after": "import threading, time\ndef f():\n    time.sleep(0.05)\n    print('thread')\n"
                          "threading.Thread(target=f).start()\n1 / 0\n",
    "asyncio_threads": "import asyncio\nasync def f():\n    print(await asyncio.to_thread(str, 5))\nasyncio.run(f())\n",
}

STDIN = {
    "input": {"source": "print(repr(input()), repr(input('prompt: ')))\n", "stdin": b"one\r\ntwo"},
    "input_eof": {"source": "input()\ninput()\n", "stdin": b"one\n"},
    "lines": {"source": "import sys\nfor line in sys.stdin:\n    print(repr(line))\n",
              "stdin": b"a\nb\r\nc\x0cd\rd\n\xe2\x82\xac"},
    "read": {"source": "import sys\nprint(repr(sys.stdin.read()))\n", "stdin": b"a\nb\xff\n"},
    "buffer": {"source": "import sys\nprint(sys.stdin.buffer.read())\n", "stdin": b"a\0b\xff\n"},
    "buffer_lines": {"source": "import sys\nprint(sys.stdin.buffer.readline(), sys.stdin.readline())\n",
                     "stdin": b"a\nb\n"},
    "open_0": {"source": "print(open(0).read().split())\n", "stdin": b"1 2\n3\n"},
    "os_read": {"source": "import os\nprint(os.read(0, 3), os.read(0, 100))\n", "stdin": b"abcdef\n"},
    "map_int": {"source": "n, m = map(int, input().split())\nprint(n * m)\n", "stdin": b"6 7\n"},
    "readlines": {"source": "import sys\nprint(sys.stdin.readlines())\n", "stdin": b"x\n" * 5000},
    "empty": {"source": "import sys\nprint(repr(sys.stdin.read()))\n", "stdin": b""},
    "attributes": {"source": "import sys\ns = sys.stdin\nprint(s, s.name, s.mode, s.encoding, s.errors,"
                             " s.newlines, s.line_buffering, s.fileno(), s.isatty(), s.seekable(),"
                             " s.buffer, s.buffer.raw, s is sys.__stdin__)\n", "stdin": b"x"},
    "seek": {"source": "import sys\nprint(sys.stdin.readline())\nsys.stdin.seek(0)\nprint(sys.stdin.read())\n",
             "stdin": b"a\nb\n"},
    "fileinput": {"source": "import fileinput\nfor line in fileinput.input():\n    print(line, end='')\n",
                  "stdin": b"a\nb\n"},
    "closed": {"source": "import sys\nsys.stdin.close()\ninput()\n", "stdin": b"x\n"},
}

LANGUAGE = {
    "argv": {"source": "import sys\nprint(sys.argv[1:])\n", "args": ["a b", "ä", "", "-x"]},
    "globals": "print(list(globals()), __file__, __spec__, type(__loader__))\n",
    "main_import": "import __main__\nx = 5\nprint(__main__.x, __main__.__dict__ is globals())\n",
    "warning": "import warnings\nwarnings.warn('careful')\nwarnings.warn('old', DeprecationWarning)\n",
    "warning_level": "import warnings\ndef f():\n    warnings.warn('deep', stacklevel=2)\nf()\n",
    "syntax_warning": "x = 1\nprint(x is 1)\nassert (x, 'y')\n",
    "escape_warning": "print('\\d')\n",
    "getsource": "import inspect\ndef f(a):\n    # comment\n    return a\nprint(inspect.getsource(f))\n",
    "getsource_module": "import inspect, sys\nclass A:\n    x = 1\nprint(inspect.getsource(sys.modules['__main__']))\n",
    "linecache": "import linecache\nprint(repr(linecache.getline(__file__, 2)))\nx = 2\n",
    "hash": "print(hash('abc'), {'b', 'a', 'c'}, hash(b'x'))\n",
    "recursion_limit": "import sys\nprint(sys.getrecursionlimit())\nsys.setrecursionlimit(500)\n"
                       "print(sys.getrecursionlimit())\n",
    "recursion_limit_bad": "import sys\nsys.setrecursionlimit(-1)\n",
    "recursion_limit_type": "import sys\nsys.setrecursionlimit('x')\n",
    "pickle": "import pickle\nclass A:\n    x = 1\na = pickle.loads(pickle.dumps(A()))\nprint(type(a), a.x)\n",
    "dataclass": "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\nprint(P(1), P.__module__)\n",
    "enum": "import enum\nclass E(enum.Enum):\n    A = 1\nprint(E.A, repr(E.A))\n",
    "asyncio": "import asyncio\nasync def f(n):\n    await asyncio.sleep(0.01 * n)\n    print(n)\n    return n\n"
               "async def m():\n    print(await asyncio.gather(*map(f, (2, 1, 0))))\nasyncio.run(m())\n",
    "asyncio_lost": "import asyncio\nasync def f():\n    1 / 0\nasync def m():\n    t = asyncio.create_task(f())\n"
                    "    await asyncio.sleep(0)\n    await asyncio.sleep(0)\n    del t\nasyncio.run(m())\n",
    "logging": "import logging\nlogging.basicConfig(format='%(levelname)s %(lineno)d %(message)s')\n"
               "try:\n    1 / 0\nexcept Exception:\n    logging.exception('failed')\n",
    "modules_60": "\n".join("import " + m for m in (
        "abc argparse array ast base64 binascii bisect bz2 calendar cmath codecs collections copy csv "
        "dataclasses datetime decimal difflib dis enum errno fractions functools gc getopt glob gzip hashlib "
        "heapq hmac html importlib inspect io itertools json keyword linecache locale lzma marshal math "
        "numbers operator os pickle pprint queue random re sched secrets select shutil signal socket sqlite3 "
        "statistics string struct tempfile textwrap time timeit tokenize types typing unicodedata unittest "
        "uuid weakref zlib zoneinfo").split()) + "\nprint('ok')\n",
    "sqlite": "import sqlite3\nc = sqlite3.connect(':memory:')\nc.execute('create table t (x)')\n"
              "c.executemany('insert into t values (?)', [(1,), (2,)])\nprint(c.execute('select sum(x) from t').fetchall())\n",
    "decimal": "from decimal import *\ngetcontext().prec = 50\nprint(Decimal(2).sqrt(), Decimal)\n",
    "hashes": "import hashlib\nprint(hashlib.sha256(b'x').hexdigest(), hashlib.sha512(b'').hexdigest(), hashlib.md5(b'a').hexdigest())\n",
    "codecs": "print('漢'.encode('shift_jis'), b'\\xb4\\xc1'.decode('gbk'), 'é'.encode('cp437'), 'é'.encode('idna'))\n",
    "local_time": "import time\nprint(time.strftime('%Y', time.gmtime(0)), time.localtime(0).tm_hour)\n",
    "locale": "import locale\nprint(locale.getlocale(), locale.getpreferredencoding(), format(12345.6, 'n'))\n",
    "encodings": "import sys\nprint(sys.getfilesystemencoding(), sys.getdefaultencoding(), sys.stdout.encoding,"
                 " sys.stdout.errors, sys.stderr.errors, sys.flags.utf8_mode)\n",
    "long_output": "for i in range(20000):\n    print(i)\n",
    "stderr_mix": "import sys\nfor i in range(1000):\n    print(i)\n    print(i, file=sys.stderr)\n",
    "doctest": "'''\n>>> 1 + 1\n3\n'''\nimport doctest\nprint(doctest.testmod())\n",
    "signal": "import signal\nsignal.signal(signal.SIGALRM, lambda s, f: print('alarm', f.f_lineno))\n"
              "signal.raise_signal(signal.SIGALRM)\n",
    "signal_default": "import signal\nprint(signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGPIPE))\n",
    "signal_death": "import signal\nprint('x', flush=True)\nsignal.raise_signal(signal.SIGTERM)\n",
    "frame_names": "import sys\nf = sys._getframe()\nprint(f.f_back, f.f_code.co_name, f.f_lineno)\n",
    "profile": "import sys\nsys.settrace(lambda f, e, a: print(e, f.f_code.co_name))\ndef f(): pass\nf()\n",
    "cookie_utf8": "# -*- coding: utf-8 -*-\nprint('ä')\n",
    "cookie_latin1_print": "# coding: latin-1\nprint('é')\n",
    "int_digits": "print(len(str(10 ** 5000)))\n",
    "subclass_int_enum": "print(type(1).__mro__, isinstance(True, int))\n",
    "open_identity": "import io\nprint(io.open is open, open, open.__module__, open.__name__)\n",
    "sys_methods": "import sys\nprint(sys.setrecursionlimit, sys.setrecursionlimit.__doc__)\n",
    "random_seeded": "import random\nrandom.seed(5)\nprint(random.random(), random.randint(1, 100))\n",
    "typing_caches": "from typing import *\nprint(Optional[List[int]], Dict[str, Any])\n",
}

MODULES = {
    "module": {"source": "import helper\nprint(helper.f(3), helper.__file__[-9:], helper.__name__)\n",
               "modules": {"helper": "def f(x):\n    return x * 2\n"}},
    "module_raises": {"source": "import helper\nhelper.f()\n",
                      "modules": {"helper": "def f():\n    return 1 / 0\n"}},
    "module_body_raises": {"source": "import helper\n", "modules": {"helper": "x = 1\n\nint('a')\n"}},
    "module_syntax": {"source": "import helper\n", "modules": {"helper": "x = = 1\n"}},
    "module_compile": {"source": "import helper\n", "modules": {"helper": "x = 1\nreturn x\n"}},
    "package": {"source": "import pack.sub.deep as d\nfrom pack import sub\nprint(d.value, sub.name)\n",
                "modules": {"pack.__init__": "", "pack.sub.__init__": "name = __name__\n",
                            "pack.sub.deep": "from ..other import value\n", "pack.other": "value = 42\n"}},
    "shadow_stdlib": {"source": "import json\nprint(json.answer)\n", "modules": {"json": "answer = 42\n"}},
    "missing": {"source": "import helper\n", "modules": {"helper": "import absent\n"}},
    "circular": {"source": "import a\n", "modules": {"a": "from b import y\nx = 1\n", "b": "from a import x\ny = 1\n"}},
    "del_module": {"source": "import helper\nclass A:\n    def __del__(self): print('main')\na = A()\n",
                   "modules": {"helper": "class A:\n    def __del__(self): print('helper')\na = A()\n"}},
    "del_modules": {"source": "import one, two\nclass A:\n    def __del__(self): print('main')\na = A()\n",
                    "modules": {"one": "class A:\n    def __del__(self): print('one', print)\na = A()\nb = 1\n",
                                "two": "import one\nclass A:\n    def __del__(self): print('two', one)\na = A()\n"}},
    "del_plain": {"source": "import one, two\nfrom one import A\na = A('main')\n",
                  "modules": {"one": "class A:\n    def __init__(self, n): self.n = n\n"
                                     "    def __del__(self): print('del', self.n)\na = A('one')\n",
                              "two": "from one import A\na = A('two')\n"}},
    "getsource": {"source": "import inspect, helper\nprint(inspect.getsource(helper.f))\n",
                  "modules": {"helper": "x = 1\ndef f():\n    return x\n"}},
    "warn_in_module": {"source": "import helper\nhelper.f()\n",
                       "modules": {"helper": "import warnings\ndef f():\n    warnings.warn('w')\n"}},
}

ALL = {"tracebacks": TRACEBACKS, "syntax": SYNTAX, "exits": EXITS, "ends": ENDS, "threads": THREADS,
       "stdin": STDIN, "language": LANGUAGE, "modules": MODULES}
