/*
 * The queue in front of the workers. Knows counts and bytes, nothing of workers or clients; never
 * frees a job. Called by the engine's parts on the loop. Only queue_admit can fail, before anything
 * has changed.
 */
#include "daemon/queue.h"

#include "protocol/base_assert.h"

void
queue_init(struct queue *ret_queue, struct job_lists *lists, uint64_t jobs_max, uint64_t bytes_max)
{
	*ret_queue = (struct queue){.lists = lists, .bytes_max = bytes_max, .jobs_max = jobs_max};
}

uint64_t
queue_count(const struct queue *queue)
{
	return queue->lists->of[JOB_QUEUED].count;
}

int
queue_admit(const struct queue *queue, uint64_t bytes, struct error *err)
{
	if (queue_count(queue) >= queue->jobs_max)
		return error_set(err, ERROR_LIMIT, "the queue is full: %llu jobs wait",
				 (unsigned long long)queue_count(queue));
	if (bytes > queue->bytes_max || queue->bytes > queue->bytes_max - bytes)
		return error_set(err, ERROR_LIMIT, "the queue is full: %llu bytes wait",
				 (unsigned long long)queue->bytes);
	return 0;
}

void
queue_put(struct queue *queue, struct job *job)
{
	job_enter(queue->lists, job);
	queue->bytes += job->bytes;
}

struct job *
queue_next(const struct queue *queue)
{
	struct link *first = list_first(&queue->lists->of[JOB_QUEUED]);
	return first ? list_item(first, struct job, link) : NULL;
}

void
queue_leave(struct queue *queue, struct job *job, enum job_state state)
{
	require(job->state == JOB_QUEUED && queue->bytes >= job->bytes);
	job_move(queue->lists, job, state);
	queue->bytes -= job->bytes;
}

void
queue_return(struct queue *queue, struct job *job)
{
	struct list *waiting = &queue->lists->of[JOB_QUEUED];
	job_move(queue->lists, job, JOB_QUEUED);
	queue->bytes += job->bytes;
	if (waiting->count < 2)
		return;
	/* From the end, where job_move has put it, to the front. */
	struct link *link = &job->link, *head = &waiting->head;
	link->prev->next = head;
	head->prev = link->prev;
	link->next = head->next;
	link->prev = head;
	head->next->prev = link;
	head->next = link;
}

uint64_t
queue_position(const struct queue *queue, const struct job *job)
{
	uint64_t position = 0;
	if (job->state != JOB_QUEUED)
		return 0;
	LIST_FOREACH (&queue->lists->of[JOB_QUEUED], link) {
		position++;
		if (link == &job->link)
			break;
	}
	return position;
}
