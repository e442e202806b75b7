/*
 * The engine's surroundings in a test (engine_fixture.h). Records every callback; an alarm ends a
 * test that hangs.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine_fixture.h"

#include "daemon/engine_state.h"
#include "protocol/base_list.h"
#include "protocol/base_log.h"
#include "protocol/base_sys.h"
#include "protocol/pack.h"
#include "protocol/worker_abi.h"

#define HANG_S 60

static void
on_result(void *context, uint64_t session, uint64_t ticket, struct run_result *result)
{
	struct fixture *fixture = context;
	assert_true(ticket < RESULTS_MAX);
	fixture->told[ticket]++;
	fixture->results[ticket] = *result;
	fixture->at_result = fixture->engine->pool.last_serial;
	fixture->results_count++;
	fixture->last_session = session;
	if (fixture->holds)
		fixture->held_bytes += result->held_bytes;
	else
		engine_result_gone(fixture->engine, result->held_bytes);
}

static void
on_told(void *context)
{
	struct fixture *fixture = context;
	fixture->all_told++;
	fixture->at_all_told = fixture->engine->pool.last_serial;
}

static void
on_makes_way(void *context, bool on)
{
	struct fixture *fixture = context;
	if (on)
		fixture->ways_begun++;
	else
		fixture->ways_over++;
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
on_started(void *context, uint64_t session, uint64_t ticket)
{
	(void)session;
	(void)ticket;
	((struct fixture *)context)->started++;
}

static void
on_ready(void *context)
{
	((struct fixture *)context)->ready++;
}

static void
on_draining(void *context)
{
	((struct fixture *)context)->draining++;
}

static void
on_drained(void *context)
{
	((struct fixture *)context)->drained++;
}

static void
on_fatal(void *context, const struct error *err)
{
	struct fixture *fixture = context;
	fixture->fatal++;
	fixture->fatal_code = err->code;
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

void
engine_fixture_start(struct fixture *fixture)
{
	struct engine_callbacks callbacks = {.result = on_result,
					     .told = on_told,
					     .makes_way = on_makes_way,
					     .output = on_output,
					     .started = on_started,
					     .ready = on_ready,
					     .draining = on_draining,
					     .drained = on_drained,
					     .fatal = on_fatal,
					     .context = fixture};
	int link = fixture->fake.link;
	fixture->fake.link = -1;
	assert_int_equal(
	    engine_new(&fixture->loop, &fixture->config, link, &callbacks, &fixture->engine, NULL),
	    0);
}

int
engine_fixture_setup(void **state)
{
	*state = make_fixture();
	return 0;
}

int
engine_fixture_setup_started(void **state)
{
	struct fixture *fixture = make_fixture();
	*state = fixture;
	engine_fixture_start(fixture);
	return 0;
}

int
engine_fixture_teardown(void **state)
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

struct engine_info
info(struct fixture *fixture)
{
	struct engine_info about;
	engine_info(fixture->engine, &about);
	return about;
}

const struct tenant_terms TEST_TERMS = {.name = "test", .values = {[TENANT_SETTING_weight] = 1}};
const struct engine_owner TEST_OWNER = {1, 2, &TEST_TERMS, NULL, NULL};

void
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

const char *
submit_request(struct fixture *fixture, struct run_request *request, uint64_t session,
	       uint64_t ticket)
{
	static char id[JOB_ID_CHARS + 1];
	struct engine_owner owner = {session, ticket, &TEST_TERMS, NULL, NULL};
	struct engine_refusal refusal;
	assert_int_equal(engine_submit(fixture->engine, request, &owner, id, &refusal, NULL), 0);
	return id;
}

const char *
submit(struct fixture *fixture, const char *script, uint64_t session, uint64_t ticket)
{
	struct run_request request;
	make_request(&request, script);
	return submit_request(fixture, &request, session, ticket);
}

const struct run_result *
run_request(struct fixture *fixture, struct run_request *request)
{
	submit_request(fixture, request, 1, 0);
	RUN_UNTIL(fixture->told[0]);
	return &fixture->results[0];
}

const struct run_result *
run(struct fixture *fixture, const char *script)
{
	struct run_request request;
	make_request(&request, script);
	return run_request(fixture, &request);
}

void
assert_text(const struct bytes *bytes, const char *text)
{
	assert_int_equal(bytes->size, strlen(text));
	if (bytes->size > 0)
		assert_memory_equal(bytes->data, text, bytes->size);
}
