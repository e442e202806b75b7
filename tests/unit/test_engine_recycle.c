/*
 * Generations one after another: jobs meet no gap, two live at most, a successor that fails leaves
 * its predecessor in its place.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>

#include "engine_fixture.h"

#define JOBS_MAX "generation_jobs_max=8"
#define JOBS_DUE 7u

static int
setup(void **state)
{
	(void)engine_fixture_setup(state);
	struct fixture *fixture = *state;
	assert_int_equal(config_set(&fixture->config, JOBS_MAX, NULL), 0);
	engine_fixture_start(fixture);
	return 0;
}

static void
submit_many(struct fixture *fixture, unsigned first, unsigned count)
{
	for (unsigned i = first; i < first + count; i++)
		submit(fixture, "out fine", 1, i);
}

static void
check_all_ok(struct fixture *fixture, unsigned count)
{
	RUN_UNTIL(fixture->results_count == count);
	for (unsigned i = 0; i < count; i++) {
		assert_int_equal(fixture->told[i], 1);
		assert_int_equal(fixture->results[i].status, STATUS_OK);
		assert_text(&fixture->results[i].out, "fine");
	}
}

static void
test_replaced_after_jobs(void **state)
{
	struct fixture *fixture = *state;
	struct fake_shared *shared = fixture->fake.shared;
	submit_many(fixture, 0, JOBS_DUE - 1);
	check_all_ok(fixture, JOBS_DUE - 1);
	assert_int_equal(info(fixture).generation, 1);
	submit_many(fixture, JOBS_DUE - 1, 1);
	RUN_UNTIL(info(fixture).generation == 2 && shared->live == 1);
	check_all_ok(fixture, JOBS_DUE);
	assert_int_equal(shared->live_max, 2);
	assert_int_equal(shared->zygotes[1], 0);
	RUN_UNTIL(info(fixture).workers_ready == 3);
	assert_int_equal(info(fixture).workers_failed, 0);
	assert_int_equal(fixture->ready, 1);
	assert_int_equal(fixture->fatal, 0);
}

static void
test_running_job_keeps_its_generation(void **state)
{
	struct fixture *fixture = *state;
	struct fake_shared *shared = fixture->fake.shared;
	const char *id = submit(fixture, "out first;pause", 1, 100);
	char kept[JOB_ID_CHARS + 1];
	(void)snprintf(kept, sizeof(kept), "%s", id);
	submit_many(fixture, 0, JOBS_DUE);
	check_all_ok(fixture, JOBS_DUE);
	RUN_UNTIL(info(fixture).generation == 2 && info(fixture).workers_ready == 3);
	submit_many(fixture, JOBS_DUE, 2 * JOBS_DUE);
	check_all_ok(fixture, 3 * JOBS_DUE);
	/* The third waits for the first: never more than two. */
	assert_int_equal(shared->live, 2);
	assert_int_not_equal(shared->zygotes[1], 0);
	assert_int_equal(engine_cancel(fixture->engine, kept, 1, NULL), 0);
	RUN_UNTIL(fixture->told[100]);
	assert_int_equal(fixture->results[100].status, STATUS_CANCELLED);
	assert_text(&fixture->results[100].out, "first");
	RUN_UNTIL(info(fixture).generation == 3 && shared->live == 1);
	assert_int_equal(shared->live_max, 2);
	assert_int_equal(fixture->fatal, 0);
}

/* The spawner cannot start it, twice: the old one serves, and the third attempt succeeds. */
static void
test_successor_cannot_start(void **state)
{
	struct fixture *fixture = *state;
	struct fake_shared *shared = fixture->fake.shared;
	RUN_UNTIL(fixture->ready);
	shared->fail_starts = 1;
	submit_many(fixture, 0, JOBS_DUE);
	check_all_ok(fixture, JOBS_DUE);
	RUN_UNTIL(shared->fail_starts == 0);
	submit_many(fixture, JOBS_DUE, 4);
	check_all_ok(fixture, JOBS_DUE + 4);
	RUN_UNTIL(info(fixture).generation == 3 && shared->live == 1);
	assert_int_equal(fixture->fatal, 0);
}

/* Its zygote forks, but it refuses every fork: it is given up before it had a job. */
static void
test_successor_has_no_workers(void **state)
{
	struct fixture *fixture = *state;
	struct fake_shared *shared = fixture->fake.shared;
	shared->barren = 2;
	submit_many(fixture, 0, JOBS_DUE);
	check_all_ok(fixture, JOBS_DUE);
	RUN_UNTIL(info(fixture).workers_failed > 0);
	assert_int_equal(info(fixture).generation, 1);
	RUN_UNTIL(shared->live == 1);
	submit_many(fixture, JOBS_DUE, 4);
	check_all_ok(fixture, JOBS_DUE + 4);
	RUN_UNTIL(info(fixture).generation == 3 && shared->live == 1);
	assert_int_equal(fixture->fatal, 0);
}

/* The old one dies while its successor gets ready: what ran is lost, what waits runs. */
static void
test_predecessor_dies(void **state)
{
	struct fixture *fixture = *state;
	struct fake_shared *shared = fixture->fake.shared;
	submit(fixture, "pause", 1, 100);
	submit_many(fixture, 0, JOBS_DUE);
	RUN_UNTIL(shared->live == 2);
	assert_int_equal(kill(shared->zygotes[1], SIGKILL), 0);
	RUN_UNTIL(fixture->told[100]);
	assert_int_equal(fixture->results[100].status, STATUS_INTERNAL_ERROR);
	submit(fixture, "out fine", 1, 101);
	RUN_UNTIL(fixture->told[101]);
	assert_int_equal(fixture->results[101].status, STATUS_OK);
	RUN_UNTIL(shared->live == 1);
	assert_int_equal(fixture->fatal, 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, engine_fixture_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_replaced_after_jobs),    TEST(test_running_job_keeps_its_generation),
	    TEST(test_successor_cannot_start), TEST(test_successor_has_no_workers),
	    TEST(test_predecessor_dies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
