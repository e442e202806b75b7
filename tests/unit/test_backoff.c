/* The delay after failures: none without one, doubling, capped, for any count. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/backoff.h"

static void
test_doubles_to_its_cap(void **state)
{
	assert_int_equal(backoff_delay_ms(0), 0);
	assert_int_equal(backoff_delay_ms(1), BACKOFF_FIRST_MS);
	assert_int_equal(backoff_delay_ms(2), 2 * BACKOFF_FIRST_MS);
	assert_int_equal(backoff_delay_ms(4), 8 * BACKOFF_FIRST_MS);
	assert_int_equal(backoff_delay_ms(20), BACKOFF_MAX_MS);
	assert_int_equal(backoff_delay_ms(UINT32_MAX), BACKOFF_MAX_MS);
}

static void
test_never_falls(void **state)
{
	for (unsigned i = 1; i < 40; i++)
		assert_true(backoff_delay_ms(i) >= backoff_delay_ms(i - 1));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_doubles_to_its_cap),
	    cmocka_unit_test(test_never_falls),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
