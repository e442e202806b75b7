"""Each set-up call of spawner, guardian and zygote fails once: the service says what is wrong and ends, or it
serves with whole confinement; and leaves nothing either way.

By default each place in the code meets one failure; STINT_FAULTS=all: all that are plausible, also its last call.
"""
import os
import signal
import unittest

import fault_plan
import harness
from fault_plan import DIE, action_name, plausible, probe
from test_fault import data_bytes, shared

ALL = os.environ.get("STINT_FAULTS") == "all"
SETTINGS = {"workers_ready": 1, "running_max": 1}
# Which of a place's failures is the representative one, when not the first: those that code may well expect.
TELLING = {"open": 1, "openat": 1, "mkdir": 1, "mkdirat": 1, "bind": 1}


# Texts that name what is missing, and the remedy, without the errno: a layer whose proof failed, mostly.
NAMED = (r"layer \w+ is missing \(|needs landlock, which|landlock: (this kernel has none|no rights)|"
         r"not permitted to make namespaces|no more namespaces|the receiver's queue is full|CPython does not start|seccomp_init|does not keep the thread's id")


class Next(harness.Daemon):
    """A daemon on the socket of another one that is gone."""

    place = None

    def wait_serving(self, seconds=None):
        self.socket = self.place
        super().wait_serving(seconds)


def record():
    """Calls by role, and how a worker looks, of one life with a job, a zygote's death and an orderly end."""
    daemon = fault_plan.FaultDaemon(record=("spawner", "zygote"), **SETTINGS)
    try:
        daemon.wait_idle()
        baseline = probe(daemon)
        started = daemon.pages["spawner"].recorded() + daemon.pages["zygote"].recorded()
        assert daemon.stop() == 0, daemon.log()
        all_of = daemon.pages["spawner"].recorded() + daemon.pages["zygote"].recorded()
    finally:
        daemon.kill()
        daemon.remove()
    return baseline, started, all_of


class Start(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.baseline, cls.started, _ = record()

    def places(self, role):
        """One call for each place in the code; with ALL also the last call there."""
        first, last = {}, {}
        for of, call, nth, site, tag in self.started:
            if of == role:
                first.setdefault((call, site), (call, nth, tag))
                last[(call, site)] = (call, nth, tag)
        rows = list(first.values())
        if ALL:
            rows += [row for row in last.values() if row not in rows]
        self.assertTrue(rows, role)
        return rows

    def run_role(self, role):
        for call, nth, tag in self.places(role):
            actions = plausible(call)
            one = TELLING.get(call, 0)
            for action in actions if ALL else actions[one : one + 1]:
                with self.subTest(role=role, call=f"{call}({tag}) {nth}", fault=action_name(action)):
                    self.inject(role, call, nth, action)

    def inject(self, role, call, nth, action):
        daemon = fault_plan.FaultDaemon((role, call, nth, action), wait=False, **SETTINGS)
        try:
            outcome = daemon.outcome()
            self.assertEqual(daemon.page_of(role).fired(), 1, "never came to the call: " + daemon.log())
            log = daemon.log()
            if outcome == "serves":
                self.check_serves(daemon)
                outcome = daemon.stop()
                self.assertEqual(outcome, 0, daemon.log())
            elif role.startswith("spawner") and action == DIE:
                self.assertEqual(outcome, -signal.SIGKILL, log)
                if "the spawner died" not in log:
                    self.check_next_start(daemon)  # it was killed before there was a guardian
            else:
                self.assertEqual(outcome, 1, log)
                if action > 0:
                    self.assertRegex(log, self.reason(role, call, action))
            self.assertIsNone(harness.BAD_LOG.search(daemon.log()), daemon.log())
            daemon.wait_clean(10)
        finally:
            daemon.kill()
            daemon.remove()

    @staticmethod
    def reason(role, call, action):
        if call.startswith("cgroup_"):
            return "cannot start: .*control group"
        begin = r"cannot (start: |open /dev/null).*" if role == "spawner" else ""
        return f"{begin}{os.strerror(action)}|{NAMED}"

    def check_next_start(self, daemon):
        """What is left then is at most the socket's file; the next start on that path takes its place."""
        may = {f"socket {daemon.socket}"}
        harness.until(lambda: set(daemon.leftovers()) <= may, 5, "no more than the socket's file")
        Next.place = daemon.socket
        after = Next(socket=daemon.socket, **SETTINGS)
        try:
            self.assertEqual(after.stop(), 0, after.log())
        finally:
            after.kill()
            after.remove()

    def check_serves(self, daemon):
        result, facts = probe(daemon)
        if result["status"] == "internal_error":  # a fault that comes with the first job
            self.assertIsNone(facts)
            daemon.wait_serving()
            result, facts = probe(daemon)
        self.assertEqual(result["status"], "ok", result)
        self.assertEqual(result["told"], self.baseline[0]["told"])
        self.assertEqual(shared(facts), shared(self.baseline[1]))
        self.assertLessEqual(abs(data_bytes(facts) - data_bytes(self.baseline[1])), 1 << 21)

    def test_spawner(self):
        self.run_role("spawner")

    def test_guardian(self):
        self.run_role("guardian")

    def test_launch_of_stintd(self):
        self.run_role("launch stintd")

    def test_launch_of_the_zygote(self):
        self.run_role("launch zygote")

    def test_zygote(self):
        self.run_role("zygote")

    def test_trial(self):
        """What becomes of the zygote's own small job is no matter: it serves."""
        for call, nth, tag in self.places("zygote trial"):
            for action in plausible(call) if ALL else plausible(call)[-1:] + plausible(call)[:1]:
                with self.subTest(call=f"{call}({tag}) {nth}", fault=action_name(action)):
                    daemon = fault_plan.FaultDaemon(("zygote trial", call, nth, action), wait=False, **SETTINGS)
                    try:
                        self.assertEqual(daemon.outcome(), "serves", daemon.log())
                        self.assertEqual(daemon.page_of("zygote trial").fired(), 1, daemon.log())
                        self.check_serves(daemon)
                        self.assertEqual(daemon.stop(), 0, daemon.log())
                        daemon.wait_clean(10)
                    finally:
                        daemon.kill()
                        daemon.remove()

    def test_spawner_turn(self):
        self.run_role("spawner turn")


if __name__ == "__main__":
    unittest.main()
