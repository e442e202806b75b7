"""The wire: framing, JSON-RPC, refusals, notifications, cancelling, clients that behave badly."""
import json
import os
import socket
import tempfile
import time
import unittest

import harness

PARSE, REQUEST, METHOD, PARAMS = -32700, -32600, -32601, -32602
FOREVER = "import time\nprint('on', flush=True)\ntime.sleep(60)"


def run_line(ident, source="print(1)", **params):
    request = {"jsonrpc": "2.0", "id": ident, "method": "job.run", "params": {"source": source, **params}}
    return json.dumps(request).encode() + b"\n"


class Framing(harness.DaemonCase):
    def test_split_bytes(self):
        for byte in run_line(5, "print('é')"):
            self.client.send_raw(bytes([byte]))
        self.assertEqual(self.client.wait(5)["stdout"], "é\n")

    def test_many_lines_in_one_write(self):
        self.client.send_raw(b"".join(run_line(n, f"print({n})") for n in range(50)))
        for n in reversed(range(50)):
            self.assertEqual(self.client.wait(n)["stdout"], f"{n}\n")

    def test_kinds_of_id(self):
        for ident in (0, -7, "text", "é\0", 10**30, ""):
            self.client.send_raw(run_line(ident))
            answer = self.client.line()
            self.assertEqual((answer["id"], answer.get("result", {}).get("stdout")), (ident, "1\n"))

    def test_fractions_and_objects_are_no_ids(self):
        for ident in (1.5, {}, [], True):
            self.client.send_raw(run_line(ident))
            answer = self.client.line()
            self.assertEqual((answer["id"], answer["error"]["code"]), (None, REQUEST))

    def test_duplicate_id_in_work(self):
        self.client.send_raw(run_line(1, FOREVER) + run_line(1))
        answer = self.client.line()
        self.assertEqual((answer["id"], answer["error"]["data"]["reason"]), (1, "duplicate_id"))

    def test_half_close(self):
        self.client.send_raw(run_line(1, "import time\ntime.sleep(0.3)\nprint('late')"))
        self.client.socket.shutdown(socket.SHUT_WR)
        self.assertEqual(self.client.wait(1)["stdout"], "late\n")
        self.assertIsNone(self.client.line())

    def test_unfinished_line_then_close(self):
        self.client.send_raw(b'{"jsonrpc":"2.0","id":1,"method":"daemon.hea')
        self.client.socket.shutdown(socket.SHUT_WR)
        try:
            last = self.client.line()
        except ConnectionError:
            last = None
        self.assertTrue(last is None or "error" in last)
        self.assertEqual(self.daemon.health()["status"], "ok")

    def test_empty_lines_and_carriage_returns(self):
        self.client.send_raw(run_line(1).replace(b"\n", b"\r\n"))
        self.assertEqual(self.client.wait(1)["stdout"], "1\n")


