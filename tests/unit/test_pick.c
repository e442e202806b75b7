/*
 * Which job runs next: order inside a tenant, shares among tenants in a simulated service, what an
 * idle tenant is worth, starvation, deadlines, caps, positions, and many of everything. Costs are
 * made up; the simulation's clock is its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "daemon/pick.h"

#define JOBS_MAX    100000u
#define TENANTS_MAX 1000u

struct world {
	struct pick pick;
	struct pick_tenant tenants[TENANTS_MAX];
	size_t tenant_count;
	struct pick_job *jobs; /* JOBS_MAX */
	uint32_t seed;
};

static int
setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	assert_non_null(world);
	world->jobs = calloc(JOBS_MAX, sizeof(*world->jobs));
	assert_non_null(world->jobs);
	pick_init(&world->pick, 1);
	world->seed = 1;
	*state = world;
	return 0;
}

static int
teardown(void **state)
{
	struct world *world = *state;
	for (size_t i = 0; i < JOBS_MAX; i++) {
		if (world->jobs[i].state == PICK_STARTED)
			pick_settle(&world->pick, &world->jobs[i], 1);
		else if (world->jobs[i].state != PICK_OUT)
			pick_leave(&world->pick, &world->jobs[i]);
	}
	for (size_t i = 0; i < world->tenant_count; i++)
		pick_tenant_deinit(&world->tenants[i]);
	pick_deinit(&world->pick);
	free(world->jobs);
	free(world);
	return 0;
}

static struct pick_tenant *
add_tenant(struct world *world, uint64_t weight, size_t running_max)
{
	struct pick_tenant *tenant = &world->tenants[world->tenant_count++];
	pick_tenant_init(tenant);
	pick_tenant_set(&world->pick, tenant, weight, running_max);
	return tenant;
}

static struct pick_job *
put(struct world *world, struct pick_tenant *tenant, size_t number, int priority,
    uint64_t deadline_ns)
{
	pick_put(&world->pick, tenant, &world->jobs[number], priority, deadline_ns);
	return &world->jobs[number];
}

/* The next job, which runs at once and costs that much. */
static size_t
run(struct world *world, uint64_t cost_us)
{
	struct pick_job *job = pick_call(&world->pick);
	assert_non_null(job);
	pick_start(&world->pick, job);
	pick_settle(&world->pick, job, cost_us);
	return (size_t)(job - world->jobs);
}

static uint32_t
chance(struct world *world, uint32_t below)
{
	world->seed = world->seed * 1664525 + 1013904223;
	return (uint32_t)(((uint64_t)world->seed * below) >> 32);
}

static void
test_order_in_a_tenant(void **state)
{
	static const struct {
		int priority;
		uint64_t deadline_ns;
	} JOBS[] = {{0, 0}, {0, 0}, {10, 0}, {-10, 5}, {0, 900}, {0, 800}, {5, 0}, {10, 0}, {0, 900}};
	static const size_t ORDER[] = {2, 7, 6, 5, 4, 8, 0, 1, 3};
	struct world *world = *state;
	struct pick_tenant *tenant = add_tenant(world, 1, 0);
	for (size_t i = 0; i < 9; i++)
		put(world, tenant, i, JOBS[i].priority, JOBS[i].deadline_ns);
	for (size_t i = 0; i < 9; i++)
		assert_int_equal(pick_position(&world->pick, &world->jobs[ORDER[i]]), i + 1);
	for (size_t i = 0; i < 9; i++)
		assert_int_equal(run(world, 1000), ORDER[i]);
	assert_null(pick_call(&world->pick));
}

/* Better ones come for ever; the least gets its turn, with and without deadlines. */
static void
test_no_class_starves(void **state)
{
	struct world *world = *state;
	struct pick_tenant *tenant = add_tenant(world, 1, 0);
	for (unsigned dated = 0; dated < 2; dated++) {
		size_t next = 2, turns = 0;
		put(world, tenant, 0, -10, 0);
		put(world, tenant, 1, -10, UINT64_MAX);
		for (; world->jobs[0].state != PICK_OUT || world->jobs[1].state != PICK_OUT;
		     turns++) {
			put(world, tenant, next++, 10, dated ? 1 + turns : 0);
			(void)run(world, 1000);
		}
		assert_in_range(turns, 2, 2 * (PICK_PASSED_MAX + 1));
		while (next > 0) {
			if (world->jobs[--next].state != PICK_OUT)
				pick_leave(&world->pick, &world->jobs[next]);
		}
		memset(world->jobs, 0, JOBS_MAX * sizeof(*world->jobs));
	}
}

static void
test_equal_tenants_take_turns(void **state)
{
	struct world *world = *state;
	for (size_t i = 0; i < 3; i++)
		add_tenant(world, 1, 0);
	for (size_t i = 0; i < 12; i++) /* all of the first, then all of the second, ... */
		put(world, &world->tenants[i / 4], i, 0, 0);
	for (size_t i = 0; i < 12; i++)
		assert_int_equal(run(world, 1000), i % 3 * 4 + i / 3);
}

