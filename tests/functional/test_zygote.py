#!/usr/bin/python3
"""stint-zygote and its sandbox; zygote_harness plays the spawner and stintd. Needs root.

    test_zygote.py [WORD ...]   only tests whose name holds one of the words
    test_zygote.py --time N     no test: times of N workers
The build folder is $STINT_BUILD; zygote_probe is made in it by `make check` in worker/.
"""
import functools
import os
import re
import select
import signal
import stat
import statistics
import struct
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import zygote_harness as harness  # noqa: E402
import zygote_programs as programs  # noqa: E402

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WORKER = os.path.join(os.environ.get("STINT_BUILD", os.path.join(TOP, ".quickstart", "build")), "worker")
PROBE, ZYGOTE = (os.path.join(WORKER, name) for name in ("zygote_probe", "stint-zygote"))
PRELOAD = "json re math random datetime collections"


def blob(source):
    text, name = source.encode(), b"main.py"
    return struct.pack("<II", 1, len(text)) + text + struct.pack("<II", 3, len(name)) + name


def expect(what, is_, wanted):
    assert is_ == wanted, "%s is %r, not %r" % (what, is_, wanted)


# ---- the confinement, seen from inside by the probe ----

def test_state(zygote):
    worker = zygote.run(b"state", memory_bytes=64 << 20, stdout_bytes=5000, stderr_bytes=10, open_files=20)
    lines = dict(line.split(" ", 1) for line in worker.out().splitlines() if not line.startswith("fd "))
    uid = str(worker.uid)
    expect("ids", lines["uid"], " ".join([uid] * 4 + ["0"]))
    expect("descriptors", [line for line in worker.out().splitlines() if line.startswith("fd ")],
           ["fd 0", "fd 1", "fd 2"])
    expect("thread id", lines["tid_is_pid"], "1")
    if tuple(map(int, re.findall("[0-9]+", os.uname().release)[:2])) >= (6, 3):
        expect("executable memory is refused", lines["mdwe"], "1")
    for name, value in dict(fsize=5001, nofile=20, nproc=1, cpu=12, core=0, stack=64 << 20, memlock=0,
                            data=zygote.baseline["data"] + (64 << 20) + 65536).items():
        expect(name, lines[name], "%d 1" % value)
    for name, value in dict(kill_1="-1 1", kill_all="-1 1", kill_own="0 0", fork="-1 1", setuid="-1 1",
                            open_write="-1 30", open_proc="-1 2", open_above="-1 2", socket="-1 97",
                            raise_limit="-1 1").items():
        expect(name, lines[name], value)
    worker.close()


def test_results(zygote):
    for word, out, code, number in ((b"hello", "hello\n", 0, 0), (b"exit7", "", 7, 0), (b"fatal", "", -1, 31)):
        worker = zygote.run(word)
        expect("output", worker.out(), out)
        expect("end", (worker.exited["exit_code"], worker.exited["signal"]), (code, number))
        worker.close()
    worker = zygote.run(b"result")
    expect("phase", worker.phase(), "ended")
    expect("last bytes of the result area", worker.page[harness.PAGE_RESULT + (160 << 20) - 4 :][:4], b"last")
    worker.close()


def test_stdin_and_blob(zygote):
    worker = zygote.run(b"stdin", stdin=b"given")
    expect("stdin", worker.out(), "given")
    worker.close()
    worker = zygote.run(b"hello" + bytes(3 << 20), as_file=True)
    expect("output", worker.out(), "hello\n")
    worker.close()
    worker = zygote.run(b"", as_file=True)
    expect("output", worker.err(), "0 bytes, limits of %d\n" % (128 << 20))
    worker.close()
    worker = zygote.run(b"hello" + bytes(65536 - 5))
    expect("output", worker.out(), "hello\n")
    worker.close()


def test_host_sees_it(zygote):
    worker = zygote.worker()
    expect("FORKED", worker.fork(), 0)
    pid = worker.hello()
    with open("/proc/%d/status" % pid) as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    host = str(harness.UID_BASE + worker.uid)
    expect("uids", status["Uid"].split(), [host] * 4)
    expect("gids", status["Gid"].split(), [host] * 4)
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        expect(name, int(status[name], 16), 0)
    expect("no_new_privs", status["NoNewPrivs"], "1")
    expect("filter", status["Seccomp"], "2")
    expect("blocked signals", int(status["SigBlk"], 16), 0)
    expect("pid in the namespace", int(status["NSpid"].split()[-1]), worker.pid)
    with open("/proc/%d/cgroup" % pid) as file:
        groups = [line.rstrip("\n").split(":", 2)[1:] for line in file]
    for tree in zygote.trees:
        name = "" if tree == "unified" else tree
        path = [path for names, path in groups if name in names.split(",")][0]
        expect(tree, path, "/%s/w%d" % (zygote.group, worker.serial))
    with open("/proc/%d/mountinfo" % pid) as file:
        points = [line.split()[4] for line in file]
    expect("mounts", sorted(points), ["/", harness.STDLIB, harness.STDLIB + "/lib-dynload"])
    worker.terms(b"hello")
    expect("pidfd", len(select.select([worker.pidfd], [], [], 5)[0]), 1)
    worker.wait()
    worker.close()


