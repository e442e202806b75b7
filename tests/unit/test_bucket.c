/* Token buckets: one minute's worth, debts, changes of the rate, the ends of the number range. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/bucket.h"

#define SECOND 1000000000ull
#define MINUTE (60 * SECOND)
#define START  (123 * SECOND)

static void
test_holds_a_minutes_worth(void **state)
{
	struct bucket bucket;
	(void)state;
	bucket_init(&bucket, 60, START);
	for (unsigned i = 0; i < 60; i++) {
		assert_int_equal(bucket_wait_ns(&bucket, 1, START), 0);
		bucket_charge(&bucket, 1, START);
	}
	assert_int_equal(bucket_wait_ns(&bucket, 1, START), SECOND);
	assert_int_equal(bucket_wait_ns(&bucket, 1, START + SECOND - 1), 1);
	assert_int_equal(bucket_wait_ns(&bucket, 1, START + SECOND), 0);
	/* ... and no more, however long it was left alone */
	assert_int_equal(bucket_wait_ns(&bucket, 60, START + 1000 * MINUTE), 0);
	bucket_charge(&bucket, 60, START + 1000 * MINUTE);
	assert_int_equal(bucket_wait_ns(&bucket, 1, START + 1000 * MINUTE), SECOND);
}

static void
test_more_than_it_holds_never_comes(void **state)
{
	struct bucket bucket;
	(void)state;
	bucket_init(&bucket, 10, START);
	assert_int_equal(bucket_wait_ns(&bucket, 10, START), 0);
	assert_true(bucket_wait_ns(&bucket, 11, START) == BUCKET_NEVER);
}

static void
test_debt_is_worked_off(void **state)
{
	struct bucket bucket;
	(void)state;
	bucket_init(&bucket, 1000, START);
	bucket_charge(&bucket, 3500, START);
	assert_int_equal(bucket_wait_ns(&bucket, 1, START), 2501 * (MINUTE / 1000));
	assert_int_equal(bucket_wait_ns(&bucket, 1, START + 2 * MINUTE), 501 * (MINUTE / 1000));
	assert_int_equal(bucket_wait_ns(&bucket, 1, START + 3 * MINUTE), 0);
}

/* Looked at every nanosecond, a rate gives no less than at once. */
static void
test_nothing_is_lost_in_rounding(void **state)
{
	struct bucket bucket;
	(void)state;
	bucket_init(&bucket, 7, START);
	bucket_charge(&bucket, 7, START);
	uint64_t wait_ns = bucket_wait_ns(&bucket, 1, START);
	assert_int_equal(wait_ns, MINUTE / 7 + 1);
	for (uint64_t at = 0; at < wait_ns; at += wait_ns / 10000)
		assert_int_equal(bucket_wait_ns(&bucket, 1, START + at), wait_ns - at);
	assert_int_equal(bucket_wait_ns(&bucket, 1, START + wait_ns), 0);
}

static void
test_without_a_rate(void **state)
{
	struct bucket bucket;
	(void)state;
	bucket_init(&bucket, 0, START);
	bucket_charge(&bucket, UINT64_MAX, START);
	assert_int_equal(bucket_wait_ns(&bucket, UINT64_MAX, START), 0);
	bucket_set_rate(&bucket, 60, START); /* begins full */
	assert_int_equal(bucket_wait_ns(&bucket, 60, START), 0);
}

static void
test_another_rate(void **state)
{
	struct bucket bucket;
	(void)state;
	bucket_init(&bucket, 100, START);
	bucket_charge(&bucket, 50, START);
	bucket_set_rate(&bucket, 10, START);
	assert_int_equal(bucket_wait_ns(&bucket, 5, START), 0);
	assert_int_equal(bucket_wait_ns(&bucket, 6, START), MINUTE / 10);
	bucket_set_rate(&bucket, 1000, START);
	assert_int_equal(bucket_wait_ns(&bucket, 500, START), 0);
	assert_int_equal(bucket_wait_ns(&bucket, 501, START), MINUTE / 1000);
	bucket_set_rate(&bucket, 0, START);
	assert_int_equal(bucket_wait_ns(&bucket, 501, START), 0);
}

static void
test_the_clock_stands_still(void **state)
{
	struct bucket bucket;
	(void)state;
	bucket_init(&bucket, 60, START);
	bucket_charge(&bucket, 60, START);
	assert_int_equal(bucket_wait_ns(&bucket, 1, START - SECOND), SECOND);
	assert_int_equal(bucket_wait_ns(&bucket, 1, START), SECOND);
}

static void
test_no_overflow(void **state)
{
	static const uint64_t NUMBERS[] = {
	    1, 2, 1000, 1ull << 32, 1ull << 62, UINT64_MAX - 1, UINT64_MAX};
	const size_t count = sizeof(NUMBERS) / sizeof(NUMBERS[0]);
	(void)state;
	for (size_t i = 0; i < count * count * count; i++) {
		uint64_t rate = NUMBERS[i % count], amount = NUMBERS[i / count % count];
		uint64_t time = NUMBERS[i / count / count];
		struct bucket bucket;
		bucket_init(&bucket, rate, 0);
		bucket_charge(&bucket, amount, 0);
		bucket_charge(&bucket, amount, 0);
		uint64_t before = bucket_wait_ns(&bucket, 1, 0);
		uint64_t after = bucket_wait_ns(&bucket, 1, time);
		assert_true(before < BUCKET_NEVER);
		/* What is left of the wait when it is known exactly, else at most as much. */
		if (before < BUCKET_NEVER - 1)
			assert_true(after == (before > time ? before - time : 0));
		assert_true(after <= before);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_holds_a_minutes_worth),
	    cmocka_unit_test(test_more_than_it_holds_never_comes),
	    cmocka_unit_test(test_debt_is_worked_off),
	    cmocka_unit_test(test_nothing_is_lost_in_rounding),
	    cmocka_unit_test(test_without_a_rate),
	    cmocka_unit_test(test_another_rate),
	    cmocka_unit_test(test_the_clock_stands_still),
	    cmocka_unit_test(test_no_overflow),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
