/*
 * The restart policy: rows of starts and ends at given times, and what must come of each.
 */
#include "protocol/base_clock.h"
#include "worker/spawner_backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define NEVER UINT64_MAX

static void
doubles_up_to_the_cap(void **state)
{
	static const uint64_t DELAYS_MS[] = {0,    100,  200,   400,   800,  1600,
					     3200, 6400, 10000, 10000, 10000};
	struct spawner_backoff backoff;
	uint64_t now_ns = NS_PER_S, delay_ns;

	spawner_backoff_init(&backoff);
	for (size_t i = 0; i < sizeof(DELAYS_MS) / sizeof(DELAYS_MS[0]); i++) {
		spawner_backoff_ready(&backoff, now_ns);
		now_ns += NS_PER_S;
		delay_ns = NEVER;
		assert_true(spawner_backoff_ended(&backoff, now_ns, &delay_ns));
		assert_int_equal(delay_ns, DELAYS_MS[i] * NS_PER_MS);
		now_ns += delay_ns;
	}
}

static void
health_starts_the_row_anew(void **state)
{
	struct spawner_backoff backoff;
	uint64_t now_ns = NS_PER_S, delay_ns = NEVER;

	spawner_backoff_init(&backoff);
	for (int i = 0; i < 6; i++) {
		spawner_backoff_ready(&backoff, now_ns);
		assert_true(spawner_backoff_ended(&backoff, ++now_ns, &delay_ns));
	}
	assert_int_equal(delay_ns, 1600 * NS_PER_MS);
	/* one nanosecond too few */
	spawner_backoff_ready(&backoff, now_ns);
	now_ns += 60 * NS_PER_S - 1;
	assert_true(spawner_backoff_ended(&backoff, now_ns, &delay_ns));
	assert_int_equal(delay_ns, 3200 * NS_PER_MS);
	spawner_backoff_ready(&backoff, now_ns);
	now_ns += 60 * NS_PER_S;
	assert_true(spawner_backoff_ended(&backoff, now_ns, &delay_ns));
	assert_int_equal(delay_ns, 0);
	assert_true(spawner_backoff_ended(&backoff, now_ns, &delay_ns));
	assert_int_equal(delay_ns, 100 * NS_PER_MS);
}

static void
time_without_ready_is_not_health(void **state)
{
	struct spawner_backoff backoff;
	uint64_t now_ns = NS_PER_S, delay_ns = NEVER;

	spawner_backoff_init(&backoff);
	spawner_backoff_ready(&backoff, now_ns);
	assert_true(spawner_backoff_ended(&backoff, now_ns, &delay_ns));
	assert_true(spawner_backoff_ended(&backoff, now_ns + 3600 * NS_PER_S, &delay_ns));
	assert_int_equal(delay_ns, 100 * NS_PER_MS);
}

static void
gives_up_only_before_the_first_ready(void **state)
{
	struct spawner_backoff backoff;
	uint64_t delay_ns = NEVER;

	spawner_backoff_init(&backoff);
	for (int i = 0; i < 4; i++)
		assert_true(spawner_backoff_ended(&backoff, 1, &delay_ns));
	delay_ns = NEVER;
	assert_false(spawner_backoff_ended(&backoff, 1, &delay_ns));
	assert_int_equal(delay_ns, NEVER);

	spawner_backoff_init(&backoff);
	for (int i = 0; i < 4; i++)
		assert_true(spawner_backoff_ended(&backoff, 1, &delay_ns));
	spawner_backoff_ready(&backoff, 2);
	for (int i = 0; i < 1000; i++)
		assert_true(spawner_backoff_ended(&backoff, 3, &delay_ns));
	assert_int_equal(delay_ns, 10000 * NS_PER_MS);
	/* Nor does it begin anew by counting too far. */
	backoff.failures = UINT32_MAX;
	assert_true(spawner_backoff_ended(&backoff, 3, &delay_ns));
	assert_int_equal(backoff.failures, UINT32_MAX);
	assert_int_equal(delay_ns, 10000 * NS_PER_MS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(doubles_up_to_the_cap),
	    cmocka_unit_test(health_starts_the_row_anew),
	    cmocka_unit_test(time_without_ready_is_not_health),
	    cmocka_unit_test(gives_up_only_before_the_first_ready),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
