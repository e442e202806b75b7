/* Who makes way for whom, and for whom the last ready worker is kept, in an engine with the fake
 * workers. The clock is the machine's: where it
 * would decide, the time at which the rule began is moved. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/engine_state.h"
#include "daemon/makeway.h"
#include "engine_fixture.h"
#include "daemon/pause.h"
#include "protocol/base_clock.h"
#include "protocol/base_sys.h"

#define READY 4u

/* A job that runs until it is cancelled, of a tenant and of the session that is named the same. */
static void
submit_of(struct fixture *fixture, char tenant)
{
	static uint64_t ticket;
	struct tenant_terms terms = TEST_TERMS;
	struct engine_owner owner = {(uint64_t)tenant, ticket++, &terms, NULL, NULL};
	struct engine_refusal refusal;
	struct run_request request;
	char id[JOB_ID_CHARS + 1];

	(void)snprintf(terms.name, sizeof(terms.name), "%c", tenant);
	terms.values[TENANT_SETTING_weight] = tenant == 'b' ? 3 : 1;
	make_request(&request, "pause");
	assert_int_equal(engine_submit(fixture->engine, &request, &owner, id, &refusal, NULL), 0);
	engine_later(fixture->engine); /* a turn of the loop, as after a client's message */
}

/* It does not end by the clock. */
static void
keep(struct fixture *fixture)
{
	assert_int_not_equal(fixture->engine->makeway.serial, 0);
	fixture->engine->makeway.since_ns = engine_now_ns() + 3600 * NS_PER_S;
}

static void
wait_long_enough(struct fixture *fixture)
{
	fixture->engine->makeway.since_ns = engine_now_ns() - MAKEWAY_MS * NS_PER_MS;
	alarm_set(fixture->engine->makeway_alarm, 0);
}

static unsigned
running(struct fixture *fixture)
{
	return (unsigned)info(fixture).jobs_running;
}

/* Two jobs of a's, and `for_whom` beside them: others make way. */
static void
begin(struct fixture *fixture, char for_whom)
{
	assert_int_equal(config_set(&fixture->config, "running_max=16", NULL), 0);
	assert_int_equal(config_set(&fixture->config, "workers_ready=4", NULL), 0);
	engine_fixture_start(fixture);
	fixture->engine->cores = 2;
	submit_of(fixture, 'a');
	submit_of(fixture, 'a');
	RUN_UNTIL(running(fixture) == 2 && info(fixture).workers_ready == READY);
	assert_int_equal(fixture->engine->makeway.serial, 0);
	submit_of(fixture, for_whom);
	RUN_UNTIL(running(fixture) == 3);
}

static void
end(struct fixture *fixture)
{
	for (char tenant = 'a'; tenant < 'a' + 8; tenant++)
		engine_forget_session(fixture->engine, (uint64_t)tenant);
	RUN_UNTIL(info(fixture).jobs_queued + info(fixture).jobs_running == 0);
}

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

/* What the kernel would be told of the groups of a's two jobs. */
static int freeze_fds[2];

static void
begin_with_groups(struct fixture *fixture, char for_whom)
{
	unsigned i = 0;

	begin(fixture, 'a');
	engine_forget_session(fixture->engine, 'a');
	RUN_UNTIL(running(fixture) == 0 && info(fixture).workers_ready == READY);
	submit_of(fixture, 'a');
	submit_of(fixture, 'a');
	RUN_UNTIL(running(fixture) == 2 && info(fixture).workers_ready == READY);
	LIST_FOREACH (&fixture->engine->pool.workers[WORKER_BUSY], link) {
		struct worker *worker = list_item(link, struct worker, link);

		assert_true(i < 2);
		freeze_fds[i] = memfd_create("freeze", MFD_CLOEXEC);
		worker->leaf.freeze = fcntl(freeze_fds[i++], F_DUPFD_CLOEXEC, 3);
	}
	assert_int_equal(i, 2);
	if (for_whom == '-')
		return;
	submit_of(fixture, for_whom);
	RUN_UNTIL(running(fixture) == 3);
	keep(fixture);
}

static void
end_with_groups(struct fixture *fixture)
{
	end(fixture);
	for (unsigned i = 0; i < 2; i++)
		base_close(&freeze_fds[i]);
}

/* '-': it was never told. */
static char
told_of(unsigned i)
{
	char text[16];

	return pread(freeze_fds[i], text, sizeof(text), 0) > 0 ? text[0] : '-';
}

static void
jobs_stand_still_until_it_has_its_answer(void **state)
{
	struct fixture *fixture = *state;

	begin_with_groups(fixture, 'b');
	assert_int_equal(told_of(0), '1');
	assert_int_equal(told_of(1), '1');
	assert_int_equal(info(fixture).jobs_running, 3);
	engine_forget_session(fixture->engine, 'b');
	RUN_UNTIL(running(fixture) == 2);
	assert_int_equal(fixture->engine->makeway.ended_ns == 0, 0);
	assert_int_equal(told_of(0), '1');
	fixture->engine->makeway.since_ns = engine_now_ns();
	RUN_UNTIL(fixture->engine->makeway.serial == 0);
	assert_int_equal(told_of(0), '0');
	assert_int_equal(told_of(1), '0');
	assert_int_equal(fixture->engine->paused.since_ns, 0);
	end_with_groups(fixture);
}

