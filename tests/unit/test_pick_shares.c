/*
 * Shares of tenants in a simulated service, what an idle tenant is worth, and what debts are. The
 * simulation's clock is its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "pick_world.h"

/* A service with several places, saturated by tenants: cost used by each. */
struct demand {
	uint64_t least_us, most_us; /* cost of a job, by chance between them */
};

#define PLACES       4u
#define SIMULATED_US 300000000ull
static void
simulate(struct world *world, const struct demand *demands, uint64_t until_us, uint64_t *ret_used)
{
	struct pick_job *running[PLACES] = {NULL};
	uint64_t ends_us[PLACES] = {0}, cost[PLACES] = {0}, now_us = 0;
	size_t next = 0;
	world->pick.running_max = PLACES - world->pick.guests_max;
	memset(ret_used, 0, world->tenant_count * sizeof(*ret_used));
	while (now_us < until_us) {
		for (size_t i = 0; i < world->tenant_count; i++) {
			for (; world->tenants[i].waiting < 3; next = (next + 1) % JOBS_MAX) {
				if (world->jobs[next].state == PICK_OUT)
					put(world, &world->tenants[i], next, 0, 0);
			}
		}
		size_t place = 0;
		for (size_t i = 0; i < PLACES; i++)
			place = ends_us[i] < ends_us[place] ? i : place;
		now_us = ends_us[place];
		world->pick.now_us = now_us;
		if (running[place]) {
			size_t owner = (size_t)(running[place]->tenant - world->tenants);
			ret_used[owner] += cost[place];
			pick_settle(&world->pick, running[place], cost[place]);
		}
		running[place] = pick_call(&world->pick);
		if (!running[place]) {
			ends_us[place] = now_us + 1000; /* all are at their own maximum */
			continue;
		}
		pick_start(&world->pick, running[place]);
		const struct demand *of = &demands[running[place]->tenant - world->tenants];
		cost[place] =
		    of->least_us + chance(world, (uint32_t)(of->most_us - of->least_us + 1));
		ends_us[place] = now_us + cost[place];
	}
}

static void
assert_shares(const uint64_t *used, const uint64_t *weights, size_t count)
{
	uint64_t used_sum = 0, weight_sum = 0;
	for (size_t i = 0; i < count; i++) {
		used_sum += used[i];
		weight_sum += weights[i];
	}
	for (size_t i = 0; i < count; i++) {
		double due = (double)used_sum * (double)weights[i] / (double)weight_sum;
		double error = ((double)used[i] - due) / due;
		if (error < -0.05 || error > 0.05)
			fail_msg("tenant %zu of weight %llu: %+.1f %% of its share", i,
				 (unsigned long long)weights[i], 100 * error);
	}
}

static void
test_shares_follow_weights(void **state)
{
	/* Alike; short against long; of any length. */
	static const struct demand DEMANDS[][2] = {
	    {{1000, 1000}, {1000, 1000}},     {{4000, 4000}, {900000, 900000}},
	    {{900000, 900000}, {4000, 4000}}, {{1, 2000000}, {1, 2000000}},
	    {{1000, 3000}, {1, 2000000}},
	};
	static const uint64_t WEIGHTS[] = {1, 3};
	struct world *world = *state;
	uint64_t used[2];
	add_tenant(world, WEIGHTS[0], 0);
	add_tenant(world, WEIGHTS[1], 0);
	for (size_t i = 0; i < 3 * sizeof(DEMANDS) / sizeof(DEMANDS[0]); i++) {
		world->pick.guests_max = i % 3; /* of the places: the shares are the same */
		world->pick.cores = (unsigned)(i % 2) * PLACES / 2;
		simulate(world, DEMANDS[i / 3], SIMULATED_US, used);
		assert_shares(used, WEIGHTS, 2);
		for (size_t n = 0; n < JOBS_MAX; n++) {
			if (world->jobs[n].state == PICK_STARTED)
				pick_settle(&world->pick, &world->jobs[n], 1);
		}
	}
}

static void
test_shares_of_many(void **state)
{
	static const uint64_t WEIGHTS[] = {1, 2, 3, 5, 7, 11, 100};
	static const struct demand DEMANDS[7] = {{5000, 15000}, {1, 90000},  {7000, 7001},
						 {5000, 9000},  {10, 10000}, {1000, 9000},
						 {10, 30000}};
	struct world *world = *state;
	uint64_t used[7];
	for (size_t i = 0; i < 7; i++)
		add_tenant(world, WEIGHTS[i], 0);
	simulate(world, DEMANDS, SIMULATED_US, used);
	assert_shares(used, WEIGHTS, 7);
}

