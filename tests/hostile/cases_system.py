"""Attacks in pure Python on files, processes, network, signals and what tenants share."""
from attack_case import died_by, error_is, harness, printed

NO = "except OSError: print('no')"
CPU = {"limits": {"cpu_ms": 300}}
THREADS = {"limits": {"threads": 4, "cpu_ms": 400}}


def none_of(ident, imports, acts, allowed=("OSError",)):
    """Every act must raise one of these."""
    body = "".join(f"try:\n {act}\n print({act!r})\nexcept ({', '.join(allowed)}): pass\n" for act in acts)
    return (ident, "ok", f"import {imports}\n{body}", {}, printed(""))


FILE_CASES = [
    ("F01 the whole tree", "ok", "import os\nprint(sorted({os.path.join(*p.split('/')[:4]) for p, _, _ in os.walk('/') if p != '/'}))", {},
     lambda r: "etc" not in r["stdout"] and "home" not in r["stdout"] and "proc" not in r["stdout"] and "usr/lib" in r["stdout"]),
    none_of("F02b every way to write", "os", [f"os.open({path!r}, {flags})" for path in ("/x", "/tmp/x", "/usr/lib/python3.11/os.py", "/dev/x", "/usr")
                                              for flags in (1, 2, 65, 66, 513, 1025, 0o20200000 | 2)]),
    none_of("F02c making and removing", "os", ["os.mkdir('/tmp/x')", "os.rmdir('/tmp')", "os.unlink('/usr/lib/python3.11/os.py')", "os.rename('/tmp', '/x')",
                                              "os.symlink('/', '/tmp/x')", "os.link('/usr/lib/python3.11/os.py', '/tmp/x')", "os.mkfifo('/tmp/x')",
                                              "os.mknod('/tmp/x')", "os.chmod('/tmp', 511)", "os.chown('/tmp', 0, 0)", "os.utime('/tmp')",
                                              "os.truncate('/usr/lib/python3.11/os.py', 0)", "os.setxattr('/tmp', 'user.x', b'')",
                                              "os.fchmod(0, 511)", "os.fchown(1, 0, 0)", "os.ftruncate(2, 5)", "os.fdatasync(1)"]),
    none_of("F04 odd paths", "os", ["os.open('/../../../../etc/passwd', 0)", "os.open('/usr/lib/python3.11/../../../etc/passwd', 0)", "os.open('/' + 'a/' * 3000, 0)",
                                   "os.open('a' * 5000, 0)", "os.open('/tmp/\\0', 0)", "os.open(b'/\\xff\\xfe', 0)", "os.open('/\\udcff', 0)", "os.open('', 0)",
                                   "os.open('/./../proc/self/root/etc/passwd', 0)", "os.open('//etc//passwd', 0)"], ("OSError", "ValueError")),
    none_of("F05b kernel's directories", "os", [f"os.open({path!r}, 0)" for path in ("/proc/self/maps", "/proc/1/environ", "/proc/sys/kernel/core_pattern", "/sys/kernel",
                                               "/sys/fs/cgroup", "/dev/null", "/dev/mem", "/dev/kmsg", "/dev/shm", "/run", "/var/run/docker.sock", "/etc/shadow", "/root", "/home")]),
    none_of("F10 other roots", "os", ["os.chroot('/tmp')", "os.chdir('/tmp')", "os.fchdir(0)"]),
    ("F11 shared file descriptions", "ok", "import os, fcntl\nfor f in (0, 1, 2):\n try: os.lseek(f, 5, 0)\n except OSError: pass\n"
     " fcntl.fcntl(f, fcntl.F_SETFL, os.O_NONBLOCK)\n os.set_inheritable(f, False)\nos.umask"),
    ("F11b asynchronous input", "ok", f"import fcntl\ntry: fcntl.fcntl(0, fcntl.F_SETFL, 0o20000); print('set')\n{NO}", {}, printed("no\n")),
    ("F12 stdin is an empty file", "ok", "import sys, os\nprint(sys.stdin.read() == '', os.read(0, 10))", {}, printed("True b''\n")),
    ("F19 writable mapping of a file", "runtime_error", "import mmap\nf = open('/usr/lib/python3.11/os.py')\nmmap.mmap(f.fileno(), 4096)", {},
     error_is("PermissionError")),
    ("F19b private mapping", "ok", "import mmap\nf = open('/usr/lib/python3.11/os.py')\nm = mmap.mmap(f.fileno(), 4096, mmap.MAP_PRIVATE)\nm[:4] = b'evil'", {}),
    ("F20b caches", "ok", "import py_compile, os\ntry: py_compile.compile('/usr/lib/python3.11/os.py', '/tmp/x.pyc')\nexcept OSError: print('no')", {}, printed("no\n")),
    ("F23 watches", "runtime_error", "import asyncio, select, os\nos.open('/proc/sys/fs/inotify', 0)"),
    ("F24 temporary files", "runtime_error", "import tempfile\ntempfile.TemporaryFile()"),
    ("F25 memory files", "runtime_error", "import os\nos.memfd_create('x')", {}, error_is("OSError")),
    ("F26 sendfile", "runtime_error", "import os\nos.sendfile(1, os.open('/usr/lib/python3.11/os.py', 0), 0, 100)", {}, error_is("OSError")),
    ("F27 splice", "runtime_error", "import os\nr, w = os.pipe()\nos.splice(os.open('/usr/lib/python3.11/os.py', 0), w, 10)", {}, error_is("PermissionError")),
    ("F28 output read back", "ok", "import os\nos.write(1, b'abc')\ntry: print(os.pread(1, 3, 0))\nexcept OSError: print('no')", {}),
    ("F29 sqlite file", "runtime_error", "import sqlite3\nsqlite3.connect('/tmp/x').execute('create table t(a)')"),
    ("F44 database file", "runtime_error", "import shelve\nshelve.open('/tmp/x')"),
    ("F45 time zone outside", "ok", "import os, time\nos.environ['TZ'] = ':/etc/passwd'\ntime.tzset()\nprint(time.tzname)", {}, lambda r: "root" not in r["stdout"]),
    ("F46 path of an import", "runtime_error", "import sys\nsys.path[:] = ['/etc', '/root', '/proc/self/fd/3', '/tmp']\nimport passwd", {}, error_is("ModuleNotFoundError")),
    ("F47 zip on the path", "runtime_error", "import sys, zipimport\nzipimport.zipimporter('/etc/passwd')", {}, error_is("ZipImportError")),
    ("F48 descriptors by number", "ok", "import os\nfor f in range(3, 1024):\n for a in (lambda: os.read(f, 1), lambda: os.write(f, b'x'), lambda: os.lseek(f, 0, 0)):\n"
     "  try: a(); print(f)\n  except OSError: pass", {}, printed("")),
]

