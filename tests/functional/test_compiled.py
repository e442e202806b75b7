"""The code of a script is compiled once: later jobs are given it, and nobody can tell by their results."""
import base64
import importlib.util
import json
import marshal
import os
import re
import signal
import unittest

import harness
import meter_programs
import python_programs
import trace_programs
from harness import until
from test_durable import Stored
from test_tenants import connect_as

ADDRESS = re.compile(r"0x[0-9a-f]+")
SAME = ("status", "verdict", "exit_code", "signal", "stdout", "stderr", "error", "value", "vars", "warnings", "trace", "files")
LIMITS = {"opcodes": 20_000_000, "cpu_ms": 20_000, "wall_ms": 60_000}
LARGE = "".join(f"def f{i}(x, y={i}):\n    if x > y:\n        return [x, y, 'a{i}']\n    return (x + y) * {i}.5\n"
                for i in range(100))
# Sets of constants: what is left of them must come out in the order in which the source has them.
ORDERS = {
    "loop": "for x in {%s}:\n    print(x)\n" % ", ".join(f"'word {i}'" for i in range(40)),
    "numbers": "print(list(x for x in {%s}))\n" % ", ".join(str(i * 64) for i in range(30)),
    "collide": "for x in {8, 0, 16, 24, 32}: print(x)\ndef f(y):\n    for x in {32, 16, 0, 8, 24}: print(x)\n    return y in {3, 1}\nf(2)\n",
    "members": "print([x for x in (1, 'a', b'a', 2.5, (1, 2)) if x in {1, 'a', b'a', (1, 2), None, 1j}])\n",
}
IDENTITY = """
a, b = 'no identifier!', 1000000
def f(): return 'no identifier!', 1000000, (1, 'x y'), -1.5, b'bytes', ...
def g(): return 'no identifier!', 1000000, (1, 'x y'), -1.5, b'bytes', ...
print([x is y for x, y in zip(f(), g())], a is f()[0], b is f()[1], f.__code__.co_consts, g.__code__.co_names)
import sys, gc, inspect
print(gc.get_count()[0], inspect.getsource(f), f.__code__.co_filename, sys._getframe().f_code.co_flags)
class Loud:
    def __del__(self): print('gone', n)
for n in range(3000):
    x = Loud(); x.me = x
"""


def reused(client):
    return int(re.search(r"stint_code_reused_total (\d+)", json.dumps(client.call("daemon.metrics")))[1])


def seen(result):
    """What must not depend on who compiled."""
    text = json.dumps([result.get(name) for name in SAME] + [result["usage"]["opcodes"]], sort_keys=True)
    return ADDRESS.sub("0x0", text)


def programs():
    """Name, source and what else the job has."""
    for group in ("TRACEBACKS", "SYNTAX", "EXITS", "ENDS", "LANGUAGE", "STDIN"):
        for name, program in getattr(python_programs, group).items():
            program = dict(program) if isinstance(program, dict) else {"source": program}
            program.pop("flags", None)
            if "stdin" in program:
                program["stdin"] = {"base64": base64.b64encode(program["stdin"]).decode()}
            yield f"{group} {name}", program.pop("source"), program
    for number, source in enumerate((*meter_programs.EQUAL, meter_programs.REFERENCE, IDENTITY, *ORDERS.values())):
        yield f"program {number}", source, {}


def traces():
    for group in (trace_programs.QUIET, trace_programs.RAISING):
        for number, (name, source) in enumerate(group.items()):
            yield f"trace {name}", source, {"trace": ("lines", "opcodes", "calls")[number % 3]}


