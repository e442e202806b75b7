/*
 * Clocks: the system's does not go back, an injected one is the one that is asked.
 */
#include "protocol/base_clock.h"
#include "tests/unit/cmocka_headers.h"

static uint64_t
fake_now(void *context)
{
	return *(const uint64_t *)context;
}

static void
system_clock_does_not_go_back(void **state)
{
	uint64_t last = clock_now_ns(&CLOCK_SYSTEM);

	assert_true(last > 0);
	for (int i = 0; i < 1000; i++) {
		uint64_t now = clock_now_ns(&CLOCK_SYSTEM);

		assert_true(now >= last);
		last = now;
	}
}

static void
injected_clock_is_asked(void **state)
{
	uint64_t now = 5 * NS_PER_S;
	struct clock clock = {fake_now, &now};

	assert_int_equal(clock_now_ns(&clock), 5000 * NS_PER_MS);
	now += NS_PER_US;
	assert_int_equal(clock_now_ns(&clock), 5000001000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(system_clock_does_not_go_back),
	    cmocka_unit_test(injected_clock_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