def test_kill(zygote):
    worker = zygote.worker()
    worker.fork()
    worker.hello()
    worker.terms(b"sleep")
    zygote.send(harness.KILL, struct.pack("<Q", worker.serial))
    expect("signal", worker.wait()["signal"], 9)
    worker.close()
    zygote.send(harness.KILL, struct.pack("<Q", worker.serial))  # gone: no complaint
    zygote.run(b"hello").close()


def state_of(pid):
    with open("/proc/%d/stat" % pid) as file:
        return file.read().rsplit(") ", 1)[1].split()[0]


def test_stops(zygote):
    """Asked to, it stops at its job's end and says with which exit code; killed then, or, continued, it exits."""
    for kills in (True, False):
        worker = zygote.worker()
        worker.fork()
        pid = worker.hello()
        worker.terms(b"exit7", flags=harness.STOPS)
        about = worker.stopped()
        expect("STOPPED", (about["exit_code"], about["signal"]), (-1, signal.SIGSTOP))
        expect("process time is told", 0 < about["user_us"] + about["system_us"] < 5000000, True)
        expect("state", state_of(pid), "T")
        expect("phase, code", (worker.phase(), worker.ended()), ("ended", 8))
        if kills:
            zygote.send(harness.KILL, struct.pack("<Q", worker.serial))
        else:
            os.kill(pid, signal.SIGCONT)
        expect("end", (worker.wait()["exit_code"], worker.exited["signal"]), (-1, 9) if kills else (7, 0))
        worker.close()


def test_not_asked_to_stop(zygote):
    worker = zygote.run(b"exit7")
    expect("end", (worker.exited["exit_code"], worker.ended()), (7, 0))
    worker.close()


def test_stops_told_once(zygote):
    worker = zygote.worker()
    worker.fork()
    pid = worker.hello()
    worker.terms(b"sleep")
    os.kill(pid, signal.SIGSTOP)
    expect("signal", worker.stopped()["signal"], signal.SIGSTOP)
    expect("code", worker.ended(), 0)
    for _ in range(3):
        os.kill(pid, signal.SIGCONT)
        os.kill(pid, signal.SIGSTOP)
    zygote.send(harness.KILL, struct.pack("<Q", worker.serial))
    expect("signal", worker.wait()["signal"], 9)  # a second STOPPED would be no EXITED
    worker.close()


def test_bad_stops(zygote):
    """Other threads of the job's would be stopped in the midst of something."""
    for flags, limits in ((harness.STOPS | harness.THREADS, {"threads": 2}),):
        worker = zygote.worker()
        worker.fork()
        worker.hello()
        worker.terms(b"hello", flags=flags, **limits)
        failed_step(worker, "terms", 22)


def test_many(zygote):
    workers = [zygote.worker() for _ in range(40)]
    for worker in workers:
        expect("FORKED", worker.fork(), 0)
    for worker in workers:
        worker.hello()
        worker.terms(b"hello")
    for worker in workers:
        expect("exit code", worker.wait()["exit_code"], 0)
        expect("output", worker.out(), "hello\n")
        worker.close()


# ---- a step that fails is named, and the job does not run ----

def failed_step(worker, name, number):
    expect("exit code", worker.wait()["exit_code"], 126)
    _, error, step = worker.setup()
    expect("step", (step, error), (name, number))
    expect("output", worker.out(), "")
    worker.close()


def test_leaf_missing(zygote):
    worker = zygote.worker(leaf=False)
    expect("FORKED", worker.fork(), 2)
    worker.close()


def test_leaf_forbidden(zygote):
    worker = zygote.worker()
    v1 = "pids" in zygote.trees
    os.chmod(zygote.path("pids" if v1 else "", "w%d" % worker.serial, "tasks" if v1 else "cgroup.procs"), 0o600)
    expect("FORKED", worker.fork(), 13)
    worker.close()


def test_bad_terms(zygote):
    for change in (dict(magic=1), dict(threads=2), dict(flags=harness.THREADS), dict(flags=1 << 20),
                   dict(memory_bytes=1), dict(memory_bytes=1 << 62), dict(open_files=4096), dict(core=1)):
        worker = zygote.worker()
        worker.fork()
        worker.hello()
        worker.terms(b"hello", **change)
        failed_step(worker, "terms", 22)


