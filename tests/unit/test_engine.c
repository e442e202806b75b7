/*
 * The engine as a whole against a fake spawner, zygote and workers: no root, no cgroups, real
 * processes and real kills. Nothing here waits for a length of time: the loop runs until what is
 * expected has happened, and an alarm ends a test that hangs.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/engine.h"
#include "fake_zygote.h"
#include "protocol/base_list.h"
#include "protocol/base_log.h"
#include "protocol/base_sys.h"
#include "protocol/pack.h"
#include "protocol/worker_abi.h"

#define HANG_S	    60
#define RESULTS_MAX 600

struct fixture {
	struct fake fake;
	uv_loop_t loop;
	struct config config;
	struct engine *engine;
	unsigned ready, drained, fatal;
	struct run_result results[RESULTS_MAX]; /* by ticket */
	unsigned told[RESULTS_MAX];
	size_t results_count;
	char streamed[2][256];
	bool streamed_after_result;
	uint64_t last_session;
};

static void
on_result(void *context, uint64_t session, uint64_t ticket, struct run_result *result)
{
	struct fixture *fixture = context;
	assert_true(ticket < RESULTS_MAX);
	fixture->told[ticket]++;
	fixture->results[ticket] = *result;
	fixture->results_count++;
	fixture->last_session = session;
}

static void
on_output(void *context, uint64_t session, uint64_t ticket, const char *job, int stream,
	  const void *bytes, size_t size)
{
	struct fixture *fixture = context;
	char *text = fixture->streamed[stream - 1];
	assert_int_equal(strlen(job), JOB_ID_CHARS);
	assert_true(strlen(text) + size < sizeof(fixture->streamed[0]));
	strncat(text, bytes, size);
	fixture->streamed_after_result |= fixture->told[ticket] > 0;
}

static void
on_trace(void *context, uint64_t session, uint64_t ticket, const char *job, const void *lines,
	 size_t size)
{
	fail_msg("no job here is traced");
}

static void
on_ready(void *context)
{
	((struct fixture *)context)->ready++;
}

static void
on_drained(void *context)
{
	((struct fixture *)context)->drained++;
}

static void
on_fatal(void *context, const struct error *err)
{
	((struct fixture *)context)->fatal++;
}

static struct fixture *
make_fixture(void)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	assert_non_null(fixture);
	base_log_init("test", LOG_LEVEL_ERROR);
	(void)alarm(HANG_S);
	fake_zygote_start(&fixture->fake);
	assert_int_equal(uv_loop_init(&fixture->loop), 0);
	config_init(&fixture->config);
	assert_int_equal(config_set(&fixture->config, "running_max=2", NULL), 0);
	assert_int_equal(config_set(&fixture->config, "workers_ready=3", NULL), 0);
	return fixture;
}

static void
start(struct fixture *fixture)
{
	struct engine_callbacks callbacks = { on_result,  on_output, on_trace, on_ready,
					      on_drained, on_fatal,  fixture };
	int link = fixture->fake.link;
	fixture->fake.link = -1;
	assert_int_equal(engine_new(&fixture->loop, &fixture->config, link, &callbacks,
				    &fixture->engine, NULL),
			 0);
}

static int
setup(void **state)
{
	*state = make_fixture();
	return 0;
}

static int
setup_started(void **state)
{
	struct fixture *fixture = make_fixture();
	*state = fixture;
	start(fixture);
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *fixture = *state;
	engine_close(&fixture->engine);
	assert_int_equal(uv_run(&fixture->loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&fixture->loop), 0);
	fake_zygote_stop(&fixture->fake);
	base_close(&fixture->fake.link);
	for (size_t i = 0; i < RESULTS_MAX; i++)
		run_result_deinit(&fixture->results[i]);
	config_deinit(&fixture->config);
	free(fixture);
	(void)alarm(0);
	return 0;
}

#define RUN_UNTIL(condition) \
	do { \
		while (!(condition)) \
			(void)uv_run(&fixture->loop, UV_RUN_ONCE); \
	} while (0)

static struct engine_info
info(struct fixture *fixture)
{
	struct engine_info about;
	engine_info(fixture->engine, &about);
	return about;
}

static void
make_request(struct run_request *ret_request, const char *script)
{
	struct pack pack;
	memset(ret_request, 0, sizeof(*ret_request));
	limits_defaults(&ret_request->limits);
	pack_init(&pack, 1u << 22);
	pack_put(&pack, JOB_SOURCE, script, strlen(script));
	assert_false(pack.failed);
	ret_request->blob = pack.bytes;
	ret_request->blob_bytes = pack.size;
}

