/*
 * The cores that the engine gives to jobs with pin_cores, seen in the terms of its workers.
 */
#define _GNU_SOURCE
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "daemon/engine_state.h"
#include "engine_fixture.h"

#define JOBS     3u
#define JOBS_MAX 128u

static void
start_pinned(struct fixture *fixture)
{
	assert_int_equal(config_set(&fixture->config, "pin_cores=yes", NULL), 0);
	assert_int_equal(config_set(&fixture->config, "running_max=128", NULL), 0);
	engine_fixture_start(fixture);
}

/* The cores of that many running jobs, as the pool has them. */
static void
run_paused(struct fixture *fixture, unsigned count, uint16_t held[WORKERS_MAX])
{
	for (unsigned i = 0; i < count; i++)
		submit(fixture, "pause", 1, i);
	RUN_UNTIL(info(fixture).jobs_running == count);
	assert_int_equal(pool_held_cores(&fixture->engine->pool, held), count);
}

static void
the_terms_name_the_core(void **state)
{
	struct fixture *fixture = *state;
	const struct run_result *result;
	char text[16];
	start_pinned(fixture);
	result = run(fixture, "core");
	assert_int_equal(result->status, STATUS_OK);
	(void)snprintf(text, sizeof(text), "%u", fixture->engine->last_core + 1);
	assert_text(&result->out, text);
}

static void
without_the_setting_they_name_none(void **state)
{
	struct fixture *fixture = *state;
	const struct run_result *result;
	engine_fixture_start(fixture);
	result = run(fixture, "core");
	assert_int_equal(result->status, STATUS_OK);
	assert_text(&result->out, "0");
}

static void
jobs_are_spread(void **state)
{
	struct fixture *fixture = *state;
	uint16_t held[WORKERS_MAX];
	unsigned jobs[CPU_SETSIZE] = {0};
	cpu_set_t cores;
	assert_int_equal(sched_getaffinity(0, sizeof(cores), &cores), 0);
	unsigned least = JOBS / (unsigned)CPU_COUNT(&cores);
	start_pinned(fixture);
	run_paused(fixture, JOBS, held);
	for (unsigned i = 0; i < JOBS; i++)
		jobs[held[i]]++;
	for (unsigned core = 0; core < CPU_SETSIZE; core++)
		if (CPU_ISSET(core, &cores))
			assert_in_range(jobs[core], least, least + 1);
		else
			assert_int_equal(jobs[core], 0);
}

/* Whatever the round would give. */
static void
the_idle_one_is_the_next_jobs(void **state)
{
	struct fixture *fixture = *state;
	const struct cores *cores;
	char core[JOBS_MAX][16], id[JOB_ID_CHARS + 1] = "";
	start_pinned(fixture);
	cores = &fixture->engine->pinning;
	for (unsigned i = 0; i < cores->count; i++) {
		const char *new = submit(fixture, "pause", 1, 1 + i);
		if (i == 0)
			(void)snprintf(id, sizeof(id), "%s", new);
		RUN_UNTIL(info(fixture).jobs_running == i + 1);
		(void)snprintf(core[i], sizeof(core[i]), "%u", fixture->engine->last_core + 1);
	}
	assert_int_equal(engine_cancel(fixture->engine, id, 1, NULL), 0);
	RUN_UNTIL(fixture->results_count == 1);
	for (unsigned i = 0; i < 3; i++) {
		uint64_t ticket = 100 + i;
		submit(fixture, "core", 1, ticket);
		RUN_UNTIL(fixture->told[ticket] == 1);
		assert_text(&fixture->results[ticket].out, core[0]);
	}
}

static void
a_core_that_is_taken_away_gets_no_more(void **state)
{
	struct fixture *fixture = *state;
	uint16_t held[WORKERS_MAX];
	cpu_set_t cores, one;
	start_pinned(fixture);
	assert_int_equal(sched_getaffinity(0, sizeof(cores), &cores), 0);
	for (unsigned core = 0; core < CPU_SETSIZE; core++) {
		if (!CPU_ISSET(core, &cores))
			continue;
		CPU_ZERO(&one); /* the last one is left */
		CPU_SET(core, &one);
	}
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	run_paused(fixture, JOBS, held);
	for (unsigned i = 0; i < JOBS; i++)
		assert_true(CPU_ISSET(held[i], &one));
	assert_int_equal(sched_setaffinity(0, sizeof(cores), &cores), 0);
}

int
main(void)
{
#define TEST(test)                                                                                 \
	cmocka_unit_test_setup_teardown(test, engine_fixture_setup, engine_fixture_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(the_terms_name_the_core),
	    TEST(without_the_setting_they_name_none),
	    TEST(jobs_are_spread),
	    TEST(the_idle_one_is_the_next_jobs),
	    TEST(a_core_that_is_taken_away_gets_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