def test_bad_blob(zygote):
    worker = zygote.worker()
    worker.fork()
    worker.hello()
    record = harness.TERMS.pack(0x53545431, 0, worker.serial, 5, 12, 0, *harness.LIMITS.values())
    worker.channel.send(record)
    worker.channel.send(b"hello and more")
    failed_step(worker, "blob", 71)


def test_stintd_gone(zygote):
    worker = zygote.worker()
    worker.fork()
    worker.hello()
    worker.channel.close()
    failed_step(worker, "terms", 32)


def test_bad_page(zygote):
    worker = zygote.worker()
    null = os.open("/dev/null", os.O_RDONLY)
    expect("FORKED", worker.fork([worker.their_channel.fileno(), null, *worker.files, null]), 0)
    os.close(null)
    expect("exit code", worker.wait()["exit_code"], 126)
    expect("output", worker.out(), "")
    worker.close()


# ---- a breach on the link ends the zygote, and with it every worker ----

def breach(zygote, word):
    expect("exit code", zygote.end(), 122)
    assert word in zygote.log_text(), zygote.log_text()


def leaf_that_does_not_take_it():
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        os.mkdir(directory + "/w1")
        os.mknod(directory + "/w1/tasks", stat.S_IFCHR, os.makedev(1, 7))  # /dev/full
        os.chmod(directory + "/w1/tasks", 0o666)
        zygote = start(PROBE, other_dir=directory)
        worker = zygote.worker()
        expect("FORKED", worker.fork(), 0)
        failed_step(worker, "leaf", 28)
        zygote.stop()


def own_test_unknown_type(zygote):
    worker = zygote.worker()
    worker.fork()
    pid = worker.hello()
    pidfd = os.pidfd_open(pid)
    zygote.send(77)
    breach(zygote, "unknown type")
    expect("worker is dead", len(select.select([pidfd], [], [], 5)[0]), 1)
    os.close(pidfd)


def own_test_version(zygote):
    zygote.send(harness.KILL, struct.pack("<Q", 1), version=harness.VERSION + 1)
    breach(zygote, "wrong version")


def own_test_size(zygote):
    zygote.link.send(b"short")
    breach(zygote, "wrong size")


def own_test_descriptors(zygote):
    zygote.send(harness.FORK, struct.pack("<QII", 1, 0, 5), [0, 1])
    breach(zygote, "number of descriptors")


def own_test_uid_0(zygote):
    zygote.send(harness.FORK, struct.pack("<QII", 1, 0, 0), [0] * 5)
    breach(zygote, "id out of range")


def own_test_uid_twice(zygote):
    zygote.worker(uid=9).fork()
    worker = zygote.worker(uid=9)
    zygote.send(harness.FORK, struct.pack("<QII", worker.serial, 0, 9), [0] * 5)
    breach(zygote, "in use")


def own_test_serial_again(zygote):
    zygote.run(b"hello").close()
    zygote.send(harness.FORK, struct.pack("<QII", 1, 0, 50), [0] * 5)
    breach(zygote, "in use")


def own_test_leaf_of_a_live_worker(zygote):
    other = zygote.worker(uid=9)
    other.fork()
    worker = zygote.worker(uid=10)
    zygote.send(harness.FORK, struct.pack("<QIIQQQ", worker.serial, 0, 10, 0, 0, other.serial), [0] * 5)
    breach(zygote, "leaf that is in use")


def own_test_leaf_of_nobody(zygote):
    zygote.send(harness.FORK, struct.pack("<QIIQQQ", 1, 0, 5, 0, 0, 2), [0] * 5)
    breach(zygote, "not made")


def own_test_kill_of_nobody(zygote):
    zygote.send(harness.KILL, struct.pack("<Q", 1))
    breach(zygote, "never used")


def own_test_scratch_of_a_plain_class(zygote):
    zygote.send(harness.FORK, struct.pack("<QIIQQ", 1, 0, 5, 4096, 0), [0] * 5)
    breach(zygote, "class has not")


def own_test_scratch_without_size(zygote):
    zygote.send(harness.FORK, struct.pack("<QIIQQ", 1, 1, 5, 0, 1), [0] * 5)
    breach(zygote, "class has not")


def own_test_scratch_above_the_maximum(zygote):
    zygote.send(harness.FORK, struct.pack("<QIIQQ", 1, 1, 5, (256 << 20) + 1, 1), [0] * 5)
    breach(zygote, "class has not")


def own_test_scratch_of_too_many_files(zygote):
    zygote.send(harness.FORK, struct.pack("<QIIQQ", 1, 1, 5, 4096, 65537), [0] * 5)
    breach(zygote, "class has not")


def own_test_too_many_descriptors(zygote):
    zygote.send(harness.FORK, struct.pack("<QII", 1, 0, 5), [0] * 6)
    expect("exit code", zygote.end(), 122)