class Compiled(harness.DaemonCase):
    settings = {"max_cpu_ms": 60_000, "max_wall_ms": 120_000, "socket_mode": "0666"}

    def put(self, source, client=None, **params):
        return (client or self.client).call("script.put", {"source": source, **params})

    def twice(self, script, **params):
        """The first job compiles, the second has it: whether it was given the code."""
        first, before = self.client.run(**script, **params), reused(self.client)
        second = self.client.run(**script, **params)
        self.assertEqual(seen(second), seen(first))
        return reused(self.client) - before == 1

    def compare(self, cases):
        """By source, by script when it is compiled, and when it is not: how many were given code."""
        given = 0
        for name, source, params in cases:
            with self.subTest(name):
                params = {"limits": LIMITS, **params}
                plain = self.client.run(source, **params)
                script = self.put(source)
                before = reused(self.client)
                first = self.client.run(**script, **params)
                self.assertEqual(reused(self.client), before)
                second, third = (self.client.run(**script, **params) for _ in range(2))
                for result in (first, second, third):
                    self.assertEqual(seen(result), seen(plain))
                count = reused(self.client) - before
                self.assertIn(count, (0, 2))
                if plain["status"] == "compile_error":
                    self.assertEqual(count, 0)
                given += count == 2
                self.client.call("script.delete", script)
        return given

    def test_programs(self):
        cases = list(programs())
        syntax = len(python_programs.SYNTAX)
        self.assertGreater(self.compare(cases), (len(cases) - syntax) * 9 // 10)

    def test_traces(self):
        cases = list(traces())
        self.assertGreater(self.compare(cases), len(cases) * 9 // 10)

    def test_what_the_compiler_says_is_said_each_time(self):
        script = self.put("x = 1\nprint(x is 1)\n")
        for _ in range(3):
            result = self.client.run(**script)
            self.assertIn("SyntaxWarning", result["stderr"])
        self.assertFalse(self.twice(script))
        # A codec that is imported to compile counts.
        script = self.put("# -*- coding: cp1252 -*-\nimport sys\nprint('encodings.cp1252' in sys.modules)\n")
        self.assertEqual(self.client.run(**script)["stdout"], "True\n")
        self.assertFalse(self.twice(script))

    def test_keys(self):
        source = "import sys\nprint(__file__, sys._getframe().f_code.co_filename)\n1 / 0\n"
        script = self.put(source, name="mine.py")
        self.assertTrue(self.twice(script))
        for name in ("other.py", "mine.py", "\u00e4.py", "x" * 255):
            before = reused(self.client)
            result = self.client.run(**script, name=name)
            self.assertEqual(result["stdout"], f"{name} {name}\n")
            self.assertIn(f'"{name}", line 3', result["stderr"])
            self.assertTrue(self.twice(script, name=name))
            self.assertEqual(reused(self.client) - before, 3 if name == "mine.py" and before == 0 else 2)
        script = self.put("1 + 2")
        self.assertTrue(self.twice(script, mode="eval"))
        self.assertEqual(self.client.run(**script, mode="eval")["value"], 3)
        self.assertEqual(self.client.run(**script)["value"], None)
        self.assertTrue(self.twice(script))
        self.assertEqual(self.client.run(**script, mode="eval")["value"], 3)
        self.assertFalse(self.twice(self.put(" \n"), mode="eval"))
        # Nested so deep that it compiles under some limits only.
        script = self.put("x = " + "-" * 400 + "1\nprint(x)\n")
        shallow = {"limits": {"call_depth": 60}}
        plain = self.client.run("x = " + "-" * 400 + "1\nprint(x)\n", **shallow)
        self.assertTrue(self.twice(script))
        self.assertEqual(seen(self.client.run(**script, **shallow)), seen(plain))
        self.assertEqual(self.client.run(**script)["stdout"], "1\n")

    def test_entry_inputs_modules_and_scratch(self):
        script = self.put("import helper\ndef f(n): return helper.g(n) + base\nresult = f(1)\n")
        self.assertTrue(self.twice(script, inputs={"base": 5}, modules={"helper": "def g(n): return n * 2"},
                                   entry={"function": "f", "args": [4]}, outputs=["result"]))
        script = self.put("open('a', 'w').write('x')\nprint(open('a').read())\n")
        self.assertTrue(self.twice(script, limits={"scratch_bytes": 1 << 20}, collect=["*"]))
        script = self.put("import threading\nt = threading.Thread(target=print, args=('t',))\nt.start()\nt.join()\n")
        self.assertTrue(self.twice(script, limits={"threads": 2}))

    def test_a_job_that_ends_at_once(self):
        """It leaves the code if it comes that far, and others are asked if not."""
        script = self.put(LARGE + "print('ran')\n")
        for limits in ({"opcodes": 1}, {"wall_ms": 1}, {"cpu_ms": 1}, {"memory_bytes": 8 << 20}, {"stdout_bytes": 0}):
            result = self.client.run(**script, limits=limits)
            self.assertNotEqual(result["status"], "internal_error", result)
        for _ in range(3):
            self.assertEqual(self.client.run(**script)["stdout"], "ran\n")
        self.assertTrue(self.twice(script))
        self.assertTrue(self.twice(script, limits={"opcodes": 1}))
        cancelled = self.put("import time\ntime.sleep(60)\n")
        with self.daemon.connect() as other:
            other.send("job.run", {**cancelled, "limits": {"wall_ms": 90_000}})
            until(lambda: self.daemon.health()["jobs"]["running"] > 0, 20, "a running job")
            # While one that was asked runs, others compile.
            self.assertEqual(self.client.run(**cancelled, limits={"wall_ms": 100})["status"], "wall_limit")
        until(lambda: self.daemon.health()["jobs"]["running"] == 0, 20, "no running job")
        before = reused(self.client)
        self.client.run(**cancelled, limits={"wall_ms": 100})
        self.assertEqual(reused(self.client) - before, 1)

    def test_deleted_and_put_again(self):
        script = self.put(LARGE)
        self.assertTrue(self.twice(script))
        self.client.call("script.delete", script)
        self.assertEqual(self.put(LARGE), script)
        before = reused(self.client)
        self.client.run(**script)
        self.assertEqual(reused(self.client), before)
        self.assertTrue(self.twice(script))
        # Deleted while a job that is asked for its code runs, and put again: the new one starts anew.
        slow = "import time\ntime.sleep(1)\n"
        script = self.put(slow)
        ident = self.client.send("job.run", script)
        self.client.call("script.delete", script)
        self.put(slow)
        self.client.wait(ident)
        before = reused(self.client)
        self.client.run(**script)
        self.assertEqual(reused(self.client), before)

    def test_each_tenant_its_own(self):
        with connect_as(self.daemon.socket, 65532) as one, connect_as(self.daemon.socket, 65533) as two:
            script = self.put(LARGE, one)
            self.assertEqual(self.put(LARGE, two), script)
            before = reused(self.client)
            for client in (one, one, one, two):
                client.run(**script)
            self.assertEqual(reused(self.client) - before, 2)
            one.call("script.delete", script)
            two.run(**script)
            self.assertEqual(reused(self.client) - before, 3)

    def test_code_that_is_too_large(self):
        script = self.put("x = '%s'\nprint(len(x))\n" % ("y" * (4 << 20)))
        self.assertFalse(self.twice(script))
        self.assertFalse(self.twice(script))
        script = self.put("x = '%s'\nprint(len(x))\n" % ("y" * (7 << 19)))
        self.assertTrue(self.twice(script))

    def test_many_at_once(self):
        script = self.put(LARGE + "print('ran')\n")
        before = reused(self.client)
        idents = [self.client.send("job.run", script) for _ in range(40)]
        for ident in idents:
            self.assertEqual(self.client.wait(ident)["stdout"], "ran\n")
        self.assertGreater(reused(self.client) - before, 10)

    def test_byte_code_is_none_of_it(self):
        code = importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(compile("print(5)", "x", "exec"))
        script = self.client.call("script.put", {"code": base64.b64encode(code).decode()})
        self.assertFalse(self.twice(script))


class Room(harness.DaemonCase):
    settings = {"scripts_code_max": 80_000}

    def test_a_tenant_has_a_quarter(self):
        small = [self.client.call("script.put", {"source": f"print({i})\n" * 40}) for i in range(60)]
        for _ in range(2):
            for script in small:
                self.client.run(**script)
        count = reused(self.client)
        self.assertTrue(5 < count < 60, count)
        # Room that deleted ones leave can be had.
        for script in small[:-1]:
            self.client.call("script.delete", script)
        for _ in range(2):
            self.client.run(**small[-1])
        before = reused(self.client)
        self.client.run(**small[-1])
        self.assertEqual(reused(self.client) - before, 1)
        large = self.client.call("script.put", {"source": LARGE + LARGE})
        before = reused(self.client)
        for _ in range(3):
            self.assertEqual(self.client.run(**large)["status"], "ok")
        self.assertEqual(reused(self.client), before)


class Off(harness.DaemonCase):
    settings = {"scripts_code_max": 0}

    def test_off(self):
        script = self.client.call("script.put", {"source": "print(1)"})
        for _ in range(3):
            self.assertEqual(self.client.run(**script)["stdout"], "1\n")
        self.assertEqual(reused(self.client), 0)


class Lives(Stored):
    def test_submitted_jobs_and_other_lives(self):
        daemon = self.start()
        with daemon.connect() as client:
            script = client.call("script.put", {"source": LARGE + "print('ran')\n"})
            for expected in (0, 1, 2):
                job = client.call("job.submit", script)
                self.assertEqual(client.call("job.wait", job)["stdout"], "ran\n")
                self.assertEqual(reused(client), expected)
        daemon = self.restart(daemon)
        with daemon.connect() as client:
            for expected in (0, 1):
                self.assertEqual(client.run(**script)["stdout"], "ran\n")
                self.assertEqual(reused(client), expected)
        # Another interpreter: none of the old code, no failure.
        pid = daemon.zygote_pid()
        os.kill(pid, signal.SIGKILL)
        until(lambda: daemon.find("stint-zygote") and pid not in daemon.find("stint-zygote"), 20, "a new zygote")
        daemon.wait_serving()
        with daemon.connect() as client:
            before = reused(client)
            for expected in (0, 1):
                self.assertEqual(client.run(**script)["stdout"], "ran\n")
                self.assertEqual(reused(client) - before, expected)
        self.end(daemon)


if __name__ == "__main__":
    unittest.main()
