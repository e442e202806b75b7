/*
 * Programs that print numbered lines in several ways are killed at arbitrary moments, some hundred
 * times; what is collected must hold each completed line once and nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/output_harness.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define ROUNDS           200
#define ROUNDS_SANITIZED 50 /* each takes four times as long */

static unsigned
rounds(void)
{
	return getenv("STINT_SANITIZED") ? ROUNDS_SANITIZED : ROUNDS;
}

/* Lines in one order: whoever writes next flushes what the one before held back. */
static const char ORDERED[] =
    "import os, sys, _probe\n"
    "o = sys.stdout; b = o.buffer; i = 0\n"
    "pad = 'x' * 9000\n"
    "while True:\n"
    "    k = i % 41; s = '%d %s\\n' % (i, pad[:i * 7919 % (10 if k < 37 else 9000)])\n"
    "    if k % 10 == 7: o.flush(); b.write(s.encode())\n"
    "    elif k % 10 == 9: o.flush(); os.write(1, s.encode())\n"
    "    elif k % 10 == 8: b.flush(); o.write(s)\n"
    "    else: print(s, end='')\n"
    "    i += 1; _probe.step(i)\n";

/* Three series side by side, in the order that the levels give them. */
static const char SIDE_BY_SIDE[] = "import os, sys, _probe\n"
				   "o = sys.stdout; b = o.buffer; i = 0\n"
				   "pad = 'x' * 9000\n"
				   "while True:\n"
				   "    p = pad[:i * 7919 % (9000 if i % 29 == 0 else 50)]\n"
				   "    o.write('T%d %s\\n' % (i, p))\n"
				   "    b.write(b'B%d %s\\n' % (i, p.encode()))\n"
				   "    os.write(1, b'R%d %s\\n' % (i, p.encode()))\n"
				   "    i += 1; _probe.step(i)\n";

static void
wait_and_kill(const char *source, uint64_t target, unsigned spins, uint64_t *ret_done,
	      struct harness_run *ret_run)
{
	struct harness_job job;

	harness_job_start(source, 1u << 30, 0, &job);
	while (*job.progress < target)
		(void)sched_yield();
	for (volatile unsigned i = 0; i < spins; i++)
		;
	harness_job_kill(&job, ret_run);
	*ret_done = ret_run->progress;
	assert_true(WIFSIGNALED(ret_run->status));
}

/* Match "<prefix><number> xxx\n" at `at`: its size, and whether it is whole. */
static size_t
line(const struct bytes *out, size_t at, const char *prefix, uint64_t number, bool *ret_whole)
{
	const uint8_t *p = out->data + at, *end = out->data + out->size;
	char wanted[32];

	(void)snprintf(wanted, sizeof(wanted), "%s%llu ", prefix, (unsigned long long)number);
	for (const char *w = wanted; *w != '\0' && p < end && *p == (uint8_t)*w; w++)
		p++;
	if (p[-1] == ' ')
		while (p < end && *p == 'x')
			p++;
	*ret_whole = p < end && *p == '\n' && (p[-1] == 'x' || p[-1] == ' ');
	return (size_t)(p - out->data) - at + *ret_whole;
}

static void
test_ordered(void **state)
{
	for (unsigned round = 0; round < rounds(); round++) {
		struct harness_run run;
		uint64_t done, number = 0;
		bool whole = true;
		size_t at = 0;

		wait_and_kill(ORDERED, (uint64_t)rand() % 3000, (unsigned)rand() % 20000, &done,
			      &run);
		while (at < run.out.size && whole) {
			at += line(&run.out, at, "", number, &whole);
			number += whole;
		}
		assert_int_equal(at, run.out.size);
		assert_true(number >= done);
		assert_true(number <= done + 1);
		harness_run_deinit(&run);
	}
}

static void
test_side_by_side(void **state)
{
	for (unsigned round = 0; round < rounds(); round++) {
		uint64_t numbers[3] = {0, 0, 0}, done;
		struct harness_run run;
		unsigned cuts = 0;
		size_t at = 0;

		wait_and_kill(SIDE_BY_SIDE, (uint64_t)rand() % 1500, (unsigned)rand() % 20000,
			      &done, &run);
		while (at < run.out.size) {
			const char *prefix = run.out.data[at] == 'T'   ? "T"
					     : run.out.data[at] == 'B' ? "B"
								       : "R";
			uint64_t *number = &numbers[prefix[0] == 'T'   ? 0
						    : prefix[0] == 'B' ? 1
								       : 2];
			bool whole;

			size_t size = line(&run.out, at, prefix, *number, &whole);

			/* A write that the kill cut short ends the file; the levels follow. */
			assert_true(size > 0);
			at += size;
			*number += whole;
			cuts += !whole;
		}
		assert_true(cuts <= 1);
		for (int i = 0; i < 3; i++) {
			assert_true(numbers[i] >= done);
			assert_true(numbers[i] <= done + 1);
		}
		harness_run_deinit(&run);
	}
}

/* What a line without an end, on either stream, has when its process dies. */
static void
test_unfinished_lines(void **state)
{
	struct harness_job job;
	struct harness_run run;

	harness_job_start("import sys, _probe\n"
			  "print('out', end='')\n"
			  "sys.stdout.buffer.write(b'bytes')\n"
			  "print('err', end='', file=sys.stderr)\n"
			  "_probe.step(1)\n"
			  "while True: pass\n",
			  1000, 0, &job);
	while (*job.progress == 0)
		(void)sched_yield();
	harness_job_kill(&job, &run);
	assert_int_equal(run.file_bytes, 0);
	assert_int_equal(run.out.size, 8);
	assert_memory_equal(run.out.data, "bytesout", 8);
	assert_int_equal(run.err.size, 3);
	assert_memory_equal(run.err.data, "err", 3);
	harness_run_deinit(&run);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ordered),
	    cmocka_unit_test(test_side_by_side),
	    cmocka_unit_test(test_unfinished_lines),
	};

	return cmocka_run_group_tests_name("output after a kill", tests, harness_start,
					   harness_end);
}
