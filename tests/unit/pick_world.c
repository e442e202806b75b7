/* See pick_world.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "pick_world.h"

int
pick_world_setup(void **state)
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

int
pick_world_teardown(void **state)
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

struct pick_tenant *
add_tenant(struct world *world, uint64_t weight, size_t running_max)
{
	struct pick_tenant *tenant = &world->tenants[world->tenant_count++];
	pick_tenant_init(tenant);
	pick_tenant_set(&world->pick, tenant, weight, running_max);
	return tenant;
}

struct pick_job *
put(struct world *world, struct pick_tenant *tenant, size_t number, int priority,
    uint64_t deadline_ns)
{
	pick_put(&world->pick, tenant, &world->jobs[number], priority, deadline_ns);
	return &world->jobs[number];
}

size_t
run(struct world *world, uint64_t cost_us)
{
	struct pick_job *job = pick_call(&world->pick);
	assert_non_null(job);
	pick_start(&world->pick, job);
	pick_settle(&world->pick, job, cost_us);
	return (size_t)(job - world->jobs);
}

uint32_t
chance(struct world *world, uint32_t below)
{
	world->seed = world->seed * 1664525 + 1013904223;
	return (uint32_t)(((uint64_t)world->seed * below) >> 32);
}
