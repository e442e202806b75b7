/*
 * The waiting jobs: first in, first out, with a cap on their number and on their bytes.
 */
#ifndef STINT_DAEMON_QUEUE_H
#define STINT_DAEMON_QUEUE_H

#include "daemon/job.h"

#include <stdint.h>

struct queue {
	struct job_lists *lists; /* borrowed from the engine: QUEUED is the queue */
	uint64_t bytes, bytes_max;
	uint64_t jobs_max;
};

void queue_init(struct queue *ret_queue, struct job_lists *lists, uint64_t jobs_max,
		uint64_t bytes_max);
/* May a job of that many bytes enter? ERROR_LIMIT names the cap. */
int queue_admit(const struct queue *queue, uint64_t bytes, struct error *err);
void queue_put(struct queue *queue, struct job *job);
/* The job that is next, or NULL; it stays. */
struct job *queue_next(const struct queue *queue);
/* It leaves the queue for `state`. */
void queue_leave(struct queue *queue, struct job *job, enum job_state state);
/* A running job comes back, to the front: caps do not apply. */
void queue_return(struct queue *queue, struct job *job);
/* 1 is next; 0 when the job does not wait. */
uint64_t queue_position(const struct queue *queue, const struct job *job);
uint64_t queue_count(const struct queue *queue);

#endif
