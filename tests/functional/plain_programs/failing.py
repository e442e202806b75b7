"""Failures with their tracebacks: lines, carets, positions, chains; the last one is not caught."""
import asyncio
import contextlib
import sys
import traceback

import shapes


def multi_line(a):
    return max(
        1,
        a[0][
            "k"] +
        (2 *
         a[1]),
    )


def call_lines():
    return dict(
        a=1,
        b=[].pop(
            3
        ),
        c=2)


def chained_calls(a):
    return (a
            .strip()
            .split(",")
            .nothing
            .more())


def operators(a):
    x = 1 + 2 * a // 0 - 3
    return x


def compare(a):
    return 1 < 2 < a < 3 and 4


def subscript(a):
    a[1][2:3]["x"]["y"] = 5


def attribute(a):
    a.b.c = 1


def augmented(a):
    a += 1
    a[0] += 1


def unpack(a):
    x, (y, z), *w = a, a, 3
    return x


def condition(a):
    if (a and
            a.missing or
            3):
        return 1
    return 2


def loop():
    for i in range(3):
        for j in (2, 1,
                  0):
            i / j
    return 0


def comprehension():
    return [1 / y
            for x in range(2)
            for y in range(x, -1, -1)
            if 3 / (x + 1)]


def generator_expression():
    return sum(1 / (1 - x) for x in
               range(3))


def lambdas():
    f = (lambda x: (lambda y:
                    x / y))
    return f(1)(0)


def generator():
    def inside():
        yield 1
        yield 1 / 0

    def outside():
        yield 0
        yield from inside()
    return list(outside())


def thrown():
    def inside():
        try:
            yield 1
        except ValueError:
            raise KeyError("second")

    def outside():
        return (yield from
                inside())
    g = outside()
    next(g)
    g.throw(ValueError("first"))


def with_exit():
    class Bad:
        def __enter__(self): return self

        def __exit__(self, *a):
            return 1 / 0
    with Bad() as a, \
            contextlib.suppress(ValueError):
        raise KeyError(a is None)


def with_enter():
    with shapes.Manager("a"), open("/nonexistent",
                                   "rb"):
        pass


def finallies():
    try:
        try:
            raise ValueError("first")
        finally:
            None.x
    finally:
        {}["third"]


def context():
    try:
        int("x")
    except ValueError:
        raise KeyError("from inside")


def cause():
    try:
        [][1]
    except IndexError as e:
        raise RuntimeError("because") from e


def suppressed():
    try:
        [][1]
    except IndexError:
        raise RuntimeError("alone") from None


def reraised():
    try:
        try:
            multi_line([{"k": 1}, "s"])
        except TypeError as e:
            e.add_note("a note")
            raise
    except TypeError as e:
        f = e
    raise f


def groups():
    found = []
    for f in (lambda: 1 / 0, lambda: {}[1]):
        try:
            f()
        except Exception as e:
            found.append(e)
    try:
        raise ExceptionGroup("two", found)
    except* KeyError as e:
        raise OSError("inside") from e


def deep(n):
    return n + deep(n - 1) if n else 1 / n


def endless():
    return endless()


def class_body():
    class A:
        x = 1

        class B:
            y = [
                1,
                nothing,
            ]


def decorated():
    @shapes.decorate(1)
    @shapes.decorate(
        None + 1)
    def f(): pass


