"""Programs whose traces must be the same as sys.settrace's under plain python3.

QUIET ones let no Python frame raise, so that what is counted is what is traced. None imports anything: what
is preloaded would change a trace.
"""

QUIET = {
    "pass": "pass\n",
    "power": "x, y = 2, 3; x **= y\n",
    "conditional": "x = 6 if __name__ != '__main__' else 10\n",
    "reference": "def otherfunc(b):\n    return b * 7\n\ndef myfunc(a):\n    for i in range(0, 20):\n"
                 "        print(i, otherfunc(i + a + 3))\n\nmyfunc(2)\n",
    "fib": "def fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\nprint(fib(9))\n",
    "while": "i = 0\nwhile i < 50:\n    i += 1\n    if i % 3 == 0:\n        continue\n    if i > 40:\n"
             "        break\nelse:\n    i = 99\n",
    "nested_loops": "t = 0\nfor i in range(7):\n    for j in range(i):\n        t += i * j\n",
    "for_else": "for i in []:\n    pass\nelse:\n    j = 1\n",
    "comprehensions": "a = [i * i for i in range(9) if i % 2]\nb = {i: str(i) for i in a}\nc = {i for i in b}\n"
                      "d = sum(x for x in a)\n",
    "nested_comprehension": "m = [[i * j for j in range(4)] for i in range(4)]\nt = list(zip(*m))\n",
    "closure": "def counter():\n    n = 0\n    def step(k=1):\n        nonlocal n\n        n += k\n        return n\n"
               "    return step\nc = counter()\nc(); c(5); c(k=3)\n",
    "decorator": "def twice(f):\n    def inner(*a, **k):\n        return f(*a, **k), f(*a, **k)\n    return inner\n"
                 "@twice\ndef g(a, *, b=2):\n    return a + b\ng(1, b=5)\n",
    "class": "class A:\n    x = 1\n    def __init__(self, y):\n        self.y = y\n    @property\n    def z(self):\n"
             "        return self.x + self.y\n    @staticmethod\n    def s(a): return a\n"
             "    @classmethod\n    def c(cls): return cls(3)\nA(2).z; A.s(1); A.c().z\n",
    "inheritance": "class A:\n    def f(self): return 'A'\nclass B(A):\n    def f(self): return 'B' + super().f()\n"
                   "class C(A):\n    def f(self): return 'C' + super().f()\nclass D(B, C):\n"
                   "    def f(self): return 'D' + super().f()\nprint(D().f())\n",
    "metaclass": "class M(type):\n    def __new__(m, n, b, d):\n        d['tag'] = n.lower()\n"
                 "        return super().__new__(m, n, b, d)\nclass A(metaclass=M): pass\nA.tag\n",
    "descriptor": "class D:\n    def __get__(self, o, t): return 7\n    def __set__(self, o, v): o.__dict__['w'] = v\n"
                  "    def __set_name__(self, o, n): self.n = n\nclass A:\n    d = D()\na = A()\na.d = a.d + 1\n",
    "operators": "class V:\n    def __init__(s, a): s.a = a\n    def __add__(s, o): return V(s.a + o.a)\n"
                 "    def __matmul__(s, o): return s.a * o.a\n    def __iadd__(s, o): s.a += o.a; return s\n"
                 "    def __neg__(s): return V(-s.a)\n    def __getitem__(s, k): return s.a + k\n"
                 "    def __bool__(s): return False\nv = V(1) + V(2)\nv += -V(3)\nv @ v; v[4]; not v; v or 1\n",
    "all_operators": "a, b = 7, 3\nr = [a + b, a - b, a * b, a / b, a // b, a % b, a ** b, a << b, a >> b, a & b, a | b,"
                     " a ^ b, -a, +a, ~a, not a, a < b, a <= b, a == b, a != b, a > b, a >= b, a is b, a is not b,"
                     " a in [b], a not in [b]]\nfor o in (1, 2):\n    a += b; a -= 1; a *= 2; a //= 2; a %= 9; a <<= 2;"
                     " a >>= 1; a &= 255; a |= 1; a ^= 2\n",
    "chained_compare": "n = 0\nfor i in range(9):\n    if 2 < i <= 5 != 3:\n        n += 1\n",
    "boolean": "r = []\nfor a in (0, 1):\n    for b in (0, 1):\n        r.append((a and b, a or b, not a, a and not b))\n",
    "strings": "a = 'x'\nb = f'{a!r:>5} {3.5:.2f} {a}' + 'é漢' * 3\nc = b[1:4], b[::-1], b'\\x00\\xff'\nd = '%s' % a\n",
    "unpack": "a, *b, c = range(6)\n(d, e), f = [1, 2], 3\n[*b, *b]; {**{'a': 1}, 'b': 2}; (*b, 1); {*b}\n"
              "def f(a, /, b, *c, d=4, **e): return a\nf(1, *b, **{'z': 2})\n",
    "slices": "a = list(range(10))\na[2:4] = 'xy'\ndel a[0], a[::3]\na[-1] += 1\n",
    "del": "a = b = c = 1\ndel a\ndef f():\n    x = 1\n    del x\nf()\n",
    "global": "n = 0\ndef f():\n    global n\n    n += 1\n    for i in range(3): n += i\nf()\n",
    "lambda": "f = lambda a, b=2: a * b\nlist(map(f, [1, 2, 3]))\nsorted([3, 1, 2], key=lambda x: -x)\n",
    "generator_send": "def g():\n    t = 0\n    while t < 10:\n        t += yield t\nh = g()\nnext(h)\nh.send(3)\nh.send(4)\n",
    "generator_unfinished": "def g():\n    i = 0\n    while True:\n        yield i\n        i += 1\nh = g()\n"
                            "a = [next(h), next(h), next(h)]\n",
    "with": "class C:\n    def __enter__(s): return 5\n    def __exit__(s, *a): return None\nwith C() as a, C():\n    b = a\n",
    "try_without": "try:\n    a = 1\nexcept ValueError:\n    a = 2\nelse:\n    a = 3\nfinally:\n    b = a\n",
    "match": "def f(x):\n    match x:\n        case 0 | 1: return 'small'\n        case [a, *b] if b: return a\n"
             "        case {'k': v, **r}: return v\n        case str(): return 'text'\n        case int(n) if n > 5: return n\n"
             "        case _: return None\nfor x in (0, 1, [1, 2], [1], {'k': 3, 'j': 4}, 's', 9, 3.5): f(x)\n",
    "annotations": "x: int = 1\ny: 'list[int]'\ndef f(a: int, b: str = '') -> None: pass\n",
    "star_call": "def f(*a, **k): return len(a) + len(k)\nf(*[1] * 5, **dict.fromkeys('abc', 1))\n",
    "recursion": "def f(n): return 0 if n == 0 else 1 + f(n - 1)\nf(120)\n",
    "hanoi": "def h(n, a, b, c):\n    if n:\n        h(n - 1, a, c, b)\n        moves.append((a, c))\n"
             "        h(n - 1, b, a, c)\nmoves = []\nh(5, 'a', 'b', 'c')\n",
    "sieve": "p = []\nfor n in range(2, 80):\n    for q in p:\n        if n % q == 0:\n            break\n    else:\n"
             "        p.append(n)\n",
    "bubble": "a = [5, 2, 9, 1, 7, 3]\nfor i in range(len(a)):\n    for j in range(len(a) - 1 - i):\n"
              "        if a[j] > a[j + 1]:\n            a[j], a[j + 1] = a[j + 1], a[j]\n",
    "none_jumps": "n = 0\nfor x in (None, 1, None, 2):\n    if x is None:\n        n += 1\n    if x is not None and x > 1:\n"
                  "        n -= 1\nwhile n is None: pass\n",
    "exec_eval": "exec('a = 1\\nfor i in range(3): a += i')\nb = eval('a + sum(j for j in range(4))')\n",
    "compile": "c = compile('r = [i for i in range(5)]', 'x.py', 'exec')\nexec(c)\nexec(c)\n",
    "async_plain": "async def f(n):\n    return n\nasync def g():\n    return 1\nc = g()\nc.close()\n",
    "sort_compare": "class K:\n    def __init__(s, v): s.v = v\n    def __lt__(s, o): return s.v < o.v\n"
                    "    def __eq__(s, o): return s.v == o.v\n    def __hash__(s): return hash(s.v)\n"
                    "sorted([K(3), K(1), K(2)])\nlen({K(1), K(1), K(2)})\n",
    "del_method": "class A:\n    def __del__(s): print('gone')\na = A()\ndel a\nb = A()\nb = None\n",
    "walrus": "if (n := len('abc')) > 2:\n    m = [y := 1, y ** 2, y + n]\n",
    "globals_call": "globals()['z'] = 4\nz += 1\nvars().get('z')\n",
    # Jumps and names beyond 255: EXTENDED_ARG.
    "long_loop": "def f():\n    t = 0\n    for i in range(3):\n        if i == 5:\n            t = 1\n"
                 + "        t += i * 2 - 1\n" * 120 + "    return t\nf()\n",
    "long_if": "def f(x):\n    if x:\n" + "        x = x + 1 if x else 2\n" * 90 + "    else:\n"
               + "        x = [x]\n" * 150 + "    return x\nf(0)\nf(1)\n",
    "edge_jumps": "".join(f"def f{n}(x):\n    while x:\n        x -= 1\n        if x == 1:\n            continue\n"
                          + "        x = x\n" * n + f"    return x\nf{n}(3)\n" for n in range(108, 132)),
    "many_names": "".join(f"v{i} = {i}.5\n" for i in range(300)) + "t = v0 + v299\n",
    "many_locals": "def f():\n" + "".join(f"    v{i} = {i}\n" for i in range(290)) + "    return v289\nf()\n",
    "huge": "def f(n):\n    t = 0\n    for i in range(n):\n" + "        t += i\n        if t < 0: t = -t\n" * 4000
            + "    return t\nf(0)\n",
}

