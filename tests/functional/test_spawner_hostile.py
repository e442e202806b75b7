#!/usr/bin/python3
"""A stintd in wrong hands against stint-spawner: every message in every state, in every wrong shape.

Whatever it sends, the spawner runs nothing but stintd, zygotes and the guardian, ends the one that broke
the rules, serves with a new one (or ends, when it was told to stop), and leaves nothing behind.
"""
import os
import socket
import stat
import tempfile
import unittest

import harness
import test_spawner
from test_spawner import FAKES, PATIENCE_S, Service, alive, groups, wait_for

READY, START, END, ALIVE, DRAIN = 2, 4, 6, 8, 10
SIZE, VERSION = 192, 4
# What the others on the three links send, and numbers that nobody uses.
FOREIGN = (0, 1, 3, 5, 7, 9, 20, 21, 22, 23, 24, 25, 31, 40, 0x7FFFFFFF)
STATES = ("starting", "serving", "draining")

setUpModule = test_spawner.setUpModule


def raw(kind, version=VERSION, size=SIZE, fds=0, number=0):
    return "%d,%d,%d,%d,%d" % (kind, version, size, fds, number)


def wrong_shapes():
    for kind, number in ((READY, 0), (START, 2), (END, 1), (ALIVE, 0), (DRAIN, 0)):
        yield raw(kind, version=VERSION + 1, number=number)
        yield raw(kind, size=SIZE - 1, number=number)
        yield raw(kind, size=SIZE + 1, number=number)
        yield raw(kind, size=4000, number=number)
        yield raw(kind, fds=1, number=number)
        yield raw(kind, fds=8, number=number)
    yield raw(READY, number=7)
    yield raw(ALIVE, number=7)
    yield raw(DRAIN, number=7)
    yield raw(START, number=1)
    yield raw(START, number=0)
    yield raw(END, number=2)
    yield raw(END, number=0)
    yield raw(END, size=1)
    for kind in FOREIGN:
        yield raw(kind)


class Hostile(unittest.TestCase):
    def bring(self, state):
        """A service whose stintd is in that state, with one generation."""
        service = Service()
        self.addCleanup(service.end)
        if state != "starting":
            service.ask("ready")
        service.start(1)
        if state == "draining":
            service.child.terminate()
            assert "drain" in service.asked("next")["type"].lower()
        return service

    def send(self, service, *lines):
        try:
            for line in lines:
                service.ask(line)
        except (ConnectionError, OSError):
            pass

    def only_ours(self, service):
        """Nothing else runs below the spawner."""
        allowed = {FAKES + "/fake_stintd", FAKES + "/fake_zygote", test_spawner.SPAWNER}
        for pid in harness.descendants(service.pid):
            try:
                program = os.readlink("/proc/%d/exe" % pid)
            except OSError:
                continue
            assert program in allowed, program

    def check_end(self, service, state, pid, what):
        wait_for(lambda: not alive(pid), "%s: end of the stintd that sent %s" % (state, what))
        self.only_ours(service)
        assert "ending stintd" in service.text(), (what, service.text())
        if state == "draining":
            assert service.child.wait(PATIENCE_S) == 0, (what, service.text())
        else:
            service.client.close()
            service.connect()
            assert service.start(1)["error"] == "0", what
            self.only_ours(service)
        service.end()
        service.nothing_left()

    def test_every_wrong_message_in_every_state(self):
        for state in STATES:
            for spec in wrong_shapes():
                service = self.bring(state)
                pid = int(service.asked("id")["pid"])
                self.send(service, "raw 1 " + spec)
                self.check_end(service, state, pid, spec)

    def test_empty_message(self):
        """It reads like the end of the link: a breach, or while draining the leave of a stintd that ends."""
        for state in ("starting", "serving"):
            service = self.bring(state)
            pid = int(service.asked("id")["pid"])
            self.send(service, "raw 1 " + raw(END, size=0))
            self.check_end(service, state, pid, "nothing")

    def test_ready_twice(self):
        for state in ("serving", "draining"):
            service = self.bring(state)
            pid = int(service.asked("id")["pid"])
            self.send(service, "ready")
            self.check_end(service, state, pid, "READY")

    def test_alive_before_ready(self):
        service = self.bring("starting")
        pid = int(service.asked("id")["pid"])
        self.send(service, "raw 1 " + raw(ALIVE))
        self.check_end(service, "starting", pid, "ALIVE")

    def test_flood_of_signs_of_life(self):
        """The manager is not told more often than the rate of all requests allows."""
        service = self.bring("serving")
        pid = int(service.asked("id")["pid"])
        self.send(service, "raw 100000 " + raw(ALIVE))
        self.check_end(service, "serving", pid, "signs of life")

    def test_third_generation(self):
        for state in STATES:
            service = self.bring(state)
            pid = int(service.asked("id")["pid"])
            self.send(service, "start 2", "next", "start 3")
            self.check_end(service, state, pid, "a third generation")

    def test_flood_of_permitted_messages(self):
        for state in STATES:
            service = self.bring(state)
            pid = int(service.asked("id")["pid"])
            self.send(service, "raw 100000 " + raw(END, number=1))
            self.check_end(service, state, pid, "a flood")

    def test_starts_without_end(self):
        """The number of zygotes that it can have started is bounded by the rate."""
        service = self.bring("serving")
        pid = int(service.asked("id")["pid"])
        started = 1
        try:
            for number in range(2, 1000):
                service.ask("end %d" % (number - 1))
                service.ask("next")
                service.start(number)
                started += 1
        except (ConnectionError, OSError, KeyError, AssertionError):
            pass
        wait_for(lambda: not alive(pid), "the end of an eager stintd; %d" % started)
        assert "more requests than it can need" in service.text(), service.text()
        assert started < 100, started
        self.check_end(service, "serving", pid, "starts")

    def test_nested_groups(self):
        service = self.bring("serving")
        made = dict(word.split(":") for word in service.ask("nest 1 300").split())
        for roles, count in made.items():
            assert count == ("1" if int(roles) & 16 else "300"), made
        service.ask("end 1")
        assert service.asked("next")["status"] == "9"
        assert not [g for g in groups(service.pid) if os.path.exists(g + "/gen-1")]
        service.end()
        service.nothing_left()

    def test_too_many_groups(self):
        service = self.bring("serving")
        pid = int(service.asked("id")["pid"])
        service.client.settimeout(60)
        made = dict(word.split(":") for word in service.ask("fill 1 4500").split())
        for roles, count in made.items():
            assert int(count) < 2048 if int(roles) & 16 else count == "4500", made
        self.send(service, "end 1")
        if "4500" in made.values():
            wait_for(lambda: "fills the control groups" in service.text(), "a verdict")
            self.check_end(service, "serving", pid, "4500 groups")
        else:
            assert service.asked("next")["status"] == "9"
            service.end()
            service.nothing_left()


