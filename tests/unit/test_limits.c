/*
 * The limits table: complete, consistent, found by exact name only.
 */
#include "protocol/limits.h"
#include "tests/unit/cmocka_headers.h"

#include <string.h>

static void
every_row_is_consistent(void **state)
{
	for (unsigned i = 0; i < LIMIT_COUNT; i++) {
		assert_non_null(LIMITS[i].name);
		assert_true(LIMITS[i].min <= LIMITS[i].def);
		assert_true(LIMITS[i].def <= LIMITS[i].max);
		assert_true(LIMITS[i].max <= INT64_MAX);
		assert_ptr_equal(limits_find(LIMITS[i].name, strlen(LIMITS[i].name)), &LIMITS[i]);
	}
}

static void
only_the_exact_name_is_found(void **state)
{
	assert_null(limits_find("cpu_m", 5));
	assert_null(limits_find("cpu_mss", 7));
	assert_null(limits_find("", 0));
	assert_null(limits_find("cpu_ms\0x", 8));
	assert_non_null(limits_find("cpu_ms,", 6));
}

static void
set_and_get_reach_the_named_field(void **state)
{
	struct limits limits;

	limits_defaults(&limits);
	assert_int_equal(limits.cpu_ms, 2000);
	limits_set(&limits, LIMIT_wall_ms, 77);
	assert_int_equal(limits.wall_ms, 77);
	limits.call_depth = 99;
	assert_int_equal(limits_get(&limits, LIMIT_call_depth), 99);
	limits_maxima(&limits);
	for (unsigned i = 0; i < LIMIT_COUNT; i++)
		assert_int_equal(limits_get(&limits, (enum limit_id)i), LIMITS[i].max);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_row_is_consistent),
	    cmocka_unit_test(only_the_exact_name_is_found),
	    cmocka_unit_test(set_and_get_reach_the_named_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
