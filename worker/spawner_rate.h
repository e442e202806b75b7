/*
 * POLICY: how many requests stintd may make. Pure: the caller gives the time.
 *
 * A generation costs the spawner some milliseconds and the machine a zygote, so an order and its
 * end are worth counting: a burst for the failures that a start may meet, then a steady trickle. A
 * stintd in order stays far below (RECYCLE_INTERVAL_MS of daemon/recycle.h).
 */
#ifndef STINT_WORKER_SPAWNER_RATE_H
#define STINT_WORKER_SPAWNER_RATE_H

#include <stdbool.h>
#include <stdint.h>

#define SPAWNER_RATE_BURST       32u
#define SPAWNER_RATE_INTERVAL_MS 125u /* one more request each */

struct spawner_rate {
	uint64_t full_ns; /* when the whole burst is there again; 0: it is */
};

/* A request comes. False: one too many. */
bool spawner_rate_take(struct spawner_rate *rate, uint64_t now_ns);

#endif
