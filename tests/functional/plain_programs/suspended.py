"""throw, close and send into what is suspended in `yield from`, await and async for, at every depth."""
import asyncio
import gc
import inspect
import sys
import traceback
import types

import event_log


class Iterator:
    """No generator: has these methods only."""

    def __init__(self, n): self.n = n

    def __iter__(self): return self

    def __next__(self):
        if not self.n:
            raise StopIteration("value")
        self.n -= 1
        return self.n


class Thrower(Iterator):
    def throw(self, *what):
        print("throw", [repr(w) for w in what if not isinstance(w, types.TracebackType)])
        if self.n == 1:
            raise KeyError("from throw")
        if self.n == 2:
            raise StopIteration("ended by throw")
        return "thrown"

    def send(self, value):
        print("send", value)
        return next(self)

    def close(self):
        print("close")
        if self.n == 1:
            raise OSError("from close")


def leaf(name):
    got = None
    try:
        while True:
            got = yield name, got
            if got == "end":
                return name + "!"
            if got == "raise":
                raise LookupError(name)
    except ValueError as e:
        got = yield "caught", str(e)
        return got
    except GeneratorExit:
        print("exit of", name)
        if name == "stubborn":
            yield "no"
        if name == "wrong":
            raise KeyError("in close")
        raise
    finally:
        print("finally of", name)


def chain(depth, inner):
    r = None
    try:
        if depth:
            r = yield from chain(depth - 1, inner)
        else:
            r = yield from inner()
    except LookupError as e:
        print("chain", depth, repr(e))
        if depth == 1:
            raise RuntimeError("from the chain") from e
        if depth > 2:
            r = yield depth
    finally:
        print("chain", depth, "ends", r)
    return depth, r


MAKERS = {
    "leaf": lambda: leaf("leaf"), "stubborn": lambda: leaf("stubborn"), "wrong": lambda: leaf("wrong"),
    "iterator": lambda: Iterator(4), "thrower": lambda: Thrower(4), "range": lambda: range(3), "list": lambda: [1, 2],
    "text": lambda: "ab", "none": lambda: None,
}
STEPS = (
    ("next",), ("send", "x"), ("send", "end"), ("send", "raise"), ("throw", ValueError("v")),
    ("throw", KeyError), ("throw", StopIteration("s")), ("throw", GeneratorExit), ("close",),
)


def act(generator, step, *args):
    try:
        if step == "next":
            return "gave %r" % (next(generator),)
        return "gave %r" % (getattr(generator, step)(*args),)
    except BaseException as e:
        tb = traceback.extract_tb(e.__traceback__)
        told = "%s: %s %r %r" % (type(e).__name__, [(f.name, f.lineno, f.colno, f.end_colno) for f in tb], e.args,
                                 e.__cause__ or e.__context__)
        e.__traceback__ = e.__context__ = e.__cause__ = None  # STEPS has it, and it has the frames
        return told


def all_ways():
    for name, maker in MAKERS.items():
        for depth in 0, 1, 3:
            for first in STEPS:
                for second in STEPS:
                    generator = chain(depth, maker)
                    print("##", name, depth, first, second)
                    for step in ("next",), first, second, ("next",), ("close",), ("next",):
                        print(act(generator, *step), inspect.getgeneratorstate(generator),
                              generator.gi_yieldfrom is not None, generator.gi_frame and generator.gi_frame.f_lineno)


def not_started():
    for step in STEPS:
        g = chain(1, MAKERS["leaf"])
        print(act(g, *step), act(g, "next"), act(g, "close"))


@types.coroutine
def pause(value):
    return (yield value)


async def waiter(n):
    try:
        r = await pause(n)
        return r if not n else await waiter(n - 1)
    except ValueError as e:
        return await pause(("caught", str(e)))
    finally:
        print("waiter", n)


async def source(n):
    try:
        for i in range(n):
            got = yield await pause(i)
            if got:
                yield got
    except ValueError:
        yield await pause("caught")
    finally:
        await pause("finally")


async def reader(n):
    out = []
    async for x in source(n):
        out.append([x, [y async for y in source(2) if await pause(y)]])
    return out, {k: v async for k, v in pairs()}, [z for z in [await pause(1), await pause(2)]]


async def pairs():
    for i in range(3):
        yield i, await pause(i)


class Awaitable:
    def __init__(self, inner): self.inner = inner

    def __await__(self): return self.inner()


async def awaiting(name):
    try:
        return await Awaitable(MAKERS[name])
    except KeyError as e:
        return repr(e)


def coroutines():
    for make in [lambda: waiter(2), lambda: reader(2)] + [
            lambda n=n: awaiting(n) for n in MAKERS]:
        for step in STEPS:
            for after in 0, 1, 3:
                c = make()
                print([act(c, "send", None) for _ in range(after)], act(c, *step) if step[0] != "next" else "",
                      [act(c, "send", "v") for _ in range(3)], inspect.getcoroutinestate(c), c.cr_await is not None,
                      act(c, "close"))


def async_generators():
    for step in ("asend", "x"), ("athrow", ValueError("v")), ("athrow", KeyError), ("aclose",), ("__anext__",):
        for after in 0, 1, 4:
            g = source(2)
            for method, *args in [("__anext__",)] * after + [step, ("__anext__",), ("aclose",), ("__anext__",)]:
                a = getattr(g, method)(*args)
                print(method, [act(a, "send", v) for v in (None, "r", "s")], g.ag_running, g.ag_await is not None,
                      g.ag_frame and g.ag_frame.f_lineno)
                a.close()


async def loops():
    async def worker(queue, out):
        while (item := await queue.get()) is not None:
            await asyncio.sleep(0)
            out.append(item)
            queue.task_done()
        raise asyncio.CancelledError("worker")

    queue, out = asyncio.Queue(2), []
    tasks = [asyncio.create_task(worker(queue, out)) for _ in range(2)]
    for i in range(5):
        await queue.put(i)
    await queue.join()
    await queue.put(None)
    await queue.put(None)
    print(sorted(out), await asyncio.gather(*tasks, return_exceptions=True), [t.cancelled() for t in tasks])
    lock, event, order = asyncio.Lock(), asyncio.Event(), []

    async def locked(n):
        async with lock:
            order.append(n)
            await event.wait()
            order.append(-n)
    tasks = [asyncio.ensure_future(locked(n)) for n in (1, 2, 3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    event.set()
    print(await asyncio.gather(*tasks, return_exceptions=True), order)
    try:
        async with asyncio.TaskGroup() as group:
            a = group.create_task(asyncio.sleep(30))
            group.create_task(locked("x"))
    except* TypeError as e:
        print(e.exceptions, a.cancelled())
    print([x async for x in source_of(3)], [await t for t in [asyncio.sleep(0, "done")]])


async def timeouts():
    try:
        async with asyncio.timeout(0):
            await asyncio.shield(asyncio.sleep(0.01))
    except TimeoutError as e:
        print(repr(e), [f.name for f in traceback.extract_tb(e.__traceback__)])


async def source_of(n):
    for i in range(n):
        await asyncio.sleep(0)
        yield i


not_started()
all_ways()
coroutines()
async_generators()
asyncio.run(loops())
asyncio.run(timeouts())
gc.collect()
for f in not_started, coroutines, async_generators:
    print("## events of", f.__name__)
    print(*event_log.traced(f, only="suspended.py"), sep="\n")
    gc.collect()
print(*event_log.profiled(not_started), sep="\n")
STEPS = ()
gc.collect()  # what is left suspended ends here in both
sys.stdout.flush()
chain(3, MAKERS["thrower"]).throw(KeyError("uncaught"))
