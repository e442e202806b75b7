/*
 * load_rate.c and load_slots.c: fixed intervals do not drift, random ones have the right mean and
 * spread, picks follow their weights; ids are never in use twice, and foreign ones are found out.
 */
#include "cmocka_headers.h"
#include "bench/load_rate.h"
#include "bench/load_slots.h"

#include <math.h>

#define DRAWS 200000

static void
test_fixed_intervals_do_not_drift(void **state)
{
	struct load_random random = {1};
	struct load_rate rate;
	load_rate_init(&rate, 300, false, &random);
	for (uint64_t i = 1; i <= 3000000; i++) {
		if (i % 300 == 0)
			assert_int_equal(load_rate_due(&rate), i / 300 * 1000000000);
		load_rate_advance(&rate, &random);
	}
}

/* Exponential: mean and standard deviation are the same. 200,000 draws are good to about 0.5 %. */
static void
test_random_intervals_are_exponential(void **state)
{
	struct load_random random = {42};
	struct load_rate rate;
	double sum = 0, squares = 0, mean, deviation;
	uint64_t before = 0, short_ones = 0;
	load_rate_init(&rate, 1000, true, &random);
	for (int i = 0; i < DRAWS; i++) {
		double interval = (double)(load_rate_due(&rate) - before);
		sum += interval;
		squares += interval * interval;
		short_ones += interval < 1e6 * M_LN2;
		before = load_rate_due(&rate);
		load_rate_advance(&rate, &random);
	}
	mean = sum / DRAWS;
	deviation = sqrt(squares / DRAWS - mean * mean);
	assert_true(fabs(mean - 1e6) < 2e4);
	assert_true(fabs(deviation - 1e6) < 3e4);
	assert_true(fabs((double)short_ones / DRAWS - 0.5) < 0.01);
}

static void
test_a_seed_repeats(void **state)
{
	struct load_random a = {5}, b = {5}, c = {6};
	bool same = true;
	for (int i = 0; i < 100; i++) {
		uint64_t value = load_random_next(&a);
		assert_int_equal(value, load_random_next(&b));
		same = same && value == load_random_next(&c);
	}
	assert_false(same);
	for (int i = 0; i < 1000; i++) {
		double share = load_random_share(&a);
		assert_true(share > 0 && share <= 1);
	}
}

static void
test_picks_follow_weights(void **state)
{
	static const unsigned WEIGHTS[] = {0, 7, 0, 1, 2, 0};
	struct load_random random = {9};
	size_t counts[6] = {0};
	for (int i = 0; i < DRAWS; i++)
		counts[load_pick(WEIGHTS, 6, &random)]++;
	assert_int_equal(counts[0] + counts[2] + counts[5], 0);
	assert_true(fabs((double)counts[1] / DRAWS - 0.7) < 0.01);
	assert_true(fabs((double)counts[3] / DRAWS - 0.1) < 0.01);
	assert_true(fabs((double)counts[4] / DRAWS - 0.2) < 0.01);
}

static void
test_slots(void **state)
{
	struct load_slots slots = {0};
	int owner, other;
	uint64_t ids[1000];
	assert_null(load_slots_find(&slots, 0));
	assert_null(load_slots_find(&slots, 1));
	for (uint64_t i = 0; i < 1000; i++) {
		ids[i] = load_slots_take(&slots, &owner, i, (uint32_t)i % 7);
		assert_int_not_equal(ids[i], 0);
	}
	assert_int_equal(slots.used, 1000);
	for (uint64_t i = 0; i < 1000; i++) {
		struct load_slot *slot = load_slots_find(&slots, ids[i]);
		assert_non_null(slot);
		assert_int_equal(slot->due_ns, i); /* so no id was given twice */
		assert_int_equal(slot->kind, i % 7);
	}
	load_slots_free(&slots, load_slots_find(&slots, ids[500]));
	assert_null(load_slots_find(&slots, ids[500]));
	assert_int_equal(load_slots_take(&slots, &other, 5, 0), ids[500]);
	assert_ptr_equal(load_slots_find(&slots, ids[500])->owner, &other);
	assert_null(load_slots_find(&slots, slots.count + 1));
	assert_null(load_slots_find(&slots, UINT64_MAX));
	load_slots_deinit(&slots);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_fixed_intervals_do_not_drift),
	    cmocka_unit_test(test_random_intervals_are_exponential),
	    cmocka_unit_test(test_a_seed_repeats),
	    cmocka_unit_test(test_picks_follow_weights),
	    cmocka_unit_test(test_slots),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
