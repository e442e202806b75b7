"""The sections of bench/run, (a) to (k). Each takes `quick` and returns tables; every row is of one run, side by side."""
import json
import os
import socket
import subprocess
import sys
import time

import measure
from measure import CORES, TRIVIAL, Clocks, harness, median, table

AT_ONCE = max(4, 2 * CORES)  # clients that keep all cores busy: as many as the daemon runs jobs
READY_RATE = 10  # jobs a second of one who leaves the pool time to fill
LARGE = {"stdout_bytes": 64 << 20, "wall_ms": 120000, "cpu_ms": 60000, "memory_bytes": 1 << 30}


# ---- (a), (b): a trivial job beside what else there is ------------------------------------------------

def subjects(one, source=TRIVIAL):
    """Name -> function(seconds, at_once) that gives latency_us, per_second and cpu_us_each."""
    def stint(seconds, at_once):
        clients = 1 if at_once == 1 else AT_ONCE
        clocks = Clocks(one)
        found = measure.load(one, f"all,connections={clients},mix=job", seconds=seconds,
                             calls={"job": {"source": source}})["all"]
        if set(found["statuses"]) != {"ok"} or found["refused"]:
            sys.exit(f"not every job was ok: {found['statuses']} {found['reasons']}")
        spent = clocks.since()
        cpu = sum(spent[name] for name in ("stintd", "zygote", "workers"))
        return {"latency_us": found["latency_us"], "per_second": found["results_per_second"],
                "cpu_us_each": cpu / found["results"]}

    found = {"stint": stint}
    for name, command in measure.rivals(source).items():
        found[name] = lambda seconds, at_once, command=command: measure.spawn(
            command, output="42\n" if source == TRIVIAL else "", seconds=seconds, at_once=at_once)
    found["floor: fork + exit, warm"] = lambda seconds, at_once: measure.floor("fork", None, seconds, at_once)
    found["floor: fork + hooks + script"] = lambda seconds, at_once: measure.floor("script", source, seconds, at_once)
    return found


def side_by_side(one, quick, at_once, source=TRIVIAL, rounds=None, seconds=None):
    """Rounds of all subjects in turn, so that what else the machine does meets all of them."""
    rounds, seconds = rounds or (3 if quick else 7), seconds or (0.4 if quick else 1.0)
    found = {}
    for _ in range(rounds):
        for name, run in subjects(one, source).items():
            found.setdefault(name, []).append(run(seconds, at_once))
    return found


def ratio(found, name, key):
    """Median over the rounds of this subject's figure by stint's of the same round."""
    return median([key(theirs) / key(ours) for theirs, ours in zip(found[name], found["stint"])])


def percentile(which):
    return lambda run: run["latency_us"][which]


def ready(one, seconds):
    """A job each time that the pool is full again: what one waits for who does not come faster than workers are made."""
    return measure.load(one, f"all,connections=1,rate={READY_RATE},arrivals=fixed", seconds=seconds)["all"]["latency_us"]


def section_a(quick):
    with measure.daemon() as one:
        found = side_by_side(one, quick, 1)
        one.wait_idle()
        rested = ready(one, 4 if quick else 12)
        spaced = {name: measure.spawn(command, seconds=4 if quick else 12, gap_ms=1000 / READY_RATE)["latency_us"]["p50"]
                  for name, command in measure.rivals(TRIVIAL).items() if name.startswith("bwrap")}
    apart = [f"with a worker ready ({READY_RATE} jobs a second, n {rested['count']}): p50 {rested['p50'] / 1e3:.2f} ms, "
             f"p99 {rested['p99'] / rested['p50']:.1f} times that (aim 3)"]
    for name in (name for name in found if name.startswith("bwrap")):
        times = median([run["latency_us"]["p50"] for run in found[name]]) / rested["p50"]
        apart.append(f"p50 of {name}, {READY_RATE} a second as well, {spaced[name] / 1e3:.1f} ms, is "
                     f"{spaced[name] / rested['p50']:.1f} times the p50 with a worker ready (aim 30); one after the other {times:.1f} times")
    rows = []
    for name, runs in found.items():
        p50, p99 = (median([run["latency_us"][which] for run in runs]) / 1e3 for which in ("p50", "p99"))
        rows.append([name, sum(run["latency_us"]["count"] for run in runs), p50, p99, p99 / p50,
                     ratio(found, name, percentile("p50")), ratio(found, name, percentile("p99")),
                     median([run["cpu_us_each"] for run in runs])])
    return [table("(a) a trivial job, one client, one after the other",
                  ["", "jobs", "p50 ms", "p99 ms", "p99/p50", "p50 / stint's", "p99 / stint's", "CPU us each"], rows,
                  ["ratios are medians of the ratios of each round", *apart])]


