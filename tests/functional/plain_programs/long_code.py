"""Functions of 5,000 lines: jumps across them, more than 256 of everything, regions that long arguments cut."""
import hashlib
import sys
import traceback

import event_log

LINES = 5000


def make(name, lines, **space):
    text = "\n".join(lines) + "\n"
    exec(compile(text, "<%s>" % name, "exec"), space)
    code = space["f"].__code__
    print("##", name, len(lines), len(code.co_names), code.co_nlocals, len(code.co_varnames), len(code.co_cellvars),
          len(code.co_freevars), hashlib.sha256(repr(list(code.co_varnames) + list(code.co_names)).encode()).hexdigest())
    return space["f"]


def show(function, *args, events=True):
    try:
        print("result", repr(function(*args))[:300])
    except BaseException as e:
        print(repr(e)[:300], [(f.lineno, f.name) for f in traceback.extract_tb(e.__traceback__)][1:])
        tb = e.__traceback__
        while tb is not None:
            print(tb.tb_lineno, list(tb.tb_frame.f_code.co_positions())[tb.tb_lasti // 2])
            tb = tb.tb_next
    if events:
        log = event_log.traced(function, *args)
        print("events", len(log), hashlib.sha256("\n".join(log).encode()).hexdigest())
        print(*log[:5], *log[::997], *log[-5:], sep="\n")


def filler(count, indent, start=0):
    return ["%sv%d = v%d + %d" % (" " * indent, (i + start) % 400, (i * 7 + start) % 400, i + 1000) for i in range(count)]


HEAD = ["def f(a, *rest, **more):"] + [" v%d = %d" % (i, i) for i in range(400)]
TAIL = [" return %s" % " ^ ".join("v%d" % i for i in range(400))]

# Forwards and backwards across the whole.
loop = make("loop", HEAD + [" for i in range(a):", "  if i == 2: continue"] + filler(LINES, 2) + [
    "  if i == 4: break"] + filler(200, 2) + [" else:"] + filler(300, 2, 5) + TAIL)
for n in 0, 1, 3, 9:
    show(loop, n)
nested = make("nested", HEAD + [" while a:", "  a -= 1"] + filler(300, 2) + ["  for j in range(3):"] + filler(1500, 3) + [
    "   if j + a == 3: break", "   while j:", "    j -= 1"] + filler(1500, 4) + ["   else:"] + filler(1500, 4) + [
        "  if a == 5: continue"] + filler(500, 2) + TAIL)
for n in 1, 6:
    show(nested, n)

# Regions of handlers, entered at many places, by exceptions at many places.
tries = HEAD + [" log = []"]
for i in range(300):
    tries += [" try:"] + filler(i % 9 + 1, 2, i) + ["  a[%d]" % i] + filler(i % 5, 2, i) + [
        " except IndexError as e:", "  log.append(%d)" % i] + filler(i % 7, 2) + [
            " except KeyError: raise RuntimeError(%d)" % i] * (i % 3 == 0) + [" else: v1 += %d" % i] * (i % 4 == 0) + [
                " finally:", "  v2 += %d" % i]
tries = make("tries", tries + [" return log, v1, v2"])
for a in (), range(300), range(150), {i: i for i in range(299)}, {0: 1}, None:
    show(tries, a)
deep = list(HEAD)
for depth in range(19):
    deep += [" " * (depth + 1) + "try:"] + filler(40, depth + 2)
deep += [" " * 20 + "a[v3]"]
for depth in reversed(range(19)):
    deep += filler(120, depth + 2)
    deep += [" " * (depth + 1) + ("except KeyError: v%d = 5" % depth if depth == 7 else
                                  "except LookupError: raise" if depth % 3 == 1 else "finally:")]
    deep += filler(40, depth + 2) if deep[-1].endswith("finally:") else []
deep = make("deep", deep + TAIL)
for a in {}, (), range(400), 5:
    show(deep, a)
wide = make("wide", HEAD + [" try:"] + filler(LINES, 2) + ["  a()", "  return v5", " except ZeroDivisionError:"] + filler(
    LINES, 2) + [" finally:"] + filler(700, 2) + ["  if a is None: return 'none'"] + TAIL)
for a in (lambda: 1), (lambda: 1 / 0), (lambda: {}[1]), None:
    show(wide, a)

# Suspended in the midst.
suspended = HEAD + [" try:"]
for i in range(200):
    suspended += filler(15, 2, i) + ["  v%d = (yield v%d) or 0" % (i, i), "  yield from a(%d)" % i] + [
        "  with a.manager(v9): yield 'with'"] * (i % 50 == 0)
suspended = make("suspended", suspended + [" except ValueError:"] + filler(600, 2) + ["  yield 'caught'", " finally:"] +
                 filler(600, 2) + TAIL)


class Source:
    def __call__(self, n): return (x for x in range(n % 3))

    def manager(self, n): return self

    def __enter__(self): return self

    def __exit__(self, *what): return False


def drive(after, step, *args):
    g, seen = suspended(Source()), []
    for _ in range(after):
        seen.append(next(g))
    try:
        seen.append(getattr(g, step)(*args))
        seen += list(g)
    except LookupError as e:
        seen += [repr(e), e.__traceback__.tb_next.tb_lineno]
    return sum(x for x in seen if isinstance(x, int)), [x for x in seen if not isinstance(x, int)]


for after, *step in (3, "send", 4), (300, "throw", ValueError("v")), (301, "throw", KeyError("k")), (170, "close"):
    show(drive, after, *step)
coroutine = make("coroutine", ["async " + HEAD[0]] + HEAD[1:] + [
    line for i in range(150) for line in [" async for x in a(%d):" % i] + filler(20, 2) + [
        "  v%d = await a.one(x)" % (i % 400), " async with a.manager(x): v%d += [y async for y in a(3)][-1]" % i]] + TAIL)


class Asource:
    async def __call__(self, n):
        for i in range(n % 4 + 1):
            yield i

    async def one(self, x): return x

    def manager(self, x): return self

    async def __aenter__(self): pass

    async def __aexit__(self, *what): pass


class Adapter:
    def __init__(self): self.source = Asource()

    def __call__(self, n): return Asource.__call__(self.source, n)

    def __getattr__(self, name): return getattr(self.source, name)


def run(c):
    try:
        c.send(None)
    except StopIteration as e:
        return e.value


show(lambda: run(coroutine(Adapter())))

# Choices.
chain = HEAD + [" if a == 0: v1 = 5"]
for i in range(1, 1500):
    chain += [" elif a == %d:" % i] + filler(2, 2, i)
chain = make("chain", chain + [" else: return 'none'"] + TAIL)
for a in 0, 1, 700, 1499, 1500:
    show(chain, a)
match = HEAD + [" match a:"]
for i in range(300):
    match += ["  case %s:" % ("[%d, x, *_]" % i, "{'k%d': x}" % i, "%d | %d as x" % (i, -i), "str() as x if x == '%d'" % i)[
        i % 4]] + filler(10, 3, i) + ["   v0 = x"]
match = make("match", match + ["  case _: return 'other'"] + TAIL)
for a in [4, 9, 8], {"k281": 3}, -298, "299", 3.5, [300, 1]:
    show(match, a)

# More than 256, and than 65,536, of what instructions name.
names = make("names", ["def f(a):"] + [" g%d = %d.5; global_%d" % (i, i, i) for i in range(700)] + [
    " return locals()['g699'], a"], **{"global_%d" % i: i for i in range(700)})
show(names, 3)
cells = make("cells", ["def f(a):"] + [" c%d = %d" % (i, i) for i in range(600)] + [
    " def inner():", "  nonlocal " + ", ".join("c%d" % i for i in range(600))] + ["  c%d += a" % i for i in range(600)] + [
        "  return " + " + ".join("c%d" % i for i in range(600)), " return inner() + c599"])
show(cells, 3)
constants = make("constants", ["def f(a):", " t = 0", " for i in range(2):"] + [
    "  t += %d if a else '%d'" % (i + 1000, i) for i in range(35000)] + [" return t"])
show(constants, 1, events=False)
show(constants, 0, events=False)
arguments = make("arguments", ["def f(%s, *r, %s):" % (", ".join("p%d" % i for i in range(300)), ", ".join(
    "k%d=%d" % (i, i) for i in range(300)))] + [" return p299 + k299, [%s]" % ", ".join("p%d" % i for i in range(300))])
show(arguments, *range(305))
show(arguments, *range(3))
print(sys.getrecursionlimit())
sys.stdout.flush()
loop("not a number")
