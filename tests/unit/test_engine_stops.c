/*
 * Workers that stop at their job's end: told before they are reaped, as if they had exited; and who
 * only stops has not ended.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/engine_state.h"
#include "engine_fixture.h"
#include "protocol/base_clock.h"

#define LARGE (300u << 10) /* not read on the loop */

static size_t
ended(const struct fixture *fixture)
{
	return pool_count(&fixture->engine->pool, WORKER_ENDED);
}

static struct worker *
busy(struct fixture *fixture)
{
	return list_item(list_first(&fixture->engine->pool.workers[WORKER_BUSY]), struct worker,
			 link);
}

/* Told while its worker is there, which is killed, and reaped in its time. */
static void
told_before_it_is_reaped(void **state)
{
	struct fixture *fixture = *state;
	volatile unsigned *deaf = &fixture->fake.shared->deaf_zygote;
	struct worker *worker;

	*deaf = 1;
	submit(fixture, "out early;value 42;ends 0", 1, 0);
	RUN_UNTIL(fixture->told[0]);
	assert_int_equal(fixture->results[0].status, STATUS_OK);
	assert_text(&fixture->results[0].out, "early");
	assert_text(&fixture->results[0].value, "42");
	assert_int_equal(info(fixture).jobs_running, 0);
	assert_int_equal(info(fixture).workers_busy, 1);
	assert_int_equal(ended(fixture), 1);
	RUN_UNTIL(*deaf == 0);
	/* The zygote has not heard of it: asked again after a while. */
	worker = list_item(list_first(&fixture->engine->pool.workers[WORKER_ENDED]), struct worker,
			   link);
	worker->killed_ns = engine_now_ns() - 1000 * NS_PER_MS;
	alarm_set(fixture->engine->house_alarm, 0);
	RUN_UNTIL(ended(fixture) == 0);
	RUN_UNTIL(info(fixture).workers_ready == 3);
	assert_int_equal(info(fixture).generation, 1);
	assert_int_equal(info(fixture).workers_failed, 0);
}

/* A zygote that never kills it is of no use. */
static void
one_that_is_never_reaped(void **state)
{
	struct fixture *fixture = *state;
	struct worker *worker;

	fixture->fake.shared->deaf_zygote = UINT32_MAX;
	submit(fixture, "ends 0", 1, 0);
	RUN_UNTIL(fixture->told[0] && ended(fixture) == 1);
	worker = list_item(list_first(&fixture->engine->pool.workers[WORKER_ENDED]), struct worker,
			   link);
	worker->killed_ns = engine_now_ns() - 3600 * NS_PER_S;
	alarm_set(fixture->engine->house_alarm, 0);
	RUN_UNTIL(info(fixture).generation == 2 && ended(fixture) == 0);
	fixture->fake.shared->deaf_zygote = 0;
	submit(fixture, "ends 0", 1, 1);
	RUN_UNTIL(fixture->told[1]);
	assert_int_equal(fixture->results[1].status, STATUS_OK);
}

static void
as_an_exit(void **state)
{
	static const char *const ENDS[] = {"0", "3", "126", "255"};
	struct fixture *fixture = *state;
	uint64_t ticket = 0;

	for (size_t i = 0; i < sizeof(ENDS) / sizeof(ENDS[0]); i++) {
		char script[32];

		for (unsigned stops = 0; stops < 2; stops++) {
			RUN_UNTIL(info(fixture).workers_ready == 3 && ended(fixture) == 0);
			(void)snprintf(script, sizeof(script), "%s %s", stops ? "ends" : "exit",
				       ENDS[i]);
			submit(fixture, script, 1, ticket + stops);
			RUN_UNTIL(fixture->told[ticket + stops]);
			assert_true(ended(fixture) <= stops);
		}
		const struct run_result *exits = &fixture->results[ticket], *stopped = exits + 1;
		assert_int_equal(stopped->status, exits->status);
		assert_int_equal(stopped->exit_code, atoi(ENDS[i]));
		assert_int_equal(stopped->exit_code, exits->exit_code);
		assert_int_equal(stopped->signal, 0);
		assert_int_equal(stopped->error_type.size, exits->error_type.size);
		ticket += 2;
	}
}

/* It has its place until it has given its memory back; then it is as an exit, too. */
static void
a_large_one_is_told_when_it_is_reaped(void **state)
{
	struct fixture *fixture = *state;
	volatile unsigned *deaf = &fixture->fake.shared->deaf_zygote;

	fixture->fake.shared->rss_bytes = 64u << 20;
	*deaf = 1;
	submit(fixture, "out x;ends 3", 1, 0);
	RUN_UNTIL(*deaf == 0);
	assert_int_equal(fixture->told[0], 0);
	assert_int_equal(info(fixture).jobs_running, 1);
	assert_int_equal(ended(fixture), 0);
	watchdog_kill(-1, engine_zygote_fd(fixture->engine, busy(fixture)), busy(fixture)->serial);
	RUN_UNTIL(fixture->told[0]);
	assert_int_equal(fixture->results[0].status, STATUS_RUNTIME_ERROR);
	assert_int_equal(fixture->results[0].exit_code, 3);
	assert_int_equal(fixture->results[0].signal, 0);
	assert_text(&fixture->results[0].out, "x");
}

/* Read by another thread, maybe after it was reaped. */
static void
with_a_large_result(void **state)
{
	static const char HEAD[] = "out ";
	struct fixture *fixture = *state;
	char *script = malloc(sizeof(HEAD) + LARGE + sizeof(";ends 0"));

	assert_non_null(script);
	memcpy(script, HEAD, sizeof(HEAD) - 1);
	memset(script + sizeof(HEAD) - 1, 'x', LARGE);
	memcpy(script + sizeof(HEAD) - 1 + LARGE, ";ends 0", sizeof(";ends 0"));
	submit(fixture, script, 1, 0);
	RUN_UNTIL(fixture->told[0]);
	assert_int_equal(fixture->results[0].status, STATUS_OK);
	assert_int_equal(fixture->results[0].out.size, LARGE);
	RUN_UNTIL(info(fixture).workers_ready == 3 && ended(fixture) == 0);
	free(script);
}

