/*
 * Placement of charges: graphs made by hand with the charges they must get, and random graphs on
 * which every walk must have paid exactly what it executed, less what is prepaid where it stands.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "worker/meter_place.h"

#include <stdlib.h>
#include <string.h>

#define NONE      METER_NO_BLOCK
#define GRAPHS    2000
#define BLOCKS    24
#define WALKS     20
#define WALK_STEP 60

static void
place(struct meter_block *blocks, size_t count)
{
	assert_true(meter_place(blocks, count));
	for (size_t b = 0; b < count; b++) {
		assert_true(blocks[b].cost + blocks[b].post >= blocks[b].pre);
		assert_int_equal(blocks[b].charge, blocks[b].cost + blocks[b].post - blocks[b].pre);
		if (blocks[b].enters_unpaid)
			assert_int_equal(blocks[b].pre, 0);
		for (int s = 0; s < 2; s++)
			if (blocks[b].successors[s] != NONE)
				assert_int_equal(blocks[b].post,
						 blocks[blocks[b].successors[s]].pre);
	}
}

static void
straight_code_pays_once(void **state)
{
	struct meter_block blocks[] = {
	    {.successors = {1, NONE}, .cost = 3, .enters_unpaid = true},
	    {.successors = {2, NONE}, .cost = 4},
	    {.successors = {NONE, NONE}, .cost = 5},
	};

	place(blocks, 3);
	assert_int_equal(blocks[0].charge, 12);
	assert_int_equal(blocks[1].charge + blocks[2].charge, 0);
}

static void
an_if_pays_on_the_longer_path(void **state)
{
	struct meter_block blocks[] = {
	    {.successors = {1, 2}, .cost = 2, .enters_unpaid = true},
	    {.successors = {2, NONE}, .cost = 7}, /* the body */
	    {.successors = {NONE, NONE}, .cost = 3},
	};

	place(blocks, 3);
	assert_int_equal(blocks[0].charge, 5);
	assert_int_equal(blocks[1].charge, 7);
	assert_int_equal(blocks[2].charge, 0);
}

static void
an_if_else_pays_the_difference(void **state)
{
	struct meter_block blocks[] = {
	    {.successors = {1, 2}, .cost = 2, .enters_unpaid = true},
	    {.successors = {3, NONE}, .cost = 7},
	    {.successors = {3, NONE}, .cost = 4},
	    {.successors = {NONE, NONE}, .cost = 1},
	};

	place(blocks, 4);
	assert_int_equal(blocks[0].charge, 7);
	assert_int_equal(blocks[1].charge, 3);
	assert_int_equal(blocks[2].charge, 0);
	assert_int_equal(blocks[3].charge, 0);
}

static void
a_loop_pays_once_in_each_turn(void **state)
{
	struct meter_block blocks[] = {
	    {.successors = {1, NONE}, .cost = 2, .enters_unpaid = true},
	    {.successors = {2, 3}, .cost = 1},    /* FOR_ITER */
	    {.successors = {1, NONE}, .cost = 6}, /* body */
	    {.successors = {NONE, NONE}, .cost = 2},
	};

	place(blocks, 4);
	assert_int_equal(blocks[0].charge, 5);
	assert_int_equal(blocks[1].charge, 0);
	assert_int_equal(blocks[2].charge, 7);
	assert_int_equal(blocks[3].charge, 0);
}

static void
an_endless_loop_pays(void **state)
{
	struct meter_block alone[] = {{.successors = {0, NONE}, .cost = 3, .enters_unpaid = true}};
	struct meter_block two[] = {
	    {.successors = {1, NONE}, .cost = 1, .enters_unpaid = true},
	    {.successors = {2, NONE}, .cost = 2},
	    {.successors = {1, NONE}, .cost = 3},
	};

	place(alone, 1);
	assert_int_equal(alone[0].charge, 3);
	place(two, 3);
	assert_int_equal(two[1].charge + two[2].charge, 5);
}

static void
nothing_is_prepaid_over_a_suspension_or_into_a_handler(void **state)
{
	struct meter_block blocks[] = {
	    {.successors = {NONE, NONE}, .cost = 4, .enters_unpaid = true}, /* ends in a yield */
	    {.successors = {2, NONE}, .cost = 5, .enters_unpaid = true},    /* behind it */
	    {.successors = {NONE, NONE}, .cost = 6, .enters_unpaid = true}, /* a handler */
	};

	place(blocks, 3);
	assert_int_equal(blocks[0].charge, 4);
	assert_int_equal(blocks[1].charge, 5);
	assert_int_equal(blocks[2].charge, 6);
}

/* if, elif, elif, else: a test that fails charges nothing, what comes last does. */
static void
a_chain_of_tests_pays_in_its_branches(void **state)
{
	struct meter_block blocks[] = {
	    {.successors = {1, 2}, .cost = 4, .enters_unpaid = true},
	    {.successors = {7, NONE}, .cost = 20},
	    {.successors = {3, 4}, .cost = 4},
	    {.successors = {7, NONE}, .cost = 20},
	    {.successors = {5, 6}, .cost = 4},
	    {.successors = {7, NONE}, .cost = 20},
	    {.successors = {7, NONE}, .cost = 20},
	    {.successors = {NONE, NONE}, .cost = 2},
	};

	place(blocks, 8);
	assert_int_equal(blocks[0].charge, 26); /* with the first branch */
	assert_int_equal(blocks[1].charge, 0);
	assert_int_equal(blocks[2].charge, 0);
	assert_int_equal(blocks[3].charge, 4);
	assert_int_equal(blocks[4].charge, 8); /* here or in both that follow: all the same */
	assert_int_equal(blocks[5].charge, 0);
	assert_int_equal(blocks[6].charge, 0);
	assert_int_equal(blocks[7].charge, 0);
}

