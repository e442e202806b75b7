/*
 * Generations: one zygote in new namespaces, its uid range and its control groups.
 */
#ifndef STINT_WORKER_SPAWNER_ZYGOTE_H
#define STINT_WORKER_SPAWNER_ZYGOTE_H

#include "protocol/error.h"
#include "protocol/message.h"
#include "worker/spawner.h"

/* What a generation has of its own; for clone3. */
#define SPAWNER_ZYGOTE_NAMESPACES                                                                  \
	(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS)

/*
 * Start generation `number` in a free slot. On success body is complete and ret_fds[0] is stintd's
 * end of the zygote link, ret_fds[1 ..] one directory per tree; all *ret_count are the caller's to
 * close. On error nothing of it is left.
 */
int spawner_zygote_start(struct spawner *spawner, uint64_t number,
			 struct message_generation *ret_body, int ret_fds[1 + CGROUP_DIRS_MAX],
			 size_t *ret_count, struct error *err);
/* Slot of a live generation, or NULL. */
struct spawner_generation *spawner_zygote_find(struct spawner *spawner, uint64_t number);
unsigned spawner_zygote_live(const struct spawner *spawner);
/* Kill everything in it. Its end shows on its pidfd. */
void spawner_zygote_kill(struct spawner *spawner, struct spawner_generation *generation);
void spawner_zygote_kill_all(struct spawner *spawner);
/* The zygote is reaped: remove what the generation had and free its slot. */
void spawner_zygote_ended(struct spawner *spawner, struct spawner_generation *generation);

#endif
