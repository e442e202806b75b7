/*
 * load_histogram.c: every value has a bucket, the relative error is bounded, percentiles are those
 * of the sorted values within it, and merging is adding all values to one.
 */
#include "cmocka_headers.h"
#include "bench/load_histogram.h"

#include <stdlib.h>
#include <string.h>

#define VALUES 20000

static struct load_histogram first, second, both;

/* From small to huge: a random number of random bits. */
static uint64_t
some_value(uint64_t *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	uint64_t bits = *state >> 58;
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return *state >> bits;
}

static void
assert_close(uint64_t read, uint64_t value)
{
	uint64_t off = read > value ? read - value : value - read;
	assert_true((double)off <= (double)value / 256);
}

static void
test_buckets_are_in_order_without_gaps(void **state)
{
	assert_int_equal(load_histogram_bucket(0), 0);
	for (unsigned i = 0; i < LOAD_HISTOGRAM_BUCKETS; i++) {
		uint64_t floor = load_histogram_floor(i);
		assert_int_equal(load_histogram_bucket(floor), i);
		if (i > 0)
			assert_int_equal(load_histogram_bucket(floor - 1), i - 1);
	}
	assert_int_equal(load_histogram_bucket(UINT64_MAX), LOAD_HISTOGRAM_BUCKETS - 1);
}

static void
test_small_values_are_exact(void **state)
{
	load_histogram_clear(&first);
	for (uint64_t value = 0; value < 256; value++)
		load_histogram_add(&first, value);
	for (int value = 0; value < 256; value++)
		assert_int_equal(load_histogram_at(&first, (value + 1) / 256.0), value);
	assert_true(load_histogram_mean(&first) == 127.5);
}

static void
test_empty_and_single(void **state)
{
	load_histogram_clear(&first);
	assert_int_equal(load_histogram_at(&first, 0.5), 0);
	assert_true(load_histogram_mean(&first) == 0);
	load_histogram_add(&first, 123456789);
	for (int i = 0; i <= 10; i++)
		assert_int_equal(load_histogram_at(&first, i / 10.0), 123456789);
	load_histogram_add(&first, UINT64_MAX);
	assert_int_equal(load_histogram_at(&first, 1), UINT64_MAX);
	assert_int_equal(load_histogram_at(&first, 0), 123456789);
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static void
test_percentiles_are_those_of_the_sorted_values(void **state)
{
	static const unsigned PER_10000[] = {1, 500, 2500, 5000, 9000, 9900, 9990, 9999};
	static uint64_t values[VALUES];
	uint64_t seed = 1;
	load_histogram_clear(&first);
	for (size_t i = 0; i < VALUES; i++) {
		values[i] = some_value(&seed);
		load_histogram_add(&first, values[i]);
	}
	qsort(values, VALUES, sizeof(values[0]), compare);
	for (size_t i = 0; i < sizeof(PER_10000) / sizeof(PER_10000[0]); i++)
		assert_close(load_histogram_at(&first, PER_10000[i] / 10000.0),
			     values[PER_10000[i] * (VALUES / 10000) - 1]);
	assert_int_equal(load_histogram_at(&first, 0), values[0]);
	assert_int_equal(load_histogram_at(&first, 1), values[VALUES - 1]);
}

static void
test_merge_is_adding_all(void **state)
{
	uint64_t seed = 7;
	load_histogram_clear(&first);
	load_histogram_clear(&second);
	load_histogram_clear(&both);
	load_histogram_merge(&first, &second);
	assert_int_equal(first.count, 0);
	for (size_t i = 0; i < VALUES; i++) {
		uint64_t value = some_value(&seed) >> (i % 3 ? 0 : 20);
		load_histogram_add(i % 3 ? &first : &second, value);
		load_histogram_add(&both, value);
	}
	load_histogram_merge(&first, &second);
	assert_int_equal(first.count, both.count);
	assert_int_equal(first.least, both.least);
	assert_int_equal(first.greatest, both.greatest);
	assert_memory_equal(first.buckets, both.buckets, sizeof(both.buckets));
	load_histogram_clear(&both);
	load_histogram_merge(&both, &first);
	assert_memory_equal(both.buckets, first.buckets, sizeof(both.buckets));
	assert_int_equal(both.least, first.least);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_buckets_are_in_order_without_gaps),
	    cmocka_unit_test(test_small_values_are_exact),
	    cmocka_unit_test(test_empty_and_single),
	    cmocka_unit_test(test_percentiles_are_those_of_the_sorted_values),
	    cmocka_unit_test(test_merge_is_adding_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
