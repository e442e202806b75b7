#!/usr/bin/python3
"""Write the first inputs of every fuzz target: DIRECTORY/<target>/<name>.

They are made here, from the same words a client, a worker or an operator would use, and not kept as
files: a reader sees what they are, and they follow the formats when these change.
"""
import json
import os
import struct
import sys

PACK = struct.Struct("<II")


def call(method, params, ident=1):
    return json.dumps({"jsonrpc": "2.0", "id": ident, "method": method, "params": params}).encode() + b"\n"


def client():
    """First byte: how large the pieces are in which the bytes arrive."""
    job = {"source": "print(1)", "name": "a.py", "args": ["x", "\u00e9"], "stdin": "in\u0000",
           "inputs": {"n": 123456789012345678901234567890, "f": 1.5, "l": [None, True]}, "outputs": ["n"],
           "limits": {"cpu_ms": 100, "opcodes": 1000, "threads": 2}, "stream": True, "tag": "t",
           "priority": -3, "deadline_ms": 60000}
    yield b"\x20" + call("job.run", job)
    yield b"\x02" + call("job.run", {"source": "f", "entry": {"function": "f", "args": [1], "kwargs": {"a": 2}},
                                     "modules": {"m": "x = 1", "p.q": ""}, "mode": "exec", "trace": "lines"})
    yield b"\x40" + call("job.run", {"code": "pw0NCgAAAAA=", "stdin": {"base64": "AAEC"}})
    yield b"\x40" + call("job.run", {"source": "1+1", "mode": "eval", "limits": {"value_bytes": 2}})
    yield b"\x09" + call("daemon.info", {}) + call("job.cancel", {"id": 1}) + call("job.status", {"job": "0" * 32})
    yield b"\xff" + call("job.run", {"source": "x" * 5000}, "an id") + b'{"jsonrpc":"2.0","method":"daemon.health"}'
    yield b"\x10[1,2]\n{}\nnull\n" + b'{"jsonrpc":"2.0","id":{},"method":"job.run"}\r\n'
    yield b"\x30" + call("job.run", {"source": "s", "files": [{"name": "a/b", "content": "c"}], "collect": ["*"],
                                     "limits": {"scratch_bytes": 65536}})
    files = [{"name": "a", "base64": "AAEC"}, {"name": "d/" * 15 + "\u00e9", "content": ""}, {"name": "b", "content": "x"}]
    yield b"\x30" + call("job.run", {"source": "s", "files": files, "collect": ["**/*.tx?", "[!a-z]*", "d/**", "\u00e9"],
                                     "limits": {"scratch_bytes": 1 << 20, "scratch_files": 20, "collected_bytes": 0}})
    yield b"\x30" + call("job.run", {"source": "s", "files": files + files, "limits": {"scratch_bytes": 4096}})
    yield b"\x30" + call("job.run", {"source": "s", "files": [{"name": "../x", "content": "a", "base64": "AA=="}, 1]})
    acting = {"tenant": "shop", "token": "test"}
    yield b"\x30" + call("job.run", {"source": "s", "limits": {"cpu_ms": 900}, **acting}) + call("tenant.usage", acting)
    yield b"\x30" + call("job.status", {"job": "0" * 32, "tenant": "shop", "token": "no"}) + call("tenant.usage", {"tenant": "x"})
    yield b"\x30" + call("job.run", {"source": "s", "collect": ["/a", "a//b", "[", "a" * 300, ""],
                                     "limits": {"scratch_bytes": 1, "scratch_files": 1}})


def fields(*pairs):
    return b"".join(PACK.pack(tag, len(data)) + data for tag, data in pairs)


FRAME = ((5, b"main.py"), (6, struct.pack("<I", 3)), (7, b"f"), (8, b"x = 1"))


def blobs():
    yield fields((1, b'{"a":[1,2.5,"\\u00e9",null]}'))
    yield fields((1, b"1"), (2, b'{"n":123456789012345678901}'), (9, b"a warning"))
    yield fields((3, b"ValueError"), (4, b"bad \xff value"), *FRAME, *FRAME)
    yield fields((9, b"w")) * 5
    yield fields((10, b"a"), (11, b"one"), (10, b"d/e"), (11, b"\xff\0"), (10, b"\xc3\xa9"), (11, b""))
    yield fields((1, b"null"), (10, b"b"), (11, b"1"), (10, b"a"), (11, b"2"))
    yield fields((10, b"../x"), (11, b"1"), (10, b"y"))
    yield fields((1, b'"' + b"a" * 300 + b'"'))[:-20]
    yield b""


def result():
    for ended in (0, 1, 2, 3):  # 2: files were asked for
        for blob in blobs():
            yield bytes([ended, 200]) + blob


