/* Who makes way for whom, and for whom the last ready worker is kept. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "makeway_fixture.h"

/* c's job comes after a's, and is started while a's is not: it was not for want of a turn. */
static void
assert_a_is_held(struct fixture *fixture)
{
	unsigned before = running(fixture);

	keep(fixture);
	submit_of(fixture, 'a');
	submit_of(fixture, 'c');
	RUN_UNTIL(running(fixture) == before + 1);
	assert_int_equal(info(fixture).jobs_queued, 1);
	assert_non_null(pool_ready(&fixture->engine->pool, (struct worker_kind){0, 0}));
	assert_true(makeway_holds_starts(fixture->engine));
	assert_true(makeway_holds_results(fixture->engine));
}

static void
alone_nobody_makes_way(void **state)
{
	struct fixture *fixture = *state;

	begin(fixture, 'a');
	assert_int_equal(fixture->engine->makeway.serial, 0);
	assert_false(makeway_holds_starts(fixture->engine));
	end(fixture);
}

static void
until_that_job_ends(void **state)
{
	struct fixture *fixture = *state;

	begin(fixture, 'b');
	assert_a_is_held(fixture);
	assert_int_equal(fixture->ways_begun, 1);
	assert_int_equal(fixture->ways_over, 0);
	uint64_t since_ns = fixture->engine->makeway.since_ns = engine_now_ns();
	engine_forget_session(fixture->engine, 'b');
	RUN_UNTIL(running(fixture) == 4 && info(fixture).jobs_queued == 0); /* c's, three of a's */
	assert_int_equal(fixture->engine->makeway.serial, 0);
	assert_false(makeway_holds_results(fixture->engine));
	assert_int_equal(fixture->ways_begun, fixture->ways_over);
	uint64_t now_ns = engine_now_ns();
	assert_true(fixture->engine->makeway.free_ns <= now_ns + (now_ns - since_ns));
	end(fixture);
}

static void
or_for_long_enough(void **state)
{
	struct fixture *fixture = *state;

	begin(fixture, 'b');
	assert_a_is_held(fixture);
	wait_long_enough(fixture);
	RUN_UNTIL(running(fixture) == 5);
	assert_int_equal(fixture->engine->makeway.serial, 0);
	assert_int_equal(fixture->ways_begun, 1);
	assert_int_equal(fixture->ways_over, 1);
	assert_false(makeway_holds_results(fixture->engine));
	RUN_UNTIL(info(fixture).workers_ready == READY); /* it is told to whoever makes them */
	end(fixture);
}

static void
large_results_wait_for_less_long(void **state)
{
	struct fixture *fixture = *state;

	begin(fixture, 'b');
	assert_a_is_held(fixture);
	fixture->engine->makeway.since_ns = engine_now_ns() - MAKEWAY_LARGE_MS * NS_PER_MS;
	assert_false(makeway_expire(fixture->engine));
	keep(fixture);
	assert_false(makeway_holds_results(fixture->engine));
	assert_int_equal(fixture->ways_over, 1);
	assert_true(makeway_holds_starts(fixture->engine));
	wait_long_enough(fixture);
	RUN_UNTIL(running(fixture) == 5);
	assert_int_equal(fixture->ways_over, 1);
	end(fixture);
}

/* The job for whom it is may sleep. */
static void
while_the_cores_are_busy(void **state)
{
	struct fixture *fixture = *state;

	begin(fixture, 'b');
	keep(fixture);
	fixture->engine->cores = 4;
	assert_false(makeway_holds_starts(fixture->engine));
	assert_true(makeway_holds_results(fixture->engine)); /* no core waits for those */
	submit_of(fixture, 'a');
	RUN_UNTIL(running(fixture) == 4 && info(fixture).workers_ready == READY);
	submit_of(fixture, 'a');
	RUN_UNTIL(running(fixture) == 5);
	assert_a_is_held(fixture);
	end(fixture);
}

