/*
 * The engine's daily work against a fake spawner, zygote and workers: no root, no cgroups, real
 * processes and real kills. Nothing here waits for a length of time: the loop runs until what is
 * expected has happened.
 */
#include "config.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "engine_fixture.h"
#include "protocol/worker_abi.h"

static void
test_becomes_ready_once(void **state)
{
	struct fixture *fixture = *state;
	RUN_UNTIL(fixture->ready && info(fixture).workers_ready == 3);
	assert_int_equal(fixture->ready, 1);
	while (!fixture->fake.shared->daemon_ready) /* no event of the loop */
		(void)sched_yield();
	assert_true(info(fixture).serving);
	assert_string_equal(info(fixture).python, "3.11.fake");
}

static void
test_output_and_usage(void **state)
{
	struct fixture *fixture = *state;
	const struct run_result *result = run(fixture, "out hello;err oops");
	assert_int_equal(result->status, STATUS_OK);
	assert_int_equal(result->exit_code, 0);
	assert_int_equal(result->signal, 0);
	assert_text(&result->out, "hello");
	assert_text(&result->err, "oops");
	assert_false(result->has_error);
	assert_int_equal(result->usage.stdout_bytes, 5);
	assert_int_equal(result->usage.memory_baseline_bytes, 4711);
	assert_true(result->usage.wall_us > 0);
	assert_int_equal(fixture->last_session, 1);
	assert_int_equal(info(fixture).jobs_ended[STATUS_OK], 1);
}

/* Its answer can be written before its worker's successor is made. */
static void
test_told_before_workers_are_made(void **state)
{
	struct fixture *fixture = *state;
	RUN_UNTIL(info(fixture).workers_ready == 3);
	for (unsigned i = 0; i < 3; i++) {
		(void)submit(fixture, "out hello", 1, i);
		RUN_UNTIL(fixture->told[i]);
		assert_int_equal(fixture->all_told, i + 1);
		assert_int_equal(fixture->at_all_told, fixture->at_result);
	}
}

static void
test_exit_code(void **state)
{
	struct fixture *fixture = *state;
	const struct run_result *result = run(fixture, "exit 7");
	assert_int_equal(result->status, STATUS_RUNTIME_ERROR);
	assert_int_equal(result->exit_code, 7);
	assert_text(&result->error_type, "ExitCode");
}

static void
test_signal(void **state)
{
	struct fixture *fixture = *state;
	const struct run_result *result = run(fixture, "out partial;signal 9");
	assert_int_equal(result->status, STATUS_RUNTIME_ERROR);
	assert_int_equal(result->exit_code, -1);
	assert_int_equal(result->signal, 9);
	assert_text(&result->out, "partial");
	assert_text(&result->error_type, "Signal");
}

static void
test_cpu_limit(void **state)
{
	struct fixture *fixture = *state;
	struct run_request request;
	make_request(&request, "out partial;spin");
	request.limits.cpu_ms = 20;
	const struct run_result *result = run_request(fixture, &request);
	assert_int_equal(result->status, STATUS_CPU_LIMIT);
	assert_true(result->usage.cpu_us >= 20000);
	assert_text(&result->out, "partial");
	assert_text(&result->error_message, "more than 20 ms of CPU time");
}

static void
test_opcodes_are_counted(void **state)
{
	struct fixture *fixture = *state;
	struct run_request request;
	make_request(&request, "count 423");
	request.limits.opcodes = 423;
	const struct run_result *result = run_request(fixture, &request);
	assert_int_equal(result->status, STATUS_OK);
	assert_int_equal(result->usage.opcodes, 423);
}

static void
test_a_runaway_is_killed(void **state)
{
	struct fixture *fixture = *state;
	struct run_request request;
	const struct run_result *result;
	make_request(&request, "out partial;count 424;pause");
	request.limits.opcodes = 423;
	result = run_request(fixture, &request);
	assert_int_equal(result->status, STATUS_OPCODE_LIMIT);
	assert_int_equal(result->usage.opcodes, 423);
	assert_text(&result->out, "partial");
	assert_text(&result->error_type, "OpcodeLimit");
	assert_text(&result->error_message, "more than 423 opcodes: stopped after 423");
}