/* A service with several places, saturated by tenants: cost used by each. */
struct demand {
	uint64_t least_us, most_us; /* cost of a job, by chance between them */
};

#define PLACES	     4u
#define SIMULATED_US 300000000ull
static void
simulate(struct world *world, const struct demand *demands, uint64_t until_us, uint64_t *ret_used)
{
	struct pick_job *running[PLACES] = {NULL};
	uint64_t ends_us[PLACES] = {0}, cost[PLACES] = {0}, now_us = 0;
	size_t next = 0;
	world->pick.running_max = PLACES;
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
	    {{1000, 1000}, {1000, 1000}},
	    {{300, 300}, {900000, 900000}},
	    {{900000, 900000}, {300, 300}},
	    {{1, 2000000}, {1, 2000000}},
	    {{1, 100}, {1, 2000000}},
	};
	static const uint64_t WEIGHTS[] = {1, 3};
	struct world *world = *state;
	uint64_t used[2];
	add_tenant(world, WEIGHTS[0], 0);
	add_tenant(world, WEIGHTS[1], 0);
	for (size_t i = 0; i < sizeof(DEMANDS) / sizeof(DEMANDS[0]); i++) {
		simulate(world, DEMANDS[i], SIMULATED_US, used);
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
	static const struct demand DEMANDS[7] = {{500, 1500}, {1, 9000},   {700, 701}, {5000, 9000},
						 {1, 100},    {100, 1000}, {10, 10000}};
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

static void
test_running_max(void **state)
{
	struct world *world = *state;
	struct pick_tenant *a = add_tenant(world, 1, 2), *b = add_tenant(world, 1, 0);
	world->pick.running_max = 5;
	for (size_t i = 0; i < 10; i++)
		put(world, a, i, 0, 0);
	assert_ptr_equal(pick_call(&world->pick), &world->jobs[0]);
	assert_ptr_equal(pick_call(&world->pick), &world->jobs[1]);
	assert_null(pick_call(&world->pick));
	for (size_t i = 10; i < 20; i++)
		put(world, b, i, 0, 0);
	for (size_t i = 10; i < 13; i++)
		assert_ptr_equal(pick_call(&world->pick), &world->jobs[i]);
	assert_null(pick_call(&world->pick)); /* five in all */
	pick_leave(&world->pick, &world->jobs[0]);
	assert_non_null(pick_call(&world->pick));
	assert_null(pick_call(&world->pick));
	assert_int_equal(a->running + b->running, 5);
	pick_tenant_set(&world->pick, b, 1, 1); /* a reload: those that run, run */
	pick_leave(&world->pick, &world->jobs[10]);
	pick_leave(&world->pick, &world->jobs[11]);
	pick_tenant_set(&world->pick, a, 1, 4);
	assert_ptr_equal(pick_call(&world->pick)->tenant, a);
	assert_ptr_equal(pick_call(&world->pick)->tenant, a);
	assert_null(pick_call(&world->pick));
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

static void
test_return_goes_first_and_keeps_its_place(void **state)
{
	struct world *world = *state;
	struct pick_tenant *tenant = add_tenant(world, 1, 0);
	world->pick.running_max = 2;
	for (size_t i = 0; i < 3; i++)
		put(world, tenant, i, 0, 77);
	struct pick_job *job = pick_call(&world->pick);
	pick_start(&world->pick, job);
	assert_ptr_equal(pick_call(&world->pick), &world->jobs[1]);
	pick_return(&world->pick, job);
	assert_ptr_equal(list_first(&world->pick.called), &job->link);
	assert_null(pick_call(&world->pick));
	assert_int_equal(pick_position(&world->pick, job), 1);
	assert_int_equal(pick_position(&world->pick, &world->jobs[1]), 2);
	assert_int_equal(pick_position(&world->pick, &world->jobs[2]), 3);
	assert_non_null(pick_expired(&world->pick, 77)); /* it may expire again */
	pick_leave(&world->pick, job);
	assert_ptr_equal(pick_call(&world->pick), &world->jobs[2]);
}

static void
test_deadlines(void **state)
{
	struct world *world = *state;
	struct pick_tenant *a = add_tenant(world, 1, 0), *b = add_tenant(world, 1, 0);
	assert_int_equal(pick_expires_ns(&world->pick), 0);
	put(world, a, 0, 0, 500);
	put(world, b, 1, 0, 300);
	put(world, b, 2, 0, 0);
	put(world, b, 3, -3, 400);
	assert_int_equal(pick_expires_ns(&world->pick), 300);
	assert_null(pick_expired(&world->pick, 299));
	assert_ptr_equal(pick_expired(&world->pick, 300), &world->jobs[1]);
	pick_leave(&world->pick, &world->jobs[1]);
	assert_null(pick_expired(&world->pick, 399));
	assert_int_equal(run(world, 1000), 0); /* one that has run has met its own */
	assert_int_equal(pick_expires_ns(&world->pick), 400);
	assert_ptr_equal(pick_call(&world->pick), &world->jobs[2]);
	pick_leave(&world->pick, &world->jobs[2]);
	assert_ptr_equal(pick_call(&world->pick), &world->jobs[3]); /* called is not started */
	assert_ptr_equal(pick_expired(&world->pick, 400), &world->jobs[3]);
	pick_leave(&world->pick, &world->jobs[3]);
	assert_int_equal(pick_expires_ns(&world->pick), 0);
}

static void
test_positions(void **state)
{
	struct world *world = *state;
	struct pick_tenant *a = add_tenant(world, 1, 0), *b = add_tenant(world, 1, 0);
	for (size_t i = 0; i < 5; i++)
		put(world, a, i, 0, 0);
	put(world, b, 5, 0, 0);
	assert_int_equal(pick_position(&world->pick, &world->jobs[5]), 1); /* of its tenant's */
	assert_ptr_equal(pick_call(&world->pick), &world->jobs[0]);
	assert_int_equal(pick_position(&world->pick, &world->jobs[0]), 1);
	assert_int_equal(pick_position(&world->pick, &world->jobs[4]), 5);
	assert_int_equal(pick_position(&world->pick, &world->jobs[5]), 1);
	pick_start(&world->pick, &world->jobs[0]);
	assert_int_equal(pick_position(&world->pick, &world->jobs[0]), 0);
	assert_int_equal(pick_position(&world->pick, &world->jobs[4]), 4);
	put(world, a, 6, 3, 0);
	put(world, a, 7, 0, 9);
	assert_int_equal(pick_position(&world->pick, &world->jobs[6]), 1);
	assert_int_equal(pick_position(&world->pick, &world->jobs[7]), 2);
	assert_int_equal(pick_position(&world->pick, &world->jobs[1]), 3);
	assert_int_equal(pick_position(&world->pick, &world->jobs[4]), 6);
	pick_leave(&world->pick, &world->jobs[2]);
	assert_in_range(pick_position(&world->pick, &world->jobs[4]), 5, 6);
	pick_leave(&world->pick, &world->jobs[1]);
	assert_int_equal(pick_position(&world->pick, &world->jobs[3]), 3);
}

/* 100,000 jobs of 1,000 tenants, of all kinds, in and out: each once, nothing left. */
static void
test_many(void **state)
{
	struct world *world = *state;
	size_t out = 0;
	world->pick.running_max = 8;
	for (size_t i = 0; i < TENANTS_MAX; i++)
		add_tenant(world, 1 + i % 9, i % 5);
	for (size_t i = 0; i < JOBS_MAX; i++)
		put(world, &world->tenants[chance(world, TENANTS_MAX)], i,
		    (int)chance(world, PICK_CLASSES) - PICK_PRIORITY_MAX,
		    chance(world, 2) ? 1 + chance(world, 1000) : 0);
	for (size_t i = 0; i < JOBS_MAX; i += 10, out++)
		pick_leave(&world->pick, &world->jobs[i]);
	while (world->pick.waiting + world->pick.running > 0) {
		struct pick_job *job = pick_call(&world->pick);
		if (job && chance(world, 4) > 0) {
			pick_start(&world->pick, job);
			if (chance(world, 4) == 0)
				pick_return(&world->pick, job);
			else if (chance(world, 2))
				pick_settle(&world->pick, job, chance(world, 100000)), out++;
			continue;
		}
		for (size_t i = 0; !job && i < JOBS_MAX; i++) { /* full: end all that run */
			if (world->jobs[i].state == PICK_STARTED)
				pick_settle(&world->pick, &world->jobs[i], 500), out++;
			else if (world->jobs[i].state == PICK_CALLED)
				pick_leave(&world->pick, &world->jobs[i]), out++;
		}
	}
	assert_int_equal(out, JOBS_MAX);
	assert_int_equal(world->pick.active.count, 0);
	assert_int_equal(world->pick.expiries.count, 0);
	for (size_t i = 0; i < TENANTS_MAX; i++) {
		assert_int_equal(world->tenants[i].outstanding, 0);
		assert_int_equal(world->tenants[i].filled, 0);
		for (size_t class = 0; class < PICK_CLASSES; class++)
			assert_int_equal(world->tenants[i].class_waiting[class], 0);
	}
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_order_in_a_tenant),
	    TEST(test_no_class_starves),
	    TEST(test_equal_tenants_take_turns),
	    TEST(test_shares_follow_weights),
	    TEST(test_shares_of_many),
	    TEST(test_a_capped_tenant_leaves_the_rest),
	    TEST(test_running_max),
	    TEST(test_idle_tenants_hold_no_credit),
	    TEST(test_refunds_are_no_credit),
	    TEST(test_an_idle_service_forgives),
	    TEST(test_debts_are_held),
	    TEST(test_return_goes_first_and_keeps_its_place),
	    TEST(test_deadlines),
	    TEST(test_positions),
	    TEST(test_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
