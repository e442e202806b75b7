#!/usr/bin/python3
"""Traces: opcodes, lines and calls, in the result, streamed and as text."""
import json
import os
import re
import subprocess
import unittest

import harness
import python_programs
import trace_programs

REFERENCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "trace_reference.py")
POWER = "x, y = 2, 3; x **= y"
CONDITIONAL = "x = 6 if __name__ != '__main__' else 10"
FIB = "def fib(n):\n  return n if n < 2 else fib(n - 1) + fib(n - 2)\nfib(3)\n"
MANY = 1000000
ADDRESS = re.compile(r"0x[0-9a-f]{6,}")


def reference(kind, sources):
    request = json.dumps({"kind": kind, "sources": sources})
    output = subprocess.run(["/usr/bin/python3", "-I", REFERENCE], input=request.encode(), capture_output=True,
                            check=True, timeout=120 * harness.SLOW)
    return json.loads(output.stdout)


class Trace(harness.DaemonCase):
    settings = {"workers_ready": 2}

    def trace(self, kind, source, status="ok", **params):
        result = self.run_status(status, source, trace=kind, **params)
        return result["trace"]

    def test_power(self):
        events = self.trace("opcodes", POWER)
        self.assertEqual([e["opname"] for e in events], [
            "LOAD_CONST", "UNPACK_SEQUENCE", "STORE_NAME", "STORE_NAME", "LOAD_NAME", "LOAD_NAME", "BINARY_OP",
            "STORE_NAME", "LOAD_CONST", "RETURN_VALUE"])
        self.assertEqual(events[6], {
            "event": "opcode", "file": "main.py", "function": "<module>", "line": 1, "offset": 16,
            "opname": "BINARY_OP", "arg": "**=", "values": ["2", "3"]})
        self.assertEqual((events[7]["arg"], events[7]["values"]), ("x", ["8"]))
        self.assertEqual(events[0]["arg"], "(2, 3)")
        self.assertNotIn("values", events[0])

    def test_conditional_shows_where_a_jump_goes(self):
        events = self.trace("opcodes", CONDITIONAL)
        self.assertEqual(len(events), 8)
        jump = events[3]
        self.assertEqual((jump["opname"], jump["arg"], jump["values"]),
                         ("POP_JUMP_FORWARD_IF_FALSE", "to 18", ["False"]))
        self.assertEqual(events[4]["offset"], 18)

    def test_known_counts(self):
        for name, count in ("pass", 2), ("power", 10), ("conditional", 8), ("reference", 423):
            self.assertEqual(len(self.trace("opcodes", trace_programs.QUIET[name])), count, name)

    def compare(self, kind, programs, of_event):
        names = list(programs)
        for name, expected in zip(names, reference(kind, [programs[n] for n in names])):
            with self.subTest(name):
                result = self.client.run(programs[name], trace=kind, limits={"trace_events": MANY})
                self.assertFalse(result["trace_truncated"])
                got = [of_event(e) for e in result["trace"]]
                for i, (a, b) in enumerate(zip(got, expected)):
                    self.assertEqual(a, b, f"event {i}: {result['trace'][i]}")
                self.assertEqual(len(got), len(expected))

    def test_opcodes_are_those_of_plain_python(self):
        def of_event(event):
            return [event["line"], event["offset"], event["opname"]]
        self.compare("opcodes", {**trace_programs.QUIET, **trace_programs.RAISING}, of_event)

    def test_lines_are_those_of_plain_python(self):
        def of_event(event):
            return [event["file"], event["line"], event["function"]]
        self.compare("lines", {**trace_programs.QUIET, **trace_programs.RAISING}, of_event)

    def test_calls_are_those_of_plain_python(self):
        words = {"resume": "call", "yield": "return"}

        def of_event(event):
            return [words.get(event["event"], event["event"]), event["function"]]
        self.compare("calls", {**trace_programs.QUIET, **trace_programs.RAISING}, of_event)

    def test_as_many_opcodes_as_are_counted(self):
        self.assertGreaterEqual(len(trace_programs.QUIET), 40)
        for name, source in trace_programs.QUIET.items():
            with self.subTest(name):
                traced = self.run_ok(source, trace="opcodes", limits={"trace_events": MANY})
                self.assertEqual(len(traced["trace"]), traced["usage"]["opcodes"])
                self.assertEqual(self.run_ok(source)["usage"]["opcodes"], traced["usage"]["opcodes"])
        for name, source in trace_programs.RAISING.items():
            with self.subTest(name):
                traced = self.client.run(source, trace="opcodes", limits={"trace_events": MANY})
                self.assertLessEqual(len(traced["trace"]), traced["usage"]["opcodes"])

    def test_a_trace_changes_nothing(self):
        groups = (python_programs.LANGUAGE, python_programs.EXITS, python_programs.ENDS, python_programs.TRACEBACKS)
        for name, program in [item for group in groups for item in group.items()]:
            params = {"source": program} if isinstance(program, str) else dict(program)
            if "source" not in params or isinstance(params.get("stdin"), bytes):
                continue
            params.pop("flags", None)
            params["limits"] = {"cpu_ms": 20000, "trace_events": MANY}
            plain, traced = self.client.run(**params), self.client.run(trace="opcodes", **params)
            with self.subTest(name):
                for member in "status", "exit_code", "signal", "stdout", "stderr", "error":
                    texts = [ADDRESS.sub("0x", json.dumps(result[member])) for result in (plain, traced)]
                    self.assertEqual(texts[0], texts[1], member)
                self.assertEqual(traced["usage"]["opcodes"], plain["usage"]["opcodes"])
                self.assertLessEqual(len(traced["trace"]), traced["usage"]["opcodes"])

    def test_calls(self):
        events = self.trace("calls", FIB)
        fib = [e for e in events if e["function"] == "fib"]
        self.assertEqual([e["event"] for e in fib].count("call"), 5)
        self.assertEqual([e["event"] for e in fib].count("return"), 5)
        self.assertEqual(fib[0], {"event": "call", "file": "main.py", "function": "fib", "line": 1, "depth": 1})
        self.assertEqual(fib[-1], {"event": "return", "file": "main.py", "function": "fib", "line": 2, "depth": 1,
                                   "value": "2"})
        self.assertEqual([e["depth"] for e in fib if e["event"] == "call"], [1, 2, 3, 3, 2])
        self.assertEqual(events[0]["line"], 1)

    def test_exceptions_and_yields(self):
        events = self.trace("calls", "def g():\n  yield 5\nfor i in g(): pass\ndef f(): 1 / 0\ntry: f()\n"
                                     "except ZeroDivisionError: pass\n")
        words = [e["event"] for e in events if e["function"] == "g"]
        self.assertEqual(words, ["call", "yield", "resume", "return"])
        broken = [e for e in events if e["function"] == "f"]
        self.assertEqual([e["event"] for e in broken], ["call", "exception", "return"])
        self.assertEqual(broken[1]["value"], "ZeroDivisionError('division by zero')")
        self.assertTrue(broken[2]["raised"])

    def test_lines(self):
        events = self.trace("lines", FIB)
        self.assertEqual([(e["line"], e["function"]) for e in events],
                         [(1, "<module>"), (3, "<module>")] + 5 * [(2, "fib")])

    def test_modules_and_inner_code_are_traced(self):
        events = self.trace("lines", "import other\nexec('other.f()')", modules={"other": "def f():\n  return 1\n"})
        self.assertIn("f", [e["function"] for e in events])
        self.assertIn("<string>", [e["file"] for e in events])

    def test_none_is_no_trace(self):
        for params in {}, {"trace": "none"}:
            result = self.run_ok(POWER, **params)
            self.assertNotIn("trace", result)
            self.assertNotIn("trace_truncated", result)

    def test_cap(self):
        source = "t = 0\nfor i in range(100000): t += i\nprint(t)"
        result = self.run_ok(source, trace="opcodes")
        self.assertEqual((len(result["trace"]), result["trace_truncated"]), (10000, True))
        self.assertEqual(result["stdout"], "4999950000\n")
        result = self.run_ok(source, trace="opcodes", limits={"trace_events": 7})
        self.assertEqual((len(result["trace"]), result["trace_truncated"]), (7, True))
        exact = self.run_ok(POWER, trace="opcodes", limits={"trace_events": 10})
        self.assertEqual((len(exact["trace"]), exact["trace_truncated"]), (10, False))

    def test_a_million_events_are_bounded_in_bytes(self):
        source = "x = 'ä' * 500\nfor i in range(400000): y = x, x, x, x, x, x\nprint('end')"
        result = self.run_ok(source, trace="opcodes", limits={"trace_events": MANY, "cpu_ms": 30000,
                                                              "wall_ms": 60000, "memory_bytes": 1 << 23})
        self.assertTrue(result["trace_truncated"])
        self.assertEqual(result["stdout"], "end\n")
        self.assertGreater(len(result["trace"]), 10000)
        size = sum(len(json.dumps(e, ensure_ascii=False, separators=(",", ":")).encode()) + 1
                   for e in result["trace"])
        self.assertLessEqual(size, 16 << 20)
        self.assertGreater(size, 15 << 20)

    def test_refusals(self):
        self.assert_refused(text="trace", source="", trace="everything")
        self.assert_refused(text="trace_events", source="", limits={"trace_events": 0})
        self.assert_refused(reason="limit_too_high", source="", limits={"trace_events": MANY + 1})

    def test_stream(self):
        result = self.client.run("for i in range(3000): print(i)", trace="opcodes", stream=True,
                                 limits={"trace_events": MANY})
        self.assertNotIn("trace", result)
        self.assertFalse(result["trace_truncated"])
        whole = self.trace("opcodes", "for i in range(3000): print(i)", limits={"trace_events": MANY})
        told = [n["params"] for n in self.client.notifications if n["method"] == "job.trace"]
        self.assertEqual([e for params in told for e in params["events"]], whole)
        self.assertEqual({(p["job"], p["id"]) for p in told}, {(result["job"], 1)})

    def test_stream_comes_while_the_job_runs(self):
        ident = self.client.send("job.run", {"source": "x = 1\nimport time\ntime.sleep(30)", "stream": True,
                                             "trace": "lines"})
        message = self.client.line()
        while message.get("method") != "job.trace":
            message = self.client.line()
        self.assertEqual(message["params"]["events"][0]["line"], 1)
        self.client.call("job.cancel", {"job": message["params"]["job"]})
        self.assertEqual(self.client.wait(ident)["status"], "cancelled")

    def test_trace_survives_a_kill(self):
        events = self.trace("opcodes", "x = 1\nwhile True: pass", status="cpu_limit",
                            limits={"cpu_ms": 200, "trace_events": 50})
        self.assertEqual(len(events), 50)
        self.assertEqual(events[1]["arg"], "x")

    def test_threads(self):
        source = ("import threading\ndef work(n):\n    return n * 2\n"
                  "t = [threading.Thread(target=work, args=(i,)) for i in (1, 2)]\n"
                  "for x in t: x.start(); x.join()\n")
        events = self.trace("calls", source, limits={"threads": 4, "trace_events": MANY})
        calls = [e for e in events if e["function"] == "work" and e["event"] == "call"]
        self.assertEqual([e.get("thread") for e in calls], [1, 2])
        self.assertNotIn("thread", events[0])

    def test_stdlib_is_traced_too(self):
        events = self.trace("calls", "import textwrap\ntextwrap.dedent('  a')")
        self.assertIn("dedent", [e["function"] for e in events])


