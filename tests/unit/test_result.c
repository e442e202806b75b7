/*
 * Status names, and the clean-up of requests and results, also half-built ones.
 */
#include "protocol/request.h"
#include "protocol/run_result.h"
#include "tests/unit/cmocka_headers.h"

#include <stdlib.h>
#include <string.h>

static void
names_and_verdicts(void **state)
{
	assert_string_equal(status_name(STATUS_OK), "ok");
	assert_string_equal(status_verdict(STATUS_OK), "OK");
	assert_string_equal(status_name(STATUS_WALL_LIMIT), "wall_limit");
	assert_string_equal(status_verdict(STATUS_WALL_LIMIT), "WTL");
	assert_string_equal(status_verdict(STATUS_INTERNAL_ERROR), "JE");
	for (unsigned i = 0; i < STATUS_COUNT; i++) {
		assert_non_null(status_name((enum job_status)i));
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(status_name((enum job_status)i),
						status_name((enum job_status)j));
	}
}

static void
deinit_frees_whatever_is_there(void **state)
{
	struct run_result *result = calloc(1, sizeof(*result));
	struct run_request request = {.wants_value = true};

	assert_non_null(result);
	run_result_deinit(NULL);
	run_result_deinit(result);
	result->out.data = malloc(3);
	result->frame_count = 1;
	result->frames[0].file.data = malloc(3);
	result->frames[1].text.data = malloc(3); /* not counted yet */
	result->warnings[WARNINGS_MAX - 1].data = malloc(3);
	run_result_deinit(result);
	assert_null(result->out.data);
	assert_int_equal(result->frame_count, 0);
	run_result_deinit(result);
	free(result);
	run_request_deinit(NULL);
	request.blob = malloc(3);
	request.stdin_bytes = malloc(3);
	run_request_deinit(&request);
	assert_null(request.blob);
	assert_false(request.wants_value);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_and_verdicts),
	    cmocka_unit_test(deinit_frees_whatever_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
