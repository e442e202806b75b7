/*
 * What the engine makes of the death and the lies of everybody around it: zygote, spawner, workers;
 * and how it ends itself.
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

#include "daemon/dispatch.h"
#include "engine_fixture.h"
#include "protocol/worker_abi.h"

static void
test_zygote_dies(void **state)
{
	struct fixture *fixture = *state;
	submit(fixture, "out before;pause", 1, 0);
	submit(fixture, "pause", 1, 1);
	submit(fixture, "out after", 1, 2);
	RUN_UNTIL(info(fixture).jobs_running == 2);
	assert_int_equal(kill(fixture->fake.shared->zygote, SIGKILL), 0);
	RUN_UNTIL(fixture->results_count == 3);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(fixture->results[i].status, STATUS_INTERNAL_ERROR);
		assert_text(&fixture->results[i].error_type, "WorkerLost");
	}
	assert_int_equal(fixture->results[2].status, STATUS_OK); /* it waited */
	assert_text(&fixture->results[2].out, "after");
	assert_int_equal(info(fixture).generation, 2);
	assert_int_equal(fixture->fatal, 0);
	assert_int_equal(fixture->ready, 1);
}

static void
test_zygote_lies(void **state)
{
	struct fixture *fixture = *state;
	fixture->fake.shared->lying_zygote = 1;
	engine_fixture_start(fixture);
	const struct run_result *result = run(fixture, "out fine");
	assert_int_equal(result->status, STATUS_OK);
	assert_int_equal(info(fixture).generation, 2);
	assert_int_equal(fixture->fatal, 0);
}

static void
test_generation_fails_to_start(void **state)
{
	struct fixture *fixture = *state;
	fixture->fake.shared->fail_starts = 2;
	engine_fixture_start(fixture);
	const struct run_result *result = run(fixture, "out fine");
	assert_int_equal(result->status, STATUS_OK);
	assert_int_equal(info(fixture).generation, 3);
}

static void
test_forks_fail(void **state)
{
	struct fixture *fixture = *state;
	fixture->fake.shared->fail_forks = 2;
	engine_fixture_start(fixture);
	const struct run_result *result = run(fixture, "out fine");
	assert_int_equal(result->status, STATUS_OK);
	RUN_UNTIL(info(fixture).workers_failed == 2);
	assert_int_equal(info(fixture).generation, 1);
}

static void
test_workers_die_before_hello(void **state)
{
	struct fixture *fixture = *state;
	fixture->fake.shared->mute_workers = 2;
	engine_fixture_start(fixture);
	const struct run_result *result = run(fixture, "out fine");
	assert_int_equal(result->status, STATUS_OK);
	/* The job may have run in the worker that lives before the second death was told. */
	RUN_UNTIL(info(fixture).workers_failed == 2);
}

static void
test_worker_breaks_before_it_took_the_job(void **state)
{
	struct fixture *fixture = *state;
	fixture->fake.shared->breaking_workers = 2;
	engine_fixture_start(fixture);
	const struct run_result *result = run(fixture, "out fine");
	assert_int_equal(result->status, STATUS_OK);
	assert_text(&result->out, "fine");
}

/* Gone between two sends, as by a limit that is over before the job is sent: no failure of the
 * pool.
 */
static void
test_worker_goes_while_the_job_is_sent(void **state)
{
	struct fixture *fixture = *state;
	fixture->fake.shared->deaf_workers = 3;
	engine_fixture_start(fixture);
	const struct run_result *result = run(fixture, "out fine");
	assert_int_equal(result->status, STATUS_OK);
	assert_text(&result->out, "fine");
	assert_int_equal(info(fixture).jobs_ended[STATUS_INTERNAL_ERROR], 0);
	assert_int_equal(info(fixture).workers_failed, 0); /* makes the pool slower for all */
}

/* A script that is too large for a datagram: a word that means nothing, then the command. */
static void
run_large(struct fixture *fixture, const char *command)
{
	size_t size = 2 * BLOB_INLINE_BYTES_MAX;
	char *script = malloc(size + 64);
	assert_non_null(script);
	memset(script, 'x', size);
	(void)snprintf(script + size, 64, ";%s", command);
	(void)run(fixture, script);
	free(script);
}