class Hostile(harness.DaemonCase):
    settings = {"workers_ready": 2}

    def test_values_run_no_code(self):
        source = (
            "class Evil:\n"
            "    def __repr__(self): print('called'); raise SystemExit\n"
            "    __str__ = __format__ = __hash__ = __len__ = __iter__ = __getattribute__ = __repr__\n"
            "class L(list): __repr__ = __len__ = __iter__ = Evil.__repr__\n"
            "class S(str): __repr__ = __len__ = __str__ = Evil.__repr__\n"
            "class I(int): __repr__ = __str__ = __index__ = Evil.__repr__\n"
            "class X(Exception): __repr__ = __str__ = Evil.__repr__\n"
            "class M(type): __repr__ = Evil.__repr__\n"
            "class T(metaclass=M): pass\n"
            "a = [Evil(), L(), S('s'), I(3), X(Evil()), T, T()]\n"
            "b = (a, {1: a[0]}, [a])\n"
            "try: raise X(a[0])\nexcept X: c = b\n"
            "def f(x): return x\nf(a[0]); f(c)\n")
        for kind in "opcodes", "calls", "lines":
            result = self.run_ok(source, trace=kind)
            self.assertEqual(result["stdout"], "")
            self.assertFalse(result["trace_truncated"])

    def test_odd_values(self):
        source = (
            "a = ['\\udc80\\ud800', '\"quote\"\\'', '\\x00\\n\\x1b', 'é漢😀', b'\\x00\\xff\\'', 1e300, -0.0, float('nan'),\n"
            "     10 ** 5000, -2 ** 100, 3 + 4j, ..., None, True, range(3), range(1, 9, 2), slice(1, 2), len,\n"
            "     [].append, int, iter([]), set(), {1}, frozenset(), frozenset({2}), (1,), [[[1]]], {'k': {}}]\n"
            "a.append(a)\n"
            "for x in a: y = x\n")
        events = self.client.run(source, trace="opcodes")["trace"]
        values = [e["values"][0] for e in events if e["opname"] == "STORE_NAME" and e["arg"] == "y"]
        self.assertEqual(values[0], "'\\udc80\\ud800'")
        self.assertEqual(values[2:6], ["'\\x00\\n\\x1b'", "'é漢😀'", "b'\\x00\\xff\\''", "1e+300"])
        self.assertEqual(values[8:10], ["<int of 16610 bits>", "-1267650600228229401496703205376"])
        self.assertEqual(values[11:16], ["Ellipsis", "None", "True", "range(0, 3)", "range(1, 9, 2)"])
        self.assertEqual(values[17:20], ["<built-in function len>", "<built-in function append>", "<class int>"])
        self.assertEqual(values[21:26], ["set()", "{1}", "frozenset()", "frozenset({2})", "(1,)"])
        for value in values:
            self.assertLessEqual(len(value.encode()), 83)

    def test_settrace_takes_the_trace_and_gives_it_back(self):
        source = ("import sys\nprint(sys.gettrace())\nsys.settrace(None)\na = 1\n"
                  "def mine(*args): seen.append(args[1]); return mine\nseen = []\n"
                  "def f():\n    b = 2\n    return b\n"
                  "sys.settrace(mine)\nf()\nsys.settrace(None)\nc = 3\nprint(seen)\n")
        events = self.run_ok(source, trace="opcodes")
        names = [e.get("arg") for e in events["trace"] if e.get("opname", "").startswith("STORE")]
        self.assertIn("a", names)
        self.assertIn("c", names)
        self.assertNotIn("b", names)
        self.assertEqual([e["event"] for e in events["trace"]].count("settrace"), 1)
        self.assertEqual(events["stdout"], "None\n['call', 'line', 'line', 'return']\n")

    def test_attacks_on_the_tracer(self):
        attacks = (
            "import sys\nfor n in list(vars(sys)):\n    if 'trace' in n: delattr(sys, n)\nx = 5\n",
            "import sys\nsys.addaudithook(lambda e, a: None)\nx = 5\n",
            "import sys\ndef hook(e, a):\n    if 'trace' in e: raise RuntimeError\nsys.addaudithook(hook)\nx = 5\n",
            "import sys\nf = sys._getframe()\nf.f_trace = 1\nf.f_trace_lines = False\nx = 5\n",
            "import sys\nsys.setprofile(lambda *a: None)\nsys.setprofile(None)\nx = 5\n",
            "import gc\nfor o in gc.get_objects(): pass\nx = 5\n",
            "import builtins\nfor n in dir(builtins):\n    if n not in ('setattr', 'delattr'):\n"
            "        delattr(builtins, n)\nx = 5\n",
        )
        for source in attacks:
            for kind in "opcodes", "calls":
                with self.subTest(source=source, kind=kind):
                    result = self.client.run(source, trace=kind, limits={"trace_events": MANY})
                    self.assertIn(result["status"], ("ok", "runtime_error"), result["error"])
                    if kind == "opcodes":
                        stores = [e for e in result["trace"] if e["opname"] == "STORE_NAME"]
                        self.assertEqual((stores[-1]["arg"], stores[-1]["values"]), ("x", ["5"]))

    def test_frame_flag_cannot_crash(self):
        source = ("import sys\nsys._getframe().f_trace_opcodes = False\ndef f():\n"
                  "    sys._getframe(1).f_trace_opcodes = False\n    del sys._getframe().f_trace\nf()\nx = 1\n")
        result = self.client.run(source, trace="opcodes")
        self.assertIn(result["status"], ("ok", "runtime_error"))

    def test_many_threads(self):
        source = ("import threading\ndef work():\n    for i in range(200): x = [i] * 3\n"
                  "for n in range(20):\n    t = [threading.Thread(target=work) for i in range(7)]\n"
                  "    for x in t: x.start()\n    for x in t: x.join()\nprint('end')\n")
        for events in 5000, MANY:
            result = self.run_ok(source, trace="opcodes", limits={"threads": 8, "trace_events": events,
                                                                  "cpu_ms": 20000})
            self.assertEqual(result["stdout"], "end\n")
            self.assertLessEqual(len(result["trace"]), events)
            self.assertTrue(result["trace_truncated"])

    def test_settrace_in_many_ways(self):
        source = ("import sys, threading, types\nsettrace = sys.settrace\n"
                  "def f(*a): return f\n"
                  "def deep(n):\n    settrace(f if n % 2 else None)\n    return deep(n - 1) if n else 0\n"
                  "for i in range(5): deep(9)\n"
                  "def g():\n    yield settrace(f)\n    yield settrace(None)\n    yield 3\nlist(g())\n"
                  "threading.settrace(f)\nt = threading.Thread(target=deep, args=(5,)); t.start(); t.join()\n"
                  "m = types.ModuleType('m', '>>> 1 + 1\\n2\\n')\n"
                  "sys.call_tracing(deep, (3,))\n"
                  "class A:\n    def __del__(self): settrace(f); settrace(None)\nA()\n"
                  "settrace(None)\nlast = 1\n")
        # The opcodes of doctest's import alone are more than a trace holds.
        for kind, more in ("opcodes", ""), ("lines", ""), ("calls", "import doctest\nprint(doctest.testmod(m).failed)\n"):
            result = self.run_ok(source + more, trace=kind, limits={"trace_events": MANY, "threads": 2})
            self.assertEqual(result["stdout"], "0\n" if more else "")
            self.assertFalse(result["trace_truncated"])
            self.assertGreater([e["event"] for e in result["trace"]].count("settrace"), 20)
        self.assertEqual(result["trace"][-1]["event"], "return")

    def test_deep_recursion(self):
        source = "def f(n): return f(n + 1)\ntry: f(0)\nexcept RecursionError: print('deep')\n"
        result = self.run_ok(source, trace="opcodes", limits={"trace_events": MANY})
        self.assertEqual(result["stdout"], "deep\n")
        self.assertFalse(result["trace_truncated"])

    def test_odd_names(self):
        source = ("c = compile('x = 1', 'a\\nb\\udc80\\x1b', 'exec')\nexec(c)\n"
                  "def f(): pass\nf.__code__ = f.__code__.replace(co_name='\\ud800', co_qualname='q' * 999)\nf()\n")
        result = self.run_ok(source, trace="lines")
        files = [e["file"] for e in result["trace"]]
        self.assertIn("a\nb?\x1b", files)

    def test_own_bytecode(self):
        source = ("def f(a, b): return a + b\nc = f.__code__\n"
                  "f.__code__ = c.replace(co_code=c.co_code, co_consts=c.co_consts * 2)\nprint(f(1, 2))\n"
                  "g = c.replace(co_consts=(True,) * len(c.co_consts))\nf.__code__ = g\nprint(f(3, 4))\n")
        result = self.run_ok(source, trace="opcodes")
        self.assertEqual(result["stdout"], "3\n7\n")
        adds = [e["values"] for e in result["trace"] if e["opname"] == "BINARY_OP" and e["function"] == "f"]
        self.assertEqual(adds, [["1", "2"], ["3", "4"]])

    def test_ends_are_traced(self):
        source = "import atexit\natexit.register(lambda: None)\nclass A:\n    def __del__(self): pass\na = A()\n"
        functions = [e["function"] for e in self.run_ok(source, trace="calls")["trace"]]
        self.assertIn("<lambda>", functions)
        self.assertIn("A.__del__", functions)


