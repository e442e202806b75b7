/*
 * What stintd may ask of the spawner, as a table, and what is done about it. Every surprise on the
 * spawner link (size, type, version, order, a second "once", a body that should be empty, a
 * descriptor, a generation number that does not rise, one generation too many) ends that stintd.
 */
#ifndef STINT_WORKER_SPAWNER_MONITOR_H
#define STINT_WORKER_SPAWNER_MONITOR_H

#include "protocol/error.h"
#include "protocol/message.h"
#include "worker/spawner.h"

#include <stddef.h>

/* One request, when the link is readable. A breach condemns stintd; nothing is returned. */
void spawner_monitor_read(struct spawner *spawner);
/* Of a stintd that has ended: whether it had become ready, which its last messages may say and
 * nobody has read yet. Nothing else that they ask for is done. */
void spawner_monitor_read_last(struct spawner *spawner);
/* Tell stintd, if there is one, that a generation has ended, with its wait status. */
void spawner_monitor_generation_ended(struct spawner *spawner, uint64_t number, int wait_status);

/* What spawner_monitor_check needs to know; *seen is the permits used so far, by bit. */
struct spawner_monitor_view {
	enum spawner_daemon_state state;
	uint32_t seen;
	uint64_t generation_last; /* highest number used */
	unsigned live;            /* generations */
};
/* Whether the message is permitted now: its index in the table, or a negative error. Pure. */
int spawner_monitor_check(const struct spawner_monitor_view *view, const struct message *message,
			  size_t size, struct error *err);

#endif