def worker():
    """struct header of fuzz_worker.c, then stdout, stderr, result and trace."""
    header = struct.Struct("<IIIHHHHxxxxQQQQQQHHHBB")
    trace = b'{"event":"line","line":1}\n{"event":"line","line":2}\n'
    for blob in blobs():
        for levels, mark, cap in ((0, 0, 1000), (5 | 7 << 32, 0, 1000), (8192, 3, 4), (1 << 63, 1 << 62, 0)):
            yield header.pack(4, 0, 0, 4, 3, len(blob), len(trace), len(blob), len(trace), levels, levels, mark,
                              mark, cap, cap, 1000, 0, 1 if cap else 7) + b"out\nerr" + blob + trace
        yield header.pack(4, 0, 0, 4, 3, len(blob), len(trace), 1 << 40, 1 << 40, 0, 0, 0, 0, 9, 9, 1000, 0,
                          0xFF) + b"out\nerr" + blob + trace


def spawner():
    """state, permits used, last generation, live generations; then one message."""
    for kind in (2, 4, 6, 8, 10, 5, 7, 9, 20):
        for state in range(4):
            body = struct.pack("<Q", 0 if kind in (2, 8, 10) else 8)
            yield bytes([state, 0, 8 if kind == 6 else 7, 1]) + (struct.pack("<II", kind, 2) + body).ljust(192, b"\0")


def config():
    yield b"socket = /run/x.sock\n# comment\nworkers_ready = 4\ndefault_cpu_ms = 100\nmax_cpu_ms = 1s\n"
    yield b"preload = json re\nlog_level = debug\nasyncio = no\nsocket_mode = 0600\nqueue_bytes_max = 64M\n"
    yield b"user = 1000\nuid_base = 1900000000 # here\n\nservice_memory_max=1G\nmax_memory_bytes = 512M\n"
    yield b"socket=/a"
    digest = b"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    yield b"operators = root a\noperator_groups = 7 b\n[tenant a]\nusers = u v 17\ngroups = g 5\nweight = 3\nmax_cpu_ms = 1s\n"
    yield b"[tenant a]\nusers = u\n[tenant b]\nusers = v w\ntoken_sha256 = " + digest + b"\n[tenant g]\ngateway = yes\n"
    yield b"[tenant default]\nrunning_max = 3\ncpu_per_minute = 2min\nqueue_bytes_max = 1M\ndefault_wall_ms = 1s\n"


PROGRAMS = (
    "x = 1",
    "for i in range(10):\n    if i % 2:\n        continue\n    print(i)\nelse:\n    print()",
    "def f(a, *b, c=1, **d):\n    try:\n        return a + c\n    except (ValueError, TypeError) as e:\n        raise\n"
    "    finally:\n        d.clear()",
    "def g():\n    x = yield 1\n    yield from g()\n    with x as y, open(y):\n        while x:\n            x -= 1",
    "async def h(a):\n    async for i in a:\n        await i\n    async with a as b:\n        return [j async for j in b]",
    "def m(x):\n    match x:\n        case [1, *r] if r: return r\n        case {'a': 1, **k}: return k\n"
    "        case C(y=1) | None: pass",
    "def k():\n    v = 0\n    def l():\n        nonlocal v\n        v = [w for w in range(v)]\n    return l",
    "try:\n    x\nexcept* E:\n    pass",
    "\n".join(f"a{i} = {i} + a{i}" for i in range(300)),
)


def codes(code):
    yield code
    for constant in code.co_consts:
        if hasattr(constant, "co_code"):
            yield from codes(constant)


def code():
    """Lengths of exception table and location table, the tables, the code."""
    for program in PROGRAMS:
        for one in codes(compile(program, "x.py", "exec")):
            regions, locations = one.co_exceptiontable, one.co_linetable
            if len(regions) < 256:
                locations = locations if len(locations) < 256 else b""
                yield bytes([len(regions), len(locations)]) + regions + locations + one.co_code


def jsons():
    yield b'{"a":[1,-0,2.5e3,"\\u00e9\\ud83d\\ude00",null,true,{}],"b":123456789012345678901234567890}'
    yield b'[[[[[[[[[[]]]]]]]]]]'
    yield b' "x" '
    yield b'{"a":1,"a":2}'
    yield b'1e309'


def main():
    top = sys.argv[1]
    for name, make in (("client", client), ("result", result), ("worker", worker), ("spawner", spawner),
                       ("config", config), ("code", code), ("json", jsons)):
        directory = os.path.join(top, name)
        os.makedirs(directory, exist_ok=True)
        for number, data in enumerate(make()):
            with open(os.path.join(directory, f"seed{number:03}"), "wb") as file:
                file.write(data)


main()