/* What a capped tenant does not take is the others', by their weights. */
static void
test_a_capped_tenant_leaves_the_rest(void **state)
{
	static const struct demand DEMANDS[3] = {{1000, 9000}, {1000, 9000}, {1000, 9000}};
	static const uint64_t DUE[] = {3, 3, 6}; /* a place of four; then one to two */
	struct world *world = *state;
	uint64_t used[3];
	add_tenant(world, 100, 1);
	add_tenant(world, 1, 0);
	add_tenant(world, 2, 0);
	simulate(world, DEMANDS, SIMULATED_US, used);
	assert_shares(used, DUE, 3);
}

/* Idle for long, then flooding: no more than its share from there on. */
static void
test_idle_tenants_hold_no_credit(void **state)
{
	struct world *world = *state;
	struct pick_tenant *busy = add_tenant(world, 1, 0), *idle = add_tenant(world, 1, 0);
	unsigned of_idle = 0;
	for (size_t i = 0; i < 3000; i++)
		put(world, busy, i, 0, 0);
	for (size_t i = 0; i < 1000; i++)
		(void)run(world, 50000);
	for (size_t i = 3000; i < 6000; i++)
		put(world, idle, i, 0, 0);
	for (size_t i = 0; i < 1000; i++)
		of_idle += run(world, 50000) >= 3000;
	assert_in_range(of_idle, 498, 502);
}

/* An estimate that comes back is no credit to one that wanted nothing meanwhile. */
static void
test_refunds_are_no_credit(void **state)
{
	struct world *world = *state;
	struct pick_tenant *sly = add_tenant(world, 1, 0), *busy = add_tenant(world, 1, 0);
	world->pick.running_max = 2;
	put(world, sly, 0, 0, 0);
	(void)run(world, 60000000); /* now its jobs are expected to be long */
	for (size_t i = 1; i < 5000; i++)
		put(world, busy, i, 0, 0);
	put(world, sly, 5000, 0, 0);
	for (size_t i = 0; i < 2; i++) {
		struct pick_job *job = pick_call(&world->pick);
		pick_start(&world->pick, job);
		if (job->tenant == busy)
			pick_settle(&world->pick, job, 1000);
	}
	while (world->jobs[5000].state != PICK_STARTED) {
		struct pick_job *job = pick_call(&world->pick);
		pick_start(&world->pick, job);
		if (job->tenant == busy)
			pick_settle(&world->pick, job, 1000);
	}
	for (size_t i = 0; i < 100; i++)
		assert_true(run(world, 1000) < 5000);
	for (size_t i = 5001; i < 9000; i++)
		put(world, sly, i, 0, 0);
	pick_settle(&world->pick, &world->jobs[5000], 1); /* 60 s come back */
	unsigned of_sly = 0;
	for (size_t i = 0; i < 1000; i++)
		of_sly += run(world, 1000) > 5000;
	assert_in_range(of_sly, 300, 700);
}

/* What one has used while nobody else wanted anything is not held against it. */
static void
test_an_idle_service_forgives(void **state)
{
	struct world *world = *state;
	struct pick_tenant *a = add_tenant(world, 1, 0), *b = add_tenant(world, 1, 0);
	put(world, a, 0, 0, 0);
	(void)run(world, 3600000000);
	for (size_t i = 1; i < 100; i++)
		put(world, b, i, 0, 0);
	(void)run(world, 1000);
	put(world, a, 100, 0, 0);
	unsigned before = 0;
	while (run(world, 1000) != 100)
		before++;
	assert_in_range(before, 0, 2);
}

/* But while others wait it is. */
static void
test_debts_are_held(void **state)
{
	struct world *world = *state;
	struct pick_tenant *a = add_tenant(world, 1, 0), *b = add_tenant(world, 1, 0);
	for (size_t i = 1; i < 200; i++)
		put(world, b, i, 0, 0);
	put(world, a, 0, 0, 0);
	assert_int_equal(run(world, 1000), 1);
	assert_int_equal(run(world, 100000), 0);
	/* It cost 100 ms; one job of b's costs 1 ms: 100 of them are due before a's next. */
	put(world, a, 200, 0, 0);
	unsigned before = 0;
	while (run(world, 1000) != 200)
		before++;
	assert_in_range(before, 90, 110);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, pick_world_setup, pick_world_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_shares_follow_weights),
	    TEST(test_shares_of_many),
	    TEST(test_a_capped_tenant_leaves_the_rest),
	    TEST(test_idle_tenants_hold_no_credit),
	    TEST(test_refunds_are_no_credit),
	    TEST(test_an_idle_service_forgives),
	    TEST(test_debts_are_held),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
