/*
 * Jobs with a scratch directory in the engine: a worker is made for each, beside the plain ones.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include <string.h>

#include "engine_fixture.h"
#include "protocol/worker_abi.h"

static void
make_scratch(struct run_request *ret_request, const char *script, uint64_t bytes, uint64_t files)
{
	make_request(ret_request, script);
	ret_request->limits.scratch_bytes = bytes;
	ret_request->limits.scratch_files = files;
}

static void
test_a_worker_is_made_for_the_sizes(void **state)
{
	struct fixture *fixture = *state;
	struct fake_shared *shared = fixture->fake.shared;
	struct run_request request;
	for (unsigned i = 1; i <= 3; i++) {
		make_scratch(&request, "out text;err more", 4096 * i, 10 + i);
		submit_request(fixture, &request, 1, i);
		RUN_UNTIL(fixture->results_count == i);
		const struct run_result *result = &fixture->results[i];
		assert_int_equal(result->status, STATUS_OK);
		assert_text(&result->out, "text"); /* and nothing of the hole before it */
		assert_text(&result->err, "more");
		assert_int_equal(shared->scratch_forks, i);
		assert_int_equal(shared->scratch_bytes, 4096 * i);
		assert_int_equal(shared->scratch_files, 10 + i);
	}
	submit(fixture, "out plain", 1, 4);
	RUN_UNTIL(fixture->results_count == 4);
	assert_text(&fixture->results[4].out, "plain");
	assert_int_equal(shared->scratch_forks, 3);
}

static void
test_plain_jobs_pass_one_that_has_no_worker_yet(void **state)
{
	struct fixture *fixture = *state;
	struct run_request request;
	unsigned early = 3 * (unsigned)config_number(&fixture->config, workers_ready);
	/* None can be made for now: that delays no start of the workers that the others need. */
	fixture->fake.shared->fail_scratch = UINT_MAX;
	make_scratch(&request, "out late", 4096, 10);
	submit_request(fixture, &request, 1, 0);
	for (unsigned i = 1; i <= early; i++)
		submit(fixture, "out early", 1, i);
	RUN_UNTIL(fixture->results_count == early);
	assert_int_equal(fixture->told[0], 0);
	assert_text(&fixture->results[early].out, "early");
	fixture->fake.shared->fail_scratch = 0;
	RUN_UNTIL(fixture->results_count == early + 1);
	assert_int_equal(fixture->results[0].status, STATUS_OK);
	assert_text(&fixture->results[0].out, "late");
}

/* All places but its own are taken: it waits for a worker, not for them to end. */
static void
test_it_keeps_its_place(void **state)
{
	struct fixture *fixture = *state;
	struct run_request request;
	char script[] = "pause";
	fixture->fake.shared->fail_scratch = 1;
	make_scratch(&request, "out mine", 4096, 10);
	submit_request(fixture, &request, 1, 0);
	for (unsigned i = 1; i < 20; i++)
		submit(fixture, script, 2, i);
	RUN_UNTIL(fixture->results_count == 1);
	assert_text(&fixture->results[0].out, "mine");
	engine_forget_session(fixture->engine, 2);
	RUN_UNTIL(info(fixture).jobs_queued + info(fixture).jobs_running == 0);
}

static void
test_a_worker_whose_job_went_goes_too(void **state)
{
	struct fixture *fixture = *state;
	struct run_request request;
	uint64_t ready = config_number(&fixture->config, workers_ready);
	RUN_UNTIL(info(fixture).workers_ready == ready);
	struct error err = ERROR_INIT;
	make_scratch(&request, "pause", 4096, 10);
	const char *id = submit_request(fixture, &request, 1, 0);
	RUN_UNTIL(fixture->fake.shared->scratch_forks == 1);
	assert_int_equal(engine_cancel(fixture->engine, id, 1, &err), 0);
	RUN_UNTIL(fixture->results_count == 1);
	assert_int_equal(fixture->results[0].status, STATUS_CANCELLED);
	RUN_UNTIL(info(fixture).workers_starting + info(fixture).workers_busy == 0 &&
		  info(fixture).workers_ready == ready);
	assert_int_equal(info(fixture).workers_failed, 0);
}

static void
test_a_worker_that_breaks_is_replaced(void **state)
{
	struct fixture *fixture = *state;
	struct run_request request;
	fixture->fake.shared->breaking_workers = 1;
	make_scratch(&request, "out fine", 4096, 10);
	const struct run_result *result = run_request(fixture, &request);
	assert_int_equal(result->status, STATUS_OK);
	assert_int_equal(fixture->fake.shared->scratch_forks, 2);
}

int
main(void)
{
#define STARTED(name)                                                                              \
	cmocka_unit_test_setup_teardown(name, engine_fixture_setup_started, engine_fixture_teardown)
	const struct CMUnitTest tests[] = {
	    STARTED(test_a_worker_is_made_for_the_sizes),
	    STARTED(test_plain_jobs_pass_one_that_has_no_worker_yet),
	    STARTED(test_it_keeps_its_place),
	    STARTED(test_a_worker_whose_job_went_goes_too),
	    STARTED(test_a_worker_that_breaks_is_replaced),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
