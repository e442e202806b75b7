"""Functions in all shapes of the grammar that have lines of their own, to be traced and to fail."""
import asyncio
import contextlib


def for_loop(n):
    total = 0
    for i in range(n):
        if i % 2:
            continue
        elif i == 6:
            break
        total += i
    else:
        total = -1
    for a, (b, *c) in [(1, (2, 3)), (4, (5, 6,
                                         7))]:
        total += a + b
    return total


def while_loop(n):
    while n:
        n -= 1
        while True:
            if n > 3: break
            n += 5
        if n == 4:
            return n
    else:
        return -1


def finally_loop(n):
    seen = []
    for i in range(n):
        try:
            if i == 1:
                continue
            if i == 3:
                break
            seen.append(i)
        finally:
            seen.append(-i)
    try:
        return seen
    finally:
        del seen


def finally_nested(n):
    try:
        try:
            try:
                n / (n - 2)
            except TypeError:
                n = 1
            else:
                n = 7
            finally:
                n += 1
        finally:
            n += 10
    except ZeroDivisionError as e:
        return str(e)
    return n


def finally_overrides():
    while True:
        try:
            raise KeyError(1)
        finally:
            return 5


def handlers(kind):
    try:
        raise kind("x")
    except (KeyError,
            IndexError) as e:
        r = repr(e)
    except ValueError:
        try:
            raise
        except Exception as inner:
            r = inner.args
    except:
        r = "all"
    else:
        r = "none"
    return r


def stars():
    try:
        raise ExceptionGroup("g", [ValueError(1), TypeError(2), ExceptionGroup("h", [ValueError(3)])])
    except* ValueError as e:
        a = e.exceptions
    except* TypeError:
        a = 2
    finally:
        b = 3
    return a, b


class Manager:
    def __init__(self, name, swallow=False):
        self.name, self.swallow = name, swallow

    def __enter__(self):
        return self.name

    def __exit__(self, kind, value, trace):
        return self.swallow

    async def __aenter__(self):
        await asyncio.sleep(0)
        return self.name

    async def __aexit__(self, kind, value, trace):
        await asyncio.sleep(0)
        return self.swallow


def with_statements(n):
    with Manager("a") as a, Manager(
            "b", True) as b:
        if n == 1:
            return a
        if n == 2:
            raise KeyError(b)
        for i in range(3):
            with Manager("c"):
                if i == 1:
                    break
    with (Manager("d"),
          contextlib.suppress(ValueError)):
        int("x")
    return n


def generator(n):
    try:
        for i in range(n):
            got = yield i
            if got:
                yield from inner(got)
    except KeyError:
        yield "key"
    finally:
        n = 0


def inner(n):
    try:
        x = yield n
    except ValueError as e:
        x = yield str(e)
    return x


def drive():
    g = generator(4)
    seen = [next(g), g.send(3), g.throw(ValueError("v")), g.send(None), g.throw(KeyError)]
    g.close()
    h = generator(2)
    next(h)
    h.close()
    seen.extend(generator(2))
    seen.append([*(x for x in generator(3) if x)])
    return seen


class Point:
    __match_args__ = ("x", "y")

    def __init__(self, x, y):
        self.x = x
        self.y = y


def match(value):
    match value:
        case 1 | 2:
            return "small"
        case [x, y, *rest] if x > y:
            return x, rest
        case [_, _,
              3]:
            return "three"
        case {"k": v, **more}:
            return v, more
        case Point(x=0, y=y):
            return y
        case Point(
            x, y
        ):
            return x + y
        case str() as s:
            return s
        case None:
            pass
        case _:
            return "other"


def matches():
    return [match(v) for v in (1, [3, 1, 7], [1, 2, 3], {"k": 1, "l": 2}, Point(0, 4), Point(1, 2), "s", None, 2.5)]


async def ticks(n):
    try:
        for i in range(n):
            await asyncio.sleep(0)
            yield i
    finally:
        await asyncio.sleep(0)


async def work(n):
    out = [x async for x in ticks(n) if x != 1]
    out += [await double(y) for y in out]
    out += {x: [z async for z in ticks(x)] async for x in ticks(3)}.values()
    async for x in ticks(n):
        if x == 2:
            break
        if x:
            continue
    else:
        out.append("no")
    async with Manager("m") as m, Manager("n", True):
        out.append(m)
        raise LookupError(m)
    g = (x async for x in ticks(2))
    out.append(await anext(g))
    await g.aclose()
    return out


async def double(x):
    await asyncio.sleep(0)
    return x * 2


def run_async():
    return asyncio.run(work(3))


def expressions(a=1):
    b = (a if a > 2
         else
         a + 1)
    c = [i
         for i in range(3)
         for j in range(i)
         if i
         if j or a]
    d = {k: v
         for k, v
         in zip("ab", c)}
    e = (lambda x,
                y=b: x
         + y)(1)
    f = (a <
         b <
         e) and (d or
                 c)
    g = f"{a}" \
        f"{b!r:>{e}}"
    assert f, \
        g
    if (h := len(c)) > 1 and \
            h < 10 or a:
        b += \
            h
    x, *y = b, \
        c
    print(a,
          b,
          sep="",
          end="\n",
          *y)
    del x, \
        y
    return [f, g,
            h][
        0:
        2]


def decorate(*args):
    def wrap(f):
        return f
    return wrap


def classes():
    @decorate(1,
              2)
    @decorate()
    class A(
        Point
    ):
        """Doc."""
        z: int = 3
        w: "str"

        @property
        def p(self): return self.z

        @decorate(
            3
        )
        def q(self, a=[
            1
        ], *, b=2): pass

        for i in range(2):
            pass

    class B(A, metaclass=type):
        def p(self):
            return super().p, __class__

    return B(1, 2).p()[0]


def closures():
    n = 0

    def up():
        nonlocal n
        n += 1
        return lambda: n
    up()
    global GLOBAL
    GLOBAL = up()()
    return GLOBAL


def one_line(n):
    for i in range(n): x = i; y = x
    while n: n -= 1
    if n: pass
    else: x = y
    try: x / n
    except ZeroDivisionError: x = 1; pass
    return x


def empty():
    """Only a docstring."""


def dead():
    if 0:
        x = 1
    while 0:
        x = 2
    if __debug__:
        pass
    return
    x = 3


def recursive(n):
    return n and recursive(
        n - 1)


def importing():
    import string as s, \
        textwrap
    from os import (path,
                    sep)
    return s.digits, textwrap.__name__, sep, path is not None


QUIET = [
    (for_loop, 4), (for_loop, 9), (while_loop, 6), (while_loop, 0), (finally_loop, 5), (finally_nested, 3),
    (finally_nested, 2), (finally_nested, "s"), (finally_overrides,), (handlers, KeyError),
    (handlers, ValueError), (handlers, OSError), (stars,), (with_statements, 0), (with_statements, 1),
    (with_statements, 2), (drive,), (matches,), (expressions,), (classes,), (closures,), (one_line, 3), (empty,),
    (dead,), (recursive, 5), (importing,),
]