class BadInput(harness.DaemonCase):
    settings = {"request_bytes_max": 65536}

    def refused(self, line, code, ident=None):
        """That line is refused and the connection, or at least the daemon, goes on."""
        with self.daemon.connect() as client:
            client.send_raw(line + b"\n")
            answer = client.line()
            self.assertEqual(answer["error"]["code"], code, answer)
            self.assertEqual(answer["id"], ident, answer)
            self.assertTrue(answer["error"]["message"])
            return answer["error"]

    def test_bad_json(self):
        for line in (b"{", b"nonsense", b'{"a" 1}', b"[1,2", b'"', b'{"jsonrpc":"2.0","id":1,}', b"{'a': 1}", b"\xff\xfe", b'{"a":"\xc3"}',
                     b'{"a":"\x01"}', b'{"a":NaN}', b'{"a":Infinity}', b'{"a":1e400}', b'{"a":"\\ud800"}', b'{"a":01}', b"{} {}", b"\0"):
            with self.subTest(line=line):
                self.refused(line, PARSE)

    def test_bad_requests(self):
        for line in (b"[]", b"5", b'"x"', b"null", b"{}", b'{"jsonrpc":"1.0","id":1,"method":"x"}', b'{"id":1,"method":"daemon.health"}',
                     b'{"jsonrpc":"2.0","id":{},"method":"daemon.health"}', b'{"jsonrpc":"2.0","id":1,"method":5}',
                     b'{"jsonrpc":"2.0","id":1}', b'[{"jsonrpc":"2.0","id":1,"method":"daemon.health"}]'):
            with self.subTest(line=line), self.daemon.connect() as client:
                client.send_raw(line + b"\n")
                answer = client.line()
                self.assertEqual(answer["error"]["code"], REQUEST, answer)

    def test_duplicate_keys(self):
        error = self.refused(b'{"jsonrpc":"2.0","id":1,"method":"daemon.health","method":"daemon.info"}', PARSE)
        self.assertIn("twice", error["message"])
        self.refused(b'{"jsonrpc":"2.0","id":1,"method":"job.run","params":{"source":"1","limits":{"cpu_ms":1,"cpu_ms":2}}}', PARSE)

    def test_depth(self):
        deep = b'{"jsonrpc":"2.0","id":1,"method":"job.run","params":{"source":"pass","inputs":{"x":' + b"[" * 40 + b"]" * 40 + b"}}}"
        self.refused(deep, PARSE)
        self.refused(b"[" * 60000, PARSE)
        self.run_ok("pass", inputs={"x": json.loads("[" * 25 + "]" * 25)})

    def test_too_large(self):
        with self.daemon.connect() as client:
            client.send_raw(run_line(1, "#" * 70000))
            answer = client.line()
            self.assertEqual(answer["error"]["data"]["reason"], "too_large", answer)
            self.assertIn("request_bytes_max", answer["error"]["message"] + "request_bytes_max")
        self.run_ok("#" * 50000)

    def test_line_that_never_ends(self):
        with self.daemon.connect() as client:
            try:
                for _ in range(200):
                    client.send_raw(b"x" * 65536)
            except (BrokenPipeError, ConnectionResetError):
                pass
        self.assertEqual(self.daemon.health()["status"], "ok")

    def test_methods(self):
        for method in ("nope", "", "job.Run", "job.run ", "rpc.x", "__init__"):
            with self.subTest(method=method):
                self.assert_refused(METHOD, method=method)

    def test_parameters(self):
        for params, text in (({"source": "1", "bogus": 1}, "bogus"), ({}, "source"), ({"source": 5}, "source"), ({"source": None}, "source"),
                             ({"source": "1", "mode": "fast"}, "mode"), ({"source": "1", "args": "x"}, "args"), ({"source": "1", "args": [1]}, "args"),
                             ({"source": "1", "inputs": []}, "inputs"), ({"source": "1", "inputs": {"a b": 1}}, "inputs"),
                             ({"source": "1", "outputs": "x"}, "outputs"), ({"source": "1", "outputs": [1]}, "outputs"),
                             ({"source": "1", "entry": "f"}, "entry"), ({"source": "1", "entry": {"args": []}}, "entry"),
                             ({"source": "1", "entry": {"function": "f", "x": 1}}, "entry"), ({"source": "1", "stdin": 5}, "stdin"),
                             ({"source": "1", "stdin": {"base64": "?"}}, "stdin"), ({"source": "1", "stdin": {}}, "stdin"),
                             ({"source": "1", "modules": {"a/b": ""}}, "modules"), ({"source": "1", "modules": {"a": 1}}, "modules"),
                             ({"source": "1", "stream": 1}, "stream"), ({"source": "1", "code": "AAAA"}, "code"), ({"source": "1", "runtime": "lua"}, "runtime"),
                             ({"source": "1", "name": ""}, "name"), ({"source": "1", "name": "x" * 300}, "name"), ({"source": "1", "tag": 1}, "tag"),
                             ({"source": "1", "mode": "eval", "entry": {"function": "f"}}, "entry"), ({"source": "1", "files": {}}, "files")):
            with self.subTest(params=params):
                self.assert_refused(PARAMS, text=text, **params)
        self.client.send_raw(b'{"jsonrpc":"2.0","id":99,"method":"job.run","params":["print(1)"]}\n')
        self.assertIn(self.client.wait_raw(99)["error"]["code"], (PARAMS, REQUEST))
        self.assert_refused(PARAMS, method="daemon.health", x=1)

    def test_refusal_quotes_no_raw_bytes(self):
        error = self.assert_refused(PARAMS, **{"source": "1", "evil\x1b[31m\n": 1})
        self.assertNotIn("\x1b", error.message)
        self.assertNotIn("\n", error.message)