class Start(unittest.TestCase):
    def test_stintd_never_ready(self):
        service = Service("--set", "start_time_max=1s")
        self.addCleanup(service.end)
        service.start(1)
        assert service.child.wait(PATIENCE_S) == 1
        assert "stintd is not ready after 1 s" in service.text(), service.text()
        service.nothing_left()

    def test_second_stintd_never_ready(self):
        """The service that worked once is not given up: the next is tried."""
        service = Service("--set", "start_time_max=1s")
        self.addCleanup(service.end)
        service.ask("ready")
        service.client.sendall(b"exit 3\n")
        wait_for(lambda: service.text().count("does not become ready") >= 2, "two more attempts")
        assert service.child.poll() is None
        service.end()
        service.nothing_left()


class Socket(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="stint-test-")
        self.addCleanup(os.system, "rm -rf " + self.dir)
        self.path = self.dir + "/s.sock"

    def refused(self, *texts):
        service = Service("--set", "socket=" + self.path, expect=False)
        self.addCleanup(service.end)
        assert service.child.wait(PATIENCE_S) == 1
        for text in texts:
            assert text in service.text(), service.text()
        service.nothing_left()

    def test_link_at_the_path(self):
        victim = self.dir + "/victim"
        with open(victim, "w"):
            os.chmod(victim, 0o600)
        for target in (victim, "/nonexistent/x"):
            os.symlink(target, self.path)
            self.refused(self.path, "not a socket")
            assert stat.S_IMODE(os.stat(victim).st_mode) == 0o600
            os.unlink(self.path)

    def test_link_to_a_live_socket(self):
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(self.dir + "/other")
            other.listen()
            os.symlink(self.dir + "/other", self.path)
            self.refused("not a socket")
            assert os.path.exists(self.dir + "/other")

    def test_directory_of_everybody(self):
        for mode in (0o777, 0o775, 0o757):
            os.chmod(self.dir, mode)
            self.refused("others may write in " + self.dir, "remedy")
        os.chown(self.dir, 12345, 12345)
        for mode in (0o1777, 0o755):  # its owner may exchange names
            os.chmod(self.dir, mode)
            self.refused(self.dir + " belongs to uid 12345", "remedy")

    def test_sticky_directory_of_root(self):
        os.chmod(self.dir, 0o1777)
        service = Service("--set", "socket=" + self.path, expect=False)
        self.addCleanup(service.end)
        service.path = self.path
        service.connect()
        service.ask("ready")
        assert sorted(os.listdir(self.dir)) == ["s.sock"]
        assert stat.S_IMODE(os.lstat(self.path).st_mode) == 0o660
        service.end()
        service.nothing_left()

    def test_other_daemon_is_left_alone(self):
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(self.path)
            other.listen()
            service = Service("--set", "socket=" + self.path, expect=False)
            self.addCleanup(service.end)
            assert service.child.wait(PATIENCE_S) == 1
            assert "another daemon serves" in service.text()
            assert os.path.exists(self.path)


if __name__ == "__main__":
    unittest.main()
