/*
 * Which core the next job is pinned to. Two jobs get the same one only when each core has a job.
 *
 * Among equals it goes round, so that no core gets all the short jobs. Pins nothing: the worker
 * does, by its terms. Called by dispatch.c and engine_numbers.c. Fails only when the kernel does
 * not tell.
 */
#define _GNU_SOURCE
#include "daemon/cores.h"

#include "protocol/base_assert.h"

#include <sched.h>
#include <string.h>

int
cores_read(struct cores *cores, struct error *err)
{
	cpu_set_t sets[WORKER_CORES_MAX / CPU_SETSIZE];
	unsigned count = 0;
	if (sched_getaffinity(0, sizeof(sets), sets) < 0)
		return error_errno(err, "cores: sched_getaffinity");
	if (CPU_COUNT_S(sizeof(sets), sets) == 0)
		return error_set(err, ERROR_SYSTEM, "cores: sched_getaffinity tells of none");
	for (unsigned core = 0; core < WORKER_CORES_MAX; core++)
		if (CPU_ISSET_S(core, sizeof(sets), sets))
			cores->numbers[count++] = (uint16_t)core;
	cores->count = count;
	return 0;
}

unsigned
cores_choose(const struct cores *cores, const uint16_t *held, size_t held_count, unsigned last)
{
	uint16_t jobs[WORKER_CORES_MAX] = {0};
	unsigned first = 0, best;
	require(cores->count > 0);
	for (size_t i = 0; i < held_count; i++)
		jobs[held[i] % WORKER_CORES_MAX]++;
	while (first < cores->count && cores->numbers[first] <= last)
		first++;
	best = cores->numbers[first % cores->count];
	for (unsigned i = 1; i < cores->count; i++) {
		unsigned core = cores->numbers[(first + i) % cores->count];
		if (jobs[core] < jobs[best])
			best = core;
	}
	return best;
}
