/*
 * Cores for jobs that are pinned to one (the setting pin_cores): which there are, and who gets
 * which.
 */
#ifndef STINT_DAEMON_CORES_H
#define STINT_DAEMON_CORES_H

#include "protocol/error.h"
#include "protocol/worker_abi.h"

#include <stddef.h>
#include <stdint.h>

struct cores {
	unsigned count;                     /* at least 1 once they were read */
	uint16_t numbers[WORKER_CORES_MAX]; /* rising */
};

/* Those that this process may use at the moment. On failure *cores is as it was. */
int cores_read(struct cores *cores, struct error *err);
/*
 * The one of them that fewest of the running jobs have: held names the core of each job, in any
 * order; other numbers may be among them. Of several it is the first after `last`, the one that was
 * given before, and round. There must be one core at least.
 */
unsigned cores_choose(const struct cores *cores, const uint16_t *held, size_t held_count,
		      unsigned last);

#endif
