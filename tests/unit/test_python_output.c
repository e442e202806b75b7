/*
 * Caps and stops of the output streams, line buffering for a watched job, and what hostile use of
 * the objects leads to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/output_harness.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static void
expect_exit(const struct harness_run *run, int code)
{
	assert_true(WIFEXITED(run->status));
	assert_int_equal(WEXITSTATUS(run->status), code);
}

/* Programs that print the digits 0123456789 again and again, each in its own way. */
static const char *const ENDLESS[] = {
    "while True: print('0123456789', end='')\n",
    "import sys\nwhile True: sys.stdout.buffer.write(b'0123456789')\n",
    "print('0123456789' * 10000000)\n",
    "import sys\nsys.stdout.buffer.write(b'0123456789' * 1000000)\n",
    "import sys\nwhile True: sys.stdout.write('0123456789' * 700)\n",
    "import sys\nwhile True: print('0123456789', end='', flush=True)\n",
    "import sys\nsys.stdout.reconfigure(encoding='latin-1')\nprint('0123456789' * 100000)\n",
    "import os\nprint('01234', end='', flush=True)\nos.write(1, b'5678901234' * 1000000)\n"
    "print('x', flush=True)\n",
    "import os\nos.write(1, b'0123456789' * 100000)\n",
    "try:\n  while True: print('0123456789', end='')\nexcept BaseException: print('caught')\n"
    "finally: print('finally')\n",
    "import atexit, sys\natexit.register(print, 'x')\nsys.exit = None\n"
    "class D:\n  def __del__(self): print('x')\nd = D()\n"
    "def f():\n  while True: print('0123456789', end='')\nf()\n",
    "import threading\n"
    "def f():\n  while True: print('0123456789', end='')\n"
    "t = threading.Thread(target=f); t.start(); t.join()\n",
    "class E:\n  def __str__(self): return '0123456789' * 1000\n"
    "while True: print(E(), end='')\n",
};

static void
expect_digits(const struct bytes *bytes, size_t wanted)
{
	assert_int_equal(bytes->size, wanted);
	for (size_t i = 0; i < wanted; i++)
		if (bytes->data[i] != '0' + i % 10)
			fail_msg("byte %zu is %d", i, bytes->data[i]);
}

static void
test_cap_is_exact(void **state)
{
	static const uint64_t CAPS[] = {1, 5, 4096, 10000, 65537, 500000};

	for (size_t i = 0; i < sizeof(ENDLESS) / sizeof(ENDLESS[0]); i++) {
		for (size_t j = 0; j < sizeof(CAPS) / sizeof(CAPS[0]); j++) {
			struct harness_run run;

			harness_run(ENDLESS[i], CAPS[j], 1000, 0, &run);
			expect_exit(&run, 1);
			assert_int_equal(run.reason, REASON_OUTPUT_LIMIT);
			assert_int_equal(run.detail, 1);
			assert_true(run.out_truncated);
			expect_digits(&run.out, CAPS[j]);
			assert_int_equal(run.err.size, 0);
			harness_run_deinit(&run);
		}
	}
}

static void
test_wide_characters_at_the_cap(void **state)
{
	static const char EURO[] = "\xe2\x82\xac";
	struct harness_run run;

	harness_run("print('\\u20ac' * 5000000)\n", 100001, 1000, 0, &run);
	expect_exit(&run, 1);
	assert_int_equal(run.out.size, 100001);
	for (size_t i = 0; i < run.out.size; i++)
		assert_int_equal((char)run.out.data[i], EURO[i % 3]);
	harness_run_deinit(&run);
}

static void
test_full_but_not_over(void **state)
{
	struct harness_run run;

	harness_run("print('x' * 9999)\n", 10000, 1000, 0, &run);
	expect_exit(&run, 0);
	assert_int_equal(run.reason, REASON_NONE);
	assert_int_equal(run.out.size, 10000);
	assert_false(run.out_truncated);
	harness_run_deinit(&run);
}