RAISING = {
    "caught": "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    x = str(e)\nfinally:\n    y = 1\n",
    "nested": "def f(n):\n    try:\n        if n == 0: raise ValueError(n)\n        f(n - 1)\n    except KeyError:\n        pass\n"
              "    finally:\n        n += 1\ntry:\n    f(6)\nexcept ValueError:\n    pass\n",
    "loop": "n = 0\nfor i in range(20):\n    try:\n        n += 6 / (i % 3)\n    except ZeroDivisionError:\n        continue\n",
    "with_raise": "class C:\n    def __enter__(s): pass\n    def __exit__(s, *a): return True\nwith C():\n    raise KeyError\n",
    "reraise": "try:\n    try:\n        raise A\n    except NameError as e:\n        raise ValueError from e\n"
               "except ValueError:\n    pass\n",
    "group": "try:\n    raise ExceptionGroup('g', [ValueError(1), KeyError(2)])\nexcept* ValueError:\n    a = 1\n"
             "except* KeyError:\n    b = 2\n",
    "generator_full": "def g(n):\n    for i in range(n):\n        yield i\nlist(g(5))\na, b = g(2)\n",
    "yield_from": "def g():\n    r = yield from h()\n    yield r\ndef h():\n    x = yield 1\n    return x\n"
                  "i = g(); next(i); i.send(8); list(i)\n",
    "throw": "def g():\n    while True:\n        try:\n            yield 1\n        except ValueError:\n            yield 2\n"
             "i = g(); next(i); i.throw(ValueError); i.close()\n",
    "throw_deep": "def h():\n    try:\n        yield 1\n    except KeyError:\n        yield 2\ndef g():\n    yield from h()\n"
                  "i = g(); next(i); i.throw(KeyError); i.close()\n",
    "coroutine": "class W:\n    def __await__(s): yield 1; return 2\nasync def f(): return await W()\nc = f()\n"
                 "c.send(None)\ntry:\n    c.send(None)\nexcept StopIteration as e:\n    v = e.value\n",
    "async_generator": "async def g():\n    for i in range(3):\n        yield i\nasync def f():\n"
                       "    async for i in g(): pass\n    return [j async for j in g()]\n"
                       "try:\n    f().send(None)\nexcept StopIteration:\n    pass\n",
    "async_with": "class C:\n    async def __aenter__(s): return 1\n    async def __aexit__(s, *a): return True\n"
                  "async def f():\n    async with C() as c:\n        raise ValueError(c)\n"
                  "try:\n    f().send(None)\nexcept StopIteration:\n    pass\n",
    "assert": "try:\n    assert 1 > 2, 'no'\nexcept AssertionError:\n    pass\n",
    "iterator": "class I:\n    def __init__(s): s.n = 0\n    def __iter__(s): return s\n    def __next__(s):\n        s.n += 1\n"
                "        if s.n > 4: raise StopIteration\n        return s.n\nlist(I())\nfor i in I(): pass\n",
    "getattr": "class A:\n    def __getattr__(s, n): raise AttributeError(n)\nhasattr(A(), 'x'); getattr(A(), 'y', 1)\n",
    "exit": "try:\n    raise SystemExit(3)\nfinally:\n    x = 1\n",
    "unpack_error": "try:\n    a, b = 1, 2, 3\nexcept ValueError:\n    pass\n",
}