static void
test_worker_breaks_before_a_large_job_started(void **state)
{
	struct fixture *fixture = *state;
	fixture->fake.shared->breaking_workers = 2;
	engine_fixture_start(fixture);
	run_large(fixture, "out fine");
	assert_int_equal(fixture->results[0].status, STATUS_OK);
	assert_text(&fixture->results[0].out, "fine");
}

/* What a worker that broke leaves can be left by a tenant, too, all but the byte in its channel. */
static void
test_large_job_cannot_pass_for_a_broken_worker(void **state)
{
	struct fixture *fixture = *state;
	engine_fixture_start(fixture);
	run_large(fixture, "forge");
	assert_int_equal(fixture->results[0].status, STATUS_RUNTIME_ERROR);
	assert_int_equal(fixture->results[0].exit_code, WORKER_EXIT_SETUP);
}

static void
test_workers_break_for_good(void **state)
{
	struct fixture *fixture = *state;
	fixture->fake.shared->breaking_workers = DISPATCH_RETRIES_MAX + 1;
	engine_fixture_start(fixture);
	const struct run_result *result = run(fixture, "out fine");
	assert_int_equal(result->status, STATUS_INTERNAL_ERROR);
	assert_text(&result->error_type, "WorkerSetup");
	/* The last one died before the job was sent, or after: then it is known in which step. */
	const char *message = (const char *)result->error_message.data;
	assert_true(strstr(message, "fake step") ||
		    strstr(message, "no worker could take the job"));
}

static void
test_drain(void **state)
{
	struct fixture *fixture = *state;
	struct run_request request;
	char id[JOB_ID_CHARS + 1];
	submit(fixture, "out a", 1, 0);
	submit(fixture, "out b", 1, 1);
	engine_drain(fixture->engine);
	engine_drain(fixture->engine);
	assert_int_equal(fixture->drained, 0);
	make_request(&request, "out c");
	struct engine_refusal refusal;
	assert_int_equal(engine_submit(fixture->engine, &request, &TEST_OWNER, id, &refusal, NULL),
			 ERROR_CLOSED);
	run_request_deinit(&request);
	RUN_UNTIL(fixture->drained);
	assert_int_equal(fixture->results_count, 2);
	assert_int_equal(fixture->drained, 1);
	assert_true(info(fixture).draining);
}

static void
test_drain_asked_by_the_spawner(void **state)
{
	struct fixture *fixture = *state;
	fixture->fake.shared->send_drain = 1;
	engine_fixture_start(fixture);
	RUN_UNTIL(fixture->drained);
	assert_int_equal(fixture->results_count, 0);
}

static void
test_drain_asked_by_us(void **state)
{
	struct fixture *fixture = *state;
	struct run_request request;
	struct engine_refusal refusal;
	char id[JOB_ID_CHARS + 1];
	submit(fixture, "out a", 1, 0);
	assert_int_equal(engine_ask_drain(fixture->engine, NULL), 0);
	assert_int_equal(engine_ask_drain(fixture->engine, NULL), 0);
	assert_true(info(fixture).draining);
	make_request(&request, "out b");
	assert_int_equal(engine_submit(fixture->engine, &request, &TEST_OWNER, id, &refusal, NULL),
			 ERROR_CLOSED);
	run_request_deinit(&request);
	RUN_UNTIL(fixture->drained);
	assert_int_equal(fixture->results_count, 1);
	assert_int_equal(fixture->draining, 1);
	assert_int_equal(fixture->fake.shared->drains_asked, 1);
}

/* Whose end the spawner does not expect is started anew: so none before it has agreed. */
static void
test_drain_waits_for_the_spawner(void **state)
{
	struct fixture *fixture = *state;
	fixture->fake.shared->hold_drain = 1;
	engine_fixture_start(fixture);
	assert_int_equal(engine_ask_drain(fixture->engine, NULL), 0);
	RUN_UNTIL(fixture->fake.shared->drains_asked);
	for (int i = 0; i < 20; i++)
		(void)uv_run(&fixture->loop, UV_RUN_NOWAIT);
	assert_int_equal(fixture->drained, 0);
	assert_true(info(fixture).draining);
}

