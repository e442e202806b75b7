/*
 * Results that wait for room: the second of two large ones is read when the first one is given
 * back, small ones pass, nothing is lost when clients go or the engine ends.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "engine_fixture.h"

#define LARGE_BYTES 700000u /* two are more than the room of 1 MiB */

static void
submit_large(struct fixture *fixture, uint64_t session, uint64_t ticket)
{
	struct run_request request;
	make_request(&request, "stdin");
	request.stdin_size = LARGE_BYTES;
	request.stdin_bytes = malloc(LARGE_BYTES);
	assert_non_null(request.stdin_bytes);
	memset(request.stdin_bytes, 'x', LARGE_BYTES);
	(void)submit_request(fixture, &request, session, ticket);
}

static int
setup(void **state)
{
	assert_int_equal(engine_fixture_setup(state), 0);
	struct fixture *fixture = *state;
	assert_int_equal(config_set(&fixture->config, "results_bytes_max=1M", NULL), 0);
	engine_fixture_start(fixture);
	fixture->holds = true;
	return 0;
}

/* Until both have run and one of them waits: it is still running for the engine. */
static void
until_one_waits(struct fixture *fixture)
{
	RUN_UNTIL(fixture->results_count == 1 && info(fixture).jobs_queued == 0);
	while (info(fixture).workers_busy > 0)
		(void)uv_run(&fixture->loop, UV_RUN_ONCE);
	for (unsigned i = 0; i < 100; i++)
		(void)uv_run(&fixture->loop, UV_RUN_NOWAIT);
	assert_int_equal(fixture->results_count, 1);
	assert_int_equal(info(fixture).jobs_running, 1);
}

static void
test_the_second_waits_for_the_first(void **state)
{
	struct fixture *fixture = *state;
	submit_large(fixture, 1, 0);
	submit_large(fixture, 1, 1);
	until_one_waits(fixture);
	assert_int_equal(fixture->held_bytes, LARGE_BYTES);
	submit(fixture, "out small", 1, 2);
	RUN_UNTIL(fixture->results_count == 2); /* passes by */
	assert_int_equal(fixture->told[2], 1);
	engine_result_gone(fixture->engine, fixture->held_bytes);
	fixture->held_bytes = 0;
	RUN_UNTIL(fixture->results_count == 3);
	assert_int_equal(fixture->results[0].out.size, LARGE_BYTES);
	assert_int_equal(fixture->results[1].out.size, LARGE_BYTES);
}

/* Nobody is told of a forgotten job: its bytes are given back all the same. */
static void
test_a_client_that_has_gone_holds_nothing(void **state)
{
	struct fixture *fixture = *state;
	submit_large(fixture, 1, 0);
	submit_large(fixture, 2, 1);
	until_one_waits(fixture);
	uint64_t waits = fixture->told[0] ? 2 : 1;
	engine_forget_session(fixture->engine, waits);
	engine_result_gone(fixture->engine, fixture->held_bytes);
	submit_large(fixture, 3, 2);
	RUN_UNTIL(fixture->results_count == 2);
	assert_int_equal(fixture->told[2], 1);
}

static void
test_the_end_while_one_waits(void **state)
{
	struct fixture *fixture = *state;
	submit_large(fixture, 1, 0);
	submit_large(fixture, 1, 1);
	until_one_waits(fixture); /* the tear-down closes the engine */
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, engine_fixture_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_the_second_waits_for_the_first),
	    TEST(test_a_client_that_has_gone_holds_nothing),
	    TEST(test_the_end_while_one_waits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
