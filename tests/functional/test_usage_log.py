"""Usage records of a real daemon: one line for each job, in files that only the spawner can open."""
import json
import os
import re
import shutil
import stat
import tempfile
import unittest

import exposition
import harness


def records(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


class Case(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="stint-test-usage-", dir="/tmp")
        self.addCleanup(shutil.rmtree, self.directory, True)
        os.chmod(self.directory, 0o755)
        self.path = os.path.join(self.directory, "usage.log")

    def start(self, **settings):
        daemon = harness.Daemon(**{"usage_log": self.path, **settings})
        self.addCleanup(daemon.remove)
        self.addCleanup(lambda: daemon.process.poll() is None and daemon.kill())
        return daemon

    def refused(self, text, **settings):
        with self.assertRaises(AssertionError) as caught:
            self.start(**settings)
        self.assertIn(text, str(caught.exception))
        self.assertIn("the daemon ended with 1", str(caught.exception))


class Records(Case):
    def test_one_for_each_job(self):
        daemon = self.start()
        with daemon.connect() as client:
            ok = client.run("print('x' * 10)", tag='mine "é"\n')
            killed = client.run("while True: pass", limits={"cpu_ms": 50})
        # Nobody is told of this one's end, and it is recorded all the same.
        with daemon.connect() as client:
            client.send("job.run", {"source": "import time; time.sleep(60)", "limits": {"wall_ms": 60000}})
            harness.until(lambda: daemon.health()["jobs"]["running"] == 1, 20, "a running job")
        harness.until(lambda: len(records(self.path)) == 3, 20, "three records")
        first, second, third = records(self.path)
        self.assertEqual(list(first), ["time", "job", "tenant", "tag", "status", "queue_us", "wall_us", "cpu_us",
                                       "opcodes", "memory_peak_bytes", "stdout_bytes", "stderr_bytes"])
        self.assertEqual((first["job"], first["status"], first["tag"]), (ok["job"], "ok", 'mine "é"\n'))
        self.assertEqual((second["job"], second["status"], second["tag"]), (killed["job"], "cpu_limit", ""))
        self.assertEqual(third["status"], "cancelled")
        for name in ("queue_us", "wall_us", "cpu_us", "opcodes", "memory_peak_bytes", "stdout_bytes"):
            self.assertEqual(first[name], ok["usage"][name], name)
        self.assertEqual(first["stdout_bytes"], 11)
        self.assertRegex(first["time"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertRegex(first["tenant"], r"^[a-z0-9][a-z0-9._-]*$")
        with daemon.connect() as client:
            found = exposition.parse(client.call("daemon.metrics")["text"])
        self.assertEqual(found["stint_usage_records_total"].total(), 3)
        self.assertEqual(found["stint_usage_records_dropped_total"].total(), 0)
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(len(records(self.path)), 3)

    def test_size_and_restart(self):
        """At its size the file begins anew, and the second one has what was in it; a new stintd goes on."""
        daemon = self.start(usage_log_bytes_max=65536)
        jobs = []
        with daemon.connect() as client:
            for _ in range(4):
                idents = [client.send("job.run", {"source": "pass", "tag": "t" * 250}) for _ in range(100)]
                jobs += [client.wait(ident)["job"] for ident in idents]
        harness.until(lambda: os.path.getsize(self.path + ".1") > 0, 20, "the second file")
        os.kill(daemon.stintd_pid(), 9)
        daemon.wait_serving()
        with daemon.connect() as client:
            jobs.append(client.run("pass")["job"])
        self.assertEqual(daemon.stop(), 0)
        found = [record["job"] for path in (self.path + ".1", self.path) for record in records(path)]
        self.assertEqual(len(found), len(set(found)))
        self.assertLessEqual(set(found), set(jobs))
        self.assertEqual(found[-1], jobs[-1])
        self.assertGreater(len(found), 100)
        for path in (self.path, self.path + ".1"):
            self.assertLessEqual(os.path.getsize(path), 65536)
            status = os.stat(path)
            self.assertEqual((stat.S_IMODE(status.st_mode), status.st_uid), (0o640, 0))

    def test_full_disk(self):
        """Jobs run on, what is lost is counted, and records come again when there is room."""
        mount = os.path.join(self.directory, "small")
        os.mkdir(mount, 0o755)
        harness.subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=755", "none", mount], check=True)
        self.addCleanup(harness.subprocess.run, ["umount", "-l", mount], check=False)
        path = os.path.join(mount, "usage.log")
        filler = os.path.join(mount, "filler")
        daemon = self.start(usage_log=path)
        with open(filler, "wb", buffering=0) as file, self.assertRaises(OSError):
            for _ in range(256):
                file.write(b"x" * 4096)

        def dropped():
            with daemon.connect() as client:
                return exposition.parse(client.call("daemon.metrics")["text"])[
                    "stint_usage_records_dropped_total"].total()

        with daemon.connect() as client:
            for _ in range(50):
                self.assertEqual(client.run("pass", tag="t" * 250)["status"], "ok")
            harness.until(lambda: dropped() > 0, 20, "a lost record")
            for record in records(path):
                self.assertEqual(record["status"], "ok")
            os.truncate(filler, 0)

            def goes_on():
                job = client.run("pass")["job"]
                return job in [record["job"] for record in records(path)]

            harness.until(goes_on, 30, "a new record")
        self.assertIn("usage records are lost: No space left on device", daemon.log())
        self.assertEqual(daemon.stop(), 0)


class Refused(Case):
    def test_link(self):
        os.symlink("/etc/passwd", self.path)
        self.refused("usage_log: cannot open")
        with open("/etc/passwd", encoding="utf-8") as file:
            self.assertFalse(re.search(r"^\{", file.read(), re.M))

    def test_link_of_the_second(self):
        os.symlink("/etc/passwd", self.path + ".1")
        self.refused("usage_log: cannot open " + self.path + ".1")

    def test_no_file(self):
        os.mkfifo(self.path)
        self.refused("is not a file of our own")

    def test_two_names(self):
        with open(self.path, "w", encoding="ascii"):
            os.link(self.path, os.path.join(self.directory, "other"))
        self.refused("is not a file of our own")

    def test_somebody_elses(self):
        with open(self.path, "w", encoding="ascii"):
            os.chown(self.path, 65534, 65534)
        self.refused("is not a file of our own")

    def test_directory_of_others(self):
        os.chmod(self.directory, 0o777)
        self.refused("usage_log: others may write in")
        os.chmod(self.directory, 0o755)
        os.chown(self.directory, 65534, 65534)
        self.refused("who could exchange the usage records")


if __name__ == "__main__":
    unittest.main()
