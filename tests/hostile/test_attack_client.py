"""Attacks by a client on the socket, and the death of all workers at once. What floods of requests and answers made
stintd hold is given back, so the host is looked at afterwards as after a tenant's attacks (attack_host.py).
"""
import json
import os
import socket
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from attack_case import AttackCase, harness

MIB = 1 << 20


class Client(AttackCase):
    rss_bytes = 8 * MIB

    def refused(self, line):
        with self.daemon.connect() as client:
            client.send_raw(line)
            return client.line()

    def test_D01_connections_that_say_nothing(self):
        for _ in range(2000):
            self.daemon.connect().close()
        self.run_ok("1")

    def test_D04_half_a_line(self):
        for _ in range(50):
            with self.daemon.connect() as client:
                client.send_raw(b'{"jsonrpc":"2.0","id":1,"method":"job.run","params":{"source":"' + b"x" * MIB)
        self.run_ok("1")

    def test_D05_never_reads(self):
        """Sending comes to a stand, others are served."""
        line = b'{"jsonrpc":"2.0","id":1,"method":"daemon.health"}\n' * 20000
        with self.daemon.connect(1) as client:
            with self.assertRaises(TimeoutError):
                for _ in range(200):
                    client.send_raw(line)
            self.run_ok("1")

    def test_D07_gone_while_jobs_wait_and_run(self):
        with self.daemon.connect() as client:
            for _ in range(200):
                client.send("job.run", {"source": "import time; time.sleep(60)"})
            harness.until(lambda: self.daemon.health()["jobs"]["running"] > 1, 10, "a running job")
        harness.until(self.host.settled, 20, "all of them gone")

    def test_D10_no_requests(self):
        for line, code in (
            (b"[1]\n", -32600), (b"null\n", -32600), (b"\xff\xfe\n", -32700), (b"\0\n", -32700),
            (b"{" * 100000 + b"\n", -32700), (b"[" * 100000 + b"\n", -32700),
            (b'{"a":1e999999}\n', -32700), (b'{"a":1,"a":2}\n', -32700),
            (b'{"jsonrpc":"2.0","id":{},"method":"daemon.health"}\n', -32600),
            (b'{"jsonrpc":"2.0","id":' + b"9" * 100000 + b',"method":"daemon.health"}\n', -32600),
            (b'{"jsonrpc":"2.0","id":1,"method":"' + b"m" * 10000 + b'"}\n', -32601),
            (b'{"jsonrpc":"2.0","id":1,"method":"job.run","params":{"source":"1","nosuch":1}}\n', -32602),
            (b'{"jsonrpc":"2.0","id":1,"method":"job.run","params":{"source":"1","name":"a\\u0000b"}}\n', -32602),
        ):
            with self.subTest(line[:60]):
                self.assertEqual(self.refused(line)["error"]["code"], code)

    def test_D11_pipelined(self):
        count = 50000
        line = b'{"jsonrpc":"2.0","id":1,"method":"daemon.health"}\n'
        with self.daemon.connect() as client:
            sender = threading.Thread(target=client.send_raw, args=(line * count,))
            sender.start()
            for _ in range(count):
                self.assertEqual(client.line()["result"]["status"], "ok")
            sender.join()

    def test_D14_limits(self):
        for value in (0, -1, "10", None, 1e308, 1.5, True, [], {}, 2**63, 2**64, 10**400):
            with self.subTest(value=value):
                self.assert_refused(source="1", limits={"cpu_ms": value})

    def test_D16_cancel_of_what_is_not_there(self):
        self.assert_refused(reason="not_found", method="job.cancel", job="0" * 32)
        self.assert_refused(reason="not_found", method="job.cancel", id=4711)

    def test_D19_colliding_and_many_values(self):
        inputs = b'{"jsonrpc":"2.0","id":1,"method":"job.run","params":{"source":"print(len(x))","limits":' \
                 b'{"memory_bytes":1073741824,"cpu_ms":20000,"wall_ms":60000},"inputs":{"x":[' \
                 + b"{}," * 1000000 + b"0]}}}\n"
        self.assertEqual(self.refused(inputs)["result"]["stdout"], "1000001\n")

    def test_D25_nothing_of_ours_in_the_log(self):
        name = "\n[ERROR] forged \x1b[31m"
        self.run_status("runtime_error", "raise ValueError('forged\\n\\x1b[31m')", name=name)
        self.refused(b'{"jsonrpc":"2.0","id":1,"method":"forged\\u001b[31m\\n"}\n')
        log = self.daemon.log()
        self.assertNotIn("\x1b", log)
        self.assertNotIn("\n[ERROR]", log)

    def test_D28_half_closed(self):
        with self.daemon.connect() as client:
            client.send("job.run", {"source": "print(7)"})
            client.socket.shutdown(socket.SHUT_WR)
            self.assertEqual(client.line()["result"]["stdout"], "7\n")
            self.assertIsNone(client.line())

    def test_T10_no_foreign_byte(self):
        count, words = 40, 2000
        source = "import sys\nfor i in range(%d): print(sys.argv[1])" % words
        idents = {self.client.send("job.run", {"source": source, "args": [f"job-{i}"]}): i for i in range(count)}
        for ident, i in idents.items():
            self.assertEqual(self.client.wait(ident)["stdout"], f"job-{i}\n" * words)

    def test_T02_value_cannot_forge_a_line(self):
        """A result is one line, whatever is in it."""
        forged = json.dumps({"jsonrpc": "2.0", "id": 99, "result": {"status": "ok"}})
        result = self.run_ok("x = [f'\\n{y}\\n', y]\nprint('\\n' + y + '\\n')", inputs={"y": forged},
                             outputs=["x"])
        self.assertEqual(result["vars"]["x"], [f"\n{forged}\n", forged])
        self.assertEqual(result["stdout"], f"\n{forged}\n\n")
        self.assertEqual(self.client.answers, {})


class Pool(harness.DaemonCase):
    def test_all_ready_workers_die(self):
        """As when the service's own memory maximum is reached: the pool comes back, each time."""
        for _ in range(6):
            self.daemon.wait_idle()
            for pid in self.daemon.workers():
                os.kill(pid, 9)
            self.client.run("1")
        self.daemon.wait_idle()
        self.run_ok("1")


if __name__ == "__main__":
    unittest.main()
