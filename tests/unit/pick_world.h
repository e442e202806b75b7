/*
 * Tenants and jobs for the tests of pick, with costs and chances that are made up.
 */
#ifndef STINT_TESTS_PICK_WORLD_H
#define STINT_TESTS_PICK_WORLD_H

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

/* Fixtures of cmocka. One job runs at a time. */
int pick_world_setup(void **state);
int pick_world_teardown(void **state);

struct pick_tenant *add_tenant(struct world *world, uint64_t weight, size_t running_max);
struct pick_job *put(struct world *world, struct pick_tenant *tenant, size_t number, int priority,
		     uint64_t deadline_ns);
/* The next job, which runs at once and costs that much: its number. */
size_t run(struct world *world, uint64_t cost_us);
/* A number below. */
uint32_t chance(struct world *world, uint32_t below);

#endif
