"""Python programs by chance: valid, ending, the same for the same seed.

Everything is an int. Loops and calls take from `fuel`, an iterator in C, so nothing runs for long. With
`raising` there are exceptions in Python frames, thrown and caught; without, no Python frame raises.
"""
import random

HEAD = """\
fuel = iter(range(150))
class C:
    def __init__(self, tag, swallow): self.tag, self.swallow = tag, swallow
    def __enter__(self):
        print('enter', self.tag)
        return self.tag
    def __exit__(self, kind, value, trace):
        print('exit', self.tag, kind)
        return self.swallow
class AC(C):
    async def __aenter__(self): return self.__enter__()
    async def __aexit__(self, *what): return self.__exit__(*what)
class W:
    def __init__(self, n): self.n = n
    def __await__(self):
        x = yield self.n
        return self.n + (x or 0)
class E(Exception): pass
class P:
    __match_args__ = 'x', 'y'
    def __init__(self, x, y): self.x, self.y = x, y
a, b, c = 1, 2, 3
"""
DRIVER = """\
def drive(coroutine):
    n = 0
    try:
        while True: n = coroutine.send(n or None) or 0
    except StopIteration as stop: return stop.value or 0
def prod(generator):
    n = 0
    try:
        n += next(generator)
        n += generator.send(3) or 0
        n += generator.throw(E('thrown')) or 0
    except (StopIteration, E, RuntimeError) as e: print('prod', repr(e))
    finally: generator.close()
    return n
"""
ERRORS = ("ValueError", "KeyError", "E", "ZeroDivisionError", "IndexError")
PLAIN, GENERATOR, COROUTINE, ASYNC_GENERATOR = range(4)