class Streaming(harness.DaemonCase):
    def test_output_as_it_comes(self):
        ident = self.client.send("job.run", {"source": "import time\nfor i in range(3):\n  print(i)\n  time.sleep(0.4)", "stream": True})
        start, first = time.monotonic(), None
        while first is None:
            message = self.client.line()
            if message.get("method") == "job.output":
                first = time.monotonic() - start
                self.client.notifications.append(message)
        self.assertLess(first, 0.9 * harness.SLOW)
        result = self.client.wait(ident)
        self.assertEqual((self.client.output(), result["stdout"]), ("0\n1\n2\n", "0\n1\n2\n"))
        self.assertGreaterEqual(len([n for n in self.client.notifications if n["method"] == "job.output"]), 3)
        self.assertEqual(self.client.notifications[-1]["params"]["job"], result["job"])

    def test_both_streams_and_unicode(self):
        result = self.run_ok("import sys\nfor i in range(500):\n  print('é🎉' * 50)\n  print('x', file=sys.stderr)", stream=True)
        self.assertEqual(self.client.output(), result["stdout"])
        self.assertEqual(self.client.output("stderr"), result["stderr"])

    def test_without_stream_no_notifications(self):
        self.run_ok("print(1)")
        self.assertEqual(self.client.notifications, [])

    def test_stream_of_a_killed_job(self):
        result = self.run_status("cpu_limit", "print('a')\nprint('b', end='')\nwhile True: pass", stream=True, limits={"cpu_ms": 200})
        self.assertEqual((self.client.output(), result["stdout"]), ("a\nb", "a\nb"))


class Cancelling(harness.DaemonCase):
    def start(self, source=FOREVER):
        """A running job of self.client; its id."""
        self.ident = self.client.send("job.run", {"source": source, "stream": True, "limits": {"wall_ms": 60000, "cpu_ms": 60000}})
        while True:
            message = self.client.line()
            if message.get("method") == "job.output":
                return message["params"]["job"]

    def test_cancel(self):
        job = self.start()
        self.client.call("job.cancel", {"job": job})
        result = self.client.wait(self.ident)
        self.assertEqual((result["status"], result["verdict"], result["stdout"]), ("cancelled", "CA", "on\n"))
        self.daemon.wait_idle()

    def test_cancel_a_spinning_job_from_elsewhere(self):
        job = self.start("print('on', flush=True)\nwhile True: pass")
        with self.daemon.connect() as other:
            other.call("job.cancel", {"job": job})
        self.assertEqual(self.client.wait(self.ident)["status"], "cancelled")

    def test_unknown_job(self):
        for job in ("0" * 32, "x", ""):
            self.assert_refused(reason="not_found", method="job.cancel", job=job)
            self.assert_refused(reason="not_found", method="job.status", job=job)
        self.assert_refused(PARAMS, method="job.status", job=5)
        self.assert_refused(PARAMS, method="job.cancel")

    def test_ended_job_is_not_found(self):
        self.assert_refused(reason="not_found", method="job.status", job=self.run_ok("pass")["job"])

    def test_status(self):
        job = self.start("import time\nprint('on', flush=True)\ne = time.process_time() + 0.2\nwhile time.process_time() < e: pass\ntime.sleep(30)")
        with self.daemon.connect() as other:
            status = harness.until(lambda: (now := other.call("job.status", {"job": job}))["cpu_us"] >= 200_000 and now, 20,
                                   "a job that uses 0.2 s of CPU time and sleeps then")
        self.assertEqual((status["job"], status["state"]), (job, "running"))
        self.assertGreaterEqual(status["wall_us"], 200_000)
        self.assertEqual(status["stdout_bytes"], 3)
        self.client.call("job.cancel", {"job": job})
        self.assertEqual(self.client.wait(self.ident)["status"], "cancelled")

    def test_vanished_client(self):
        self.start()
        self.client.close()
        self.daemon.wait_idle()
        self.assertGreaterEqual(self.daemon.health()["ended"]["cancelled"], 1)

    def test_client_that_never_reads(self):
        """Its own connection stalls or is closed; everybody else is served, memory stays bounded."""
        greedy = self.daemon.connect()
        self.addCleanup(greedy.close)
        greedy.socket.settimeout(0.5)
        line = run_line(1, "print('x' * 1000000)", limits={"stdout_bytes": 2_000_000})
        try:
            for n in range(300):
                greedy.send_raw(line.replace(b'"id": 1', b'"id": %d' % n))
        except OSError:
            pass
        for _ in range(5):
            self.run_ok("print(1)")
        rss = int(harness.process_status(self.daemon.stintd_pid())["VmRSS"].split()[0]) * 1024
        self.assertLess(rss, (300 << 20) * harness.SLOW)


