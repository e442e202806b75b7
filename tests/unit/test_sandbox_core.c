/*
 * A worker's step that binds it to a core, each time in a process of its own, against the kernel.
 */
#define _GNU_SOURCE
#include "worker/sandbox.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

/* What it returns, and the cores of the process then. */
struct outcome {
	int result;
	cpu_set_t cores;
};

static struct outcome
take(uint64_t core)
{
	struct outcome outcome;
	int ends[2], status;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		outcome.result = sandbox_core_take(core);
		if (sched_getaffinity(0, sizeof(outcome.cores), &outcome.cores) < 0 ||
		    write(ends[1], &outcome, sizeof(outcome)) != sizeof(outcome))
			_exit(1);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(read(ends[0], &outcome, sizeof(outcome)), sizeof(outcome));
	(void)close(ends[0]);
	(void)close(ends[1]);
	return outcome;
}

static void
each_core_that_it_has_can_be_taken(void **state)
{
	cpu_set_t all;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	for (unsigned core = 0; core < CPU_SETSIZE; core++) {
		struct outcome outcome;

		if (!CPU_ISSET(core, &all))
			continue;
		outcome = take(core + 1);
		assert_int_equal(outcome.result, 0);
		assert_int_equal(CPU_COUNT(&outcome.cores), 1);
		assert_true(CPU_ISSET(core, &outcome.cores));
	}
}

static void
without_one_nothing_is_changed(void **state)
{
	struct outcome outcome = take(0);
	cpu_set_t all;

	(void)state;
	assert_int_equal(outcome.result, 0);
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	assert_true(CPU_EQUAL(&all, &outcome.cores));
}

static void
one_that_is_not_there_is_an_error(void **state)
{
	struct outcome outcome = take(WORKER_CORES_MAX);

	(void)state;
	assert_true(outcome.result < 0); /* no machine of a test has that many */
	assert_int_equal(take(WORKER_CORES_MAX + 1).result, -ERANGE);
	assert_int_equal(take(UINT64_MAX).result, -ERANGE);
}

static void
the_first_is_told(void **state)
{
	cpu_set_t all;
	uint64_t first = sandbox_core_first();

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	assert_true(first >= 1 && CPU_ISSET(first - 1, &all));
	for (uint64_t core = 0; core + 1 < first; core++)
		assert_false(CPU_ISSET(core, &all));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_core_that_it_has_can_be_taken),
	    cmocka_unit_test(without_one_nothing_is_changed),
	    cmocka_unit_test(one_that_is_not_there_is_an_error),
	    cmocka_unit_test(the_first_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
