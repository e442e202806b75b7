/*
 * Binds a worker to the core that stintd has chosen for its job, and reads back that it took. What
 * starts in this process later (threads) has the same core.
 *
 * The wide filter lets it through with pin_cores only, the narrow one never. Room is for the most
 * cores that there can be: the kernel refuses to answer into less than it has. Never allocates,
 * never logs. Fails by -errno; the caller ends.
 */
#define _GNU_SOURCE
#include "worker/sandbox.h"

#include <errno.h>
#include <sched.h>

/* Its size is what CPU_SETSIZE is not: enough for any kernel. */
struct core_mask {
	cpu_set_t sets[WORKER_CORES_MAX / CPU_SETSIZE];
};

int
sandbox_core_take(uint64_t core)
{
	struct core_mask wanted, found;

	if (core == 0)
		return 0;
	if (core > WORKER_CORES_MAX)
		return -ERANGE;
	CPU_ZERO_S(sizeof(wanted), wanted.sets);
	CPU_SET_S(core - 1, sizeof(wanted), wanted.sets);
	if (sched_setaffinity(0, sizeof(wanted), wanted.sets) < 0 ||
	    sched_getaffinity(0, sizeof(found), found.sets) < 0)
		return -errno;
	return CPU_EQUAL_S(sizeof(found), found.sets, wanted.sets) ? 0 : -ERANGE;
}

uint64_t
sandbox_core_first(void)
{
	struct core_mask found;

	if (sched_getaffinity(0, sizeof(found), found.sets) < 0)
		return 0;
	for (uint64_t core = 0; core < WORKER_CORES_MAX; core++)
		if (CPU_ISSET_S(core, sizeof(found), found.sets))
			return core + 1;
	return 0;
}