static void
test_wall_limit(void **state)
{
	struct fixture *fixture = *state;
	struct run_request request;
	make_request(&request, "pause");
	request.limits.wall_ms = 20;
	const struct run_result *result = run_request(fixture, &request);
	assert_int_equal(result->status, STATUS_WALL_LIMIT);
	assert_true(result->usage.wall_us >= 20000);
	assert_text(&result->error_type, "WallLimit");
}

static void
test_output_limit(void **state)
{
	struct fixture *fixture = *state;
	struct run_request request;
	make_request(&request, "out 12345");
	request.limits.stdout_bytes = 4;
	const struct run_result *result = run_request(fixture, &request);
	assert_int_equal(result->status, STATUS_OUTPUT_LIMIT);
	assert_text(&result->out, "1234");
	assert_true(result->out_truncated);
	assert_text(&result->error_message, "more than 4 bytes on standard output");
}

static void
test_value(void **state)
{
	struct fixture *fixture = *state;
	struct run_request request;
	make_request(&request, "value [1,2]");
	request.wants_value = true;
	const struct run_result *result = run_request(fixture, &request);
	assert_int_equal(result->status, STATUS_OK);
	assert_text(&result->value, "[1,2]");
}

static void
test_value_missing(void **state)
{
	struct fixture *fixture = *state;
	struct run_request request;
	make_request(&request, "half");
	request.wants_value = true;
	const struct run_result *result = run_request(fixture, &request);
	assert_int_equal(result->status, STATUS_RUNTIME_ERROR);
	assert_text(&result->error_type, "ResultMissing");
	assert_int_equal(result->value.size, 0);
}

static void
test_foreign_bytes(void **state)
{
	struct fixture *fixture = *state;
	submit(fixture, "speak", 1, 0);
	submit(fixture, "rubbish", 1, 1);
	submit(fixture, "forge", 1, 2);
	RUN_UNTIL(fixture->results_count == 3);
	assert_int_equal(fixture->results[0].status, STATUS_SECURITY_VIOLATION);
	assert_int_equal(fixture->results[1].status, STATUS_SECURITY_VIOLATION);
	assert_int_equal(fixture->results[1].value.size, 0);
	assert_int_equal(fixture->results[2].status, STATUS_RUNTIME_ERROR);
	assert_int_equal(fixture->results[2].exit_code, WORKER_EXIT_SETUP);
	assert_int_equal(info(fixture).jobs_ended[STATUS_INTERNAL_ERROR], 0);
}

static void
test_stdin(void **state)
{
	struct fixture *fixture = *state;
	struct run_request request;
	make_request(&request, "stdin");
	request.stdin_bytes = (uint8_t *)strdup("from outside");
	request.stdin_size = strlen("from outside");
	const struct run_result *result = run_request(fixture, &request);
	assert_text(&result->out, "from outside");
}

static void
test_large_job_goes_by_descriptor(void **state)
{
	struct fixture *fixture = *state;
	size_t size = 200000;
	char *script = malloc(size + 32);
	assert_non_null(script);
	memset(script, 'x', size);
	strcpy(script + size, ";out there");
	const struct run_result *result = run(fixture, script);
	free(script);
	assert_int_equal(result->status, STATUS_OK);
	assert_text(&result->out, "there");
}

static void
test_large_output_is_read_off_the_loop(void **state)
{
	struct fixture *fixture = *state;
	size_t size = 900000;
	char *script = malloc(size + 8);
	assert_non_null(script);
	memset(script, 'x', size + 4);
	memcpy(script, "out ", 4);
	script[size + 4] = 0;
	const struct run_result *result = run(fixture, script);
	free(script);
	assert_int_equal(result->status, STATUS_OK);
	assert_int_equal(result->out.size, size);
	assert_int_equal(info(fixture).jobs_running, 0);
}

