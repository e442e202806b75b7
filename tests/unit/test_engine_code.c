/*
 * Compiled code on its way through the engine: asked for once, kept whatever the job came to, given
 * to the next; what a worker in wrong hands leaves is nothing, or bytes.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "daemon/compiled.h"
#include "engine_fixture.h"
#include "protocol/worker_abi.h"

static struct compiled_room rooms[2];
static struct compiled *compiled; /* of one script; the fake's programs differ all the same */

static int
setup(void **state)
{
	rooms[0] = rooms[1] = (struct compiled_room){0, 8u << 20};
	compiled = compiled_new(&rooms[0], &rooms[1], 1);
	return engine_fixture_setup_started(state);
}

static int
teardown(void **state)
{
	compiled_end(compiled);
	compiled_release(&compiled);
	return engine_fixture_teardown(state);
}

static void
begin(struct fixture *fixture, const char *script, uint64_t ticket)
{
	struct engine_owner owner = {1, ticket, &TEST_TERMS, NULL, compiled};
	struct engine_refusal refusal;
	struct run_request request;
	char id[JOB_ID_CHARS + 1];
	make_request(&request, script);
	assert_int_equal(engine_submit(fixture->engine, &request, &owner, id, &refusal, NULL), 0);
}

static const struct run_result *
go(struct fixture *fixture, const char *script)
{
	run_result_deinit(&fixture->results[0]);
	fixture->told[0] = 0;
	begin(fixture, script, 0);
	RUN_UNTIL(fixture->told[0]);
	return &fixture->results[0];
}

static void
expect(struct fixture *fixture, const char *script, const char *output)
{
	const struct run_result *result = go(fixture, script);
	assert_int_equal(result->status, STATUS_OK);
	assert_text(&result->out, output);
}

static void
test_left_and_given(void **state)
{
	struct fixture *fixture = *state;
	expect(fixture, "asked;given;leave first", "yes");
	for (unsigned i = 0; i < 3; i++)
		expect(fixture, "asked;given;leave other", "nofirst");
	assert_int_equal(rooms[0].bytes, 5);
}

static void
test_without_a_script(void **state)
{
	struct fixture *fixture = *state;
	expect(fixture, "asked;leave first", "yes");
	run_result_deinit(&fixture->results[0]);
	fixture->told[0] = 0;
	assert_text(&run(fixture, "asked;given")->out, "no");
}

static void
test_jobs_that_end_badly(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(go(fixture, "exit 3")->status, STATUS_RUNTIME_ERROR);
	assert_int_equal(rooms[0].bytes, 0);
	assert_int_not_equal(go(fixture, "leave it;signal 11")->status, STATUS_OK);
	expect(fixture, "asked;given", "noit");
}

static void
test_a_broken_worker(void **state)
{
	struct fixture *fixture = *state;
	fixture->fake.shared->breaking_workers = 1;
	expect(fixture, "asked;leave it", "yes");
	expect(fixture, "asked;given", "noit");
}

static void
test_claims(void **state)
{
	static const char *const CLAIMS[] = {"claim 4194241", "claim 4194304",
					     "claim 0x8000000000000000", "claim 0xfffffffffffffffe",
					     "leave "};
	struct fixture *fixture = *state;
	for (size_t i = 0; i < sizeof(CLAIMS) / sizeof(CLAIMS[0]); i++) {
		assert_int_equal(go(fixture, CLAIMS[i])->status, STATUS_OK);
		assert_int_equal(rooms[0].bytes, 0);
		expect(fixture, "asked;given", "yes");
	}
	assert_int_equal(go(fixture, "claim 4194240")->status, STATUS_OK);
	assert_int_equal(rooms[0].bytes, 4194240);
	const struct run_result *result = go(fixture, "given");
	assert_int_equal(result->out_truncated, true); /* all of it came */
}

static void
test_never(void **state)
{
	struct fixture *fixture = *state;
	expect(fixture, "asked;claim 0xffffffffffffffff", "yes");
	expect(fixture, "asked;given", "no");
}

static void
test_the_script_goes_meanwhile(void **state)
{
	struct fixture *fixture = *state;
	begin(fixture, "pause", 1);
	begin(fixture, "asked;leave late", 2);
	RUN_UNTIL(fixture->told[2]);
	assert_text(&fixture->results[2].out, "no"); /* the first one is asked */
	compiled_end(compiled);
	compiled_release(&compiled);
	engine_forget_session(fixture->engine, 1);
	compiled = compiled_new(&rooms[0], &rooms[1], 1);
	expect(fixture, "asked;leave new", "yes");
	expect(fixture, "given", "new");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_left_and_given, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_without_a_script, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_jobs_that_end_badly, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_broken_worker, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_claims, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_never, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_the_script_goes_meanwhile, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
