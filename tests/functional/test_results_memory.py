"""The memory that stintd takes for results has a bound, however many jobs end at their caps together."""
import os
import threading
import unittest

from harness import Daemon, process_status, until

JOBS = 12
OUT_BYTES = 40 << 20
LIMITS = {"stdout_bytes": OUT_BYTES, "cpu_ms": 20000}
PROGRAM = f"import os\nfor _ in range({OUT_BYTES >> 20}): os.write(1, b'\"' * (1 << 20))"


def peak_bytes(pid):
    return int(process_status(pid)["VmHWM"].split()[0]) << 10


@unittest.skipIf(os.environ.get("STINT_SANITIZED"), "a sanitizer's memory is not stintd's")
class ResultsMemory(unittest.TestCase):
    def peak(self, room):
        """Of stintd, while JOBS clients have a result of OUT_BYTES each, which doubles as JSON."""
        daemon = Daemon(results_bytes_max=room, running_max=JOBS, workers_ready=JOBS)
        try:
            sizes = []

            def one():
                """Reads as fast as it comes and keeps nothing: what waits to be read has its own bound."""
                room = memoryview(bytearray(1 << 20))
                size = got = 0
                with daemon.connect(timeout=120) as client:
                    client.send("job.run", {"source": PROGRAM, "limits": LIMITS})
                    while got == 0 or room[got - 1] != 10:
                        got = client.socket.recv_into(room)
                        size += got
                        if got == 0:
                            return
                sizes.append(size)

            threads = [threading.Thread(target=one) for _ in range(JOBS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(len(sizes), JOBS)
            self.assertGreater(min(sizes), 2 * OUT_BYTES)
            until(lambda: daemon.health()["jobs"]["running"] == 0, what="no job")
            return peak_bytes(daemon.find("stintd")[0])
        finally:
            daemon.stop()

    def test_peak(self):
        narrow = self.peak("1M")
        # One at a time: its bytes and its line, a line that is being read, and stintd itself.
        self.assertLess(narrow, 6 * OUT_BYTES)  # 13 with room for all


if __name__ == "__main__":
    unittest.main()
