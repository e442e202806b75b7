"""Tables of attacks as tests: one daemon for a class, a look at the host after every attack.

An attack is (id, status[/status...], source[, params[, check of the result]]). With STINT_SEEDS=n the
generators run with n seeds. With STINT_ATTACK_REPORT=path each attack leaves a line of JSON there for
the report (attack-report).
"""
import json
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "functional"))
import attack_host
import harness

MIB = 1 << 20
SEEDS = list(range(1, 1 + int(os.environ.get("STINT_SEEDS", "1"))))
REPORT = os.environ.get("STINT_ATTACK_REPORT")
THOROUGH_EVERY = 25
PROGRAMS = os.path.join(harness.BUILD, "tests", "hostile")
# Where copies of them may be written: beside them, unless the build tree is mounted read-only.
COPIES = os.environ.get("STINT_COPIES", PROGRAMS)


def program(name):
    """The path of that test program. Another name of it leaves out what the name says: a copy."""
    original = os.path.join(PROGRAMS, name.split("-")[0])
    path = os.path.join(COPIES, name) if "-" in name else original
    if not os.path.exists(path) or os.stat(path).st_mtime_ns < os.stat(original).st_mtime_ns:
        shutil.copy2(original, f"{path}.{os.getpid()}")
        os.rename(f"{path}.{os.getpid()}", path)
    return path


class AttackCase(harness.DaemonCase):
    """One daemon for a group. `zygote`: a program of tests/hostile instead of stint-zygote."""

    zygote = None
    rss_bytes = 16 * MIB
    count = lines = 0

    @classmethod
    def setUpClass(cls):
        usual = harness.ZYGOTE
        cls.canaries = attack_host.Canaries()
        try:
            if cls.zygote:
                harness.ZYGOTE = program(cls.zygote)
            super().setUpClass()
            cls.host = attack_host.Host(cls.daemon, cls.canaries)
        finally:
            if not cls.zygote:
                harness.ZYGOTE = usual
            cls.usual = usual

    @classmethod
    def tearDownClass(cls):
        try:
            faults = cls.host.thorough(cls.rss_bytes)
            health = cls.daemon.health()
            if health["ended"]["internal_error"] != 0:
                faults.append(f"internal_error: {health}\n{cls.daemon.log()[-3000:]}")
            faults += cls.canaries.end_tenant()
            cls.report(cls.__name__ + " end", "-", "-", faults, 0)
            if faults:
                raise AssertionError("\n".join(faults))
        finally:
            try:
                super().tearDownClass()
            finally:
                harness.ZYGOTE = cls.usual

    def setUp(self):
        super().setUp()
        self.assertEqual(self.host.renew_tenant(), [])
        self.host.clients = 1
        self.addCleanup(setattr, self.host, "clients", 0)
        self.addCleanup(self.report_itself, AttackCase.lines)

    def report_itself(self, lines):
        """A test that is one attack by itself, told as such."""
        if AttackCase.lines == lines:
            done = self._outcome.success
            self.report(self._testMethodName, "passed", "passed" if done else "failed", [] if done else ["failed"])

    @classmethod
    def report(cls, name, expected, status, faults, count=1):
        AttackCase.lines += 1
        if REPORT:
            with open(REPORT, "a", encoding="utf-8") as file:
                file.write(json.dumps({"group": cls.__name__, "id": name, "expected": expected, "status": status,
                                       "count": count, "faults": faults}) + "\n")

    def attack(self, name, expected, source, params=None, check=None):
        """Run one; its status, its result and the host afterwards must be right. The result."""
        before = self.host.cpu_ns()
        result = self.client.run(source, **(params or {}))
        faults = self.canaries.found_in(json.dumps(result))
        AttackCase.count += 1
        faults += self.host.thorough(self.rss_bytes) if AttackCase.count % THOROUGH_EVERY == 0 else self.host.cheap()
        after = self.host.cpu_ns()
        if before is not None and result["usage"]["cpu_us"] * 1000 > after - before + 5_000_000:
            faults.append(f"cheat: {result['usage']['cpu_us']} us reported, {after - before} ns used")
        if result["status"] not in expected.split("/"):
            faults.append(f"status {result['status']}, not {expected}: {str(result)[:1500]}")
        elif check is not None and not check(result):
            faults.append(f"result: {str(result)[:1500]}")
        self.report(name, expected, result["status"], faults)
        self.assertEqual(faults, [], name)
        return result


def attacks(*cases):
    """A test method for each case."""

    def add(cls):
        for name, status, source, *rest in cases:
            params = rest[0] if rest else {}
            check = rest[1] if len(rest) > 1 else None

            def method(self, name=name, status=status, source=source, params=params, check=check):
                self.attack(name, status, source, params, check)

            method.__name__ = "test_" + re.sub(r"\W", "_", name)
            if hasattr(cls, method.__name__):
                raise ValueError(f"{name} is there twice")
            setattr(cls, method.__name__, method)
        return cls

    return add


def error_is(*names):
    return lambda result: bool(result["error"]) and result["error"]["type"].split(".")[-1] in names


def died_by(*numbers):
    return lambda result: result["signal"] in numbers and result["exit_code"] is None


def printed(text):
    return lambda result: result["stdout"] == text
