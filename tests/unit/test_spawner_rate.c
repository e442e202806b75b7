/*
 * How many requests stintd may make, with every time given.
 */
#include "worker/spawner_rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "protocol/base_clock.h"

#define INTERVAL_NS (SPAWNER_RATE_INTERVAL_MS * NS_PER_MS)

static unsigned
take_all(struct spawner_rate *rate, uint64_t now_ns)
{
	unsigned count = 0;

	while (spawner_rate_take(rate, now_ns))
		count++;
	return count;
}

static void
a_burst_then_a_trickle(void **state)
{
	struct spawner_rate rate = {0};
	uint64_t now_ns = 77 * NS_PER_S;

	assert_int_equal(take_all(&rate, now_ns), SPAWNER_RATE_BURST);
	assert_int_equal(take_all(&rate, now_ns + INTERVAL_NS - 1), 0);
	assert_int_equal(take_all(&rate, now_ns + INTERVAL_NS), 1);
	assert_int_equal(take_all(&rate, now_ns + 6 * INTERVAL_NS), 5);
	/* all is there again after the whole of it, and never more */
	now_ns += 100 * SPAWNER_RATE_BURST * INTERVAL_NS;
	assert_int_equal(take_all(&rate, now_ns), SPAWNER_RATE_BURST);
}

/* A refusal costs nothing: what is owed does not grow without bound. */
static void
refusals_do_not_add_up(void **state)
{
	struct spawner_rate rate = {0};

	(void)take_all(&rate, NS_PER_S);
	for (unsigned i = 0; i < 1000; i++)
		assert_false(spawner_rate_take(&rate, NS_PER_S));
	assert_true(spawner_rate_take(&rate, NS_PER_S + INTERVAL_NS));
}

/* Two requests each half second, as stintd at its most eager: for ever. */
static void
a_stintd_in_order_is_never_refused(void **state)
{
	struct spawner_rate rate = {0};

	for (uint64_t i = 1; i < 100000; i++) {
		assert_true(spawner_rate_take(&rate, i * 500 * NS_PER_MS));
		assert_true(spawner_rate_take(&rate, i * 500 * NS_PER_MS));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_burst_then_a_trickle),
	    cmocka_unit_test(refusals_do_not_add_up),
	    cmocka_unit_test(a_stintd_in_order_is_never_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