def defaults():
    def f(a, b=1,
          c=1 // 0): pass


def annotation(a: "x" = 1):
    def f(b: 1 +
          None): pass


def asserting(a):
    assert a == 2 and \
        a, \
        f"no {a!r:>{5}}"


def formatted(a):
    return f"{a} {a.nothing} " \
        f"{a:zz}"


def matching(a):
    match a:
        case [1, 2] if a[
                5]:
            return 1
        case dict(
                x=3):
            return 2
        case _ if 1 / a[0]:
            return 3
        case {}:
            return 4


def arguments():
    deep(1, 2,
         3)


def keyword_arguments():
    deep(*(1,),
         **{"n": 1})


def deleted():
    x = 1
    del x
    return x


def global_name():
    return 1 + undefined_name


def importing():
    from os import (path,
                    nothing_there)


def compiled():
    eval("1 +\n (2 * )")


def evaluated():
    exec("def f():\n  return (1 +\n     None)\n\nf()", {})


def unhashable():
    return {**{1: 2},
            [3]: 4}


def starred():
    return [1, *2,
            3]


def walrus():
    return [(y := x / z) for x, z in [(1, 1), (2, 0)]]


def semicolons():
    a = 1; b = a - 1; c = a / b; d = c


def async_plain():
    async def inner(): await asyncio.sleep(0); return 1 / 0

    async def outer():
        return await asyncio.gather(
            asyncio.sleep(0),
            inner())
    asyncio.run(outer())


def async_group():
    async def bad(n):
        await asyncio.sleep(0)
        raise ValueError(n)

    async def outer():
        async with asyncio.TaskGroup() as group:
            group.create_task(bad(1))
            group.create_task(bad(2))
    asyncio.run(outer())


def async_comprehension():
    async def outer():
        return [1 / x async for x
                in shapes.ticks(3) if x !=
                await shapes.double(2)]
    asyncio.run(outer())


def async_timeout():
    async def outer():
        async with asyncio.timeout(0.001):
            await asyncio.sleep(
                5)
    asyncio.run(outer())


def sorting():
    sorted([3, 1, None], key=lambda x: x
           + 1)


def properties():
    class A:
        @property
        def p(self): return self.q

        def __getattr__(self, name):
            raise AttributeError(
                name)
    A().p


def stop():
    def g():
        yield next(iter(()))
    list(g())


def base():
    raise SystemExit(
        "bye")


CASES = [
    (multi_line, [{"k": 1}, "s"]), (multi_line, [{}]), (multi_line, 5), (call_lines,), (chained_calls, " a,b "),
    (operators, 3), (compare, "s"), (subscript, [0, [[]]]), (attribute, 3), (augmented, 3), (augmented, "s"),
    (unpack, (1, 2, 3)), (unpack, 1), (condition, 3), (loop,), (comprehension,), (generator_expression,), (lambdas,),
    (generator,), (thrown,), (with_exit,), (with_enter,), (finallies,), (context,), (cause,), (suppressed,),
    (reraised,), (groups,), (deep, 3), (deep, 30), (endless,), (class_body,), (decorated,), (defaults,), (annotation,),
    (asserting, 3), (asserting, 0), (formatted, 3), (matching, [1, 2]), (matching, [0]), (matching, 5), (arguments,),
    (keyword_arguments,), (deleted,), (global_name,), (importing,), (compiled,), (evaluated,), (unhashable,),
    (starred,), (walrus,), (semicolons,), (async_plain,), (async_group,), (async_comprehension,), (async_timeout,),
    (sorting,), (properties,), (stop,), (base,), (shapes.with_statements, 2), (shapes.finally_nested, 2),
]


def positions(error):
    """Line and columns of each frame's instruction, of the error and those it comes from."""
    while error is not None:
        yield type(error).__name__, [
            (f.f_code.co_name, line, list(f.f_code.co_positions())[tb.tb_lasti // 2])
            for tb in iterate(error.__traceback__) for f, line in [(tb.tb_frame, tb.tb_lineno)]][:50]
        error = error.__cause__ or error.__context__


def iterate(tb):
    while tb is not None:
        yield tb
        tb = tb.tb_next


if __name__ == "__main__":
    for function, *args in CASES:
        print("##", function.__name__, args, flush=True)
        try:
            function(*args)
            print("did not fail")
        except BaseException as e:
            traceback.print_exception(e, file=sys.stdout)
            for where in positions(e):
                print(where)
            print([(s.lineno, s.end_lineno, s.colno, s.end_colno, s.line, s.name)
                   for s in traceback.extract_tb(e.__traceback__)][:20])
    sys.stdout.flush()
    finallies()