static void
for_half_of_the_time_at_most(void **state)
{
	struct fixture *fixture = *state;

	begin(fixture, 'b');
	keep(fixture);
	wait_long_enough(fixture);
	RUN_UNTIL(fixture->engine->makeway.serial == 0);
	assert_true(fixture->engine->makeway.free_ns >=
		    fixture->engine->makeway.since_ns + 2 * MAKEWAY_MS * NS_PER_MS);
	fixture->engine->makeway.free_ns = engine_now_ns() + 3600 * NS_PER_S;
	submit_of(fixture, 'c');
	RUN_UNTIL(running(fixture) == 4);
	assert_int_equal(fixture->engine->makeway.serial, 0);
	fixture->engine->makeway.free_ns = engine_now_ns();
	submit_of(fixture, 'd');
	RUN_UNTIL(running(fixture) == 5);
	assert_int_not_equal(fixture->engine->makeway.serial, 0);
	end(fixture);
}

/* Who has nothing running, and the one for whom it is, are not held. */
static void
only_who_has_more(void **state)
{
	struct fixture *fixture = *state;

	begin(fixture, 'b');
	keep(fixture);
	submit_of(fixture, 'b');
	submit_of(fixture, 'c');
	submit_of(fixture, 'd');
	RUN_UNTIL(running(fixture) == 6);
	end(fixture);
}

/* All ready ones are taken, and e's job is not one that is held. */
static void
workers_are_made_when_another_waits(void **state)
{
	struct fixture *fixture = *state;

	begin(fixture, 'b');
	keep(fixture);
	for (char tenant = 'c'; tenant < 'c' + (char)READY; tenant++)
		submit_of(fixture, tenant);
	RUN_UNTIL(running(fixture) == 3 + READY);
	end(fixture);
}

static void
not_when_cores_are_not_shared(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(config_set(&fixture->config, "share_cores=no", NULL), 0);
	begin(fixture, 'b');
	assert_int_equal(fixture->engine->makeway.serial, 0);
	end(fixture);
}

/* Nothing of a's runs, but it had the last turn and has more than one to start: it waits until two
 * are ready. */
static void
the_last_ready_one_is_not_for_who_goes_on(void **state)
{
	struct fixture *fixture = *state;
	struct engine *engine;

	assert_int_equal(config_set(&fixture->config, "running_max=16", NULL), 0);
	assert_int_equal(config_set(&fixture->config, "workers_ready=4", NULL), 0);
	engine_fixture_start(fixture);
	engine = fixture->engine;
	RUN_UNTIL(info(fixture).workers_ready == READY);
	for (unsigned i = 0; i < READY - 1; i++)
		submit_of(fixture, 'b');
	RUN_UNTIL(running(fixture) == READY - 1 && pool_count(&engine->pool, WORKER_STARTING) > 0);
	submit_of(fixture, 'a');
	submit_of(fixture, 'a');
	engine->tenants_ns = engine_now_ns();
	engine->last_tenant =
	    heap_item(heap_first(&engine->queue.pick.active), struct pick_tenant, active);
	/* Both at once, if all that are coming come in one turn of the loop. */
	RUN_UNTIL(running(fixture) >= READY);
	assert_true(info(fixture).workers_ready >= 1);
	end(fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(alone_nobody_makes_way, engine_fixture_setup,
					    engine_fixture_teardown),
	    cmocka_unit_test_setup_teardown(until_that_job_ends, engine_fixture_setup,
					    engine_fixture_teardown),
	    cmocka_unit_test_setup_teardown(or_for_long_enough, engine_fixture_setup,
					    engine_fixture_teardown),
	    cmocka_unit_test_setup_teardown(large_results_wait_for_less_long, engine_fixture_setup,
					    engine_fixture_teardown),
	    cmocka_unit_test_setup_teardown(while_the_cores_are_busy, engine_fixture_setup,
					    engine_fixture_teardown),
	    cmocka_unit_test_setup_teardown(for_half_of_the_time_at_most, engine_fixture_setup,
					    engine_fixture_teardown),
	    cmocka_unit_test_setup_teardown(only_who_has_more, engine_fixture_setup,
					    engine_fixture_teardown),
	    cmocka_unit_test_setup_teardown(workers_are_made_when_another_waits,
					    engine_fixture_setup, engine_fixture_teardown),
	    cmocka_unit_test_setup_teardown(the_last_ready_one_is_not_for_who_goes_on,
					    engine_fixture_setup, engine_fixture_teardown),
	    cmocka_unit_test_setup_teardown(not_when_cores_are_not_shared, engine_fixture_setup,
					    engine_fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