static void
test_stderr_cap(void **state)
{
	struct harness_run run;

	harness_run("import sys\nprint('kept')\nsys.stderr.write('0123456789' * 200)\n", 10000,
		    1234, 0, &run);
	expect_exit(&run, 1);
	assert_int_equal(run.reason, REASON_OUTPUT_LIMIT);
	assert_int_equal(run.detail, 2);
	expect_digits(&run.err, 1234);
	assert_true(run.err_truncated);
	assert_int_equal(run.out.size, 5);
	assert_memory_equal(run.out.data, "kept\n", 5);
	harness_run_deinit(&run);
}

/* Closing, detaching and replacing do not get around the cap. */
static void
test_cap_after_tricks(void **state)
{
	static const char *const TRICKS[] = {
	    "import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.detach())\n",
	    "import io, sys\nsys.stdout = open(1, 'w', closefd=False)\n",
	    ("import sys\nsys.stdout.reconfigure(encoding='utf-16-le')\n"
	     "sys.stdout.reconfigure(encoding='utf-8')\n"),
	    "import sys\nsys.stdout.reconfigure(newline='\\r\\n')\n",
	    "import sys\nsys.stdout.reconfigure(write_through=True)\n",
	};

	for (size_t i = 0; i < sizeof(TRICKS) / sizeof(TRICKS[0]); i++) {
		struct harness_run run;
		char source[512];

		(void)snprintf(source, sizeof(source), "%sprint('0123456789' * 50000, end='')\n",
			       TRICKS[i]);
		harness_run(source, 7777, 1000, 0, &run);
		expect_digits(&run.out, 7777);
		assert_true(run.out_truncated);
		assert_int_equal(run.reason, REASON_OUTPUT_LIMIT);
		harness_run_deinit(&run);
	}
}

static void
test_watched_job_is_line_buffered(void **state)
{
	struct harness_job job;
	struct harness_run run;

	harness_job_start("import sys, _probe\n"
			  "print('line')\n"
			  "print('half', end='')\n"
			  "_probe.step(1 + sys.stdout.line_buffering)\n"
			  "while True: pass\n",
			  1000, TERMS_STREAM, &job);
	while (*job.progress == 0)
		(void)sched_yield();
	assert_int_equal(*job.progress, 2);
	harness_job_kill(&job, &run);
	assert_int_equal(run.file_bytes, 5);
	assert_int_equal(run.out.size, 9);
	assert_memory_equal(run.out.data, "line\nhalf", 9);
	harness_run_deinit(&run);
}