class Text(harness.DaemonCase):
    def stint(self, *arguments):
        return harness.stint(*arguments, socket_path=self.daemon.socket)

    def test_opcodes(self):
        done = self.stint("run", "--trace", "-c", POWER + "\nprint(x)")
        self.assertEqual((done.returncode, done.stdout), (0, b"8\n"))
        lines = done.stderr.decode().splitlines()
        self.assertEqual(lines[0], "<string>: <module>")
        self.assertIn("L. 1   @ 16: BINARY_OP (2, 3) **=", lines)
        self.assertIn("L. 1   @ 20: STORE_NAME (8) x", lines)
        self.assertEqual(lines[1], "L. 1   @  2: LOAD_CONST (2, 3)")

    def test_words(self):
        for arguments in ("--trace", "calls"), ("--trace=calls",):
            done = self.stint("run", *arguments, "-c", FIB)
            self.assertIn("L. 2     return fib 2", done.stderr.decode().splitlines())
        done = self.stint("run", "--trace", "lines", "-c", "a = 1\nb = 2")
        self.assertEqual(done.stderr.decode().splitlines()[1:], ["L. 1   line", "L. 2   line"])

    def test_a_cut_trace_is_told(self):
        done = self.stint("run", "--trace", "--trace-events", "5", "-c", POWER)
        self.assertIn(b"the trace is not complete", done.stderr)
        self.assertEqual(done.stderr.count(b"L. 1"), 5)

    def test_whole_result(self):
        done = self.stint("run", "--json", "--trace", "-c", POWER)
        self.assertEqual(len(json.loads(done.stdout)["trace"]), 10)

    def test_wrong_word(self):
        done = self.stint("run", "--trace=all", "-c", "")
        self.assertEqual(done.returncode, 125)
        self.assertIn(b"trace", done.stderr)

    def test_no_controls_reach_the_terminal(self):
        done = self.stint("run", "--trace", "lines", "-c", "exec(compile('1', 'a\\n\\x1b[2J', 'exec'))")
        self.assertNotIn(b"\x1b", done.stderr)
        self.assertIn(b"a??[2J: <module>", done.stderr)


if __name__ == "__main__":
    unittest.main()