PROCESS_CASES = [
    none_of("P05 pools", "multiprocessing, concurrent.futures", ["multiprocessing.Process(target=print).start()", "multiprocessing.Pool(2)",
            "multiprocessing.Queue()", "concurrent.futures.ProcessPoolExecutor(1).submit(print).result()"], ("OSError", "ImportError", "AttributeError", "RuntimeError")),
    none_of("P11b rank and group", "os", ["os.setpgid(0, 0)", "os.setsid()", "os.nice(-5)", "os.nice(5)", "os.setpriority(0, 0, 5)", "os.sched_setaffinity(0, [0])",
            "os.sched_setscheduler(0, 1, os.sched_param(1))", "os.setuid(0)", "os.setgid(0)", "os.setgroups([0])", "os.setresuid(0, 0, 0)", "os.initgroups('root', 0)",
            "os.tcsetpgrp(0, 1)"]),
    none_of("P13b waiting for others", "os", ["os.wait()", "os.waitpid(1, 0)", "os.waitid(os.P_ALL, 0, os.WEXITED)", "os.wait3(0)", "os.pidfd_open(1)"]),
    none_of("P02b shells", "os, subprocess", ["os.popen('id').read() and 1/0", "subprocess.check_output('id', shell=True)", "os.posix_spawn('/bin/true', ['x'], {})",
            "os.forkpty()", "os.execve('/bin/sh', ['sh'], {})"]),
    ("P03 system", "runtime_error", "import os\nos.system('touch /tmp/x')", {}, error_is("PermissionError")),
    ("P06 zombies of threads", "ok/runtime_error", "import threading\nfor i in range(3000): threading.Thread(target=int).start()",
     {"limits": {"threads": 4, "cpu_ms": min(4000 * harness.SLOW, 60000), "wall_ms": 60000}}),
    ("P09 threads that start threads", "ok/runtime_error/cpu_limit", "import threading\ndef f():\n try:\n  while 1: threading.Thread(target=f, daemon=True).start()\n except RuntimeError: pass\n"
     "f()", THREADS),
    ("P25 limits raised", "ok", "import resource\nfor i in range(16):\n try: resource.setrlimit(i, (resource.RLIM_INFINITY,) * 2); print(i)\n except (OSError, ValueError): pass", {}, printed("")),
    ("P26 limits of another", "runtime_error", "import resource\nresource.prlimit(1, 0)", {}, error_is("PermissionError")),
    ("P27 asyncio subprocess", "runtime_error", "import asyncio\nasyncio.run(asyncio.create_subprocess_exec('true'))", {"limits": {"threads": 4}}),
    ("P28 thread left in a C call", "ok", "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,), daemon=True).start()", THREADS),
]