def burst(one, clients):
    """Jobs per second of one that meets a full pool."""
    one.wait_idle()
    found = measure.load(one, f"all,connections={clients},jobs={clients},mix=trivial", seconds=30)["all"]
    return found["results"] / (found["latency_us"]["max"] / 1e6)


def section_b(quick):
    with measure.daemon() as one:
        found = side_by_side(one, quick, CORES)
        ready = one.health()["workers"]["ready"]
        bursts = [burst(one, ready) for _ in range(5 if quick else 20)]
    rows = []
    for name, runs in found.items():
        rows.append([name, median([run["per_second"] for run in runs]), ratio(found, name, lambda run: run["per_second"]),
                     median([run["cpu_us_each"] for run in runs])])
    rows.append([f"stint: burst of {ready} into a full pool", median(bursts), None, None])
    return [table(f"(b) trivial jobs with {CORES} cores busy", ["", "jobs/s", "/ stint's", "CPU us each"], rows,
                  [f"stint by {AT_ONCE} clients, the others {CORES} at once; aim: bwrap at most 1/10 of stint, "
                   "the second floor at most 1/0.7"])]


# ---- (c) where the CPU time goes ----------------------------------------------------------------------

PARTS = ["stintd", "stintd, user", "stintd, kernel", "zygote", "spawner", "workers", "workers, user", "workers, kernel",
         "kernel threads (whole machine)"]


def spent_on(one, words, seconds):
    one.wait_idle()
    clocks = Clocks(one)
    found = measure.load(one, words, seconds=seconds)["all"]
    one.wait_idle()
    return [clocks.since()[part] / found["results"] for part in PARTS]


def section_c(quick):
    seconds = 2 if quick else 6
    with measure.daemon() as one:
        columns = {
            "1 client": spent_on(one, "all,mix=trivial", seconds),
            f"{AT_ONCE} clients": spent_on(one, f"all,connections={AT_ONCE},mix=trivial", seconds),
            "1 client, 50 ahead": spent_on(one, "all,in_flight=50,mix=trivial", seconds),
        }
        with_no_job = spent_on_calls(one, seconds)
    columns["daemon.health, no job"] = with_no_job
    rows = [[part] + [column[index] for column in columns.values()] for index, part in enumerate(PARTS)]
    return [table("(c) CPU time per job, microseconds", [""] + list(columns), rows, [
        "workers: from fork to death, also those that only became ready; stintd and zygote from the scheduler's clock,",
        "their user and kernel parts from ticks; aim: stintd 60, better 30"])]


def spent_on_calls(one, seconds):
    clocks = Clocks(one)
    found = measure.load(one, "all,mix=health", seconds=seconds, calls={"health": ("daemon.health", None)})["all"]
    return [clocks.since()[part] / found["results"] for part in PARTS]


# ---- (d) bytes ----------------------------------------------------------------------------------------

