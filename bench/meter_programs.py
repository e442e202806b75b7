"""Programs of bench/meter: small, of one's own, each a tenth of a second or so of plain CPython."""

PROGRAMS = {}


def program(text):
    """`# name` on the first line."""
    name, _, source = text.lstrip("\n").partition("\n")
    PROGRAMS[name.removeprefix("# ").strip()] = source


program("""
# nbody
def advance(bodies, dt, steps):
    for _ in range(steps):
        for i in range(len(bodies)):
            a = bodies[i]
            for j in range(i + 1, len(bodies)):
                b = bodies[j]
                dx = a[0] - b[0]
                dy = a[1] - b[1]
                dz = a[2] - b[2]
                mag = dt / ((dx * dx + dy * dy + dz * dz + 0.01) ** 1.5)
                a[3] -= dx * b[6] * mag
                a[4] -= dy * b[6] * mag
                a[5] -= dz * b[6] * mag
                b[3] += dx * a[6] * mag
                b[4] += dy * a[6] * mag
                b[5] += dz * a[6] * mag
        for b in bodies:
            b[0] += dt * b[3]
            b[1] += dt * b[4]
            b[2] += dt * b[5]
advance([[float(i), i * 2.0, i * 0.5, 0.0, 0.0, 0.0, 1.0 + i] for i in range(5)], 0.01, 5000)
""")
program("""
# fannkuch
def flips_of(n):
    count, best, r = list(range(1, n + 1)), 0, n
    perm = list(range(n))
    while True:
        while r != 1:
            count[r - 1] = r
            r -= 1
        if perm[0] != 0:
            p = perm[:]
            flips, k = 0, p[0]
            while k:
                p[:k + 1] = reversed(p[:k + 1])
                flips += 1
                k = p[0]
            if flips > best:
                best = flips
        while True:
            if r == n:
                return best
            perm.insert(r, perm.pop(0))
            count[r] -= 1
            if count[r] > 0:
                break
            r += 1
flips_of(8)
""")
program("""
# spectral_norm
def a(i, j):
    return 1.0 / ((i + j) * (i + j + 1) // 2 + i + 1)
def times(v):
    return [sum(a(i, j) * v[j] for j in range(len(v))) for i in range(len(v))]
v = [1.0] * 70
for _ in range(16):
    v = times(v)
""")
program("""
# scheduler
class Task:
    def __init__(self, name, priority, work):
        self.name, self.priority, self.work, self.inbox, self.done = name, priority, work, [], 0
    def step(self, kernel):
        if self.inbox:
            self.work += self.inbox.pop()
        if self.work > 0:
            self.work -= 1
            self.done += 1
            if self.done % 7 == 0:
                kernel.send((self.name * 5 + 1) % len(kernel.tasks), 1)
            return True
        return False
class Kernel:
    def __init__(self, tasks):
        self.tasks, self.sent = tasks, 0
    def send(self, to, amount):
        if self.sent < 20000:
            self.sent += 1
            self.tasks[to].inbox.append(amount)
    def run(self):
        busy = True
        while busy:
            busy = False
            for task in self.tasks:
                if task.step(self):
                    busy = True
Kernel([Task(i, i % 3, 9000 + i) for i in range(40)]).run()
""")
program("""
# constraints
class Variable:
    def __init__(self, value):
        self.value, self.strength, self.constraints = value, 0, []
class Equal:
    def __init__(self, a, b, strength):
        self.a, self.b, self.strength, self.met = a, b, strength, False
        a.constraints.append(self)
        b.constraints.append(self)
    def output(self, source):
        return self.b if source is self.a else self.a
    def execute(self, source):
        target = self.output(source)
        if target.strength <= self.strength and target.value != source.value:
            target.value = source.value
            target.strength = self.strength
            return target
        return None
def propagate(start):
    todo = [start]
    while todo:
        v = todo.pop()
        for c in v.constraints:
            changed = c.execute(v)
            if changed is not None:
                todo.append(changed)
chain = [Variable(0) for _ in range(500)]
for x, y in zip(chain, chain[1:]):
    Equal(x, y, 3)
for n in range(200):
    chain[0].value = n + 1
    propagate(chain[0])
""")
program("""
# hex_search
def search(size):
    board = [[0] * size for _ in range(size)]
    order = [(x, y) for x in range(size) for y in range(size)]
    found = 0
    def fits(x, y, v):
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, -1), (-1, 1)):
            nx, ny = x + dx, y + dy
            if 0 <= nx < size and 0 <= ny < size and board[nx][ny] == v:
                return False
        return True
    def place(i):
        nonlocal found
        if i == len(order):
            found += 1
            return found >= 40
        x, y = order[i]
        for v in (1, 2, 3):
            if fits(x, y, v):
                board[x][y] = v
                if place(i + 1):
                    return True
                board[x][y] = 0
        return False
    place(0)
for n in (4, 5, 6, 7, 8, 9, 10):
    for _ in range(12):
        search(n)
""")
program("""
# chaos_game
class Point:
    __slots__ = ("x", "y")
    def __init__(self, x, y):
        self.x, self.y = x, y
    def __add__(self, o):
        return Point(self.x + o.x, self.y + o.y)
    def __mul__(self, k):
        return Point(self.x * k, self.y * k)
corners = [Point(0.0, 0.0), Point(1.0, 0.0), Point(0.5, 0.9)]
p, seed, grid = Point(0.3, 0.3), 1, [[0] * 64 for _ in range(64)]
for _ in range(90000):
    seed = (seed * 1103515245 + 12345) % 2147483648
    p = (p + corners[seed % 3]) * 0.5
    grid[int(p.y * 63)][int(p.x * 63)] += 1
""")
program("""
# go_liberties
SIZE = 9
NEIGHBOURS = [[q for q in (p - 1 if p % SIZE else -1, p + 1 if (p + 1) % SIZE else -1, p - SIZE, p + SIZE)
               if 0 <= q < SIZE * SIZE] for p in range(SIZE * SIZE)]
def group(board, p):
    colour, seen, todo, free = board[p], {p}, [p], set()
    while todo:
        for n in NEIGHBOURS[todo.pop()]:
            if board[n] == 0:
                free.add(n)
            elif board[n] == colour and n not in seen:
                seen.add(n)
                todo.append(n)
    return seen, free
def play(seed):
    board, colour = [0] * (SIZE * SIZE), 1
    for _ in range(120):
        seed = (seed * 1103515245 + 12345) % 2147483648
        p = seed // 7 % (SIZE * SIZE)
        if board[p]:
            continue
        board[p] = colour
        for n in NEIGHBOURS[p]:
            if board[n] == 3 - colour:
                stones, free = group(board, n)
                if not free:
                    for s in stones:
                        board[s] = 0
        if not group(board, p)[1]:
            board[p] = 0
        colour = 3 - colour
for s in range(150):
    play(s)
""")
program("""
# raytrace
import math
class Vector:
    def __init__(self, x, y, z):
        self.x, self.y, self.z = x, y, z
    def dot(self, o):
        return self.x * o.x + self.y * o.y + self.z * o.z
    def minus(self, o):
        return Vector(self.x - o.x, self.y - o.y, self.z - o.z)
    def scale(self, k):
        return Vector(self.x * k, self.y * k, self.z * k)
    def unit(self):
        return self.scale(1.0 / math.sqrt(self.dot(self)))
class Sphere:
    def __init__(self, centre, radius):
        self.centre, self.radius = centre, radius
    def hit(self, origin, ray):
        to = self.centre.minus(origin)
        along = to.dot(ray)
        d = self.radius * self.radius - to.dot(to) + along * along
        return None if d < 0 else along - math.sqrt(d)
world = [Sphere(Vector(i * 2 - 4.0, (i % 3) - 1.0, 8.0 + i), 1.0 + i * 0.1) for i in range(5)]
eye = Vector(0.0, 0.0, 0.0)
for y in range(60):
    for x in range(60):
        ray, best = Vector((x - 30) / 30, (y - 30) / 30, 1.0).unit(), None
        for s in world:
            t = s.hit(eye, ray)
            if t is not None and (best is None or t < best):
                best = t
""")
program("""
# float_points
from math import sin, cos, sqrt
class P:
    __slots__ = ("x", "y", "z")
    def __init__(self, i):
        self.x = x = sin(i)
        self.y = cos(i) * 3
        self.z = (x * x) / 2
    def normalise(self):
        n = sqrt(self.x ** 2 + self.y ** 2 + self.z ** 2)
        self.x /= n
        self.y /= n
        self.z /= n
    def larger(self, o):
        self.x = self.x if self.x > o.x else o.x
        self.y = self.y if self.y > o.y else o.y
        self.z = self.z if self.z > o.z else o.z
        return self
points = [P(float(i)) for i in range(50000)]
for p in points:
    p.normalise()
m = points[0]
for p in points[1:]:
    m = m.larger(p)
""")
program("""
# nqueens
def permutations(n):
    pool, index, cycles = tuple(range(n)), list(range(n)), list(range(n, 0, -1))
    yield pool
    while True:
        for i in reversed(range(n)):
            cycles[i] -= 1
            if cycles[i] == 0:
                index[i:] = index[i + 1:] + index[i:i + 1]
                cycles[i] = n - i
            else:
                j = cycles[i]
                index[i], index[-j] = index[-j], index[i]
                yield tuple(pool[k] for k in index)
                break
        else:
            return
cols, n = range(7), 7
sum(1 for v in permutations(n) if n == len({v[i] + i for i in cols}) == len({v[i] - i for i in cols}))
""")
program("""
# pi_digits
def digits(n):
    out, q, r, t, k, m, x = [], 1, 0, 1, 1, 3, 3
    while len(out) < n:
        if 4 * q + r - t < m * t:
            out.append(m)
            q, r, m = 10 * q, 10 * (r - m * t), (10 * (3 * q + r)) // t - 10 * m
        else:
            q, r, t, k, m, x = q * k, (2 * q + r) * x, t * x, k + 1, (q * (7 * k + 2) + r * x) // (t * x), x + 2
    return out
digits(900)
""")
program("""
# fft
from cmath import exp, pi
def fft(v):
    n = len(v)
    if n == 1:
        return v
    even, odd = fft(v[::2]), fft(v[1::2])
    t = [exp(-2j * pi * k / n) * odd[k] for k in range(n // 2)]
    return [even[k] + t[k] for k in range(n // 2)] + [even[k] - t[k] for k in range(n // 2)]
for _ in range(8):
    fft([float(i % 17) for i in range(2048)])
""")
program("""
# lu
def decompose(a):
    n = len(a)
    for k in range(n):
        pivot = a[k][k] or 1e-9
        for i in range(k + 1, n):
            row, top = a[i], a[k]
            f = row[k] / pivot
            row[k] = f
            for j in range(k + 1, n):
                row[j] -= f * top[j]
for _ in range(6):
    decompose([[float((i * j * 7 + i) % 13 + (i == j) * 9) for j in range(60)] for i in range(60)])
""")
program("""
# monte_carlo
class Source:
    def __init__(self, seed):
        self.state = seed
    def next(self):
        self.state = (self.state * 16807) % 2147483647
        return self.state / 2147483647
def estimate(n):
    source, inside = Source(113), 0
    for _ in range(n):
        x = source.next()
        y = source.next()
        if x * x + y * y <= 1.0:
            inside += 1
    return 4 * inside / n
estimate(250000)
""")
program("""
# generators
class Tree:
    def __init__(self, left, value, right):
        self.left, self.value, self.right = left, value, right
    def __iter__(self):
        if self.left:
            yield from self.left
        yield self.value
        if self.right:
            yield from self.right
def build(lo, hi):
    if lo >= hi:
        return None
    mid = (lo + hi) // 2
    return Tree(build(lo, mid), mid, build(mid + 1, hi))
tree = build(0, 20000)
for _ in range(4):
    sum(tree)
""")
program("""
# coroutines
async def fib(n):
    if n <= 1:
        return n
    return await fib(n - 1) + await fib(n - 2)
try:
    fib(23).send(None)
except StopIteration:
    pass
""")
program("""
# async_generators
async def count(n):
    for i in range(n):
        yield i
async def both(a, b):
    async for x in a:
        yield x
    async for x in b:
        yield x
async def run():
    total = 0
    for _ in range(20):
        async for x in both(count(5000), count(5000)):
            total += x
    return total
try:
    run().send(None)
except StopIteration:
    pass
""")
program("""
# logging
import io, logging
stream = io.StringIO()
logger = logging.getLogger("bench")
logger.propagate = False
logger.addHandler(logging.StreamHandler(stream))
logger.setLevel(logging.INFO)
for i in range(7000):
    logger.info("message %d of %s", i, "many")
    logger.debug("never %d", i)
""")
program("""
# mdp
def solve(states, rounds):
    value = [0.0] * states
    moves = [[((s * 3 + a * 7 + k) % states, 0.25 * (k + 1) / 2.5) for k in range(4)] for s in range(states)
             for a in range(3)]
    for _ in range(rounds):
        new = []
        for s in range(states):
            best = -1e9
            for a in range(3):
                total = float((s * a) % 5)
                for to, p in moves[s * 3 + a]:
                    total += 0.9 * p * value[to]
                if total > best:
                    best = total
            new.append(best)
        value = new
    return value
solve(150, 70)
""")
program("""
# deepcopy
import copy
data = {"list": [1, 2, (3, 43)], "string": "Hello", "dict": {"a": [1, 2, 3], "b": {4, 5}}}
for _ in range(5000):
    copy.deepcopy(data)
""")
program("""
# json
import json
data = {"name": "x" * 20, "list": list(range(50)), "nested": [{"a": i, "b": [str(i)] * 3} for i in range(20)]}
for _ in range(400):
    json.loads(json.dumps(data))
class Odd(json.JSONEncoder):
    def default(self, o):
        return sorted(o)
for _ in range(300):
    json.dumps({"s": {1, 2, 3}, "l": [{i} for i in range(20)]}, cls=Odd, indent=1)
""")
program("""
# comprehensions
class Widget:
    def __init__(self, n):
        self.n, self.kind, self.tags = n, n % 5, [n % 3, n % 7]
widgets = [Widget(i) for i in range(600)]
for _ in range(120):
    by_kind = {k: [w.n for w in widgets if w.kind == k] for k in range(5)}
    tags = {t for w in widgets for t in w.tags}
    odd = [w for w in widgets if w.n % 2]
    sums = {w.n: sum(w.tags) for w in odd}
""")
program("""
# meteor
def solve(width, height):
    shapes = [((0, 0), (0, 1), (0, 2)), ((0, 0), (1, 0), (2, 0)), ((0, 0), (0, 1), (1, 0)), ((0, 0), (1, 0), (1, 1))]
    masks = []
    for s in shapes:
        for y in range(height):
            for x in range(width):
                if all(x + dx < width and y + dy < height for dy, dx in s):
                    m = 0
                    for dy, dx in s:
                        m |= 1 << (y + dy) * width + x + dx
                    masks.append(m)
    full, found = (1 << width * height) - 1, 0
    at = [[m for m in masks if m & -m == 1 << p] for p in range(width * height)]
    def go(board):
        nonlocal found
        if board == full:
            found += 1
            return
        free = ~board & full
        for m in at[(free & -free).bit_length() - 1]:
            if not board & m:
                go(board | m)
    go(0)
    return found
solve(6, 6)
""")
program("""
# sieve
def primes(n):
    flags = [True] * (n + 1)
    for i in range(2, int(n ** 0.5) + 1):
        if flags[i]:
            for j in range(i * i, n + 1, i):
                flags[j] = False
    return sum(1 for f in flags if f)
for _ in range(4):
    primes(120000)
""")
program("""
# collatz
def steps(n):
    k = 0
    while n != 1:
        if n % 2:
            n = 3 * n + 1
        else:
            n //= 2
        k += 1
    return k
max(steps(i) for i in range(1, 9000))
""")
program("""
# words
text = ("the quick brown fox jumps over the lazy dog and runs away from it " * 40).split()
for _ in range(60):
    count = {}
    for w in text:
        if w in count:
            count[w] += 1
        else:
            count[w] = 1
    sorted(count.items(), key=lambda kv: (-kv[1], kv[0]))
""")
program("""
# exceptions
def check(n):
    if n % 3 == 0:
        raise ValueError(n)
    return n
total = 0
for i in range(150000):
    try:
        total += check(i)
    except ValueError:
        total -= 1
    finally:
        total += 1
""")
program("""
# interpreter
PROGRAM = [("push", 0), ("push", 1), ("add", None), ("dup", None), ("push", 60000), ("less", None), ("jump_if", 1)]
def run(program):
    stack, at = [], 0
    while at < len(program):
        match program[at]:
            case ("push", value):
                stack.append(value)
            case ("add", _):
                stack.append(stack.pop() + stack.pop())
            case ("dup", _):
                stack.append(stack[-1])
            case ("less", _):
                b = stack.pop()
                stack.append(stack.pop() < b)
            case ("jump_if", target):
                if stack.pop():
                    at = target
                    continue
        at += 1
run(PROGRAM)
""")
program("""
# calls
def f(a, b=1, *c, d=2):
    return a
def g(x):
    return f(x) + f(x, 2) + f(x, 2, 3, d=4)
for i in range(120000):
    g(i)
""")
