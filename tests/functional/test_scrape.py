"""Metrics over HTTP: on loopback TCP and on a Unix socket, for friends and for others."""
import fcntl
import http.client
import os
import socket
import stat
import subprocess
import unittest

import exposition
import harness

GET = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
CONNECTIONS = 16  # SCRAPE_CONNECTIONS_MAX


def free_port(family=socket.AF_INET, host="127.0.0.1"):
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


class Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=harness.ANSWER_SECONDS)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(harness.ANSWER_SECONDS)
        self.sock.connect(self.path)


class Case(harness.DaemonCase):
    """`connect` gives a connected socket, `http` an HTTPConnection."""

    def ask(self, request):
        """Send bytes; everything that comes back until the daemon closes."""
        with self.connect() as sock:
            sock.sendall(request)
            return self.rest(sock)

    @staticmethod
    def rest(sock):
        answer = b""
        while data := sock.recv(65536):
            answer += data
        return answer

    def status(self, request):
        answer = self.ask(request)
        self.assertTrue(answer.startswith(b"HTTP/1.1 "), (request[:100], answer[:100]))
        return int(answer.split(b" ")[1])

    def scrape(self):
        connection = self.http()
        try:
            connection.request("GET", "/metrics")
            answer = connection.getresponse()
            body = answer.read()
            self.assertEqual(answer.status, 200, body)
            self.assertEqual(answer.getheader("Content-Type"), "text/plain; version=0.0.4; charset=utf-8")
            self.assertEqual(int(answer.getheader("Content-Length")), len(body))
            return exposition.parse(body.decode())
        finally:
            connection.close()


