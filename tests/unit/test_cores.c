/*
 * Which cores there are and which one a job gets.
 */
#define _GNU_SOURCE
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sched.h>
#include <string.h>

#include "daemon/cores.h"

static const struct cores THREE = {3, {2, 5, 8191}};

static void
the_idle_one_is_taken(void **state)
{
	static const uint16_t HELD[] = {8191, 2};
	(void)state;
	for (unsigned last = 0; last < 9000; last++)
		assert_int_equal(cores_choose(&THREE, HELD, 2, last), 5);
}

static void
all_have_one_before_one_has_two(void **state)
{
	uint16_t held[300];
	unsigned last = 5;
	(void)state;
	for (size_t count = 0; count < 300; count++) {
		unsigned jobs[WORKER_CORES_MAX] = {0};
		last = cores_choose(&THREE, held, count, last);
		held[count] = (uint16_t)last;
		for (size_t i = 0; i <= count; i++)
			jobs[held[i]]++;
		assert_in_range(jobs[2], (count + 1) / 3, (count + 3) / 3);
		assert_in_range(jobs[5], (count + 1) / 3, (count + 3) / 3);
		assert_in_range(jobs[8191], (count + 1) / 3, (count + 3) / 3);
	}
}

static void
among_equals_it_goes_round(void **state)
{
	static const uint16_t HELD[] = {5, 7, 7}; /* 7: gone, but its jobs run on */
	(void)state;
	assert_int_equal(cores_choose(&THREE, NULL, 0, 0), 2);
	assert_int_equal(cores_choose(&THREE, NULL, 0, 2), 5);
	assert_int_equal(cores_choose(&THREE, NULL, 0, 4), 5);
	assert_int_equal(cores_choose(&THREE, NULL, 0, 5), 8191);
	assert_int_equal(cores_choose(&THREE, NULL, 0, 8191), 2);
	assert_int_equal(cores_choose(&THREE, HELD, 3, 2), 8191);
	assert_int_equal(cores_choose(&THREE, HELD, 3, 8191), 2);
}

static void
a_single_one_is_everybodys(void **state)
{
	static const struct cores ONE = {1, {3}};
	static const uint16_t HELD[] = {3, 3, 3};
	(void)state;
	for (unsigned last = 0; last < 6; last++)
		assert_int_equal(cores_choose(&ONE, HELD, 3, last), 3);
}

static void
what_the_process_may_use_is_read(void **state)
{
	static struct cores cores;
	cpu_set_t before, one;
	unsigned count = 0;
	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	assert_int_equal(cores_read(&cores, NULL), 0);
	assert_int_equal(cores.count, CPU_COUNT(&before));
	for (unsigned core = 0; core < CPU_SETSIZE; core++)
		if (CPU_ISSET(core, &before))
			assert_int_equal(cores.numbers[count++], core);
	assert_int_equal(count, cores.count);
	for (unsigned i = 0; i < count; i++) {
		static struct cores all;
		unsigned core;
		assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
		assert_int_equal(cores_read(&all, NULL), 0);
		core = all.numbers[i];
		CPU_ZERO(&one);
		CPU_SET(core, &one);
		assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
		assert_int_equal(cores_read(&cores, NULL), 0);
		assert_int_equal(cores.count, 1);
		assert_int_equal(cores.numbers[0], core);
	}
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_idle_one_is_taken),
	    cmocka_unit_test(all_have_one_before_one_has_two),
	    cmocka_unit_test(among_equals_it_goes_round),
	    cmocka_unit_test(a_single_one_is_everybodys),
	    cmocka_unit_test(what_the_process_may_use_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
