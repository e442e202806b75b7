/* What nice value makes up for more running jobs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/nice.h"

static void
equal_parts_need_none(void **state)
{
	assert_int_equal(nice_of(1, 1, 19), 0);
	assert_int_equal(nice_of(0.25, 0.25, 19), 0);
	assert_int_equal(nice_of(1, 1.1, 19), 0); /* less than half a step */
}

/* By the kernel's weights of nice values: 1024, 820, 655, 526, 423, 335, 272, ... 15. */
static void
parts_are_made_up_for(void **state)
{
	assert_int_equal(nice_of(820, 1024, 19), 1);
	assert_int_equal(nice_of(526, 1024, 19), 3);
	assert_int_equal(nice_of(1, 2, 19), 3);
	assert_int_equal(nice_of(1, 3, 19), 5);
	assert_int_equal(nice_of(1, 4, 19), 6);
	assert_int_equal(nice_of(110, 1024, 19), 10);
	assert_int_equal(nice_of(15, 1024, 19), 19);
}

static void
there_is_a_maximum(void **state)
{
	assert_int_equal(nice_of(1, 1000, 19), 19);
	assert_int_equal(nice_of(1, 1000000000.0, 5), 5);
	assert_int_equal(nice_of(1, 2, 2), 2);
	assert_int_equal(nice_of(1, 1000, 0), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(equal_parts_need_none),
	    cmocka_unit_test(parts_are_made_up_for),
	    cmocka_unit_test(there_is_a_maximum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