def cat_ns(size):
    """`producer | cat` into a Unix socket, read to the end: nanoseconds."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        start = time.monotonic_ns()
        producer = subprocess.Popen(["head", "-c", str(size), "/dev/zero"], stdout=subprocess.PIPE)
        cat = subprocess.Popen(["cat"], stdin=producer.stdout, stdout=theirs)
        producer.stdout.close()
        theirs.close()
        buffer = bytearray(1 << 18)
        while ours.recv_into(buffer):
            pass
        end = time.monotonic_ns()
        producer.wait()
        cat.wait()
    return end - start


def job_of(kind, size):
    if kind == "stdout":
        return {"source": f"import sys\nsys.stdout.write('x' * {size})", "limits": LARGE}
    if kind == "stdin":
        return {"source": "import sys\nsys.stdin.buffer.read()", "stdin": "x" * size}
    line = "#" * 79 + "\n"
    return {"source": line * (size // len(line)) + "#" * (size % len(line))}


def bytes_row(one, kind, size, least, quick):
    jobs = max(3, min(200, (32 << 20) // size)) // (2 if quick else 1)
    clocks = Clocks(one)
    found = measure.load(one, f"all,jobs={jobs},mix=job", seconds=120, calls={"job": job_of(kind, size)})["all"]
    if found["statuses"] != {"ok": jobs}:
        sys.exit(f"{kind} of {size} bytes: {found['statuses']} {found['reasons']}")
    spent = clocks.since()
    row = [kind, size, found["latency_us"]["p50"] / 1e3]
    if size < 1 << 20 or least is None:
        return row + [None] * 5
    ns = (found["latency_us"]["p50"] - least) * 1e3 / size
    cat = (median([cat_ns(size) for _ in range(3)]) - median([cat_ns(1) for _ in range(5)])) / size
    return row + [ns, spent["stintd"] * 1e3 / size / jobs, spent["workers"] * 1e3 / size / jobs, cat, ns / cat]


def section_d(quick):
    sizes = {"source": [1 << 10, 1 << 14, 1 << 17, 1 << 20],
             "stdin": [1 << 10, 1 << 17, 1 << 20, 12 << 20],
             "stdout": [1 << 10, 100 << 10, 1 << 20, 10 << 20, 64 << 20]}
    if quick:
        sizes = {kind: [all_[0], all_[-1]] for kind, all_ in sizes.items()}
    rows = []
    with measure.daemon() as one:
        for kind, all_ in sizes.items():
            least = None
            for size in all_:
                rows.append(bytes_row(one, kind, size, least, quick))
                least = least or rows[-1][2] * 1e3
    return [table("(d) bytes in and out", ["", "bytes", "p50 ms", "ns/byte", "stintd CPU ns/byte", "workers CPU ns/byte",
                                           "cat ns/byte", "/ cat"], rows,
                  ["ns/byte: p50 less that of 1 KiB, by the size; cat: head | cat into a Unix socket, less that of one byte;",
                   "64 MiB is the built-in maximum of an output; aim: stdout at most 2 times cat"])]


# ---- (e) many: clients, waiting jobs, tenants ---------------------------------------------------------

MANY = {"connections_max": 5000, "connections_uid_max": 4000, "queue_jobs_max": 200000, "queue_bytes_max": 1 << 30,
        "connection_jobs_max": 100000}


def many_row(one, label, words, seconds):
    one.wait_idle()
    clocks = Clocks(one)
    found = measure.load(one, words, seconds=seconds, drain=4 * seconds, may_miss=True)["all"]
    spent = clocks.since()
    return [label, found["results_per_second"], found["latency_us"]["p50"] / 1e3, found["latency_us"]["p99"] / 1e3,
            spent["stintd"] / found["results"], found["refused"], found["missing"]]


COLUMNS = ["", "jobs/s", "p50 ms", "p99 ms", "stintd CPU us/job", "refused", "not yet answered"]


def section_e(quick):
    seconds = 2 if quick else 4
    with measure.daemon(**MANY) as one:
        clients = [many_row(one, number, f"all,connections={number}", seconds)
                   for number in ([1, 100, 2000] if quick else [1, 10, 100, 1000, 2000])]
    with measure.daemon(**MANY) as one:
        tenants = [many_row(one, number, f"all,connections=1000,uid=60001,uids={number}", seconds)
                   for number in ([1, 1000] if quick else [1, 10, 100, 1000])]
    rows = [waiting_row(number, seconds) for number in ([1000, 100000] if quick else [1000, 10000, 100000])]
    return [table("(e) clients, each with one job at a time", COLUMNS, clients),
            table("(e) tenants: 1,000 connections of so many users", COLUMNS, tenants),
            table("(e) jobs that wait", ["", "accept us", "dispatch and answer us", "cancel us", "daemon.health ms",
                                         "memory bytes/job"], rows,
                  ["accept, dispatch and answer (with all the others waiting), cancel: stintd's CPU time per job",
                   "memory: growth of stintd's RSS per waiting trivial job, its request line included"])]


def fill(one, number):
    """Sleepers in all places and `number` jobs that wait behind them."""
    sleepers, crowd = one.connect(120), one.connect(300)
    running = AT_ONCE
    for _ in range(running):
        sleepers.send("job.run", {"source": "import time\ntime.sleep(200)", "limits": {"wall_ms": 300000}})
    harness.until(lambda: one.health()["jobs"]["running"] == running, 60, "sleepers")
    lines = [json.dumps({"jsonrpc": "2.0", "id": n, "method": "job.run", "params": {"source": TRIVIAL}})
             for n in range(number)]
    data = ("\n".join(lines) + "\n").encode()
    stintd = one.stintd_pid()
    rss, clock = measure.memory_bytes(stintd)["rss"], measure.run_us(stintd)
    crowd.send_raw(data)
    harness.until(lambda: one.health()["jobs"]["queued"] == number, 120, "a full queue")
    return sleepers, crowd, measure.run_us(stintd) - clock, measure.memory_bytes(stintd)["rss"] - rss


def waiting_row(number, seconds):
    with measure.daemon(running_max=AT_ONCE, **MANY) as one:
        stintd = one.stintd_pid()
        sleepers, crowd, accept, memory = fill(one, number)
        times = []
        with one.connect() as third:
            for _ in range(30):
                start = time.monotonic_ns()
                third.call("daemon.health")
                times.append((time.monotonic_ns() - start) / 1e6)
            sleepers.close()
            harness.until(lambda: third.call("daemon.health")["ended"]["ok"] > 20, 60, "the first answers")
            before, clock = third.call("daemon.health")["ended"]["ok"], measure.run_us(stintd)
            time.sleep(min(seconds / 4, number / 10000))
            done, spent = third.call("daemon.health")["ended"]["ok"] - before, measure.run_us(stintd) - clock
            left, clock = third.call("daemon.health")["jobs"]["queued"], measure.run_us(stintd)
            crowd.close()
            harness.until(lambda: third.call("daemon.health")["jobs"]["queued"] == 0, 60, "an empty queue")
            cancel = (measure.run_us(stintd) - clock) / max(1, left)
        return [number, accept / number, spent / max(1, done), cancel, median(times), memory / number]


# ---- (f) kills ----------------------------------------------------------------------------------------

def section_f(quick):
    command = [os.path.join(measure.TOP, "bench", "kill"), "-n", "8" if quick else "50"]
    lines = measure.run_tool(command).decode().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    rows = [[f"{row[0]}: {row[1]}", int(row[2])] + [float(cell) for cell in row[3:]] for row in rows[1:]]
    return [table("(f) how far past a limit, and how long until the answer (bench/kill)", ["", "n", "p50", "p99", "max"], rows)]


# ---- (g) memory ---------------------------------------------------------------------------------------

def section_g(quick):
    rows = []
    with measure.daemon(workers_ready=32, connections_max=3000) as one:
        workers = [measure.memory_bytes(pid) for pid in one.workers()]
        for key, label in ("private", "ready worker: pages of its own"), ("pss", "ready worker: PSS"), \
                ("rss", "ready worker: RSS, shared pages included"):
            rows.append([label, median([worker[key] for worker in workers if worker["rss"]]) / 1024])
        for name, pid in ("stintd", one.stintd_pid()), ("zygote", one.zygote_pid()), ("spawner", one.pid):
            rows.append([f"{name}: private", measure.memory_bytes(pid)["private"] / 1024])
        stintd, number = one.stintd_pid(), 500 if quick else 2000
        before, clients = measure.memory_bytes(stintd)["rss"], []
        for _ in range(number):
            clients.append(one.connect())
            clients[-1].call("daemon.health")
        rows.append([f"stintd: each of {number} idle connections", (measure.memory_bytes(stintd)["rss"] - before) / number / 1024])
        for client in clients:
            client.close()
    return [table(f"(g) memory, KiB (medians of {len(workers)} workers)", ["", "KiB"], rows,
                  ["a waiting job's memory: section (e); aim: a ready worker 1,536 KiB of its own"])]


# ---- (h) start ----------------------------------------------------------------------------------------

class Starting(harness.Daemon):
    """Knows when its first job was answered."""

    def wait_serving(self, seconds=None):
        end = time.monotonic() + harness.START_SECONDS
        while time.monotonic() < end:
            try:
                with self.connect() as client:
                    if client.run(TRIVIAL)["stdout"] == "42\n":
                        self.answered = time.monotonic()
                        return
            except (OSError, harness.RpcError):
                time.sleep(0.001)
        raise AssertionError(f"the daemon does not serve:\n{self.log()}")


def section_h(quick):
    times = []
    for _ in range(5 if quick else 20):
        start = time.monotonic()
        one = Starting(socket_mode="0666")
        times.append((one.answered - start) * 1e3)
        one.stop()
        one.wait_clean(20)
        one.remove()
    return [table("(h) from the start of the service to the first answered job, ms", ["", "n", "median", "least", "most"],
                  [["built-in defaults", len(times), median(times), min(times), max(times)]], ["aim: below 300"])]


# ---- (i) imports --------------------------------------------------------------------------------------

MODULES = ("json re math random datetime collections itertools functools heapq string "
           "argparse ast base64 calendar configparser copy csv difflib hashlib inspect "
           "logging numbers operator pprint queue shlex statistics struct textwrap uuid").split()


def section_i(quick):
    rows = []
    with measure.daemon() as one:
        for number in 0, 10, 30:
            source = f"import {', '.join(MODULES[:number])}" if number else "pass"
            found = side_by_side(one, quick, 1, source, 3, 0.4 if quick else 1.0)
            for name, runs in found.items():
                if not name.startswith("floor: fork + exit"):
                    rows.append([f"{number} modules: {name}", median([run["latency_us"]["p50"] for run in runs]) / 1e3,
                                 median([run["latency_us"]["p99"] for run in runs]) / 1e3,
                                 ratio(found, name, percentile("p50")), median([run["cpu_us_each"] for run in runs])])
    return [table("(i) jobs that import", ["", "p50 ms", "p99 ms", "p50 / stint's", "CPU us each"], rows,
                  ["the first ten are among those that the built-in `preload` has imported, of the others few are"])]


# ---- (j) latency under load ---------------------------------------------------------------------------

def section_j(quick):
    seconds, rows = (3, []) if quick else (10, [])
    with measure.daemon() as one:
        closed = measure.load(one, f"all,connections={AT_ONCE}", seconds=seconds, warm_up=0.5)["all"]
        capacity = closed["results_per_second"]
        for share in 0.5, 0.8, 1.0:
            one.wait_idle()
            found = measure.load(one, f"all,connections=20,rate={capacity * share:.1f}", seconds=seconds, warm_up=0.5)["all"]
            times = found["latency_us"]
            rows.append([f"{share:.0%} of {capacity:.0f} jobs/s"] + [times[key] / 1e3 for key in ("p50", "p90", "p99", "p999", "max")]
                        + [found["send_lag_us"]["p99"] / 1e3, found["refused"] + found["left_out"]])
    return [table("(j) latency at a share of what a closed loop got, Poisson arrivals, ms",
                  ["", "p50", "p90", "p99", "p99.9", "max", "sent late, p99", "refused"], rows,
                  ["counted from when a job was due; at 100 % the queue grows as long as it lasts"])]


# ---- (k) a script that is compiled once ---------------------------------------------------------------

def program_of(lines):
    """A module of functions, of which few run; five lines each."""
    functions = "".join(f"def f{i}(x, y={i}):\n    if x > y:\n        return [x, y, 'text {i}', {{'key': x}}]\n"
                        f"    z = [v * {i} for v in range(y) if v % 3 == x]\n    return (x + y) * {i}.5, z\n"
                        for i in range(lines // 5))
    return functions + "print(42)\n"


def section_k(quick):
    rounds, seconds, rows = 3 if quick else 7, 0.4 if quick else 1.0, []
    with measure.daemon() as one:
        for lines in 10, 100, 1000, 5000:
            source, found = program_of(lines), {"source": [], "script": []}
            with one.connect() as client:
                script = client.call("script.put", {"source": source})
                client.run(**script)
            for _ in range(rounds):  # in turn, so that what else the machine does meets both
                for name, params in (("source", {"source": source}), ("script", script)):
                    clocks = Clocks(one)
                    run = measure.load(one, "all,mix=job", seconds=seconds, calls={"job": params})["all"]
                    run["cpu_us_each"] = clocks.since()["workers"] / run["results"]
                    found[name].append(run)
            p50 = {name: [run["latency_us"]["p50"] for run in runs] for name, runs in found.items()}
            cpu = {name: median([run["cpu_us_each"] for run in runs]) for name, runs in found.items()}
            rows.append([f"{lines} lines", median(p50["source"]) / 1e3, median(p50["script"]) / 1e3,
                         median([a / b for a, b in zip(p50["source"], p50["script"])]), cpu["source"], cpu["script"]])
    return [table("(k) a program sent as source, and by the id of a script", [
        "", "source p50 ms", "script p50 ms", "source / script", "source CPU us", "script CPU us"], rows,
                  ["CPU time of the workers for each job; the script's first job, which compiles, is not in it"])]


SECTIONS = {name[-1]: function for name, function in globals().items() if name.startswith("section_")}
WHAT = {"a": "a trivial job beside python3, bwrap, firejail and the floors", "b": "throughput, the same", "c": "CPU time per job",
        "d": "bytes of source, stdin, stdout", "e": "clients, tenants, waiting jobs", "f": "kills", "g": "memory",
        "h": "start of the service", "i": "imports", "j": "latency at 50, 80, 100 % of capacity",
        "k": "a program as source and as a script's id"}
assert SECTIONS.keys() == WHAT.keys()