def own_test_link_closed(zygote):
    worker = zygote.worker()
    worker.fork()
    pidfd = os.pidfd_open(worker.hello())
    zygote.link.close()
    expect("exit code", zygote.end(), 0)
    expect("worker is dead", len(select.select([pidfd], [], [], 5)[0]), 1)
    os.close(pidfd)


def own_test_signals_do_not_reach_it(zygote):
    with open("/proc/%d/task/%d/children" % (zygote.keeper, zygote.keeper)) as file:
        pid = int(file.read())
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGPIPE):
        os.kill(pid, number)
    worker = zygote.run(b"hello")
    expect("output", worker.out(), "hello\n")
    worker.close()


# ---- Python ----

def python_case(zygote, source, terms):
    worker = zygote.run(blob(source + "\nprint('ok')\n"), **terms)
    text = "exit %(exit_code)d signal %(signal)d" % worker.exited + " step %r\n" % (worker.setup(),)
    assert (worker.out(), worker.exited["exit_code"]) == ("ok\n", 0), text + worker.out() + worker.err()
    worker.close()


def death_case(zygote, source, code, number):
    worker = zygote.run(blob(source))
    expect("end", (worker.exited["exit_code"], worker.exited["signal"]), (code, number))
    worker.close()


def measure(zygote, count, job):
    forks, runs, whole = [], [], []
    for _ in range(count):
        worker = zygote.worker()
        start = time.perf_counter()
        worker.fork()
        worker.hello()
        hello = time.perf_counter()
        worker.terms(job, flags=harness.ASYNCIO)
        worker.wait()
        end = time.perf_counter()
        worker.close()
        forks.append(1e6 * (hello - start))
        runs.append(1e6 * (end - hello))
        whole.append(worker.exited["user_us"] + worker.exited["system_us"])
    for name, values in (("fork to hello", forks), ("terms to exited", runs), ("CPU by rusage", whole)):
        values.sort()
        print("%s: p50 %.0f us, p90 %.0f us" % (name, statistics.median(values), values[count * 9 // 10]))


def start(program, **options):
    zygote = harness.Zygote(program, **options)
    zygote.baseline = zygote.ready()
    return zygote


def own(program, function):
    zygote = start(program)
    try:
        function(zygote)
    finally:
        zygote.stop()


class Shared:
    """One zygote for many tests, started by the first."""

    def __init__(self, program, **options):
        self.program, self.options, self.zygote = program, options, None

    def run(self, function, *arguments):
        if self.zygote is None:
            self.zygote = start(self.program, **self.options)
        function(self.zygote, *arguments)

    def stop(self):
        if self.zygote is not None:
            zygote, self.zygote = self.zygote, None
            expect("exit code when the link closes", zygote.stop(), 0)


def all_tests():
    """(name, function without arguments) of each, in order."""
    probe, python = Shared(PROBE), Shared(ZYGOTE, preload=PRELOAD)
    for name, function in list(globals().items()):
        if name.startswith("test_"):
            yield "probe: " + name[5:], functools.partial(probe.run, function)
    yield "probe: stop", probe.stop
    yield "probe: leaf_that_does_not_take_it", leaf_that_does_not_take_it
    for name, function in list(globals().items()):
        if name.startswith("own_test_"):
            yield "probe: " + name[9:], functools.partial(own, PROBE, function)
    for case in programs.WORKS + programs.REFUSED:
        terms = case[2] if len(case) > 2 else {}
        yield "python: " + case[0], functools.partial(python.run, python_case, case[1], terms)
    for name, *case in programs.DEATHS:
        yield "python: " + name, functools.partial(python.run, death_case, *case)
    yield "python: stop", python.stop


class Case(unittest.FunctionTestCase):
    """A test that is called by its description."""

    def id(self):
        return self.shortDescription()

    __str__ = id


def load_tests(_loader, _tests, _pattern, words=()):
    """For unittest: one case per test."""
    if os.geteuid() != 0:
        return unittest.TestSuite([unittest.FunctionTestCase(
            unittest.skip("needs root")(lambda: None), description="zygote")])
    harness.make_root()
    return unittest.TestSuite(
        Case(function, description=name) for name, function in all_tests()
        if not words or name.endswith(": stop") or any(word in name for word in words))


def main():
    if sys.argv[1:2] == ["--time"]:
        harness.make_root()
        for program, job in ((PROBE, b"hello"), (ZYGOTE, blob("print('hello')"))):
            zygote = start(program, preload=PRELOAD)
            print("%s, baseline %s" % (os.path.basename(program), zygote.baseline))
            measure(zygote, int(sys.argv[2]), job)
            zygote.stop()
        return 0
    result = unittest.TextTestRunner().run(load_tests(None, None, None, sys.argv[1:]))
    return not result.wasSuccessful()


if __name__ == "__main__":
    sys.exit(main())
