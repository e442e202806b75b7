/*
 * When a generation is replaced: the policy, with every time given.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/recycle.h"
#include "protocol/base_clock.h"

static const struct recycle_limits LIMITS = {.jobs_max = 800, .time_max_ms = 8000};

static void
due_by_jobs_or_time(void **state)
{
	static const struct {
		uint64_t jobs, since_ms, now_ms, due_ms;
	} ROWS[] = {
	    {0, 1000, 1000, 7000},
	    {699, 1000, 2000, 6000},
	    {700, 1000, 1000, 0}, /* an eighth before the end */
	    {800, 1000, 1000, 0},
	    {UINT64_MAX, 1000, 1000, 0},
	    {0, 1000, 7999, 1},
	    {0, 1000, 8000, 0},
	    {0, 1000, 9000000, 0},
	    {0, 1000, 999, 7000}, /* another thread's clock reading may be older */
	};
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++)
		assert_int_equal(recycle_due_ns(&LIMITS, ROWS[i].jobs, ROWS[i].since_ms * NS_PER_MS,
						ROWS[i].now_ms * NS_PER_MS),
				 ROWS[i].due_ms * NS_PER_MS);
}

/* The least and the greatest values that the settings allow: never due at once, nor overflowing. */
static void
extremes(void **state)
{
	static const struct recycle_limits ONE = {1, 1000}, MOST = {1000000, 86400000};
	assert_int_equal(recycle_due_ns(&ONE, 0, 5, 5), 875 * NS_PER_MS);
	assert_int_equal(recycle_due_ns(&ONE, 1, 5, 5), 0);
	assert_int_equal(recycle_due_ns(&MOST, 0, 0, 0), 75600000 * NS_PER_MS);
	assert_int_equal(recycle_due_ns(&MOST, 875000, 0, 0), 0);
}

static void
failures_slow_it_down(void **state)
{
	static const uint64_t DELAYS[] = {
	    RECYCLE_INTERVAL_MS, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
	for (unsigned i = 0; i < sizeof(DELAYS) / sizeof(DELAYS[0]); i++)
		assert_int_equal(recycle_delay_ms(i), DELAYS[i]);
	assert_int_equal(recycle_delay_ms(UINT32_MAX), RECYCLE_RETRY_MAX_MS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(due_by_jobs_or_time),
	    cmocka_unit_test(extremes),
	    cmocka_unit_test(failures_slow_it_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