static const char *
submit_request(struct fixture *fixture, struct run_request *request, uint64_t session,
	       uint64_t ticket)
{
	static char id[JOB_ID_CHARS + 1];
	assert_int_equal(engine_submit(fixture->engine, request, session, ticket, id, NULL), 0);
	return id;
}

static const char *
submit(struct fixture *fixture, const char *script, uint64_t session, uint64_t ticket)
{
	struct run_request request;
	make_request(&request, script);
	return submit_request(fixture, &request, session, ticket);
}

static const struct run_result *
run_request(struct fixture *fixture, struct run_request *request)
{
	submit_request(fixture, request, 1, 0);
	RUN_UNTIL(fixture->told[0]);
	return &fixture->results[0];
}

static const struct run_result *
run(struct fixture *fixture, const char *script)
{
	struct run_request request;
	make_request(&request, script);
	return run_request(fixture, &request);
}

static void
assert_text(const struct bytes *bytes, const char *text)
{
	assert_int_equal(bytes->size, strlen(text));
	if (bytes->size > 0)
		assert_memory_equal(bytes->data, text, bytes->size);
}

static void
test_becomes_ready_once(void **state)
{
	struct fixture *fixture = *state;
	RUN_UNTIL(fixture->ready && info(fixture).workers_ready == 3);
	assert_int_equal(fixture->ready, 1);
	RUN_UNTIL(fixture->fake.shared->daemon_ready);
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
	start(fixture);
	submit(fixture, "out a", 1, 0);
	submit(fixture, "out b", 1, 1);
	make_request(&request, "out c");
	assert_int_equal(engine_submit(fixture->engine, &request, 1, 2, id, &err), ERROR_LIMIT);
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
	start(fixture);
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
	start(fixture);
	const struct run_result *result = run(fixture, "out fine");
	assert_int_equal(result->status, STATUS_OK);
	assert_int_equal(info(fixture).generation, 3);
}

static void
test_forks_fail(void **state)
{
	struct fixture *fixture = *state;
	fixture->fake.shared->fail_forks = 2;
	start(fixture);
	const struct run_result *result = run(fixture, "out fine");
	assert_int_equal(result->status, STATUS_OK);
	assert_int_equal(info(fixture).workers_failed, 2);
	assert_int_equal(info(fixture).generation, 1);
}

static void
test_workers_die_before_hello(void **state)
{
	struct fixture *fixture = *state;
	fixture->fake.shared->mute_workers = 2;
	start(fixture);
	const struct run_result *result = run(fixture, "out fine");
	assert_int_equal(result->status, STATUS_OK);
	assert_int_equal(info(fixture).workers_failed, 2);
}

static void
test_worker_breaks_before_it_took_the_job(void **state)
{
	struct fixture *fixture = *state;
	fixture->fake.shared->breaking_workers = 2;
	start(fixture);
	const struct run_result *result = run(fixture, "out fine");
	assert_int_equal(result->status, STATUS_OK);
	assert_text(&result->out, "fine");
}

static void
test_workers_break_for_good(void **state)
{
	struct fixture *fixture = *state;
	fixture->fake.shared->breaking_workers = 3;
	start(fixture);
	const struct run_result *result = run(fixture, "out fine");
	assert_int_equal(result->status, STATUS_INTERNAL_ERROR);
	assert_text(&result->error_type, "WorkerSetup");
	assert_non_null(strstr((char *)result->error_message.data, "fake step"));
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
	assert_int_equal(engine_submit(fixture->engine, &request, 1, 2, id, NULL), ERROR_CLOSED);
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
	start(fixture);
	RUN_UNTIL(fixture->drained);
	assert_int_equal(fixture->results_count, 0);
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

int
main(void)
{
#define NEW(name)  cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_started, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_becomes_ready_once),
		TEST(test_output_and_usage),
		TEST(test_exit_code),
		TEST(test_signal),
		TEST(test_cpu_limit),
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
		TEST(test_forget_session),
		TEST(test_stream),
		TEST(test_stream_rest_comes_before_the_result),
		TEST(test_zygote_dies),
		NEW(test_zygote_lies),
		NEW(test_generation_fails_to_start),
		NEW(test_forks_fail),
		NEW(test_workers_die_before_hello),
		NEW(test_worker_breaks_before_it_took_the_job),
		NEW(test_workers_break_for_good),
		TEST(test_drain),
		NEW(test_drain_asked_by_the_spawner),
		TEST(test_spawner_dies),
		TEST(test_close_with_jobs_in_all_states),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