/* It did not say so, or not in a way that an end has: the job goes on. */
static void
who_only_stops_has_not_ended(void **state)
{
	static const char *const SCRIPTS[] = {"signal 19", "claims 0", "claims 257",
					      "claims 0xffffffff"};
	struct fixture *fixture = *state;

	for (uint64_t i = 0; i < sizeof(SCRIPTS) / sizeof(SCRIPTS[0]); i++) {
		char id[JOB_ID_CHARS + 1];

		(void)strcpy(id, submit(fixture, SCRIPTS[i], 1, 2 * i));
		RUN_UNTIL(info(fixture).jobs_running == 1);
		assert_true(busy(fixture)->stops);
		/* The zygote tells what happens in its order: the stop was heard of by then. */
		submit(fixture, "ends 0", 1, 2 * i + 1);
		RUN_UNTIL(fixture->told[2 * i + 1] && ended(fixture) == 0);
		assert_int_equal(fixture->told[2 * i], 0);
		assert_int_equal(info(fixture).jobs_running, 1);
		assert_int_equal(engine_cancel(fixture->engine, id, 1, NULL), 0);
		RUN_UNTIL(fixture->told[2 * i]);
		assert_int_equal(fixture->results[2 * i].status, STATUS_CANCELLED);
	}
}

/* Where others wait it is not asked to; then its word for it is nothing. */
static void
who_was_not_asked_to(void **state)
{
	struct fixture *fixture = *state;

	submit(fixture, "claims 1", 1, 0);
	submit(fixture, "claims 1", 2, 1);
	RUN_UNTIL(fixture->told[1]);
	assert_int_equal(fixture->results[1].status, STATUS_OK); /* the last that waited */
	RUN_UNTIL(ended(fixture) == 0);
	submit(fixture, "ends 0", 2, 2);
	RUN_UNTIL(fixture->told[2]);
	assert_int_equal(fixture->told[0], 0);
	assert_int_equal(info(fixture).jobs_running, 1);
	engine_forget_session(fixture->engine, 1);
	RUN_UNTIL(info(fixture).jobs_running == 0);
}

/* A tenant's only job is asked to, however much of another's waits. */
static void
a_tenants_only_job(void **state)
{
	struct fixture *fixture = *state;
	struct tenant_terms other = TEST_TERMS;
	struct engine_owner owner = {2, 9, &other, NULL, NULL};
	struct engine_refusal refusal;
	struct run_request request;
	char id[JOB_ID_CHARS + 1];

	assert_int_equal(config_set(&fixture->config, "workers_ready=4", NULL), 0);
	engine_fixture_start(fixture);
	for (uint64_t i = 0; i < 8; i++)
		submit(fixture, "pause", 1, i);
	(void)snprintf(other.name, sizeof(other.name), "other");
	make_request(&request, "claims 1"); /* is told only if it was asked to */
	assert_int_equal(engine_submit(fixture->engine, &request, &owner, id, &refusal, NULL), 0);
	engine_later(fixture->engine); /* a turn of the loop, as after a client's message */
	RUN_UNTIL(fixture->told[9]);
	assert_int_equal(fixture->results[9].status, STATUS_OK);
	assert_true(info(fixture).jobs_queued > 1);
	engine_forget_session(fixture->engine, 1);
	RUN_UNTIL(info(fixture).jobs_running + info(fixture).jobs_queued == 0);
}

static void
its_generation_ends_under_it(void **state)
{
	struct fixture *fixture = *state;

	fixture->fake.shared->deaf_zygote = UINT32_MAX;
	submit(fixture, "ends 0", 1, 0);
	RUN_UNTIL(fixture->told[0]);
	assert_int_equal(ended(fixture), 1);
	assert_int_equal(kill(fixture->fake.shared->zygote, SIGKILL), 0);
	RUN_UNTIL(info(fixture).generation == 2 && info(fixture).workers_ready == 3);
	assert_int_equal(ended(fixture), 0);
	assert_int_equal(fixture->told[0], 1);
	fixture->fake.shared->deaf_zygote = 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(told_before_it_is_reaped, engine_fixture_setup_started,
					    engine_fixture_teardown),
	    cmocka_unit_test_setup_teardown(one_that_is_never_reaped, engine_fixture_setup_started,
					    engine_fixture_teardown),
	    cmocka_unit_test_setup_teardown(as_an_exit, engine_fixture_setup_started,
					    engine_fixture_teardown),
	    cmocka_unit_test_setup_teardown(a_large_one_is_told_when_it_is_reaped,
					    engine_fixture_setup_started, engine_fixture_teardown),
	    cmocka_unit_test_setup_teardown(with_a_large_result, engine_fixture_setup_started,
					    engine_fixture_teardown),
	    cmocka_unit_test_setup_teardown(who_only_stops_has_not_ended,
					    engine_fixture_setup_started, engine_fixture_teardown),
	    cmocka_unit_test_setup_teardown(who_was_not_asked_to, engine_fixture_setup_started,
					    engine_fixture_teardown),
	    cmocka_unit_test_setup_teardown(its_generation_ends_under_it,
					    engine_fixture_setup_started, engine_fixture_teardown),
	    cmocka_unit_test_setup_teardown(a_tenants_only_job, engine_fixture_setup,
					    engine_fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