static void
test_spawner_dies(void **state)
{
	struct fixture *fixture = *state;
	RUN_UNTIL(fixture->ready);
	assert_int_equal(kill(fixture->fake.spawner, SIGKILL), 0);
	RUN_UNTIL(fixture->fatal);
	assert_int_equal(fixture->fatal, 1);
}

static void
test_close_with_jobs_in_all_states(void **state)
{
	struct fixture *fixture = *state;
	for (unsigned i = 0; i < 10; i++)
		submit(fixture, "pause", 1, i);
	RUN_UNTIL(info(fixture).jobs_running == 2);
	/* teardown closes; no callback may come then */
	engine_close(&fixture->engine);
	assert_int_equal(uv_run(&fixture->loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(fixture->results_count, 0);
}

/* Nothing is served, not even for a moment, and it is told for good. */
static void
test_a_layer_is_missing_from_the_start(void **state)
{
	struct fixture *fixture = *state;
	fixture->fake.shared->lacking = ISOLATION_BIT(rlimits);
	engine_fixture_start(fixture);
	RUN_UNTIL(fixture->fatal);
	assert_int_equal(fixture->fatal, 1);
	assert_int_equal(fixture->fatal_code, ERROR_UNSUPPORTED);
	assert_int_equal(fixture->ready, 0);
	assert_int_equal(fixture->fake.shared->forks, 0);
}

static void
test_a_layer_is_missing_that_is_not_needed(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(config_set(&fixture->config, "isolation=reduced", NULL), 0);
	fixture->fake.shared->lacking = ISOLATION_BIT(landlock);
	engine_fixture_start(fixture);
	assert_int_equal(run(fixture, "out fine")->status, STATUS_OK);
	assert_int_equal(info(fixture).isolation, ISOLATION_REDUCED);
	assert_int_equal(info(fixture).layers, ISOLATION_ALL & ~ISOLATION_BIT(landlock));
}

/* No job runs in the generations that lack it; the next one that has it serves. */
static void
test_a_layer_gets_lost_later(void **state)
{
	struct fixture *fixture = *state;
	RUN_UNTIL(fixture->ready);
	fixture->fake.shared->lacking = ISOLATION_BIT(seccomp);
	assert_int_equal(kill(fixture->fake.shared->zygote, SIGKILL), 0);
	RUN_UNTIL(info(fixture).generation == 2);
	submit(fixture, "out waits", 1, 0);
	unsigned forks = fixture->fake.shared->forks;
	RUN_UNTIL(info(fixture).generation == 3);
	assert_int_equal(fixture->fake.shared->forks, forks);
	assert_int_equal(fixture->fatal, 0);
	fixture->fake.shared->lacking = 0;
	RUN_UNTIL(fixture->results_count == 1);
	assert_int_equal(fixture->results[0].status, STATUS_OK);
}

int
main(void)
{
#define NEW(name)                                                                                  \
	cmocka_unit_test_setup_teardown(name, engine_fixture_setup, engine_fixture_teardown)
#define TEST(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, engine_fixture_setup_started, engine_fixture_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_zygote_dies),
	    NEW(test_zygote_lies),
	    NEW(test_generation_fails_to_start),
	    NEW(test_forks_fail),
	    NEW(test_workers_die_before_hello),
	    NEW(test_worker_breaks_before_it_took_the_job),
	    NEW(test_worker_goes_while_the_job_is_sent),
	    NEW(test_worker_breaks_before_a_large_job_started),
	    NEW(test_large_job_cannot_pass_for_a_broken_worker),
	    NEW(test_workers_break_for_good),
	    TEST(test_drain),
	    NEW(test_drain_asked_by_the_spawner),
	    TEST(test_drain_asked_by_us),
	    NEW(test_drain_waits_for_the_spawner),
	    TEST(test_spawner_dies),
	    NEW(test_a_layer_is_missing_from_the_start),
	    NEW(test_a_layer_is_missing_that_is_not_needed),
	    TEST(test_a_layer_gets_lost_later),
	    TEST(test_close_with_jobs_in_all_states),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
