"""Programs that a tenant with native code runs: the text before each, and the writers of hostile bytes."""
import random
import struct

HEAD = """
import _rawsys, struct, random, os, sys
L = _rawsys.layout()
page, stack, heap, code, vdso = _rawsys.addresses()
call, peek, poke = _rawsys.syscall, _rawsys.peek, _rawsys.poke
def put(name, value, size): poke(page + L[name], (value % (1 << 8 * size)).to_bytes(size, "little"))
def leave(status=0): call(231, status)
def errno(*a):
    r = call(*a)
    return r[1] if r[0] == -1 else 0
"""
FIELDS = {"phase": 4, "reason": 4, "detail": 4, "setup_step": 4, "setup_errno": 4, "trace_truncated": 4,
          "result_bytes": 8, "trace_bytes": 8, "granted": 8, "left": 8, "levels": 8, "flush": 8, "levels2": 8,
          "flush2": 8, "stop": 4}
VALUES = (0, 1, 2, 3, 4, 5, 7, 9, 126, 4095, 8191, 8192, 8193, (8192 << 32) | 8192, (8193 << 32) | 1, 1 << 16, 1 << 31,
          (1 << 32) - 1, 1 << 32, (80 << 20), (80 << 20) + 1, (16 << 20) + 1, (1 << 62), (1 << 63) - 1, 1 << 63,
          (1 << 64) - 1)
ENDS = ("leave(0)", "leave(1)", "leave(126)", "call(62, call(39)[0], 9)", "call(62, call(39)[0], 25)",
        "put('phase', 4, 4); leave(0)", "while 1: pass", "poke(0, b'x')")


def sweep():
    """Each field with each value, and an end."""
    n = 0
    for field, size in FIELDS.items():
        for value in VALUES:
            if value < 1 << (8 * size):
                yield f"{HEAD}print('own', flush=True)\nput('{field}', {value}, {size})\n{ENDS[n % 2 * 5]}\n"
                n += 1


def scribble(seed):
    """Random bytes over what is shared, some of them while stintd reads."""
    rng = random.Random(seed)
    for _ in range(60):
        lines = [HEAD, f"r = random.Random({rng.random()})", "print('own')"]
        for _ in range(rng.randrange(1, 6)):
            kind = rng.randrange(7)
            if kind == 0:
                lines.append("poke(page, r.randbytes(L['header_bytes']))")
            elif kind == 1:
                field = rng.choice(sorted(FIELDS))
                lines.append(f"put('{field}', {rng.choice(VALUES) ^ rng.choice((0, 1, 2))}, {FIELDS[field]})")
            elif kind == 2:
                lines.append("poke(page + L['header_bytes'], r.randbytes(32768))")
            elif kind == 3:
                lines.append(f"poke(page + L['result'], r.randbytes({rng.randrange(1, 70000)})); "
                             f"put('result_bytes', {rng.randrange(1, 70000)}, 8); put('phase', 4, 4)")
            elif kind == 4:
                lines.append(f"poke(page + L['trace'], r.randbytes({rng.randrange(1, 70000)})); "
                             f"put('trace_bytes', {rng.randrange(1, 90000)}, 8)")
            elif kind == 5:
                lines.append("for i in range(300): put(r.choice(['levels','flush','levels2','flush2']), "
                             "r.getrandbits(r.choice([4, 13, 14, 33, 46, 64])), 8)")
            else:
                lines.append("import mmap\nfor o in range(0, L['file_bytes'], 1 << 20): poke(page + o, r.randbytes(64))")
        lines.append(rng.choice(ENDS))
        yield "\n".join(lines), rng.choice(({}, {"stream": True}, {"trace": "lines"}, {"trace": "calls", "stream": True},
                                            {"outputs": ["x"]}, {"mode": "exec", "outputs": ["x", "y"]}))


def field(tag, data, length=None):
    return struct.pack("<II", tag % (1 << 32), (len(data) if length is None else length) % (1 << 32)) + data


