#!/usr/bin/python3
"""That the test machine is what it is meant to be: else the other parts prove nothing."""
import os
import platform
import unittest

CGROUPS = "/sys/fs/cgroup"


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read().strip()


class Machine(unittest.TestCase):
    def test_debian_12(self):
        release = dict(line.split("=", 1) for line in read("/etc/os-release").split("\n"))
        self.assertEqual((release["ID"], release["VERSION_ID"].strip('"')), ("debian", "12"))
        self.assertTrue(platform.release().startswith("6.1."), platform.release())

    def test_systemd_is_pid_1(self):
        self.assertEqual(read("/proc/1/comm"), "systemd")

    def test_cgroup_v2_alone(self):
        types = [line.split()[:3] for line in read("/proc/self/mounts").split("\n") if " cgroup" in line]
        self.assertEqual([(kind, where) for _, where, kind in types], [("cgroup2", CGROUPS)])
        controllers = read(os.path.join(CGROUPS, "cgroup.controllers")).split()
        self.assertLessEqual({"cpu", "memory", "pids"}, set(controllers))

    def test_landlock(self):
        self.assertIn("landlock", read("/sys/kernel/security/lsm").split(","))


if __name__ == "__main__":
    unittest.main()
