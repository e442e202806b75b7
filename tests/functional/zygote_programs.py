"""Programs for the confined interpreter: what must work, and what must fail as an ordinary exception.

Each is (name, source, terms): it has to print exactly "ok" and end with code 0.
"""
ASYNCIO, THREADS = 4, 8

WORKS = [
    ("random", "import random, os, secrets, uuid\n"
     "assert len(os.urandom(8)) == 8 and 0 <= random.random() < 1 and secrets.token_hex() and uuid.uuid4()"),
    ("time", "import time\nt = time.monotonic()\ntime.sleep(0.02)\nassert time.monotonic() - t >= 0.02\n"
     "time.time(), time.perf_counter(), time.process_time(), time.thread_time(), time.localtime()\n"
     "[time.get_clock_info(n) for n in ('time', 'monotonic', 'process_time')]"),
    ("stdlib file", "assert 'import' in open('/usr/lib/python3.11/abc.py').read()"),
    ("late import", "import argparse, csv, difflib, html.parser, xml.etree.ElementTree, unittest, ast"),
    ("decimal", "from decimal import Decimal\nassert str(Decimal(1) / 3).startswith('0.333')"),
    ("sqlite", "import sqlite3\nc = sqlite3.connect(':memory:')\nc.execute('create table t(x)')\n"
     "c.execute('insert into t values (1)')\nassert c.execute('select x from t').fetchall() == [(1,)]"),
    ("mmap", "import mmap\nm = mmap.mmap(-1, 8192)\nm[0] = 7\nassert m[0] == 7\nm.close()"),
    ("big realloc", "b = bytearray(1 << 20)\nb.extend(bytes(40 << 20))\nassert len(b) == 41 << 20"),
    ("handler", "import os, signal\ngot = []\nsignal.signal(signal.SIGUSR1, lambda *_: got.append(1))\n"
     "os.kill(os.getpid(), signal.SIGUSR1)\nassert got == [1]"),
    ("raise_signal", "import signal\ngot = []\nsignal.signal(signal.SIGUSR2, lambda *_: got.append(1))\n"
     "signal.raise_signal(signal.SIGUSR2)\nassert got == [1]"),
    ("keyboard interrupt", "import os, signal\ntry:\n    os.kill(os.getpid(), signal.SIGINT)\n"
     "    for _ in range(1000): pass\n    assert False\nexcept KeyboardInterrupt: pass"),
    ("alarm", "import signal, time\ngot = []\nsignal.signal(signal.SIGALRM, lambda *_: got.append(1))\n"
     "signal.setitimer(signal.ITIMER_REAL, 0.01)\ntime.sleep(0.05)\nassert got == [1]"),
    ("descriptors", "import os\na = os.dup(1)\nassert a == 3\nos.dup2(1, 7)\nos.close(7)\nos.close(a)\n"
     "os.set_blocking(0, False)\nassert not os.isatty(1)"),
    ("hashlib", "import hashlib\nassert hashlib.sha256(b'').hexdigest().startswith('e3b0c442')\n"
     "hashlib.md5(b'x'), hashlib.blake2b(b'x'), hashlib.sha3_256(b'x'), hashlib.scrypt"),
    ("zlib", "import zlib, bz2, lzma\nfor m in (zlib, bz2, lzma):\n"
     "    assert m.decompress(m.compress(b'x' * 9999)) == b'x' * 9999"),
    ("codecs", "b'\\xe4'.decode('cp1252'), 'x'.encode('idna'), b'a'.decode('shift_jis'), 'é'.encode('utf-16')"),
    ("locale", "import locale, os\nos.cpu_count(), os.sched_getaffinity(0), os.uname(), os.times(), os.getcwd()"),
    ("dataclass", "import dataclasses, json, re, datetime, statistics\n@dataclasses.dataclass\nclass A:\n    x: int\n"
     "assert json.loads(json.dumps(dataclasses.asdict(A(1)))) == {'x': 1}"),
    ("zone", "import zoneinfo\ntry:\n    zoneinfo.ZoneInfo('Europe/Berlin')\nexcept zoneinfo.ZoneInfoNotFoundError: pass"),
    ("ids", "import os\nassert os.getuid() == os.getgid() != 0 and os.getgroups() == [] and os.getppid() == 1"),
    ("memory error", "try:\n    x = bytearray(200 << 20)\n    assert False\nexcept MemoryError: pass"),
    ("recursion", "def f(): return f()\ntry:\n    f()\n    assert False\nexcept RecursionError: pass"),
    ("asyncio", "import asyncio\nasync def f():\n    await asyncio.sleep(0.01)\n    return 5\n"
     "async def g():\n    assert await asyncio.gather(f(), f()) == [5, 5]\n"
     "    r, w = await asyncio.wait_for(asyncio.sleep(0, (1, 2)), 1)\nasyncio.run(g())", dict(flags=ASYNCIO)),
    ("socketpair", "import socket, select, os\na, b = socket.socketpair()\na.sendall(b'x')\n"
     "assert select.select([b], [], [], 1)[0] and b.recv(4) == b'x'\nr, w = os.pipe()\nos.write(w, b'y')\n"
     "assert os.read(r, 1) == b'y'", dict(flags=ASYNCIO)),
    ("threads", "import threading, queue\nq = queue.Queue()\nl = threading.Lock()\ndef f(n):\n    with l: q.put(n)\n"
     "ts = [threading.Thread(target=f, args=(i,)) for i in range(3)]\n[t.start() for t in ts]\n[t.join(2) for t in ts]\n"
     "assert sorted(q.get(timeout=1) for _ in ts) == [0, 1, 2]\ne = threading.Event()\nassert not e.wait(0.01)\n"
     "threading.get_native_id()", dict(flags=THREADS, threads=4)),
    ("executor", "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(3) as p:\n"
     "    assert list(p.map(abs, [-1, -2])) == [1, 2]", dict(flags=THREADS, threads=4)),
    ("to_thread", "import asyncio\nassert asyncio.run(asyncio.to_thread(abs, -1)) == 1",
     dict(flags=ASYNCIO | THREADS, threads=4)),
    ("sixteen threads", "import threading\nb = threading.Barrier(16)\nts = [threading.Thread(target=b.wait) for _ in range(15)]\n"
     "[t.start() for t in ts]\nb.wait(5)\n[t.join() for t in ts]", dict(flags=THREADS, threads=16)),
]

