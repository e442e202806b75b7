/* What running jobs weigh beside each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/weigh.h"

static void
equal_parts_weigh_the_same(void **state)
{
	(void)state;
	assert_int_equal(weigh_of(1, 1, 0), LEAF_WEIGHT);
	assert_int_equal(weigh_of(0.25, 0.25, 0.25), LEAF_WEIGHT);
	assert_int_equal(weigh_of(1.0 / 3, 1.0 / 3, 1.0 / 3), LEAF_WEIGHT);
}

static void
as_parts_are(void **state)
{
	(void)state;
	assert_int_equal(weigh_of(1, 2, 0), 50);
	assert_int_equal(weigh_of(0.5, 2, 0.5), 25); /* young ones with no greater part */
	assert_int_equal(weigh_of(0.5, 2, 0.25), 25);
	assert_int_equal(weigh_of(3, 4, 3), 75);
}

static void
young_ones_come_first(void **state)
{
	(void)state;
	assert_int_equal(weigh_of(1, 1, 1), LEAF_WEIGHT);
	assert_int_equal(weigh_of(1, 2, 2), 25);
	assert_int_equal(weigh_of(0.25, 1, 1), 6);
	assert_int_equal(weigh_of(0.25, 1, 0.5), 13); /* the greatest part is of an old one */
}

static void
there_is_a_least(void **state)
{
	(void)state;
	assert_int_equal(weigh_of(1, 1000, 0), WEIGH_LEAST);
	assert_int_equal(weigh_of(1.0 / 128, 1000, 1000), WEIGH_LEAST);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(equal_parts_weigh_the_same),
	    cmocka_unit_test(as_parts_are),
	    cmocka_unit_test(young_ones_come_first),
	    cmocka_unit_test(there_is_a_least),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
