"""Native code and the compiled code of scripts: a job cannot change what the next one gets, and where a worker is
in wrong hands before it compiles, what it leaves is its own tenant's alone.

The script is the same each time, and prints whether all is right; what it does first comes as an argument.
"""
import json
import marshal
import os
import random
import re
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from attack_case import SEEDS
from breach_sources import HEAD
from test_breach import BreachCase
from test_tenants import connect_as

SCRIPT = HEAD + "room, room_bytes, begin = _rawsys.room()\nif sys.argv[1:]:\n    exec(sys.argv[1])\nprint('right')\n"
QUICK = {"cpu_ms": 2000, "wall_ms": 10_000}
HOLD = "assert room\n"
# What native code may try at a room that was unmapped.
TRIES = [
    "poke(room, b'\\xff' * 4096)", "poke(room + room_bytes - 8, b'\\xff' * 8)", "print(call(25, room, 4096, room_bytes, 1))",
    "print(call(25, room, 0, room_bytes, 1))", "print(call(25, room, room_bytes, 2 * room_bytes, 1))", "print(call(10, room, room_bytes, 3))",
    "print(call(216, room, room_bytes, 0, 0, 0))",  # remap_file_pages
    "print([call(9, room, room_bytes, 3, 0x11, fd, 0) for fd in range(3, 64)]); poke(room, b'x' * 4096)",
    "print(call(25, page, L['file_bytes'], L['file_bytes'] + room_bytes, 1))",
    "m = call(25, page, L['file_bytes'], L['file_bytes'] + 2 * room_bytes, 1)[0]\npoke(m + L['file_bytes'], b'x' * 4096)",
    "print(call(319, b'stint-code', 0), [call(447, 0, fd) for fd in range(3)])",  # memfd_create, memfd_secret
    "import marshal\nmarshal.loads = marshal.dumps = None\npoke(page + L['result'] - 64, b'x' * 65536)\nleave()",
]


def reused(client):
    return int(re.search(r"stint_code_reused_total (\d+)", json.dumps(client.call("daemon.metrics")))[1])


class Reach(BreachCase):
    zygote = "zygote_breach"

    def test_what_is_left_cannot_be_reached(self):
        faults = []
        for attempt in TRIES:
            script = self.client.call("script.put", {"source": SCRIPT})
            before = reused(self.client)
            self.client.run(**script, args=[HOLD + attempt], limits=QUICK)
            result = self.client.run(**script, limits=QUICK)
            if (result["stdout"], result["stderr"], reused(self.client) - before) != ("right\n", "", 1):
                faults.append(f"{attempt}: {result}")
            self.client.call("script.delete", script)
        faults += self.host.thorough()
        self.report("reach for left code", "right", "right" if not faults else "wrong", faults, len(TRIES))
        self.assertEqual(faults, [])


def poisons(seed):
    """What a worker in wrong hands may leave, as statements; `good`: what it had left."""
    rng = random.Random(seed)
    head = "good = peek(room + begin, int.from_bytes(peek(room, 8), 'little'))\n"
    leave = "poke(room + begin, b)\npoke(room, len(b).to_bytes(8, 'little'))\n"
    for size in (0, 1, 4, 27, 28, 29, 100, (4 << 20) - 64, (4 << 20) - 63, 4 << 20, 1 << 31, 1 << 32, 1 << 63, (1 << 64) - 2, (1 << 64) - 1):
        yield f"poke(room, ({size}).to_bytes(8, 'little'))"
    for data in (b"", b"i\x05\0\0\0", b"N", b"c", b"\xe3", b"[\xff\xff\xff\x7f", b"(\xff\xff\xff\x7f", b"l\0\0\0\x80", b"r\xff\xff\xff\xff",
                 marshal.dumps([1, 2]), b"[\x01\0\0\0" * 3000, b"\xa9" * 9000):
        yield head + f"b = good[:28] + {data!r}\n" + leave
    yield head + "import marshal\nb = good[:28] + marshal.dumps(compile('print(\"forged\")', 'main.py', 'exec'))\n" + leave
    yield head + "import marshal\nb = good[:28] + marshal.dumps(compile('print(\"forged\")', 'other.py', 'exec'))\n" + leave
    for at in range(0, 28, 3):
        yield head + f"b = bytearray(good)\nb[{at}] ^= 1\nb = bytes(b)\n" + leave
    for _ in range(12):
        yield head + f"b = good[:{rng.randrange(29, 900)}]\n" + leave
    for _ in range(40):
        yield head + (f"r = random.Random({rng.random()})\nb = bytearray(good)\nfor i in range({rng.choice((1, 3, 30))}):\n"
                      "    b[28 + r.randrange(len(b) - 28)] = r.randrange(256)\nb = bytes(b)\n") + leave


class Poisoned(BreachCase):
    """The room stays mapped: the worker was taken over before it compiled."""

    zygote = "zygote_breach-room"
    settings = {"socket_mode": "0666"}

    def test_only_the_tenant_itself(self):
        faults, statuses, count, forged = [], {}, 0, 0
        with connect_as(self.daemon.socket, 65532) as one, connect_as(self.daemon.socket, 65533) as two:
            two.call("script.put", {"source": SCRIPT})
            for seed in SEEDS:
                for poison in poisons(seed):
                    count += 1
                    script = one.call("script.put", {"source": SCRIPT})
                    first = one.run(**script, args=[HOLD + poison], limits=QUICK)
                    second = one.run(**script, limits=QUICK)
                    other = two.run(**script, limits=QUICK)
                    one.call("script.delete", script)
                    forged += second["stdout"] == "forged\n"
                    statuses[second["status"]] = statuses.get(second["status"], 0) + 1
                    if (other["status"], other["stdout"], other["stderr"]) != ("ok", "right\n", ""):
                        faults.append(f"another tenant: {other}\nof {poison}")
                    if first["stdout"] != "right\n" or second["status"] == "internal_error":
                        faults.append(f"{first}\n{second}\nof {poison}")
            anew = one.call("script.put", {"source": SCRIPT})
            self.assertEqual([one.run(**anew, limits=QUICK)["stdout"] for _ in range(2)], ["right\n"] * 2)
        faults += self.host.thorough()
        self.report("poisoned code", "own tenant", str(statuses), faults, count)
        self.assertEqual(faults[:4], [])
        self.assertEqual(forged, len(SEEDS))  # so it does reach the tenant itself
        self.assertGreater(statuses.get("ok", 0), 20, statuses)

    def test_what_does_not_fit_is_compiled(self):
        for poison in list(poisons(1))[:27] + list(poisons(1))[28:39]:
            script = self.client.call("script.put", {"source": SCRIPT})
            self.client.run(**script, args=[HOLD + poison], limits=QUICK)
            result = self.client.run(**script, limits=QUICK)
            self.assertEqual((result["stdout"], result["stderr"]), ("right\n", ""), poison)
            self.client.call("script.delete", script)


if __name__ == "__main__":
    unittest.main()
