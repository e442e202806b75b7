/*
 * Requests that wait for a durable job's end: job.wait.
 *
 * Each hangs on its request in work, and goes with it: with its answer, with its time, or with its
 * client. Called by durable*.c and, for a request that goes, by inwork.c; on the loop; cannot fail.
 */
#include "daemon/durable_state.h"

#include "daemon/json_members.h"
#include "protocol/base_assert.h"
#include "protocol/text_buffer.h"

#include <stdlib.h>
#include <string.h>

struct wait {
	struct hash_link link; /* in durable->waits, by the job's id */
	struct durable *durable;
	uint64_t ticket;
	char tenant[TENANT_NAME_MAX + 1];
	char job[JOB_ID_CHARS + 1];
	uv_timer_t timer;
	bool timed;
};

static void
on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void
on_request_gone(struct inwork_request *request)
{
	struct wait *wait = request->wait;
	request->wait = NULL;
	hash_table_remove(&wait->durable->waits, &wait->link);
	if (wait->timed)
		uv_close((uv_handle_t *)&wait->timer, on_timer_closed);
	else
		free(wait);
}

void
durable_wait_init(struct durable *durable)
{
	durable->setup.inwork->wait_gone = on_request_gone;
}

static void
on_time(uv_timer_t *timer)
{
	struct wait *wait = timer->data;
	struct durable *durable = wait->durable;
	struct inwork_request *request = inwork_find(durable->setup.inwork, wait->ticket);
	uint64_t ticket = wait->ticket;
	char tenant[TENANT_NAME_MAX + 1], job[JOB_ID_CHARS + 1];
	memcpy(tenant, wait->tenant, sizeof(tenant));
	memcpy(job, wait->job, sizeof(job));
	require(request != NULL && request->wait == wait);
	on_request_gone(request);
	durable_status(durable, tenant, ticket, job);
}

void
durable_wait_add(struct durable *durable, uint64_t ticket, const char *tenant, const char *job,
		 uint64_t timeout_ms)
{
	struct inwork_request *request = inwork_find(durable->setup.inwork, ticket);
	if (request == NULL)
		return; /* its client is gone */
	struct wait *wait = calloc(1, sizeof(*wait));
	require(wait != NULL && request->wait == NULL);
	request->wait = wait;
	wait->durable = durable;
	wait->ticket = ticket;
	memcpy(wait->tenant, tenant, strlen(tenant));
	memcpy(wait->job, job, JOB_ID_CHARS);
	hash_table_add(&durable->waits, &wait->link,
		       hash_table_hash(&durable->waits, 0, job, JOB_ID_CHARS));
	if (timeout_ms == UINT64_MAX)
		return;
	wait->timed = true;
	require(uv_timer_init(durable->setup.loop, &wait->timer) == 0);
	wait->timer.data = wait;
	require(uv_timer_start(&wait->timer, on_time, timeout_ms, 0) == 0);
}

static struct wait *
first_of(const struct durable *durable, const char *job)
{
	struct hash_link *link = hash_table_first(
	    &durable->waits, hash_table_hash(&durable->waits, 0, job, strlen(job)));
	for (; link != NULL; link = hash_table_next(link)) {
		struct wait *wait = hash_table_item(link, struct wait, link);
		if (strcmp(wait->job, job) == 0)
			return wait;
	}
	return NULL;
}

void
durable_wait_tell(struct durable *durable, const char *job, const char *text, size_t size)
{
	struct wait *wait;
	/* Each answer takes its request out of work, and its wait with it. */
	while ((wait = first_of(durable, job)) != NULL)
		reply_text(durable->setup.reply, wait->ticket, text, size);
}

static struct wait *
first_to_drain(struct durable *durable)
{
	for (size_t i = 0; i < durable->waits.bucket_count; i++) {
		struct hash_link *link = durable->waits.buckets[i];
		for (; link != NULL; link = link->next) {
			struct wait *wait = hash_table_item(link, struct wait, link);
			const struct durable_job *job =
			    durable_find(durable, wait->tenant, wait->job);
			if (job == NULL ||
			    (job->phase != DURABLE_STARTED && job->phase != DURABLE_ENDED))
				return wait;
		}
	}
	return NULL;
}

void
durable_wait_drain(struct durable *durable)
{
	struct rpc_error fault;
	struct wait *wait;
	jsonrpc_error_reason(&fault, RPC_REASON_DRAINING,
			     "the daemon is shutting down; the job stays stored: ask again when it "
			     "is back");
	while ((wait = first_to_drain(durable)) != NULL)
		reply_fault(durable->setup.reply, wait->ticket, &fault);
}
