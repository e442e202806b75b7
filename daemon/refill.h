/*
 * Buries dead workers and starts new ones, off the way of any job.
 */
#ifndef STINT_DAEMON_REFILL_H
#define STINT_DAEMON_REFILL_H

#include "protocol/error.h"

#include <stdint.h>
#include <sys/types.h>

struct engine;
struct worker;
struct message_forked;
struct message_exited;

/* The `later` stage: bury the dead, start at most POOL_STARTS_PER_TURN. */
void refill_run(struct engine *engine);
/* Workers were taken: see to replacements, soon or, when few are left, in the next turn. */
void refill_after_dispatch(struct engine *engine);
/* Jobs are left in the queue: see whether one waits for a worker that nobody makes yet. */
void refill_after_queue(struct engine *engine);
/* A job ended or a generation serves: replacements are due in the next turn. */
void refill_soon(struct engine *engine);
/* Remove leaves that no worker has needed lately; the engine's alarm for that. */
void refill_on_trim_alarm(void *engine);
/* Kill a worker that has no job and is of no use. */
void refill_give_up(struct engine *engine, struct worker *worker);
/* The zygote's and the worker's own news of a start. */
void refill_on_forked(struct engine *engine, uint64_t generation,
		      const struct message_forked *about, int pidfd);
void refill_on_hello(void *engine, uint64_t serial, int code, pid_t pid, const struct error *err);
/* A worker that had no job has died. */
void refill_on_exited(struct engine *engine, struct worker *worker,
		      const struct message_exited *about);

#endif