EXPECT = "try:\n    %s\nexcept %s as e:\n    assert %s, repr(e)\nelse:\n    assert False, 'no exception'"


def refused(name, setup, statement, error, test="True", **terms):
    return (name, setup + "\n" + EXPECT % (statement, error, test), terms)


REFUSED = [
    refused("fork", "import os", "os.fork()", "PermissionError"),
    refused("subprocess", "import subprocess", "subprocess.run(['/bin/true'])", "PermissionError", flags=ASYNCIO),
    refused("system", "import os", "assert os.system('true') != 0; raise PermissionError", "PermissionError"),
    refused("exec", "import os", "os.execv('/bin/true', ['true'])", "PermissionError"),
    refused("socket", "import socket, errno", "socket.socket()", "OSError", "e.errno == errno.EAFNOSUPPORT"),
    refused("resolve", "import socket", "socket.getaddrinfo('localhost', 80)", "OSError"),
    refused("kill init", "import os", "os.kill(1, 9)", "PermissionError"),
    refused("kill all", "import os", "os.kill(-1, 9)", "PermissionError"),
    refused("kill group", "import os", "os.killpg(0, 9)", "PermissionError"),
    refused("write", "import errno", "open('/tmp/x', 'w')", "OSError", "e.errno == errno.EROFS"),
    refused("tempfile", "import tempfile", "tempfile.TemporaryFile()", "OSError"),
    refused("mkdir", "import os, errno", "os.mkdir('/tmp/x')", "OSError", "e.errno == errno.EROFS"),
    refused("proc", "", "open('/proc/self/maps')", "FileNotFoundError"),
    refused("passwd", "", "open('/etc/passwd')", "FileNotFoundError"),
    refused("above", "", "open('/../../../etc/shadow')", "FileNotFoundError"),
    refused("device", "", "open('/dev/null')", "FileNotFoundError"),
    refused("setuid", "import os", "os.setuid(0)", "PermissionError"),
    refused("chroot", "import os", "os.chroot('/tmp')", "PermissionError"),
    refused("nice", "import os", "os.nice(-5)", "PermissionError"),
    refused("setrlimit", "import resource", "resource.setrlimit(resource.RLIMIT_NOFILE, (9, 9))",
            "ValueError"),
    refused("exec mapping", "import mmap", "mmap.mmap(-1, 4096, prot=mmap.PROT_EXEC)", "PermissionError"),
    refused("ctypes", "", "import ctypes", "ImportError"),
    refused("multiprocessing", "import multiprocessing", "multiprocessing.Process(target=print).start()",
            "PermissionError", flags=ASYNCIO),
    refused("pipe not granted", "import os, errno", "os.pipe()", "OSError", "e.errno == errno.ENOSYS"),
    refused("file lock", "import fcntl", "fcntl.flock(1, fcntl.LOCK_EX)", "OSError"),
    refused("lease", "import fcntl", "fcntl.fcntl(1, fcntl.F_SETLEASE, 0)", "PermissionError"),
    refused("hostname", "import socket", "socket.sethostname('x')", "PermissionError"),
    refused("clock", "import time", "time.clock_settime(time.CLOCK_REALTIME, 0)", "PermissionError"),
    refused("wait", "import os", "os.wait()", "ChildProcessError"),
    refused("memfd", "import os, errno", "os.memfd_create('x')", "OSError", "e.errno == errno.ENOSYS"),
    refused("thread not granted", "import threading", "threading.Thread(target=print).start()", "RuntimeError"),
    refused("event loop not granted", "import asyncio", "asyncio.run(asyncio.sleep(0))", "OSError"),
    refused("descriptors used up", "import os", "[os.dup(1) for _ in range(40)]", "OSError", "e.errno == 24"),
]

# name, source, exit code (-1: none), signal
DEATHS = [
    ("abort", "import os; os.abort()", -1, 6),
    ("kill -9 self", "import os; os.kill(os.getpid(), 9)", -1, 9),
    ("segfault", "import os; os.kill(os.getpid(), 11)", -1, 11),
    ("exit", "import sys; sys.exit(5)", 5, 0),
    ("_exit", "import os; os._exit(6)", 6, 0),
    ("exception", "1 / 0", 1, 0),
]
