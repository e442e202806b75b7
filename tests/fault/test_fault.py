"""Each set-up call of a worker, and each call of the zygote's loop, fails once: no job runs less confined.

By default every recorded call meets two failures; STINT_FAULTS=all: all that are plausible.
"""
import errno
import os
import re
import subprocess
import unittest

import fault_plan
import harness
from fault_plan import DIE, SHORT, VARIANTS, action_name, plausible, probe

ALL = os.environ.get("STINT_FAULTS") == "all"
# Functions of the C library that the set-ups use and fault_calls.def has not: they make no system call that
# can fail, or their failure is the end of the process by themselves (abort, malloc), or changes nothing
# (madvise: pages stay small, unit/test_zygote_text).
HARMLESS = set("""
_exit abort calloc clock_gettime close closedir dlclose endmntent fclose free getegid geteuid getgid getpid
getppid getuid malloc malloc_trim mallopt munmap nanosleep realloc signal sigaddset sigdelset sigemptyset sigfillset strdup
strndup sysconf umask unsetenv setenv clearenv getenv
memchr memcmp memcpy memmove memset strchr strchrnul strcmp strcpy strcspn strlen strncmp strncpy strnlen strrchr
strspn strstr strtok_r strtol strtoul strtoull strerror strerrordesc_np snprintf vsnprintf sscanf
__asprintf_chk asprintf __assert_fail __ctype_b_loc __ctype_tolower_loc __dprintf_chk __errno_location __fprintf_chk __isoc99_sscanf
__snprintf_chk __stack_chk_fail __vsnprintf_chk __memcpy_chk __strncpy_chk __popcountdi2 __read_chk
_GLOBAL_OFFSET_TABLE_ optarg optind opterr getopt_long stdout stderr fputs fwrite cgroup_strerror fprintf fflush puts qsort
pthread_attr_init pthread_attr_destroy seccomp_release seccomp_attr_set seccomp_attr_get seccomp_arch_native
dl_iterate_phdr madvise fopen64 fopen fgets getmntent_r getgrnam getpwnam getpwuid getsockname readlink sendto fstatat64
""".split())
# A job blob is one datagram: read() gives it whole, or fails and leaves it.
WHOLE = "read"
# Of the zygote's loop: its end takes the running jobs with it.
LOST = "the worker's parent process ended"


def shared(facts):
    """What must be the same in every worker of a daemon."""
    return {name: value for name, value in facts.items() if name != "limits"}, limits(facts)


def limits(facts):
    return [line for line in facts["limits"].splitlines() if not line.startswith("Max data size")]


def data_bytes(facts):
    return int(re.search(r"Max data size +(\d+)", facts["limits"]).group(1))


