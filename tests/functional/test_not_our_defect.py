"""internal_error is out of a job's reach: whatever it asks for, leaves or pretends, it is the job's own end."""
import unittest

import harness

SMALL = "print(1)"
LARGE = "#" + "x" * (1 << 17) + "\nprint(1)"  # goes to its worker by descriptor
PRETEND = "import os\nos._exit(126)"  # the exit code of a set-up that failed
LIMITS = [{"wall_ms": 1}, {"cpu_ms": 1}, {"memory_bytes": 8388608}, {"open_files": 8}, {"call_depth": 50},
          {"threads": 16}, {"stdout_bytes": 0, "stderr_bytes": 0}, {"value_bytes": 2}, {"opcodes": 1},
          {"wall_ms": 2, "memory_bytes": 8388608, "open_files": 8}, {"cpu_ms": 1, "threads": 16}]


class OutOfReach(harness.DaemonCase):
    def test_smallest_limits(self):
        """The limits hold before the job is sent: they can end a worker that has none of it yet."""
        others = [self.daemon.connect() for _ in range(3)]
        for client in others:
            self.addCleanup(client.close)
        for limits in LIMITS:
            for source in (SMALL, LARGE, PRETEND, LARGE + "\n" + PRETEND):
                sent = [(c, c.send("job.run", {"source": source, "limits": limits, "stdin": "y" * 70000}))
                        for c in others for _ in range(4)]
                for client, ticket in sent:
                    result = client.wait(ticket)
                    self.assertNotEqual(result["status"], "internal_error", (limits, result))
        log = self.daemon.log()
        self.assertNotIn("is broken", log)
        self.assertNotIn(" error ", log)

    def test_exit_code_of_a_failed_setup(self):
        for source in (PRETEND, LARGE + "\n" + PRETEND):
            result = self.client.run(source)
            self.assertEqual((result["status"], result["exit_code"]), ("runtime_error", 126))


if __name__ == "__main__":
    unittest.main()
