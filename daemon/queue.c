/*
 * The queue in front of the workers: joins the life of a job (job.h) with the order of their turns
 * (pick.h). Knows counts and bytes, nothing of workers or clients; refuses nothing and never frees
 * a job. Called by the engine's parts on the loop. Cannot fail.
 */
#include "daemon/queue.h"

#include "protocol/base_assert.h"

#define QUEUE_NS_PER_US 1000u

static struct job *
queue_job(struct pick_job *turn)
{
	return turn ? list_item(turn, struct job, turn) : NULL;
}

void
queue_init(struct queue *ret_queue, struct job_lists *lists, size_t running_max)
{
	ret_queue->lists = lists;
	ret_queue->bytes = 0;
	pick_init(&ret_queue->pick, running_max);
}

void
queue_deinit(struct queue *queue)
{
	pick_deinit(&queue->pick);
}

void
queue_clock(struct queue *queue, uint64_t now_ns)
{
	queue->pick.now_us = now_ns / QUEUE_NS_PER_US;
}

uint64_t
queue_count(const struct queue *queue)
{
	return queue->lists->of[JOB_QUEUED].count;
}

void
queue_put(struct queue *queue, struct job *job)
{
	job_enter(queue->lists, job);
	pick_put(&queue->pick, &job->account->share, &job->turn, job->request.priority,
		 job->deadline_ns);
	queue->bytes += job->bytes;
}

void
queue_call(struct queue *queue)
{
	while (pick_call(&queue->pick))
		;
}

struct job *
queue_called(const struct queue *queue)
{
	struct link *first = list_first(&queue->pick.called);
	return first ? queue_job(list_item(first, struct pick_job, link)) : NULL;
}

struct job *
queue_called_after(const struct queue *queue, const struct job *job)
{
	struct link *next = list_next(&queue->pick.called, &job->turn.link);
	return next ? queue_job(list_item(next, struct pick_job, link)) : NULL;
}

/* Not waiting any more. */
static void
queue_move(struct queue *queue, struct job *job, enum job_state state)
{
	require(job->state == JOB_QUEUED && queue->bytes >= job->bytes);
	job_move(queue->lists, job, state);
	queue->bytes -= job->bytes;
}

void
queue_start(struct queue *queue, struct job *job)
{
	pick_start(&queue->pick, &job->turn);
	queue_move(queue, job, JOB_RUNNING);
}

void
queue_return(struct queue *queue, struct job *job)
{
	pick_return(&queue->pick, &job->turn);
	job_move(queue->lists, job, JOB_QUEUED);
	queue->bytes += job->bytes;
}

void
queue_leave(struct queue *queue, struct job *job)
{
	pick_leave(&queue->pick, &job->turn);
	queue_move(queue, job, JOB_ENDED);
}

void
queue_end(struct queue *queue, struct job *job, uint64_t cost_us)
{
	pick_settle(&queue->pick, &job->turn, cost_us);
	job_move(queue->lists, job, JOB_ENDED);
}

void
queue_forget(struct queue *queue, struct job *job)
{
	if (job->state == JOB_QUEUED)
		queue_leave(queue, job);
	else if (job->state == JOB_RUNNING)
		queue_end(queue, job, 0);
}

struct job *
queue_expired(const struct queue *queue, uint64_t now_ns)
{
	return queue_job(pick_expired(&queue->pick, now_ns));
}

uint64_t
queue_position(const struct queue *queue, const struct job *job)
{
	return pick_position(&queue->pick, &job->turn);
}