class Faults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = fault_plan.FaultDaemon(record=("zygote",), workers_ready=2)
        try:
            cls.page = cls.daemon.pages["zygote"]
            cls.baseline, cls.calls, seen = {}, [], set()
            for variant in VARIANTS:
                first = cls.record(variant)
                again = set.intersection(*({call[:3] for call in cls.record(variant)} for _ in range(3)))
                for call in first:
                    # A second answer in one turn, because two things came together, is the same call as the first, and does
                    # not come when it is asked for: not even where several recordings happened to have it.
                    if call[:2] == ("zygote turn", "sendmsg") and call[2] > 1:
                        continue
                    if call[:3] in seen or call[:3] not in again:
                        continue
                    seen.add(call[:3])
                    cls.calls.append((variant, *call))
        except BaseException:
            cls.daemon.kill()
            cls.daemon.remove()
            raise

    @classmethod
    def record(cls, variant):
        """The calls made for some jobs, in their order: (role, call, nth, tag)."""
        cls.page.record()
        for _ in range(4):  # the first ones take workers that were made before
            result, facts = probe(cls.daemon, variant)
            assert result["status"] == "ok", result
            cls.baseline[variant] = (result["told"], facts)
        cls.daemon.wait_idle()
        return [(role, call, nth, tag) for role, call, nth, _, tag in cls.page.recorded()]

    @classmethod
    def tearDownClass(cls):
        try:
            if cls.daemon.stop() != 0:
                raise AssertionError(cls.daemon.log())
            cls.daemon.wait_clean()
            if harness.BAD_LOG.search(cls.daemon.log()):
                raise AssertionError(cls.daemon.log())
        finally:
            cls.daemon.kill()
            cls.daemon.remove()

    def check_confined(self, variant, result, facts):
        told, expected = self.baseline[variant]
        self.assertEqual(shared(facts), shared(expected))
        self.assertLessEqual(abs(data_bytes(facts) - data_bytes(expected)), 1 << 21)
        self.assertEqual(result["told"], told)

    def check_answer(self, variant, result, facts, action, may_lose):
        """The job's own result from a whole worker, or an error of ours with its cause and no byte of the job."""
        if result["status"] == "ok":
            self.check_confined(variant, result, facts)
            return
        self.assertEqual(result["status"], "internal_error", result)
        if may_lose and LOST in result["error"]["message"]:
            return  # what was seen of a worker that died meanwhile says nothing
        self.assertIsNone(facts, "a job ran in a worker whose set-up failed")
        self.assertEqual((result["stdout"], result["told"]), ("", ""))
        if action > 0:
            reason = os.strerror(action)
            self.assertRegex(result["error"]["message"], r"step \d+ \([\w ]+\): " + reason)

    def inject(self, variant, role, call, nth, action):
        turn = role == "zygote turn"
        before = len(self.daemon.log())
        self.page.arm(role, call, nth, action)
        for _ in range(6):
            result, facts = probe(self.daemon, variant)
            self.check_answer(variant, result, facts, action, turn)
            try:
                harness.until(self.page.fired, 0.1 / harness.SLOW)
                break
            except AssertionError:
                pass
        self.assertEqual(self.page.fired(), 1, "never came to the call")
        if turn:
            self.daemon.wait_serving()
        result, facts = probe(self.daemon, variant)
        if turn and result["status"] != "ok":  # the zygote's end was on its way
            self.check_answer(variant, result, facts, action, True)
            self.daemon.wait_serving()
            result, facts = probe(self.daemon, variant)
        self.assertEqual(result["status"], "ok", result)
        self.check_confined(variant, result, facts)
        self.daemon.wait_idle()
        log = self.daemon.log()[before:]
        if "ended while" in log or "is lost" in log:
            if action == DIE:
                self.assertIn("code 137" if turn else "signal 9", log)
            elif action == errno.EAGAIN and turn:
                self.assertRegex(log, os.strerror(action) + "|nothing there|queue is full")
            elif action > 0:
                self.assertIn(os.strerror(action), log)

    def run_role(self, role):
        count = 0
        for variant, of, call, nth, tag in self.calls:
            if of != role:
                continue
            actions = plausible(call)
            if role == "worker" and call == WHOLE:
                actions = tuple(action for action in actions if action != SHORT)
            for action in actions if ALL else actions[:1] + actions[-2:]:
                with self.subTest(call=f"{call}({tag}) {nth}", fault=action_name(action), job=variant):
                    self.inject(variant, role, call, nth, action)
                count += 1
        return count

    def test_the_baseline_is_confined(self):
        for told, facts in self.baseline.values():
            self.assertNotIn("WORKED", told)
            self.assertEqual((facts["NoNewPrivs"], facts["Seccomp"], facts["Seccomp_filters"]), ("1", "2", "2"))
            for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                self.assertEqual(int(facts[name], 16), 0)
            self.assertEqual((facts["descriptors"], facts["one id"], facts["Groups"].strip()), (["0", "1", "2"], 1, ""))
            self.assertEqual(facts["namespaces"], ["user", "pid", "mnt", "net", "ipc", "uts"])
            self.assertTrue(facts["leaves"])

    def test_worker(self):
        self.assertGreater(self.run_role("worker"), 80)

    def test_zygote_turn(self):
        self.assertGreater(self.run_role("zygote turn"), 15)

    def test_a_worker_can_never_be_set_up(self):
        """It fails for good: the job gets its answer or waits, and never runs; then all is well again."""
        self.page.arm("worker", "setresuid", 1, 11, times=1 << 30)
        with self.daemon.connect() as client:
            for _ in range(3):  # workers that were ready before
                self.assertEqual(client.run("pass")["status"], "ok") if self.daemon.health()["workers"]["ready"] else None
            waiting = client.send("job.run", {"source": "print('late')"})
            harness.until(lambda: self.page.fired() >= 4, 20, "four attempts")
            self.assertEqual(client.answers, {})
            self.page.put()
            result = client.wait(waiting)
            self.assertEqual((result["status"], result["stdout"]), ("ok", "late\n"))
        self.assertIn(os.strerror(11), self.daemon.log())


class Completeness(unittest.TestCase):
    def test_every_call_of_the_set_ups_is_known(self):
        """A new function of the C library in a set-up belongs into fault_calls.def, or into HARMLESS."""
        worker = os.path.join(harness.BUILD, "worker")
        objects = [os.path.join(worker, n) for n in ("libspawner.a", "libsandbox.a", "spawner_main.o", "zygote_main.o")]
        listed = subprocess.run(["nm", "-u", *objects], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
        used = set(re.findall(r"U (\w+)$", listed.stdout.decode(), re.M))
        defined = subprocess.run(["nm", "--defined-only", "-g", *objects, os.path.join(harness.BUILD, "protocol", "libcore.a"),
                                  os.path.join(worker, "libpython_host.a")], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
        own = set(re.findall(r"^\w+ \w (\w+)$", defined.stdout.decode(), re.M))
        spawner = os.path.join(fault_plan.PROGRAMS, "stint-spawner-fault")
        known = set(subprocess.run([spawner, "--fault-calls"], stdout=subprocess.PIPE, check=True).stdout.decode().split())
        sanitizer = {n for n in used if n.startswith(("__asan", "__ubsan", "__sanitizer"))}
        self.assertEqual(sorted(used - own - known - HARMLESS - sanitizer), [])


if __name__ == "__main__":
    unittest.main()