/* As above, with a branch that cannot take a charge: its test keeps its own. */
static void
nothing_is_put_off_to_where_it_cannot_be_charged(void **state)
{
	struct meter_block blocks[] = {
	    {.successors = {1, 2}, .cost = 4, .enters_unpaid = true},
	    {.successors = {5, NONE}, .cost = 20},
	    {.successors = {3, 4}, .cost = 4},
	    {.successors = {5, NONE}, .cost = 20, .no_charge = true},
	    {.successors = {5, NONE}, .cost = 20},
	    {.successors = {NONE, NONE}, .cost = 2},
	};

	place(blocks, 6);
	assert_int_equal(blocks[2].charge, 4);
	assert_int_equal(blocks[3].charge, 0);
	assert_int_equal(blocks[4].charge, 0);
}

/* What is paid in each turn is put off to the one branch of two, which then charges once. */
static void
a_test_in_a_loop_passes_its_cost_on(void **state)
{
	struct meter_block blocks[] = {
	    {.successors = {1, NONE}, .cost = 2, .enters_unpaid = true},
	    {.successors = {2, 5}, .cost = 1}, /* FOR_ITER */
	    {.successors = {3, 4}, .cost = 3},
	    {.successors = {1, NONE}, .cost = 6},
	    {.successors = {1, NONE}, .cost = 9},
	    {.successors = {NONE, NONE}, .cost = 5},
	};

	place(blocks, 6);
	assert_int_equal(blocks[2].charge, 0);
	assert_int_equal(blocks[3].charge, 3 + 6 + 1);
	assert_int_equal(blocks[4].charge, 3 + 9 + 1);
	/* Not if that much is not prepaid when the test is entered. */
	blocks[5].cost = 2;
	place(blocks, 6);
	assert_int_equal(blocks[2].charge, 3 + 6 + 1);
	assert_int_equal(blocks[3].charge, 0);
	assert_int_equal(blocks[4].charge, 3);
}

static void
no_block_at_all(void **state)
{
	assert_true(meter_place(NULL, 0));
}

static uint32_t
random_below(uint64_t *seed, uint32_t limit)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 33) % limit;
}

static size_t
random_graph(uint64_t *seed, struct meter_block blocks[BLOCKS])
{
	size_t count = 1 + random_below(seed, BLOCKS);

	memset(blocks, 0, BLOCKS * sizeof(blocks[0]));
	for (size_t b = 0; b < count; b++) {
		uint32_t ends = random_below(seed, 8);

		blocks[b].cost = random_below(seed, 12);
		blocks[b].enters_unpaid = b == 0 || random_below(seed, 10) == 0;
		blocks[b].successors[0] =
		    ends == 0 ? NONE : (int32_t)random_below(seed, (uint32_t)count);
		blocks[b].successors[1] =
		    ends < 4 ? NONE : (int32_t)random_below(seed, (uint32_t)count);
	}
	return count;
}

static void
walk(uint64_t *seed, const struct meter_block *blocks)
{
	uint64_t paid = 0, executed = 0;
	int32_t at = 0;

	for (int step = 0; step < WALK_STEP && at != NONE; step++) {
		const struct meter_block *block = &blocks[at];

		paid += block->charge;
		executed += block->cost;
		assert_int_equal(paid, executed + block->post);
		at = block->successors[random_below(seed, 2)];
	}
}

static void
every_walk_has_paid_what_it_executed(void **state)
{
	struct meter_block blocks[BLOCKS];
	uint64_t seed = 3;

	for (int graph = 0; graph < GRAPHS; graph++) {
		place(blocks, random_graph(&seed, blocks));
		for (int i = 0; i < WALKS; i++)
			walk(&seed, blocks);
	}
}

/* A ladder of ifs. Linear, or the test would not end. */
static void
large_graphs(void **state)
{
	size_t count = 200000;
	struct meter_block *blocks = calloc(count, sizeof(*blocks));

	assert_non_null(blocks);
	for (size_t b = 0; b < count; b++) {
		blocks[b].cost = 1;
		blocks[b].successors[0] = b + 1 < count ? (int32_t)b + 1 : NONE;
		blocks[b].successors[1] = b % 2 == 0 && b + 2 < count ? (int32_t)b + 2 : NONE;
	}
	blocks[0].enters_unpaid = true;
	place(blocks, count);
	free(blocks);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(straight_code_pays_once),
	    cmocka_unit_test(an_if_pays_on_the_longer_path),
	    cmocka_unit_test(an_if_else_pays_the_difference),
	    cmocka_unit_test(a_loop_pays_once_in_each_turn),
	    cmocka_unit_test(an_endless_loop_pays),
	    cmocka_unit_test(nothing_is_prepaid_over_a_suspension_or_into_a_handler),
	    cmocka_unit_test(a_chain_of_tests_pays_in_its_branches),
	    cmocka_unit_test(nothing_is_put_off_to_where_it_cannot_be_charged),
	    cmocka_unit_test(a_test_in_a_loop_passes_its_cost_on),
	    cmocka_unit_test(no_block_at_all),
	    cmocka_unit_test(every_walk_has_paid_what_it_executed),
	    cmocka_unit_test(large_graphs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