NETWORK_CASES = [
    none_of("N01b every family", "socket", [f"socket.socket({family}, {kind})" for family in (1, 2, 3, 4, 5, 9, 10, 16, 17, 29, 31, 38, 40, 44) for kind in (1, 2, 3)]),
    none_of("N05 paths", "asyncio", ["asyncio.run(asyncio.open_connection('127.0.0.1', 80))", "asyncio.run(asyncio.open_unix_connection('/run/stint/stint.sock'))"]),
    none_of("N07b names", "socket", ["socket.gethostbyname('localhost.example.org')", "socket.getaddrinfo('169.254.169.254', 80)[0] and socket.create_connection(('169.254.169.254', 80), 1)",
                                    "socket.getnameinfo(('127.0.0.1', 22), 0)[0] == '127.0.0.1' and 1/0", "socket.gethostbyaddr('127.0.0.1')"], ("OSError", "ZeroDivisionError")),
    none_of("N13 metadata of the cloud", "urllib.request, http.client, ftplib, smtplib", ["urllib.request.urlopen('http://169.254.169.254/')", "urllib.request.urlopen('file:///etc/passwd')",
            "http.client.HTTPConnection('127.0.0.1').request('GET', '/')", "ftplib.FTP('127.0.0.1')", "smtplib.SMTP('127.0.0.1')"]),
    ("N14b no interface", "ok", f"import socket\ntry: print(socket.if_nametoindex('eth0'))\n{NO}", {}, printed("no\n")),
    ("N18 host's name", "ok", "import socket, os\nprint(socket.gethostname() == os.uname().nodename)", {}),
    ("N19 host name set", "runtime_error", "import socket\nsocket.sethostname('x')", {}, error_is("PermissionError")),
    ("N20 descriptors over a pair", "ok", f"import socket\na, b = socket.socketpair()\ntry: socket.send_fds(a, [b'x'], [1]); print('sent')\n{NO}", {}, printed("no\n")),
    ("N21 credentials of a pair", "ok", "import socket\na, b = socket.socketpair()\ntry: print(a.getsockopt(1, 17, 12))\nexcept OSError: print('no')", {}, printed("no\n")),
    ("N22 bound abstract name", "ok", f"import socket\na, b = socket.socketpair()\ntry: a.bind('\\0x'); print('bound')\n{NO}", {}, printed("no\n")),
    none_of("I10b locks", "fcntl", [f"fcntl.flock(open('/usr/lib/python3.11/os.py'), {n})" for n in (1, 2)] + ["fcntl.lockf(1, 2)", "fcntl.fcntl(0, 1024, 1)", "fcntl.fcntl(0, 1026, 1)",
            "fcntl.fcntl(1, 1033, 1)", "fcntl.fcntl(1, 8, 1)", "fcntl.fcntl(1, 10, 9)"]),
    none_of("I17b load of others", "os, time, resource", ["os.getloadavg()", "open('/proc/loadavg')", "open('/proc/meminfo')",
            "time.clock_gettime(-6)", "os.sched_getaffinity(1)", "os.getpriority(0, 1)", "os.getpgid(1)", "os.getsid(1)", "os.statvfs('/')"]),
    ("I18 semaphores", "runtime_error", "import multiprocessing\nmultiprocessing.Semaphore(1)"),
    ("I07 frames on stdout", "ok", "import os\nos.write(1, b'\\x31\\x48\\x54\\x53' * 100)\nos.write(2, bytes(1000))", {}, lambda r: len(str(r["stdout"])) > 0),
]

SIGNAL_CASES = [
    ("S01 SIGTSTP", "wall_limit/ok", "import os, time\nos.kill(os.getpid(), 20)", {"limits": {"wall_ms": 400}}),
    ("S04 all blocked, asleep", "wall_limit", "import signal, time\nsignal.pthread_sigmask(0, signal.valid_signals())\ntime.sleep(1e6)", {"limits": {"wall_ms": 400}}),
    ("S08b groups", "ok", "import os\nfor f in (lambda: os.killpg(0, 9), lambda: os.killpg(1, 9), lambda: os.kill(0, 9), lambda: os.kill(-1, 9)):\n try: f(); print('sent')\n"
     " except OSError: pass", {}, printed("")),
    ("S14 ticking timers", "ok", "import signal\nfor w in (1, 2):\n try: signal.setitimer(w, 1e-6, 1e-6); print('set')\n except OSError: pass", {}, printed("")),
    ("S16 dead at the limit", "runtime_error/cpu_limit", "import os, time\nwhile time.process_time() < .1: pass\nos.kill(os.getpid(), 9)", {"limits": {"cpu_ms": 150}}),
    ("S17 every signal to itself", "ok/runtime_error", "import os, signal\nfor s in range(1, 65):\n if s in (9, 19, 31, 32, 33): continue\n try: signal.signal(s, lambda *a: None); os.kill(os.getpid(), s)\n"
     " except (OSError, ValueError): pass"),
    ("S18 real-time signal", "runtime_error", "import os\nos.kill(os.getpid(), 40)", {}, died_by(40)),
    ("S19 handler that never ends", "cpu_limit", "import signal, os\ndef h(*a):\n while 1: pass\nsignal.signal(10, h)\nos.kill(os.getpid(), 10)", CPU),
    ("S20 queue of signals", "runtime_error/ok", "import signal, os\nsignal.pthread_sigmask(0, [40])\nfor i in range(10000): os.kill(os.getpid(), 40)"),
    ("S21 pidfd", "runtime_error", "import signal, os\nsignal.pidfd_send_signal(os.pidfd_open(os.getpid()), 9)", {}, error_is("OSError")),
    ("S22 alarm", "runtime_error", "import signal\nsignal.alarm(1)\nsignal.pause()", {"limits": {"wall_ms": 5000}}, died_by(14)),
]