def forged_results(seed):
    """Result blobs that a worker could make up: well formed, nearly so, and not."""
    rng = random.Random(seed)
    fixed = [
        field(1, b'{"x":1}'), field(2, b'{"x":1}'), field(2, b"[1]"), field(1, b"1") * 2, field(1, b""), field(1, b"{"),
        field(1, b"[" * 5000 + b"]" * 5000), field(1, b'"\xff"'), field(1, b'"\\ud800"'), field(1, b"1e999999"),
        field(1, b"NaN"), field(1, b'1\n{"jsonrpc":"2.0","id":1,"result":{}}'), field(1, b'{"a":1,"a":2}'),
        field(3, b"\n[ERROR] forged\x1b[31m"), field(3, b"x" * 70000), field(4, b"\xff\xfe\0"), field(4, b"\0" * 4000),
        field(5, b"f") * 1000, field(6, b"1234"), field(5, b"f") + field(6, b"12"), field(7, b"f"), field(9, b"w") * 1000,
        field(0, b""), field(10, b""), field(1 << 31, b"x"), field(1, b"1", 1 << 31), field(1, b"1", (1 << 32) - 1),
        field(1, b"1", 2), field(3, b"E") + field(4, b"m") + field(1, b"1") + field(2, b"{}"), b"\0" * 7, b"\0" * 8, b"\x01",
    ]
    for blob in fixed:
        yield blob
    for _ in range(60):
        blob = bytearray(b"".join(rng.choice(fixed)[:3000] for _ in range(rng.randrange(1, 4))))
        for _ in range(rng.randrange(4)):
            blob[rng.randrange(len(blob))] = rng.randrange(256)
        yield bytes(blob)


def forged_traces(seed):
    rng = random.Random(seed)
    fixed = [b"{}\n", b"{}", b"[]\n", b"\n", b"{}\n" * 20000, b'{"event":"call","line":1}\n', b'{"a":"\xff"}\n', b"{" * 9000 + b"\n",
             b'{"x":"' + b"a" * 8300 + b'"}\n', b'{}\n{"jsonrpc":"2.0"}\n', b"\0\n", b'{"a":1}{"b":2}\n', b'{"a":1,"a":2}\n',
             b'{"a":"\\u0000"}\n', b'{"a":1e999999}\n']
    for trace in fixed:
        yield trace
    for _ in range(20):
        trace = bytearray(b"".join(rng.choice(fixed)[:200] for _ in range(rng.randrange(1, 50))))
        for _ in range(rng.randrange(3)):
            trace[rng.randrange(len(trace))] = rng.randrange(256)
        yield bytes(trace)


def random_calls(seed, count=40):
    """Any system call with any arguments, from what a fuzzer would take."""
    rng = random.Random(seed)
    skip = {60, 231, 15, 34}
    for _ in range(count):
        yield HEAD + f"""
r = random.Random({rng.random()})
v = [0, 1, 2, 3, -1, 4096, 1 << 31, (1 << 32) - 1, 1 << 63, page, stack, heap, code, vdso, bytearray(4096), -100, 128, 0x3d0f00]
print('own', flush=True)
call(38, 0, struct.pack('4q', 0, 2000, 0, 300000), 0)
fatal = {sorted(rng.sample(range(600), 10))}
for i in range(400):
    n = r.randrange(600)
    if n in {skip}: continue
    a = [r.choice(v) for i in range(6)]
    if n == 202: a[1] = r.choice([1, 129, 138])
    call(n, *a)
"""


def allowed_calls(seed, numbers, count=30):
    """Those that the filter lets through, with nonsense in their arguments."""
    rng = random.Random(seed)
    for _ in range(count):
        yield HEAD + f"""
r = random.Random({rng.random()})
v = [0, 1, 2, 3, 7, -1, 4096, 1 << 31, (1 << 32) - 1, 1 << 63, heap, vdso, page + 8192, bytearray(4096), -100, 0x32]
print('own', flush=True)
call(38, 0, struct.pack('4q', 0, 1000, 0, 200000), 0)
for i in range(3000):
    n = r.choice({sorted(numbers)})
    call(n, *[r.choice(v) for i in range(6)])
"""