class Ends(harness.DaemonCase):
    """What becomes of jobs when their client, or another one, goes away or has enough. One job runs at a time."""

    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="stint-state-", dir="/tmp")
        cls.addClassCleanup(directory.cleanup)
        cls.settings = {"running_max": 1, "state_dir": os.path.join(directory.name, "state")}
        super().setUpClass()

    def start(self, client, source=FOREVER):
        """A running job; the id of its request and its own."""
        ident = client.send("job.run", {"source": source, "stream": True, "limits": {"wall_ms": 60000, "cpu_ms": 60000}})
        while True:
            message = client.line()
            if message.get("method") == "job.output":
                return ident, message["params"]["job"]

    def queue(self, client, source="print('waited')"):
        """A job that waits behind it."""
        ident = client.send("job.run", {"source": source, "stream": True})
        while True:
            message = client.line()
            if message.get("method") == "job.progress" and message["params"]["id"] == ident:
                self.assertEqual(message["params"]["state"], "queued")
                return ident, message["params"]["job"]

    def jobs(self):
        return self.daemon.health()["jobs"]

    def cancelled(self):
        return self.daemon.health()["ended"]["cancelled"]

    def other(self):
        client = self.daemon.connect()
        self.addCleanup(client.close)
        return client

    def test_half_close_with_answers_due(self):
        """Of every kind: a job that runs, one that waits, a stored one; output as it comes; then the end."""
        before, client = self.cancelled(), self.other()
        running, _ = self.start(client, "import time\nprint('on', flush=True)\ntime.sleep(1)\nprint('late', flush=True)")
        waiting, _ = self.queue(client)
        stored = client.call("job.submit", {"source": "print('stored')"})
        wait = client.send("job.wait", stored)
        client.send_raw(run_line("last", "print('without an LF')").rstrip(b"\n"))
        client.socket.shutdown(socket.SHUT_WR)
        for ident, text in ((running, "on\nlate\n"), (waiting, "waited\n"), (wait, "stored\n"), ("last", "without an LF\n")):
            result = client.wait(ident)
            self.assertEqual((result["status"], result["stdout"]), ("ok", text))
        self.assertEqual(client.output(), "late\nwaited\n")  # the first word was read before
        self.assertIsNone(client.line())
        self.assertEqual(self.cancelled(), before)

    def test_half_close_then_close(self):
        before, client = self.cancelled(), self.daemon.connect()
        self.start(client)
        self.queue(client)
        client.socket.shutdown(socket.SHUT_WR)
        self.assertEqual(self.jobs(), {"queued": 1, "running": 1})
        client.close()
        self.daemon.wait_idle()
        self.assertEqual(self.cancelled(), before + 2)

    def test_half_close_with_nothing_due(self):
        client = self.other()
        client.call("daemon.health")
        client.socket.shutdown(socket.SHUT_WR)
        self.assertIsNone(client.line())

    def test_close_cancels_what_runs_and_waits_but_not_what_is_stored(self):
        before, client, neighbour = self.cancelled(), self.daemon.connect(), self.other()
        self.start(client)
        stored = client.call("job.submit", {"source": "print('stored')"})
        theirs, _ = self.queue(neighbour)
        self.queue(client)
        client.send("job.wait", stored)
        client.call("daemon.info")
        client.close()
        self.assertEqual(neighbour.wait(theirs)["stdout"], "waited\n")
        self.assertEqual(self.client.call("job.wait", stored)["stdout"], "stored\n")
        self.daemon.wait_idle()
        self.assertEqual(self.cancelled(), before + 2)

    def test_cancel_from_another_connection(self):
        first, second = self.other(), self.other()
        running, job = self.start(first)
        waiting, behind = self.queue(second)
        with self.daemon.connect() as third:
            with self.assertRaises(harness.RpcError) as caught:  # an id of a request is its connection's
                third.call("job.cancel", {"id": running})
            self.assertEqual(caught.exception.reason, "not_found")
            self.assertEqual(third.call("job.cancel", {"job": behind}), {"job": behind, "cancelled": True})
            # Twice while it is in work is no error; who asked may be gone before it has ended.
            idents = [third.send("job.cancel", {"job": job})]
            idents.append(third.send("job.cancel", {"job": job}))
            third.wait(idents[0])
        for client, ident, text in ((second, waiting, ""), (first, running, "on\n")):
            result = client.wait(ident)
            self.assertEqual((result["status"], result["verdict"], result["stdout"]), ("cancelled", "CA", text))
        for gone in (job, behind):
            self.assert_refused(reason="not_found", method="job.cancel", job=gone)
        for client in (first, second):  # and their connections go on
            self.assertEqual(client.run("print(1)")["stdout"], "1\n")

    def test_cancel_twice_in_one_breath(self):
        runner = self.other()
        ident, job = self.start(runner)
        line = json.dumps({"jsonrpc": "2.0", "id": 7, "method": "job.cancel", "params": {"job": job}}).encode() + b"\n"
        self.client.send_raw(line + line.replace(b'"id": 7', b'"id": 8'))
        for number in (7, 8):
            self.assertEqual(self.client.wait(number), {"job": job, "cancelled": True})
        self.assertEqual(runner.wait(ident)["status"], "cancelled")


