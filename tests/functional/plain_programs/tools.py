"""The library's users of code objects: inspect, doctest, dataclasses, typing, enum, contextlib, unittest."""
import contextlib
import dataclasses
import doctest
import enum
import functools
import inspect
import io
import sys
import typing
import unittest

import event_log
import failing
import shapes


def sources():
    members = [f for f, *_ in shapes.QUIET + failing.CASES] + [shapes.Manager, shapes.Point, shapes.work, shapes.ticks]
    for member in members:
        print(inspect.getsourcelines(member)[1], len(inspect.getsource(member)), inspect.signature(member))
    print(inspect.getsource(shapes.work), inspect.getsource(failing.lambdas))
    print(inspect.getsource((lambda x:
                             x + 1)))
    print(inspect.getsource(shapes.finally_nested.__code__), inspect.getcomments(sources), inspect.getdoc(shapes.empty))
    print(inspect.getclosurevars(failing.generator), len(inspect.getsource(failing)))

    def local(a, /, b: int = 1, *c, d, e="x", **f) -> None:
        """Doc."""
    print(inspect.signature(local), inspect.getfullargspec(local), local.__doc__, inspect.getsource(local))
    print([(f.function, f.lineno, f.code_context, f.index, f.positions) for f in inspect.stack()[:2]])
    try:
        failing.multi_line([{"k": 1}, "s"])
    except TypeError:
        print([(f.function, f.lineno, f.positions) for f in inspect.trace()])


def states():
    g = shapes.generator(3)
    print(inspect.getgeneratorstate(g), g.gi_frame.f_lineno, inspect.getgeneratorlocals(g))
    print(next(g), inspect.getgeneratorstate(g), g.gi_frame.f_lineno, g.gi_yieldfrom, g.gi_suspended)
    print(g.send(7), g.gi_frame.f_lineno, g.gi_yieldfrom.gi_frame.f_lineno, g.gi_yieldfrom.__qualname__)
    g.close()
    print(inspect.getgeneratorstate(g), g.gi_frame)
    c = shapes.double(3)
    print(inspect.getcoroutinestate(c), c.cr_await, c.cr_frame.f_lineno)
    c.send(None)
    print(inspect.getcoroutinestate(c), type(c.cr_await).__name__, c.cr_frame.f_lineno)
    c.close()
    print(inspect.getcoroutinestate(c))


def documented(a):
    """
    >>> documented(1)
    2
    >>> documented("s")
    Traceback (most recent call last):
    TypeError: can only concatenate str (not "int") to str
    >>> for i in range(2):
    ...     print(i)
    0
    2
    >>> documented(
    ...     None)
    >>> def f(x):
    ...     try:
    ...         return 1 / x
    ...     finally:
    ...         print("f")
    >>> f(1)
    f
    1.0
    >>> f(0)
    """
    return a + 1


def doctests():
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner(verbose=True)
    for test in finder.find(documented, globs={"documented": documented}):
        print(test.lineno, [(e.lineno, e.source) for e in test.examples])
        print(runner.run(test, out=print))


@dataclasses.dataclass(order=True, slots=True)
class Item:
    name: str
    price: float = 1.5
    tags: list[str] = dataclasses.field(default_factory=list, compare=False)
    total: dataclasses.InitVar[int] = 3

    def __post_init__(self, total):
        self.price *= total


@dataclasses.dataclass(frozen=True, kw_only=True)
class Frozen:
    a: int
    b: "Item | None" = None


class Colour(enum.Flag):
    RED = enum.auto()
    BLUE = enum.auto()

    @property
    def low(self): return self.name.lower()


T = typing.TypeVar("T")


class Box(typing.Generic[T]):
    value: T

    @typing.overload
    def get(self, a: int) -> int: ...
    @typing.overload
    def get(self, a: str) -> str: ...

    def get(self, a): return a


class Named(typing.NamedTuple):
    a: int
    b: "str" = "x"


class Typed(typing.TypedDict, total=False):
    a: int


@typing.runtime_checkable
class Proto(typing.Protocol):
    def get(self, a): ...


