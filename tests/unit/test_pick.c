/*
 * Which job runs next: order inside a tenant, starvation, deadlines, caps, positions, and many of
 * everything.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "pick_world.h"

static void
test_order_in_a_tenant(void **state)
{
	static const struct {
		int priority;
		uint64_t deadline_ns;
	} JOBS[] = {{0, 0},   {0, 0}, {10, 0}, {-10, 5}, {0, 900},
		    {0, 800}, {5, 0}, {10, 0}, {0, 900}};
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

/* As a reload does: the number first, then each tenant. */
static void
test_another_running_max(void **state)
{
	struct world *world = *state;
	struct pick_tenant *a = add_tenant(world, 1, 0);
	world->pick.running_max = 2;
	for (size_t i = 0; i < 6; i++)
		put(world, a, i, 0, 0);
	assert_non_null(pick_call(&world->pick));
	assert_non_null(pick_call(&world->pick));
	assert_null(pick_call(&world->pick));
	world->pick.running_max = 4;
	assert_non_null(pick_call(&world->pick));
	assert_non_null(pick_call(&world->pick));
	assert_null(pick_call(&world->pick));
	world->pick.running_max = 3;
	pick_leave(&world->pick, &world->jobs[0]);
	assert_null(pick_call(&world->pick));
	pick_leave(&world->pick, &world->jobs[1]);
	assert_non_null(pick_call(&world->pick));
	assert_null(pick_call(&world->pick));
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

/* One tenant's long jobs hold all places: whose turn it is and has none comes in beyond them. */
static void
test_guests(void **state)
{
	struct world *world = *state;
	struct pick_tenant *a = add_tenant(world, 1, 0), *b = add_tenant(world, 1, 0);
	world->pick.running_max = 2;
	world->pick.guests_max = 1;
	for (size_t i = 0; i < 10; i++)
		put(world, a, i, 0, 0);
	assert_ptr_equal(pick_call(&world->pick)->tenant, a);
	assert_ptr_equal(pick_call(&world->pick)->tenant, a);
	assert_null(pick_call(&world->pick)); /* not for one that has some */
	for (size_t i = 10; i < 20; i++)
		put(world, b, i, 0, 0);
	for (size_t i = 10; i < 15; i++) {
		struct pick_job *guest = pick_call(&world->pick);
		assert_ptr_equal(guest, &world->jobs[i]);
		assert_null(pick_call(&world->pick)); /* one at a time */
		pick_start(&world->pick, guest);
		pick_settle(&world->pick, guest, 1000);
	}
	struct pick_job *last = pick_call(&world->pick);
	pick_start(&world->pick, last);
	pick_settle(&world->pick, last, 60000000); /* now it is ahead: not its turn */
	assert_null(pick_call(&world->pick));
	pick_leave(&world->pick, &world->jobs[0]);
	assert_ptr_equal(pick_call(&world->pick)->tenant, a); /* an ordinary place */
	assert_null(pick_call(&world->pick));
	assert_int_equal(world->pick.running, 2);
}

/* Jobs that use nothing but their places: they are charged for these, also while they run. */
static void
test_held_places(void **state)
{
	struct world *world = *state;
	struct pick_tenant *a = add_tenant(world, 1, 0), *b = add_tenant(world, 1, 0);
	world->pick.running_max = 4;
	world->pick.guests_max = 1;
	world->pick.cores = 2;
	for (size_t i = 0; i < 10; i++)
		put(world, a, i, 0, 0);
	for (size_t i = 0; i < 4; i++)
		pick_start(&world->pick, pick_call(&world->pick));
	for (size_t i = 10; i < 1000; i++) {
		world->pick.now_us += 2000;
		put(world, b, i, 0, 0);
		assert_int_equal(run(world, 1000), i);
		assert_null(pick_call(&world->pick));
	}
	pick_settle(&world->pick, &world->jobs[0], 0);
	/* It had a place for 990 times 2 ms, which is worth half a core. */
	assert_in_range(a->mean_us, 990000, 990000);
	for (size_t i = 1; i < 4; i++)
		pick_settle(&world->pick, &world->jobs[i], 0);
	assert_int_equal(a->started, 0);
	assert_int_equal(a->began_us, 0);
	assert_int_equal(a->settled, 4 * 990000ull * 1000);
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
	struct pick_job *held[8];
	size_t out = 0, count = 0;
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
		if (job)
			held[count++] = job;
		job = held[chance(world, (uint32_t)count)];
		if (job->state == PICK_CALLED && chance(world, 4) > 0) {
			pick_start(&world->pick, job);
		} else if (job->state == PICK_STARTED && chance(world, 4) == 0) {
			pick_return(&world->pick, job);
		} else {
			if (job->state == PICK_STARTED)
				pick_settle(&world->pick, job, chance(world, 100000));
			else
				pick_leave(&world->pick, job);
			for (size_t i = 0; i < count; i++)
				held[i] = held[held[i] == job ? count - 1 : i];
			count--;
			out++;
		}
	}
	assert_int_equal(out, JOBS_MAX);
	assert_int_equal(world->pick.active.count, 0);
	assert_int_equal(world->pick.expiries.count, 0);
	for (size_t i = 0; i < TENANTS_MAX; i++) {
		assert_int_equal(world->tenants[i].outstanding, 0);
		assert_int_equal(world->tenants[i].filled, 0);
		for (size_t class = 0; class < PICK_CLASSES; class ++)
			assert_int_equal(world->tenants[i].class_waiting[class], 0);
	}
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, pick_world_setup, pick_world_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_order_in_a_tenant),
	    TEST(test_no_class_starves),
	    TEST(test_equal_tenants_take_turns),
	    TEST(test_running_max),
	    TEST(test_another_running_max),
	    TEST(test_guests),
	    TEST(test_held_places),
	    TEST(test_return_goes_first_and_keeps_its_place),
	    TEST(test_deadlines),
	    TEST(test_positions),
	    TEST(test_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