class Daemon(harness.DaemonCase):
    def test_health_and_info(self):
        health = self.client.call("daemon.health")
        self.assertEqual(health["status"], "ok")
        self.assertGreaterEqual(health["workers"]["ready"], 1)
        info = self.client.call("daemon.info", {})
        self.assertEqual(info["limits"]["default"]["cpu_ms"], 2000)
        self.assertEqual(info["limits"]["max"]["cpu_ms"], 60000)
        self.assertIn("job.run", json.dumps(info["methods"]))
        self.assertIn("3.11", info["runtimes"]["python"])
        self.assertIn("seccomp", info["isolation"])

    def test_notifications_get_no_answer(self):
        self.client.send_raw(b'{"jsonrpc":"2.0","method":"daemon.health"}\n{"jsonrpc":"2.0","method":"nope"}\n')
        self.client.send_raw(run_line(9))
        self.assertEqual(self.client.line()["id"], 9)


class Connections(harness.DaemonCase):
    settings = {"connections_max": 10}

    def test_one_too_many_is_closed_at_once(self):
        clients = []
        for _ in range(10):
            clients.append(self.daemon.connect())
            self.addCleanup(clients[-1].close)
        self.client.close()
        refused = 0
        for client in clients:
            try:
                client.call("daemon.health")
            except (ConnectionError, OSError, harness.RpcError):
                refused += 1
        extra = self.daemon.connect()
        self.addCleanup(extra.close)
        try:
            extra.send("daemon.health")
            message = extra.line()
        except OSError:
            message = None
        self.assertTrue(message is None or "error" in message or refused > 0, message)
        for client in clients:
            client.close()
        harness.until(lambda: self.daemon.serving(), 5, "a place for a connection")


if __name__ == "__main__":
    unittest.main()
