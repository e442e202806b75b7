"""stint top on a terminal (a pty), and where there is none."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import unittest

import harness

BEGIN, END = b"\x1b[?1049h\x1b[?25l", b"\x1b[?25h\x1b[?1049l"


class Terminal:
    """stint top with a terminal of its own."""

    def __init__(self, daemon, rows, columns, *arguments):
        self.master, self.slave = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            [harness.CLIENT, "top", *arguments, "--socket", daemon.socket], stdin=self.slave, stdout=self.slave,
            stderr=subprocess.PIPE, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.output = b""

    def resize(self, rows, columns):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        while select.select([self.master], [], [], 0)[0]:
            self.output += os.read(self.master, 65536)
        return self.output

    def wait(self, what):
        harness.until(lambda: what in self.read(), 30, what)

    def frames(self):
        """Complete screens so far, as lists of lines without control sequences."""
        self.read()
        whole = self.output.split(b"\x1b[H")[1:]
        return [
            [re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", line).decode() for line in frame.split(b"\r\n")]
            for frame in whole if b"\x1b[J" in frame
        ]

    def key(self, byte):
        os.write(self.master, byte)

    def ended(self):
        """Exit status, and standard error; the terminal must be as it was."""
        harness.until(lambda: self.read() is not None and self.process.poll() is not None, 30, "its end")
        self.read()
        return self.process.returncode, self.process.stderr.read()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        os.close(self.master)
        os.close(self.slave)


class Top(harness.DaemonCase):
    def open(self, *arguments, rows=30, columns=120):
        terminal = Terminal(self.daemon, rows, columns, *arguments)
        self.addCleanup(terminal.close)
        return terminal

    def assert_restored(self, terminal, code=0, error=b""):
        self.assertEqual(terminal.ended(), (code, error))
        self.assertTrue(terminal.output.startswith(BEGIN), terminal.output[:40])
        self.assertTrue(terminal.output.endswith(END), terminal.output[-40:])
        self.assertEqual(termios.tcgetattr(terminal.slave), terminal.before)

    def test_without_a_terminal(self):
        self.run_ok("pass")
        done = harness.stint("top", socket_path=self.daemon.socket)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        text = done.stdout.decode()
        self.assertNotIn("\x1b", text)
        for line in ("stint    ok, up ", "jobs     0 running, 0 queued of 10000", "workers  ", "clients  ",
                     "rates    ", "a job    waits ", "ended    ok ", "TENANT "):
            self.assertIn("\n" + line, "\n" + text)
        self.assertRegex(text, r"\nuid-0 +0 +0 ")

    def test_live(self):
        terminal = self.open("--interval", "100ms")
        terminal.wait(b"rates: last ")
        sleep = {"source": "import time; time.sleep(60)", "limits": {"wall_ms": 60000}}
        with self.daemon.connect() as other:
            other.send("job.run", sleep)
            terminal.wait(b"jobs     1 running")
        terminal.wait(b"cancelled 1")
        self.assertGreater(len(terminal.frames()), 2)
        terminal.key(b"q")
        self.assert_restored(terminal)

    def test_ways_to_end(self):
        for how in (b"\x03", b"Q", signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            with self.subTest(how=how):
                terminal = self.open("--interval", "1h")
                terminal.wait(b"TENANT")
                if isinstance(how, bytes):
                    terminal.key(how)
                else:
                    terminal.process.send_signal(how)
                self.assert_restored(terminal)

    def test_size(self):
        """Nothing is drawn beyond the window, before and after it changes."""
        terminal = self.open("--interval", "1h", rows=6, columns=40)
        terminal.wait(b"\x1b[J")
        frame = terminal.frames()[-1]
        self.assertLessEqual(len(frame), 6)
        self.assertLessEqual(max(map(len, frame)), 40)
        self.assertNotIn("TENANT", "".join(frame))
        count = len(terminal.frames())
        terminal.resize(40, 150)
        harness.until(lambda: len(terminal.frames()) > count, 30, "another screen")
        frame = terminal.frames()[-1]
        self.assertIn("TENANT", "".join(frame))
        self.assertGreater(max(map(len, frame)), 90)
        terminal.key(b"q")
        self.assert_restored(terminal)

    def test_wrong_options(self):
        for arguments, text in ((["--interval", "5"], b"--interval"), (["--interval", "10ms"], b"from 100ms to 1h"),
                                (["--interval", "2h"], b"from 100ms to 1h"), (["x"], b"takes no argument"),
                                (["--json"], b"unknown option '--json'")):
            done = harness.stint("top", *arguments, socket_path=self.daemon.socket)
            self.assertEqual((done.returncode, done.stdout), (125, b""), arguments)
            self.assertIn(text, done.stderr)


class Gone(unittest.TestCase):
    def test_daemon_ends(self):
        """The terminal comes back, and the reason is on standard error."""
        daemon = harness.Daemon()
        self.addCleanup(daemon.remove)
        terminal = Terminal(daemon, 30, 120, "--interval", "100ms")
        try:
            terminal.wait(b"TENANT")
            self.assertEqual(daemon.stop(), 0)
            code, error = terminal.ended()
            self.assertEqual(code, 125)
            self.assertIn(b"stint: ", error)
            self.assertTrue(terminal.output.endswith(END))
            self.assertEqual(termios.tcgetattr(terminal.slave), terminal.before)
        finally:
            terminal.close()
            if daemon.process.poll() is None:
                daemon.kill()
        daemon.wait_clean()


if __name__ == "__main__":
    unittest.main()
