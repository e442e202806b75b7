/*
 * The waiting jobs and their way out: in what order, by pick.h; how many and how large, for
 * admission. A job that may run is called first, and is waiting still until it has a worker.
 */
#ifndef STINT_DAEMON_QUEUE_H
#define STINT_DAEMON_QUEUE_H

#include "daemon/job.h"
#include "daemon/pick.h"

#include <stdint.h>

struct queue {
	struct job_lists *lists; /* borrowed from the engine: QUEUED is all that is in the queue */
	struct pick pick;
	uint64_t bytes;
};

/* running_max as in pick.h; guests_max and cores are the engine's to set in `pick`. */
void queue_init(struct queue *ret_queue, struct job_lists *lists, size_t running_max);
/* What time it is, before a call and before jobs end. */
void queue_clock(struct queue *queue, uint64_t now_ns);
/* No job may be left. */
void queue_deinit(struct queue *queue);
/* Its account's share must have been set (pick_tenant_set). */
void queue_put(struct queue *queue, struct job *job);
/* Call as many jobs as may run. */
void queue_call(struct queue *queue);
/* Called jobs, in the order in which they were; NULL: no more. */
struct job *queue_called(const struct queue *queue);
struct job *queue_called_after(const struct queue *queue, const struct job *job);
/* A called job has its worker: it is RUNNING. */
void queue_start(struct queue *queue, struct job *job);
/* A running job comes back, to the front of those that are called. */
void queue_return(struct queue *queue, struct job *job);
/* A waiting job ends without having run. */
void queue_leave(struct queue *queue, struct job *job);
/* A running job has ended; it is charged that. */
void queue_end(struct queue *queue, struct job *job, uint64_t cost_us);
/* A waiting or running job is about to be freed, since the engine closes. */
void queue_forget(struct queue *queue, struct job *job);

/* A waiting job whose deadline has passed, or NULL. */
struct job *queue_expired(const struct queue *queue, uint64_t now_ns);
/* Among its tenant's, 1 is next; 0 when the job does not wait. See pick_position. */
uint64_t queue_position(const struct queue *queue, const struct job *job);
uint64_t queue_count(const struct queue *queue);

#endif