/* Whatever a program does to the objects, it ends in the ordinary way. */
static const char *const ODD[] = {
    "import sys\nt = type(sys.stdout)\no = t.__new__(t)\n"
    "for n in ('write', 'flush', 'detach', 'close', 'reconfigure', 'tell', 'buffer', 'name'):\n"
    "  try: f = getattr(o, n); f('x') if n == 'write' else f()\n"
    "  except Exception: pass\n"
    "del o\n"
    "t = type(sys.stdout.buffer)\no = t.__new__(t)\n"
    "for n in ('write', 'flush', 'detach', 'close', 'tell', 'seek', 'truncate', 'raw'):\n"
    "  try: f = getattr(o, n); f(b'x') if n == 'write' else f()\n"
    "  except Exception: pass\n",
    "import sys\n"
    "class T(type(sys.stdout)):\n"
    "  def write(self, s): self.flush(); return super().write(s)\n"
    "  def flush(self): print('nested', file=sys.__stderr__); return super().flush()\n"
    "  @property\n"
    "  def closed(self): raise RuntimeError\n"
    "t = T(sys.stdout.buffer)\n"
    "try: print('x', file=t)\n"
    "except RuntimeError: pass\n"
    "del t\n",
    "import sys\n"
    "class W:\n"
    "  def write(self, s): sys.stdout = self; print(s)\n"
    "  def flush(self): sys.stdout.flush()\n"
    "  @property\n"
    "  def closed(self): raise SystemError\n"
    "sys.stdout = W()\n"
    "try: print('deep')\n"
    "except RecursionError: pass\n"
    "sys.stdout = sys.__stdout__\n",
    "import sys\n"
    "for f in (sys.stdout, sys.stderr, sys.stdout.buffer, sys.stderr.buffer):\n"
    "  for n in dir(f):\n"
    "    if n in ('close', 'detach', '__del__', '__exit__', '__init__'): continue\n"
    "    for a in ((), (1,), ('x',), (b'x',), (None, None), (1, 2, 3)):\n"
    "      try: getattr(f, n)(*a)\n"
    "      except Exception: pass\n",
    "import sys, gc\n"
    "class D:\n"
    "  def __del__(self): print('del'); sys.stdout.flush()\n"
    "for i in range(100):\n"
    "  d = D(); d.self = d\n"
    "  print(i)\n"
    "gc.collect()\n",
    "import sys\n"
    "class S(bytes): pass\n"
    "class E:\n"
    "  def encode(self, *a): sys.stdout.close(); return b'x'\n"
    "import codecs\n"
    "codecs.register(lambda n: codecs.CodecInfo(None, None, incrementalencoder=lambda e: E(),\n"
    "  incrementaldecoder=lambda e: E(), name='odd') if n == 'odd' else None)\n"
    "try: sys.stdout.reconfigure(encoding='odd'); print('y')\n"
    "except Exception: pass\n",
    "import sys\ndel sys.stdout, sys.__stdout__, sys.stderr, sys.__stderr__\n"
    "import gc; gc.collect()\n",
    "import sys, threading\n"
    "def f():\n"
    "  for i in range(200): print(i); sys.stdout.buffer.write(b'x'); sys.stdout.flush()\n"
    "ts = [threading.Thread(target=f) for i in range(8)]\n"
    "[t.start() for t in ts]; [t.join() for t in ts]\n",
    "import sys\nb = bytearray(b'x' * 100000)\n"
    "m = memoryview(b)\nsys.stdout.buffer.write(m); "
    "sys.stdout.buffer.write(m[:10])\nm.release()\nb.clear()\n",
    "import sys\nw = sys.stdout.write\nsys.stdout.close()\n"
    "try: w('x')\nexcept ValueError: pass\n",
};

static void
test_odd_use(void **state)
{
	for (size_t i = 0; i < sizeof(ODD) / sizeof(ODD[0]); i++) {
		struct harness_run run;

		harness_run(ODD[i], HARNESS_CAP_BYTES, HARNESS_CAP_BYTES, 0, &run);
		if (!WIFEXITED(run.status) || WEXITSTATUS(run.status) != 0)
			fail_msg("program %zu: status 0x%x: %.*s", i, run.status, (int)run.err.size,
				 run.err.data ? (const char *)run.err.data : "");
		harness_run_deinit(&run);
	}
}

/* A print of 100 MB in a process that has little more memory than its text. */
static void
test_no_second_copy(void **state)
{
	struct harness_run run;

	harness_run("import resource\n"
		    "s = 'x' * 100000000\n"
		    "with open('/proc/self/statm') as f: n = int(f.read().split()[5]) * 4096\n"
		    "resource.setrlimit(resource.RLIMIT_DATA, (n + 8000000, n + 8000000))\n"
		    "resource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40))\n"
		    "print(s)\n",
		    128u << 20, 1000, 0, &run);
	expect_exit(&run, 0);
	assert_int_equal(run.out.size, 100000001);
	harness_run_deinit(&run);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cap_is_exact),
	    cmocka_unit_test(test_wide_characters_at_the_cap),
	    cmocka_unit_test(test_full_but_not_over),
	    cmocka_unit_test(test_stderr_cap),
	    cmocka_unit_test(test_cap_after_tricks),
	    cmocka_unit_test(test_watched_job_is_line_buffered),
	    cmocka_unit_test(test_odd_use),
	    cmocka_unit_test(test_no_second_copy),
	};

	return cmocka_run_group_tests_name("output streams", tests, harness_start, harness_end);
}