class Tcp(Case):
    @classmethod
    def setUpClass(cls):
        cls.port = free_port()
        cls.settings = {"metrics_listen": f"127.0.0.1:{cls.port}"}
        super().setUpClass()

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=harness.ANSWER_SECONDS)

    def http(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=harness.ANSWER_SECONDS)

    def test_scrape(self):
        self.run_ok("print(1)")
        harness.until(lambda: self.scrape()["stint_jobs_ended_total"].value(status="ok") >= 1, 20, "the job")
        self.assertGreater(self.scrape()["stint_scrapes_total"].total(), 0)
        self.assertEqual(self.scrape()["stint_serving"].total(), 1)

    def test_curl(self):
        done = subprocess.run(["curl", "-sS", "-i", f"http://127.0.0.1:{self.port}/metrics"],
                              capture_output=True, timeout=60, check=True)
        head, _, body = done.stdout.decode().partition("\r\n\r\n")
        self.assertIn("HTTP/1.1 200 OK\r\n", head)
        self.assertIn("Connection: close", head)
        exposition.parse(body)

    def test_statuses(self):
        host = b"Host: localhost\r\n"
        for request, status in (
            (GET, 200),
            (b"GET /metrics?x=1 HTTP/1.1\r\n" + host + b"\r\n", 200),
            (b"GET /metrics HTTP/1.0\r\n\r\n", 200),
            (b"GET / HTTP/1.1\r\n" + host + b"\r\n", 404),
            (b"GET /metricsx HTTP/1.1\r\n" + host + b"\r\n", 404),
            (b"POST /metrics HTTP/1.1\r\n" + host + b"Content-Length: 0\r\n\r\n", 405),
            (b"HEAD /metrics HTTP/1.1\r\n" + host + b"\r\n", 405),
            (b"GET /metrics HTTP/1.1\r\n\r\n", 400),
            (b"GET /metrics HTTP/1.1\r\n" + host * 2 + b"\r\n", 400),
            (b"GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421),
            (b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\n\r\n", 421),
            (b"GET /metrics HTTP/1.1\r\nHost: localhost:\r\n\r\n", 421),
            (b"GET  /metrics HTTP/1.1\r\n" + host + b"\r\n", 400),
            (b"GET /metrics HTTP/1.1\r\n" + host + b"A : b\r\n\r\n", 400),
            (b"GET /metrics HTTP/1.1\r\n" + host + b" folded\r\n\r\n", 400),
            (b"GET /metrics HTTP/1.1\r\n" + host + b"Transfer-Encoding: chunked\r\n\r\n", 400),
            (b"GET /metrics HTTP/1.1\r\n" + host + b"Content-Length: 5\r\n\r\n12345", 400),
            (b"GET /metrics HTTP/1.1\n" + host + b"\r\n\r\n", 400),
            (b"GET /metrics HTTP/2.0\r\n" + host + b"\r\n", 505),
            (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400),
            (os.urandom(3000).replace(b"\r\n\r\n", b"") + b"\r\n\r\n", 400),
        ):
            self.assertEqual(self.status(request), status, request[:80])
        self.assertEqual(self.status(b"GET /metrics HTTP/1.1\r\n" + b"A: " + b"x" * 9000 + b"\r\n\r\n"), 431)

    def test_more_than_asked_for(self):
        """What follows a request is dropped, and does not tear down the answer."""
        answer = self.ask(GET + b"GET /metrics HTTP/1.1\r\n" * 5000)
        exposition.parse(answer.partition(b"\r\n\r\n")[2].decode())

    def test_byte_by_byte(self):
        with self.connect() as sock:
            for at in range(len(GET)):
                sock.sendall(GET[at:at + 1])
            self.assertIn(b" 200 OK", self.rest(sock).split(b"\r\n")[0])

    def test_dawdlers_make_room(self):
        """Ten times as many connections as there may be say nothing: a request is answered all the same."""
        idle = [self.connect() for _ in range(10 * CONNECTIONS)]
        try:
            idle[-1].sendall(b"GET /metr")
            for _ in range(20):
                self.scrape()
            # The oldest were closed, with a word.
            self.assertIn(b" 408 ", self.rest(idle[0]))
            self.assertLessEqual(self.daemon.descriptors(), 200)
        finally:
            for sock in idle:
                sock.close()
        self.run_ok("pass")

    def test_slow_loris_ends(self):
        """One that never finishes is closed after its time."""
        with self.connect() as sock:
            sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n")
            self.assertIn(b" 408 ", self.rest(sock))

    def test_many(self):
        before = self.scrape()["stint_scrapes_total"].total()
        for _ in range(300):
            self.assertEqual(self.status(GET), 200)
        harness.until(lambda: self.scrape()["stint_scrapes_total"].total() >= before + 300, 20, "300 answers")

    def test_gone_before_the_answer(self):
        for _ in range(100):
            with self.connect() as sock:
                sock.sendall(GET)
        self.scrape()

    def test_port_is_taken(self):
        with self.assertRaises(AssertionError) as caught:
            harness.Daemon(metrics_listen=f"127.0.0.1:{self.port}")
        self.assertIn(f"metrics_listen: cannot listen on 127.0.0.1:{self.port}", str(caught.exception))

    def test_a_new_stintd_serves_too(self):
        os.kill(self.daemon.stintd_pid(), 9)
        self.client.close()
        harness.until(lambda: self.scrape()["stint_serving"].total() == 1, 30, "a new stintd")


class UnixSocket(Case):
    @classmethod
    def setUpClass(cls):
        cls.path = f"/tmp/stint-test-metrics-{os.getpid()}.sock"
        cls.settings = {"metrics_listen": f"unix:{cls.path}"}
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        if os.path.exists(cls.path):
            raise AssertionError(f"{cls.path} was left behind")

    def http(self):
        return Unix(self.path)

    def connect(self):
        connection = Unix(self.path)
        connection.connect()
        return connection.sock

    def test_scrape(self):
        self.assertEqual(self.scrape()["stint_serving"].total(), 1)
        self.assertEqual(self.status(b"GET /metrics HTTP/1.1\r\nHost: stint.example\r\n\r\n"), 200)

    def test_root_alone(self):
        status = os.stat(self.path)
        self.assertEqual((stat.S_IMODE(status.st_mode), status.st_uid), (0o600, 0))


class Start(unittest.TestCase):
    """What metrics_listen may be, and what becomes of it."""

    def start(self, **settings):
        daemon = harness.Daemon(**settings)
        self.addCleanup(daemon.remove)
        self.addCleanup(lambda: daemon.process.poll() is None and daemon.kill())
        return daemon

    def test_only_loopback(self):
        for value, text in (
            ("0.0.0.0:9", "not for this host alone"), ("9464", "not for this host alone"),
            ("[::]:9464", "not for this host alone"), ("localhost:9464", "not for this host alone"),
            ("127.0.0.2:9464", "not for this host alone"), ("127.0.0.1:0", "is no port"),
            ("127.0.0.1:65536", "is no port"), ("127.0.0.1:09", "is no port"), ("127.0.0.1:", "is no port"),
            ("unix:relative", "not an absolute path"), ("unix:/tmp/", "not an absolute path"),
            ("@abstract", "not for this host alone"),
        ):
            done = subprocess.run([harness.SPAWNER, "--check-config", "--set", f"metrics_listen={value}"],
                                  capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 2, value)
            self.assertIn(text, done.stderr)

    def test_ipv6(self):
        try:
            port = free_port(socket.AF_INET6, "::1")
        except OSError:
            self.skipTest("this machine has no IPv6")
        daemon = self.start(metrics_listen=f"[::1]:{port}")
        connection = http.client.HTTPConnection("::1", port, timeout=harness.ANSWER_SECONDS)
        connection.request("GET", "/metrics")
        exposition.parse(connection.getresponse().read().decode())
        connection.close()
        self.assertEqual(daemon.stop(), 0)

    def test_group(self):
        path = f"/tmp/stint-test-metrics-group-{os.getpid()}.sock"
        daemon = self.start(metrics_listen=f"unix:{path}", metrics_group="65534")
        status = os.stat(path)
        self.assertEqual((stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid), (0o660, 0, 65534))
        # Whatever way the spawner ends, its socket goes with it.
        os.kill(daemon.pid, 9)
        daemon.process.wait()
        harness.until(lambda: not os.path.exists(path), 20, "the guardian's work")
        daemon.wait_clean(20)

    def test_drain_is_seen(self):
        """While the last job runs, no new one is taken, and the metrics say so."""
        port = free_port()
        daemon = self.start(metrics_listen=f"127.0.0.1:{port}")
        with daemon.connect() as client:
            client.send("job.run", {"source": "import time; time.sleep(60)", "limits": {"wall_ms": 60000}})
            harness.until(lambda: daemon.health()["jobs"]["running"] == 1, 20, "a running job")
            os.kill(daemon.pid, 15)

            def draining():
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=harness.ANSWER_SECONDS)
                connection.request("GET", "/metrics")
                found = exposition.parse(connection.getresponse().read().decode())
                connection.close()
                return found["stint_draining"].total() == 1

            harness.until(draining, 20, "stint_draining 1")
        self.assertEqual(daemon.process.wait(60), 0)


class Activated(unittest.TestCase):
    """The service manager holds both sockets, and names the one for metrics."""

    def start(self, sockets, names):
        directory = harness.tempfile.mkdtemp(prefix="stint-test-", dir="/tmp")
        self.addCleanup(harness.shutil.rmtree, directory, True)
        os.chmod(directory, 0o755)
        log = open(os.path.join(directory, "log"), "wb")
        self.addCleanup(log.close)
        script = ("import os, sys\n"
                  "for i, fd in enumerate(sys.argv[1].split(',')): os.dup2(int(fd), 3 + i)\n"
                  "os.environ.update(LISTEN_FDS=str(i + 1), LISTEN_PID=str(os.getpid()), "
                  "LISTEN_FDNAMES=sys.argv[2])\n"
                  "os.execv(sys.argv[3], sys.argv[3:])\n")
        high = []
        for sock in sockets:
            fd = fcntl.fcntl(sock.fileno(), fcntl.F_DUPFD, 100)
            self.addCleanup(os.close, fd)
            high.append(fd)
        process = subprocess.Popen(
            ["/usr/bin/python3", "-c", script, ",".join(map(str, high)), names, harness.SPAWNER, "--stintd",
             harness.STINTD, "--zygote", harness.ZYGOTE, "--set", f"uid_base={harness.UID_BASE - 4096}",
             "--set", "uid_count=1024"],
            pass_fds=high, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self.addCleanup(self.end, process)
        return process, os.path.join(directory, "log"), directory

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.terminate()
            process.wait(harness.STOP_SECONDS + 30)

    def sockets(self, host="127.0.0.1"):
        directory = harness.tempfile.mkdtemp(prefix="stint-test-", dir="/tmp")
        self.addCleanup(harness.shutil.rmtree, directory, True)
        clients = socket.socket(socket.AF_UNIX)
        self.addCleanup(clients.close)
        clients.bind(os.path.join(directory, "stint.sock"))
        clients.listen(64)
        metrics = socket.socket()
        self.addCleanup(metrics.close)
        metrics.bind((host, 0))
        metrics.listen(16)
        return clients, metrics

    def test_both(self):
        for metrics_first in (False, True):
            with self.subTest(metrics_first=metrics_first):
                clients, metrics = self.sockets()
                pair = (metrics, clients) if metrics_first else (clients, metrics)
                names = "metrics:stint.socket" if metrics_first else "stint.socket:metrics"
                process, log, _ = self.start(pair, names)

                def serving():
                    if process.poll() is not None:
                        with open(log, encoding="utf-8") as file:
                            raise AssertionError(file.read())
                    with harness.Client(clients.getsockname()) as client:
                        return client.call("daemon.health")["status"] == "ok"

                harness.until(serving, 30, "a serving daemon")
                connection = http.client.HTTPConnection(*metrics.getsockname(), timeout=harness.ANSWER_SECONDS)
                connection.request("GET", "/metrics")
                exposition.parse(connection.getresponse().read().decode())
                connection.close()
                process.terminate()
                self.assertEqual(process.wait(harness.STOP_SECONDS + 30), 0)

    def refused(self, pair, names, text):
        process, log, _ = self.start(pair, names)
        self.assertEqual(process.wait(60), 1)
        with open(log, encoding="utf-8") as file:
            self.assertIn(text, file.read())

    def test_refused(self):
        clients, metrics = self.sockets()
        _, wide = self.sockets("0.0.0.0")
        self.refused((clients, wide), "stint.socket:metrics", "not for this host alone")
        self.refused((clients, metrics), "a:b", "one socket for clients is expected")
        self.refused((metrics,), "x", "not a listening Unix stream socket")


if __name__ == "__main__":
    unittest.main()