class Program:
    def __init__(self, seed, raising):
        self.random = random.Random(seed)
        self.raising = raising
        # Its ends are exceptions in Python frames to the tracer.
        self.asynchronous = raising or self.chance(15)
        self.lines = HEAD.splitlines() + (DRIVER.splitlines() if raising else [])
        self.functions = []   # (name, kind)
        self.kind, self.inside, self.loop, self.depth, self.tag = PLAIN, False, 0, 0, 0
        self.finals = self.stars = 0

    def text(self):
        for i in range(self.random.randint(2, 5)):
            self.function("f%d" % i, 0)
        for _ in range(self.random.randint(2, 4)):
            self.statement(0)
        for name, kind in self.functions:
            self.put(0, "print('%s', %s)" % (name, self.call_of(name, kind)))
        self.put(0, "print('end', a, b, c)")
        return "\n".join(self.lines) + "\n"

    def put(self, indent, line):
        self.lines.append("    " * indent + line)

    def chance(self, n):
        return self.random.random() * 100 < n

    def name(self):
        return self.random.choice("abc")

    # Expressions

    def call_of(self, name, kind):
        args = "(%d, %s)" % (self.random.randint(0, 5), self.name())
        if kind == PLAIN:
            return name + args
        if kind == GENERATOR:
            forms = ["sum(%s)", "len(list(%s))", "max(%s, default=0)", "sum(v % 3 for v in %s)".replace("% 3", "%% 3"),
                     "sum([v for v in %s if v])"] + ["prod(%s)"] * self.raising
            return self.random.choice(forms) % (name + args)
        if kind == ASYNC_GENERATOR:
            return "len(list(count(%s%s).__await__()))" % (name, args)
        return (self.random.choice(("drive(%s)", "len(list(%s.__await__()))")) if self.raising
                else "len(list(%s.__await__()))") % (name + args)

    def expression(self, depth=0):
        pick = self.random.randint(0, 19 if depth < 3 else 3)

        def sub():
            return self.expression(depth + 1)
        if pick <= 1:
            return str(self.random.randint(0, 300))
        if pick <= 3:
            return self.name()
        if pick <= 6:
            return self.random.choice(("(%s + %s)", "(%s - %s)", "(%s * %s % 97)", "(%s & %s)", "(%s | %s)", "(%s ^ %s)")
                                      ).replace("% 97", "%% 97") % (sub(), sub())
        if pick == 7:
            return "(%s if %s else %s)" % (sub(), self.condition(depth + 1), sub())
        if pick == 8:
            return "(%s %s %s)" % (sub(), self.random.choice(("and", "or")), sub())
        if pick == 9 and self.functions:
            return "(%s if next(fuel, 0) else 0)" % self.call_of(*self.random.choice(self.functions))
        if pick == 10:
            return "sum([i * %s for i in range(%d) if i != %s])" % (
                self.name(), self.random.randint(0, 4), self.random.randint(0, 4))
        if pick == 11:
            return "len({i: j for i in range(%d) for j in range(i)})" % self.random.randint(0, 4)
        if pick == 12:
            return "sum(i ^ j for i in (1, 2, %s) for j in {3, 4})" % self.name()
        if pick == 13:
            return "(lambda x, *y, z=%s: x + len(y) + z)(%s, 1, 2)" % (sub(), sub())
        if pick == 14:
            return "len(f'{%s}:{%s!r:>5}')" % (self.name(), self.name())
        if pick == 15 and self.inside:
            return "(%s := %s %% 97)" % (self.name(), sub())
        if pick == 16:
            return "(%s, %s, 3)[%d]" % (sub(), self.name(), self.random.randint(0, 2))
        if pick == 17 and self.kind in (COROUTINE, ASYNC_GENERATOR):
            return self.awaited()
        if pick == 18 and self.kind in (GENERATOR, ASYNC_GENERATOR):
            return "((yield %s) or 0)" % self.name()
        if pick == 19 and self.raising and self.chance(40):
            return self.random.choice(("(9 // (%s %% 3))", "[1, 2][%s %% 4]", "{0: 1, 1: 2}[%s %% 4]")) % self.name()
        return self.name()

    def awaited(self):
        coroutines = [f for f, k in self.functions if k == COROUTINE]
        makers = [f for f, k in self.functions if k == ASYNC_GENERATOR]
        if coroutines and self.chance(30):
            return "(await %s(1, %s) if next(fuel, 0) else 0)" % (self.random.choice(coroutines), self.name())
        if makers and self.chance(40):
            return "len([v async for v in %s(2, 1) if v != %s])" % (self.random.choice(makers), self.name())
        return "(await W(%s))" % self.name()

    def condition(self, depth=0):
        forms = ("%s %% 2", "%s < %s", "0 < %s < %s", "not %s", "%s == %s and %s", "%s or %s > 3",
                 "%s in (1, 2, 3)", "%s != %s")
        form = self.random.choice(forms)
        return form.replace("%%", "%") % tuple(
            self.expression(max(depth, 2)) for _ in range(form.count("%s"))) if "%%" not in form else (
                form % self.expression(max(depth, 2)))

    # Statements

    def block(self, indent):
        self.depth += 1
        for _ in range(self.random.randint(1, 3 if self.depth < 4 else 1)):
            self.statement(indent)
        self.depth -= 1

    def function(self, name, indent, kind=None):
        if kind is None:
            kind = self.random.choice((PLAIN, PLAIN, GENERATOR, COROUTINE) + (ASYNC_GENERATOR,) * self.asynchronous)
        if kind == ASYNC_GENERATOR and not any(k == ASYNC_GENERATOR for _, k in self.functions):
            self.put(0, "async def count(g):")
            self.put(1, "n = 0")
            self.put(1, "async for v in g: n += 1")
            self.put(1, "return n")
        self.put(indent, "%sdef %s(a, b, c=4):" % ("async " * (kind in (COROUTINE, ASYNC_GENERATOR)), name))
        saved = self.kind, self.inside, self.loop, self.depth, self.finals, self.stars
        self.kind, self.inside, self.loop, self.finals, self.stars = kind, True, 0, 0, 0
        self.depth = min(self.depth, 2)
        if kind in (GENERATOR, ASYNC_GENERATOR):
            self.put(indent + 1, "yield a")
        for _ in range(self.random.randint(2, 4)):
            self.statement(indent + 1)
        if kind == ASYNC_GENERATOR:
            self.put(indent + 1, "yield b")
        elif not self.bare():
            self.put(indent + 1, "return %s" % self.expression(2))
        self.kind, self.inside, self.loop, self.depth, self.finals, self.stars = saved
        if not indent:
            self.functions.append((name, kind))

    def statement(self, indent):
        simple = (self.assign, self.augment, self.show, self.delete, self.unpack)
        leaving = (self.leave,) * 2 if self.inside or self.loop else ()
        compound = (self.branch, self.branch, self.loop_for, self.loop_while, self.attempt, self.attempt,
                    self.within, self.matching, self.closure, self.classy)
        yields = (self.suspend,) * 3 if self.kind != PLAIN else ()
        fails = (self.fail,) if self.raising else ()
        choices = simple + leaving + yields + fails + (compound if self.depth < 4 else ())
        self.random.choice(choices)(indent)

    def assign(self, indent):
        self.put(indent, "%s = %s %% 97" % (self.name(), self.expression()))

    def augment(self, indent):
        self.put(indent, "%s %s %s" % (self.name(), self.random.choice(("+=", "-=", "^=", "|=", "&=")),
                                       self.expression(1)))

    def show(self, indent):
        self.tag += 1
        self.put(indent, "print(%d, %s)" % (self.tag, self.expression(1)))

    def delete(self, indent):
        name = self.name()
        self.put(indent, "del %s" % name)
        if self.raising and self.chance(20):
            self.put(indent, "try: %s" % name)
            self.put(indent, "except NameError: print('unbound')")
        self.put(indent, "%s = 5" % name)

    def unpack(self, indent):
        self.put(indent, self.random.choice((
            "a, *b, c = 1, 2, %s, 4; b = len(b)", "a, b = b, %s", "(a, b), c = (1, %s), 3",
            "a = b = %s", "a: int = %s")) % self.expression(2))

    def bare(self):
        """No value may be returned here."""
        return self.kind == ASYNC_GENERATOR

    def leave(self, indent):
        if self.loop and (self.chance(70) or not self.inside):
            word = self.random.choice(("break", "continue"))
        else:
            word = "return" if self.bare() else "return %s" % self.expression(2)
        if self.stars:
            return self.show(indent)
        if self.chance(70):
            self.put(indent, "if %s: %s" % (self.condition(), word))
        else:
            self.put(indent, word)
        return None

    def fail(self, indent):
        word = self.random.choice(("raise %s(%%d)" % self.random.choice(ERRORS), "assert a %% 3, %d"))
        self.tag += 1
        self.put(indent, "if %s: %s" % (self.condition(), word % self.tag))

    def branch(self, indent):
        self.put(indent, "if %s:" % self.condition())
        self.block(indent + 1)
        for _ in range(self.random.choice((0, 0, 1, 2))):
            self.put(indent, "elif %s:" % self.condition())
            self.block(indent + 1)
        if self.chance(50):
            self.put(indent, "else:")
            self.block(indent + 1)

    def loop_body(self, indent):
        saved, self.loop = self.loop, 1
        self.block(indent + 1)
        self.loop = saved
        if self.chance(30):
            self.put(indent, "else:")
            self.block(indent + 1)

    def loop_for(self, indent):
        makers = [f for f, k in self.functions if k == ASYNC_GENERATOR]
        if self.kind in (COROUTINE, ASYNC_GENERATOR) and makers and self.chance(50):
            self.put(indent, "async for %s in %s(%s, 2):" % (self.name(), self.random.choice(makers), self.name()))
        else:
            generators = [f for f, k in self.functions if k == GENERATOR]
            over = ("range(%d)" % self.random.randint(0, 4), "(1, %s, 3)" % self.expression(2), "[]")
            over += tuple(f + "(1, 2)" for f in generators)
            self.put(indent, "for %s in %s:" % (self.name(), self.random.choice(over)))
        self.put(indent + 1, "if not next(fuel, 0): break")
        self.loop_body(indent)

    def loop_while(self, indent):
        self.put(indent, self.random.choice(("while next(fuel, 0):", "while next(fuel, 0) and (%s):" % self.condition(),
                                             "while (%s) and next(fuel, 0):" % self.condition())))
        self.loop_body(indent)

    def attempt(self, indent):
        star = self.chance(15)
        self.put(indent, "try:")
        self.block(indent + 1)
        clauses = self.random.randint(0, 2)
        for i in range(clauses):
            error = "E" if i == 0 else "(ValueError, KeyError, ZeroDivisionError, IndexError)"
            self.put(indent, "except%s %s%s:" % ("*" * star, error, " as e" * self.chance(50)))
            self.stars += star
            self.block(indent + 1)
            if self.raising and self.chance(20):
                self.put(indent + 1, "raise")
            self.stars -= star
        if clauses and self.chance(30):
            self.put(indent, "else:")
            self.block(indent + 1)
        if not clauses or self.chance(40):
            self.put(indent, "finally:")
            self.block(indent + 1)

    def within(self, indent):
        swallow = self.random.choice(("True", "False"))
        word = "async with AC" if self.kind in (COROUTINE, ASYNC_GENERATOR) and self.chance(60) else "with C"
        self.tag += 1
        more = ", C(%s, False)" % self.name() if self.chance(30) and word == "with C" else ""
        self.put(indent, "%s(%d, %s) as %s%s:" % (word, self.tag, swallow, self.name(), more))
        self.block(indent + 1)

    def matching(self, indent):
        self.put(indent, self.random.choice(("match %s, b:", "match [1, %s, c]:", "match {'k': %s}:",
                                             "match P(%s, b):")) % self.expression(2))
        cases = ("(1, x)", "[_, 2, *_]", "{'k': 1 | 2 as x}", "P(1, y=x)", "P(x, 2)", "(x, y) if x", "[x, y, z]",
                 "{'k': x, **r}", "int() | str()")
        for case in self.random.sample(cases, self.random.randint(1, 4)):
            self.put(indent + 1, "case %s:" % case)
            self.block(indent + 2)
        if self.chance(60):
            self.put(indent + 1, "case _:")
            self.block(indent + 2)

    def closure(self, indent):
        self.tag += 1
        name, kind = "g%d" % self.tag, self.random.choice((PLAIN, PLAIN, GENERATOR))
        self.put(indent, "def %s(n):" % name)
        if self.inside and self.chance(60):
            self.put(indent + 1, "nonlocal %s" % self.name())
        elif self.chance(50):
            self.put(indent + 1, "global %s" % self.name())
        declared = self.lines[-1].split()[-1]
        if declared in "abc":
            self.put(indent + 1, "%s = (%s + n) %% 97" % (declared, declared))
        saved = self.kind, self.loop
        if kind == GENERATOR:
            self.put(indent + 1, "x = yield n")
            self.put(indent + 1, "yield from (y for y in range(n %% 4) if y != %s)" % self.random.choice("123"))
        self.put(indent + 1, "return n")
        self.kind, self.loop = saved
        call = "%s(%d)" % (name, self.random.randint(0, 5))
        self.put(indent, "print('%s', %s)" % (name, "list(%s)" % call if kind == GENERATOR else call))

    def classy(self, indent):
        self.tag += 1
        self.put(indent, "class K%d(P):" % self.tag)
        self.put(indent + 1, "k = %s" % self.expression(3) if not self.inside else "k = 7")
        self.put(indent + 1, "def __init__(self, v):")
        self.put(indent + 2, "super().__init__(v, self.k)")
        self.put(indent + 1, "@property")
        self.put(indent + 1, "def v(self): return self.x if self.x %% 2 else self.y".replace("%%", "%"))
        self.put(indent, "print(K%d(%s).v)" % (self.tag, self.name()))

    def suspend(self, indent):
        generators = [f for f, k in self.functions if k == GENERATOR]
        if self.kind in (COROUTINE, ASYNC_GENERATOR) and self.chance(60 if self.kind == COROUTINE else 40):
            self.put(indent, "%s = %s %% 97" % (self.name(), self.awaited()))
        elif self.kind == GENERATOR and generators and self.chance(40):
            self.put(indent, "if next(fuel, 0): %s = (yield from %s(2, %s)) or 0" % (
                self.name(), self.random.choice(generators), self.name()))
        elif self.kind in (GENERATOR, ASYNC_GENERATOR):
            self.put(indent, "%s = (yield %s) or 0" % (self.name(), self.expression(2)))
        else:
            self.show(indent)


def program(seed, raising):
    """Its text; no two seeds are likely to give the same."""
    return Program(seed * 2 + raising, raising).text()