static void
test_many_jobs_each_its_own_answer(void **state)
{
	struct fixture *fixture = *state;
	enum { COUNT = 500 };
	char text[32];
	for (unsigned i = 0; i < COUNT; i++) {
		(void)snprintf(text, sizeof(text), "out %u;exit %u", i, i % 3);
		submit(fixture, text, i, i);
	}
	assert_int_equal(info(fixture).jobs_queued, COUNT);
	RUN_UNTIL(fixture->results_count == COUNT);
	for (unsigned i = 0; i < COUNT; i++) {
		(void)snprintf(text, sizeof(text), "%u", i);
		assert_int_equal(fixture->told[i], 1);
		assert_text(&fixture->results[i].out, text);
		assert_int_equal(fixture->results[i].exit_code, i % 3);
	}
	RUN_UNTIL(info(fixture).workers_ready == 3);
	assert_int_equal(info(fixture).workers_failed, 0);
	/* A worker is never used twice. */
	assert_int_equal(fixture->fake.shared->forks, COUNT + 3);
	assert_int_equal(info(fixture).queue_bytes, 0);
}

static void
test_queue_full(void **state)
{
	struct fixture *fixture = *state;
	struct run_request request;
	struct error err = ERROR_INIT;
	char id[JOB_ID_CHARS + 1];
	assert_int_equal(config_set(&fixture->config, "queue_jobs_max=2", NULL), 0);
	engine_fixture_start(fixture);
	submit(fixture, "out a", 1, 0);
	submit(fixture, "out b", 1, 1);
	make_request(&request, "out c");
	struct engine_refusal refusal;
	assert_int_equal(engine_submit(fixture->engine, &request, &TEST_OWNER, id, &refusal, &err),
			 ERROR_LIMIT);
	assert_int_equal(refusal.reason, ENGINE_QUEUE_FULL);
	assert_true(refusal.retry_after_ms > 0);
	assert_non_null(strstr(err.text, "queue_jobs_max"));
	assert_non_null(request.blob); /* untouched */
	run_request_deinit(&request);
	RUN_UNTIL(fixture->results_count == 2);
	assert_int_equal(fixture->told[2], 0);
}

static void
test_running_max(void **state)
{
	struct fixture *fixture = *state;
	struct engine_job_status status;
	char first[JOB_ID_CHARS + 1], third[JOB_ID_CHARS + 1];
	strcpy(first, submit(fixture, "pause", 1, 0));
	submit(fixture, "pause", 1, 1);
	strcpy(third, submit(fixture, "out c", 1, 2));
	RUN_UNTIL(info(fixture).jobs_running == 2 && info(fixture).workers_ready > 0);
	assert_int_equal(info(fixture).jobs_queued, 1);
	assert_int_equal(engine_status(fixture->engine, third, 1, &status, NULL), 0);
	assert_string_equal(status.state, "queued");
	assert_int_equal(status.position, 1);
	assert_int_equal(engine_status(fixture->engine, first, 0, &status, NULL), 0);
	assert_string_equal(status.state, "running");
	assert_int_equal(engine_status(fixture->engine, first, 2, &status, NULL), ERROR_NOT_FOUND);
	assert_int_equal(engine_cancel(fixture->engine, first, 1, NULL), 0);
	RUN_UNTIL(fixture->results_count == 2);
	assert_int_equal(fixture->results[0].status, STATUS_CANCELLED);
	assert_int_equal(fixture->results[2].status, STATUS_OK);
	assert_int_equal(engine_status(fixture->engine, first, 1, &status, NULL), ERROR_NOT_FOUND);
}

static void
test_cancel_waiting(void **state)
{
	struct fixture *fixture = *state;
	char id[JOB_ID_CHARS + 1];
	strcpy(id, submit(fixture, "out a", 1, 0));
	assert_int_equal(engine_cancel(fixture->engine, id, 2, NULL), ERROR_NOT_FOUND);
	assert_int_equal(engine_cancel(fixture->engine, id, 1, NULL), 0);
	assert_int_equal(fixture->told[0], 0); /* never from inside the call */
	assert_int_equal(engine_cancel(fixture->engine, id, 1, NULL), ERROR_NOT_FOUND);
	RUN_UNTIL(fixture->told[0]);
	assert_int_equal(fixture->results[0].status, STATUS_CANCELLED);
	assert_true(fixture->results[0].has_error);
	assert_int_equal(fixture->results[0].exit_code, -1);
}

