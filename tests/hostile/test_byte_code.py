"""Byte code that no compiler made, sent as `code`: .pyc files with bytes changed by chance.

CPython trusts byte code, so anything may become of the job. What must hold: it ends in one of the ways in
which a job ends by itself or by a limit, never as a defect of ours, and the daemon serves the next one.
STINT_SEEDS: how many series of a hundred there are (default 2).
"""
import base64
import importlib.util
import marshal
import os
import random
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "functional"))
import harness

SERIES = 100
SOURCES = (
    "x = [i * 2 for i in range(9)]\nprint(sum(x), {**{'a': 1}}, f'{x!r:>30}')\n",
    "def f(a, *b, c=1):\n    try:\n        yield a / c\n    except ZeroDivisionError as e:\n        yield e\n"
    "    finally:\n        print('end')\nprint(list(f(1, c=0)))\n",
    "import asyncio\nasync def m():\n    async with asyncio.Lock():\n        return 5\nprint(asyncio.run(m()))\n",
    "class C:\n    def __init__(self):\n        def g():\n            return self\n        self.g = g\n"
    "match C():\n    case C(g=h):\n        print(h() is not None)\n",
)
ENDINGS = {"ok", "runtime_error", "compile_error", "cpu_limit", "wall_limit", "memory_limit", "recursion_limit",
           "output_limit", "opcode_limit", "security_violation"}
LIMITS = {"cpu_ms": 200, "wall_ms": 1500, "opcodes": 5000000}


def pyc(source):
    return importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(compile(source, "main.py", "exec"))


def change(chance, code):
    """A few bytes of it changed, taken out, doubled or moved; mostly behind the header."""
    code = bytearray(code)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
        at = chance.randrange(16 if chance.random() < 0.95 else 0, len(code))
        way = chance.randrange(5)
        if way == 0:
            code[at] = chance.randrange(256)
        elif way == 1:
            code[at] ^= 1 << chance.randrange(8)
        elif way == 2:
            del code[at:at + chance.randrange(1, 5)]
        elif way == 3:
            code[at:at] = code[at:at + chance.randrange(1, 9)]
        else:
            code[at:at + 4] = chance.choice((b"\xff\xff\xff\x7f", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\1\0\0\0"))
        if len(code) < 18:
            break
    return bytes(code)


class ByteCode(harness.DaemonCase):
    def run_series(self, seed):
        chance = random.Random(seed)
        endings = {}
        with self.daemon.connect() as client:
            for number in range(SERIES):
                code = change(chance, pyc(SOURCES[number % len(SOURCES)]))
                params = {"code": base64.b64encode(code).decode(), "limits": LIMITS}
                result = client.call("job.run", params)
                self.assertIn(result["status"], ENDINGS, f"seed {seed}, number {number}: {result}")
                endings[result["status"]] = endings.get(result["status"], 0) + 1
            result = client.run("print('alive')")
        self.assertEqual((result["status"], result["stdout"]), ("ok", "alive\n"))
        # Chance has reached the interpreter: not all of it was refused at the door, nor did all of it run.
        self.assertGreater(endings.get("ok", 0), 0, endings)
        self.assertGreater(sum(endings.values()) - endings.get("ok", 0), SERIES // 10, endings)

    def test_changed_by_chance(self):
        for seed in range(int(os.environ.get("STINT_SEEDS", "2"))):
            with self.subTest(seed=seed):
                self.run_series(seed)
        self.daemon.wait_idle()
        self.assertEqual(self.daemon.health()["ended"]["internal_error"], 0)


if __name__ == "__main__":
    unittest.main()
