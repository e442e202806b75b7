"""The command line against somebody who is not stintd and answers at the socket."""
import json
import os
import socket
import tempfile
import threading
import unittest

import harness

ESCAPE = "\x1b[2J\x9b31m\r\x07"


class Impostor(unittest.TestCase):
    """Answers every line with the same result."""

    def setUp(self):
        directory = tempfile.mkdtemp(prefix="stint-test-")
        self.addCleanup(os.system, "rm -rf " + directory)
        self.path = directory + "/s"
        self.listening = socket.socket(socket.AF_UNIX)
        self.addCleanup(self.listening.close)
        self.listening.bind(self.path)
        self.listening.listen()

    def answer(self, result):
        def serve():
            while True:
                try:
                    client = self.listening.accept()[0]
                except OSError:
                    return
                with client, client.makefile("rwb") as file:
                    for line in file:
                        ident = json.loads(line)["id"]
                        file.write(json.dumps({"jsonrpc": "2.0", "id": ident, "result": result}).encode() + b"\n")
                        file.flush()

        threading.Thread(target=serve, daemon=True).start()

    def check(self, *words):
        done = harness.stint(*words, socket_path=self.path)
        self.assertIn(b"2J", done.stdout)
        bad = [byte for byte in done.stdout + done.stderr if (byte < 32 and byte != 10) or byte > 126]
        self.assertEqual(bad, [], done.stdout)

    def test_status(self):
        self.answer({"status": "ok" + ESCAPE, ESCAPE: 1, "list": [ESCAPE], "deep": {ESCAPE: {"x" * 40: ESCAPE}}})
        self.check("status")
        self.check("status", "0" * 32)

    def test_doctor(self):
        self.answer({"version": ESCAPE, "isolation_level": ESCAPE, "isolation": [ESCAPE]})
        self.check("doctor")


if __name__ == "__main__":
    unittest.main()
