/*
 * POLICY: when to start stintd again after it ended. Pure: the caller gives the time, and acts.
 *
 * The first restart after a healthy stretch is immediate, then the delay is 100 ms and doubles up
 * to 10 s. A stintd that served for SPAWNER_BACKOFF_HEALTHY_MS starts the row anew. Giving up is
 * only possible before the very first "ready": a service that has worked once is never abandoned.
 */
#ifndef STINT_WORKER_SPAWNER_BACKOFF_H
#define STINT_WORKER_SPAWNER_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

#define SPAWNER_BACKOFF_FIRST_MS   100u
#define SPAWNER_BACKOFF_MAX_MS     10000u
#define SPAWNER_BACKOFF_HEALTHY_MS 60000u
#define SPAWNER_BACKOFF_ATTEMPTS   5u /* starts without any "ready", from the first on */

struct spawner_backoff {
	uint64_t ready_ns; /* of the stintd that runs, or 0 */
	uint32_t failures; /* in this row */
	bool ever_ready;
};

void spawner_backoff_init(struct spawner_backoff *ret_backoff);
/* stintd said that it serves. now_ns is not 0. */
void spawner_backoff_ready(struct spawner_backoff *backoff, uint64_t now_ns);
/* stintd ended, or could not be started. False: give up. Else ret_delay_ns says when to start. */
bool spawner_backoff_ended(struct spawner_backoff *backoff, uint64_t now_ns,
			   uint64_t *ret_delay_ns);

#endif