static void
jobs_stand_still_for_less_long(void **state)
{
	struct fixture *fixture = *state;

	begin_with_groups(fixture, 'b');
	fixture->engine->makeway.since_ns = engine_now_ns() - PAUSE_MS * NS_PER_MS;
	assert_false(makeway_expire(fixture->engine));
	keep(fixture);
	assert_int_equal(told_of(0), '0');
	assert_int_equal(told_of(1), '0');
	assert_true(makeway_holds_starts(fixture->engine));
	assert_true(makeway_holds_results(fixture->engine));
	end_with_groups(fixture);
}

static void
where_there_are_cores_they_go_on(void **state)
{
	struct fixture *fixture = *state;

	begin_with_groups(fixture, '-');
	fixture->engine->cores = 3;
	submit_of(fixture, 'b');
	RUN_UNTIL(running(fixture) == 3);
	assert_int_equal((told_of(0) == '1') + (told_of(1) == '1'), 1);
	assert_int_equal((told_of(0) == '-') + (told_of(1) == '-'), 1);
	keep(fixture);
	end_with_groups(fixture);
}

static void
for_a_sixth_of_the_time_at_most(void **state)
{
	struct fixture *fixture = *state;
	uint64_t since_ns;

	begin_with_groups(fixture, 'b');
	since_ns = fixture->engine->paused.since_ns;
	wait_long_enough(fixture);
	RUN_UNTIL(fixture->engine->makeway.serial == 0);
	uint64_t ended_ns = engine_now_ns();
	assert_true(fixture->engine->paused.free_ns > since_ns);
	assert_true(fixture->engine->paused.free_ns <=
		    ended_ns + PAUSE_FREE_TIMES * (ended_ns - since_ns));
	fixture->engine->paused.free_ns = engine_now_ns() + 3600 * NS_PER_S;
	fixture->engine->makeway.free_ns = engine_now_ns();
	submit_of(fixture, 'c');
	RUN_UNTIL(running(fixture) == 4);
	assert_int_not_equal(fixture->engine->makeway.serial, 0);
	assert_int_equal(told_of(0), '0');
	assert_int_equal(told_of(1), '0');
	end_with_groups(fixture);
}

/* Each costs the loop a little. */
static void
not_where_they_are_too_many(void **state)
{
	struct fixture *fixture = *state;
	struct leaf *leaf;

	assert_int_equal(config_set(&fixture->config, "running_max=32", NULL), 0);
	engine_fixture_start(fixture);
	fixture->engine->cores = 2;
	for (unsigned i = 0; i < PAUSE_JOBS_MAX; i++)
		submit_of(fixture, 'a');
	submit_of(fixture, 'c');
	RUN_UNTIL(running(fixture) == PAUSE_JOBS_MAX + 1);
	leaf = &list_item(fixture->engine->pool.workers[WORKER_BUSY].head.next, struct worker, link)
		    ->leaf;
	freeze_fds[0] = memfd_create("freeze", MFD_CLOEXEC);
	leaf->freeze = fcntl(freeze_fds[0], F_DUPFD_CLOEXEC, 3);
	pause_begin(fixture->engine, NULL, 1e9);
	assert_int_equal(fixture->engine->paused.since_ns, 0);
	engine_forget_session(fixture->engine, 'c');
	RUN_UNTIL(running(fixture) == PAUSE_JOBS_MAX);
	pause_begin(fixture->engine, NULL, 1e9);
	assert_int_not_equal(fixture->engine->paused.since_ns, 0);
	assert_int_equal(told_of(0), '1');
	pause_end(fixture->engine);
	assert_int_equal(told_of(0), '0');
	end(fixture);
	base_close(&freeze_fds[0]);
}

/* One that the kernel does not let go on: the house tries again. */
static void
nobody_is_left_standing(void **state)
{
	struct fixture *fixture = *state;
	struct leaf *leaf;
	int writable;

	begin_with_groups(fixture, 'b');
	leaf = &list_item(fixture->engine->pool.workers[WORKER_BUSY].head.next, struct worker, link)
		    ->leaf;
	writable = leaf->freeze;
	leaf->freeze = open("/dev/null", O_RDONLY | O_CLOEXEC);
	wait_long_enough(fixture);
	RUN_UNTIL(fixture->engine->makeway.serial == 0);
	assert_int_equal((told_of(0) == '0') + (told_of(1) == '0'), 1);
	assert_int_not_equal(fixture->engine->paused.since_ns, 0);
	base_close(&leaf->freeze);
	leaf->freeze = writable;
	RUN_UNTIL(fixture->engine->paused.since_ns == 0);
	assert_int_equal((told_of(0) == '0') + (told_of(1) == '0'), 2);
	end_with_groups(fixture);
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
	    cmocka_unit_test_setup_teardown(jobs_stand_still_until_it_has_its_answer,
					    engine_fixture_setup, engine_fixture_teardown),
	    cmocka_unit_test_setup_teardown(jobs_stand_still_for_less_long, engine_fixture_setup,
					    engine_fixture_teardown),
	    cmocka_unit_test_setup_teardown(where_there_are_cores_they_go_on, engine_fixture_setup,
					    engine_fixture_teardown),
	    cmocka_unit_test_setup_teardown(for_a_sixth_of_the_time_at_most, engine_fixture_setup,
					    engine_fixture_teardown),
	    cmocka_unit_test_setup_teardown(not_where_they_are_too_many, engine_fixture_setup,
					    engine_fixture_teardown),
	    cmocka_unit_test_setup_teardown(nobody_is_left_standing, engine_fixture_setup,
					    engine_fixture_teardown),
	    cmocka_unit_test_setup_teardown(the_last_ready_one_is_not_for_who_goes_on,
					    engine_fixture_setup, engine_fixture_teardown),
	    cmocka_unit_test_setup_teardown(not_when_cores_are_not_shared, engine_fixture_setup,
					    engine_fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
