/*
 * The system's monotonic clock as a struct clock.
 *
 * Stops while the machine sleeps, as time limits should. Cannot fail on Linux; a failure aborts.
 */
#include "protocol/base_clock.h"
#include "protocol/base_assert.h"

#include <stddef.h>
#include <time.h>

static uint64_t
base_clock_system_ns(void *context)
{
	struct timespec now = {0, 0};

	require(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

const struct clock CLOCK_SYSTEM = {base_clock_system_ns, NULL};