static void
test_forget_session(void **state)
{
	struct fixture *fixture = *state;
	submit(fixture, "pause", 5, 0);
	submit(fixture, "pause", 5, 1);
	submit(fixture, "out c", 5, 2);
	submit(fixture, "out d", 6, 3);
	RUN_UNTIL(info(fixture).jobs_running == 2);
	engine_forget_session(fixture->engine, 5);
	RUN_UNTIL(fixture->told[3]);
	RUN_UNTIL(info(fixture).jobs_ended[STATUS_CANCELLED] == 3);
	assert_int_equal(fixture->results_count, 1);
	assert_int_equal(fixture->last_session, 6);
}

static void
test_withdraw(void **state)
{
	struct fixture *fixture = *state;
	submit(fixture, "pause", 5, 0);
	submit(fixture, "pause", 5, 1);
	submit(fixture, "out c", 5, 2);
	submit(fixture, "out d", 6, 3);
	RUN_UNTIL(info(fixture).jobs_running == 2);
	assert_int_equal(fixture->started, 2);
	/* What runs stays, and so does what waits for others. */
	assert_int_equal(engine_withdraw(fixture->engine, 5), 1);
	assert_int_equal(info(fixture).jobs_running, 2);
	engine_forget_session(fixture->engine, 5);
	RUN_UNTIL(fixture->told[3]);
	assert_int_equal(fixture->results_count, 1);
	assert_int_equal(fixture->started, 3);
}

static void
test_stream(void **state)
{
	struct fixture *fixture = *state;
	struct run_request request;
	make_request(&request, "out one;err two;pause");
	request.stream = true;
	char id[JOB_ID_CHARS + 1];
	strcpy(id, submit_request(fixture, &request, 1, 0));
	/* It comes while the job runs, and once only. */
	RUN_UNTIL(fixture->streamed[0][0] && fixture->streamed[1][0]);
	assert_int_equal(engine_cancel(fixture->engine, id, 1, NULL), 0);
	RUN_UNTIL(fixture->told[0]);
	assert_string_equal(fixture->streamed[0], "one");
	assert_string_equal(fixture->streamed[1], "two");
	assert_text(&fixture->results[0].out, "one");
}

static void
test_stream_rest_comes_before_the_result(void **state)
{
	struct fixture *fixture = *state;
	struct run_request request;
	make_request(&request, "out quick");
	request.stream = true;
	(void)run_request(fixture, &request);
	assert_string_equal(fixture->streamed[0], "quick");
	assert_false(fixture->streamed_after_result);
}

int
main(void)
{
#define NEW(name)                                                                                  \
	cmocka_unit_test_setup_teardown(name, engine_fixture_setup, engine_fixture_teardown)
#define TEST(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, engine_fixture_setup_started, engine_fixture_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_becomes_ready_once),
	    TEST(test_output_and_usage),
	    TEST(test_told_before_workers_are_made),
	    TEST(test_exit_code),
	    TEST(test_signal),
	    TEST(test_cpu_limit),
	    TEST(test_opcodes_are_counted),
	    TEST(test_a_runaway_is_killed),
	    TEST(test_wall_limit),
	    TEST(test_output_limit),
	    TEST(test_value),
	    TEST(test_value_missing),
	    TEST(test_foreign_bytes),
	    TEST(test_stdin),
	    TEST(test_large_job_goes_by_descriptor),
	    TEST(test_large_output_is_read_off_the_loop),
	    TEST(test_many_jobs_each_its_own_answer),
	    NEW(test_queue_full),
	    TEST(test_running_max),
	    TEST(test_cancel_waiting),
	    TEST(test_withdraw),
	    TEST(test_forget_session),
	    TEST(test_stream),
	    TEST(test_stream_rest_comes_before_the_result),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