def types():
    a, b = Item("a"), Item("b", 2, ["t"], total=2)
    print(a, b, a < b, sorted([b, a])[0] == a, dataclasses.asdict(b), dataclasses.fields(a)[2].name)
    print(Frozen(a=1), hash(Frozen(a=1)) == hash(Frozen(a=1)), dataclasses.replace(Frozen(a=1), a=2))
    for wrong in lambda: Frozen(1), lambda: setattr(Frozen(a=1), "a", 2), lambda: a < 3, lambda: Item():
        with contextlib.suppress(SystemExit):
            try:
                wrong()
            except (TypeError, dataclasses.FrozenInstanceError) as e:
                print(repr(e))
    print(inspect.signature(Item), Item.__init__.__qualname__, dataclasses.make_dataclass("M", ["x", ("y", int, 3)])(1))
    print(Colour.RED | Colour.BLUE, Colour.BLUE.low, list(Colour), Colour["RED"], Colour(3) in Colour)
    print(typing.get_type_hints(Frozen), typing.get_type_hints(Box), Box[int], Box[int].__origin__ is Box)
    print(len(typing.get_overloads(Box.get)), Named(1), Named(1)._replace(b="y"), Typed(a=1), Typed.__optional_keys__)
    print(isinstance(Box(), Proto), isinstance(1, Proto), typing.get_type_hints(documented), Box[T][str])


@contextlib.contextmanager
def managed(name, swallow=()):
    print("in", name)
    try:
        yield name
    except swallow as e:
        print("swallowed", repr(e))
    finally:
        print("out", name)


def contexts():
    with managed("a"), managed("b", KeyError):
        raise KeyError(1)
    try:
        with managed("c"):
            raise StopIteration("s")
    except StopIteration as e:
        print(repr(e), e.__traceback__.tb_lineno)
    with contextlib.ExitStack() as stack:
        for i in range(3):
            stack.enter_context(managed(i, (ValueError,) if i == 1 else ()))
        stack.callback(print, "callback")
        stack.push(lambda *a: print(a[0]))
        raise ValueError("in the stack")
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.nullcontext(), contextlib.closing(out):
        print("hidden")

    @managed("decorator")
    def f(): return 5
    print(f(), f())

    @contextlib.asynccontextmanager
    async def amanaged():
        try:
            yield 1
        except LookupError as e:
            print("async", repr(e))

    async def use():
        async with amanaged() as a, contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(shapes.double, 2)
            raise LookupError(a)
    shapes.asyncio.run(use())


class Tests(unittest.TestCase):
    def setUp(self): self.addCleanup(print, "cleanup")

    def test_equal(self):
        self.assertEqual({"a": [1, 2]}, {"a": [
            1, 3]})

    def test_error(self): {}["x"]

    def test_multi(self):
        for i in range(3):
            with self.subTest(i=i):
                self.assertTrue(
                    i % 2,
                    "even")

    @unittest.expectedFailure
    def test_expected(self): self.fail()

    @unittest.skipIf(True, "why not")
    def test_skipped(self): pass

    def test_raises(self):
        with self.assertRaisesRegex(ValueError, "y"), self.assertWarns(UserWarning):
            int("x")

    def test_logs(self):
        with self.assertLogs("a", "INFO"):
            pass


class AsyncTests(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self): self.x = await shapes.double(2)

    async def test_work(self): self.assertEqual(await shapes.work(3), self.x)


def unittests():
    out = io.StringIO()
    suite = unittest.TestSuite(map(unittest.defaultTestLoader.loadTestsFromTestCase, (Tests, AsyncTests)))
    result = unittest.TextTestRunner(out, verbosity=2).run(suite)
    print(out.getvalue(), result)


@functools.singledispatch
def dispatched(a): return "any"


@dispatched.register
def _(a: int): return "int"


@functools.lru_cache(maxsize=3)
def cached(n): return n if n < 2 else cached(n - 1) + cached(n - 2)


def functional():
    print(dispatched(1), dispatched("s"), cached(20), cached.cache_info())
    print(functools.reduce(lambda a, b: a * b, range(1, 9)), functools.partial(cached, 3)())


for step in sources, states, doctests, types, contexts, unittests, functional:
    print("##", step.__name__, flush=True)
    step()
    sys.stdout.flush()
for step in types, contexts, functional, doctests:
    print("## events of", step.__name__)
    print(*event_log.traced(step), sep="\n")
sys.stdout.flush()  # the metered one is not taken down at its end
