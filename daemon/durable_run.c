/*
 * The way of a durable job: stored, answered, handed to the engine, begun, ended, stored again.
 *
 * A job that is submitted while nothing waits on the disk stays in memory and goes to the engine as
 * soon as it is stored; any other waits on the disk for durable_feed.c. The engine's refusal (its
 * queue is full) leaves a job ready here. That a job was begun is written while it runs: it counts
 * as an attempt when that is on the disk. Its result is told after it is stored, never before.
 * Called by the methods, the store and the engine's callbacks, on the loop.
 */
#include "daemon/durable_state.h"
#include "daemon/script_keep.h"

#include "protocol/base_assert.h"
#include "protocol/base_log.h"
#include "protocol/tenant_terms.h"
#include "protocol/text_buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DURABLE_LIMITS_BYTES_MAX 8192u
#define DURABLE_ID_ANSWER_BYTES  64

static void
set_text(struct bytes *ret_bytes, const char *text)
{
	ret_bytes->data = (uint8_t *)strdup(text);
	require(ret_bytes->data != NULL);
	ret_bytes->size = strlen(text);
}

struct run_result *
durable_make_result(const char *id, enum job_status status, const char *type, const char *message,
		    unsigned attempts)
{
	struct run_result *result = calloc(1, sizeof(*result));
	require(result != NULL);
	memcpy(result->job, id, sizeof(result->job));
	result->status = status;
	result->exit_code = -1;
	result->has_error = true;
	result->attempts = attempts;
	set_text(&result->error_type, type);
	set_text(&result->error_message, message);
	return result;
}

/* ---- the result ---- */

static void
on_saved(void *context, struct store_op *op)
{
	struct durable *durable = context;
	struct durable_job *job = durable_by_ticket(durable, op->ticket);
	if (op->outcome == STORE_FAILED) {
		durable_again(durable, op);
		return;
	}
	/* NOT_FOUND: it had a result already, which waiters were told of. */
	if (op->outcome == STORE_DONE)
		durable_wait_tell(durable, op->row.id, op->row.text, op->row.text_size);
	if (job != NULL) {
		engine_result_gone(durable->engine, job->held_bytes);
		durable_remove(durable, &job);
	}
	store_op_free(&op);
	durable_turn(durable);
	durable_check_idle(durable);
}

static void
save(struct durable *durable, struct durable_job *job, struct run_result *result)
{
	struct store_op *op =
	    durable_op(STORE_RESULT, on_saved, durable, job->tenant->name, job->id);
	op->ticket = job->ticket;
	op->result = result;
	op->row.attempts = result->attempts;
	op->row.submitted_us = job->submitted_us;
	op->row.ended_us = durable_now_us();
	memcpy(op->row.tag, job->tag, sizeof(op->row.tag));
	memcpy(op->row.script, job->script, sizeof(op->row.script));
	job->phase = DURABLE_ENDED;
	(void)store_post(durable->store, op, true);
}

void
durable_on_result(struct durable *durable, uint64_t ticket, struct run_result *result)
{
	struct durable_job *job = durable_by_ticket(durable, ticket);
	if (check_failed(job != NULL)) {
		engine_result_gone(durable->engine, result->held_bytes);
		run_result_deinit(result);
		return;
	}
	struct run_result *kept = malloc(sizeof(*kept));
	require(kept != NULL);
	*kept = *result;
	memset(result, 0, sizeof(*result));
	kept->attempts = job->attempts + (job->phase == DURABLE_STARTED);
	job->held_bytes = kept->held_bytes;
	save(durable, job, kept);
}

void
durable_conclude(struct durable *durable, struct durable_job *job, enum job_status status,
		 const char *type, const char *message)
{
	list_remove(&job->link);
	run_request_deinit(&job->request);
	save(durable, job, durable_make_result(job->id, status, type, message, job->attempts));
}

/* ---- to the engine ---- */

static void
on_marked(void *context, struct store_op *op)
{
	struct durable *durable = context;
	if (op->outcome == STORE_FAILED) {
		durable_again(durable, op);
		return;
	}
	store_op_free(&op);
	durable_check_idle(durable);
}

void
durable_on_started(struct durable *durable, uint64_t ticket)
{
	struct durable_job *job = durable_by_ticket(durable, ticket);
	if (job == NULL || job->phase != DURABLE_HANDED)
		return;
	job->phase = DURABLE_STARTED;
	struct store_op *op =
	    durable_op(STORE_STARTED, on_marked, durable, job->tenant->name, job->id);
	op->row.attempts = job->attempts + 1;
	(void)store_post(durable->store, op, true);
}

/* The tenant as it is now: its section, or what holds for users without one. */
static void
find_terms(const struct durable *durable, const char *name, struct tenant_terms *ret_terms)
{
	const struct tenant_table *table = *durable->setup.tenants;
	const struct tenant *tenant = tenant_table_find(table, name, strlen(name));
	*ret_terms = tenant != NULL ? tenant->terms : *tenant_table_other(table);
	memcpy(ret_terms->name, name, strlen(name) + 1);
}

/* False: the engine has no place for it. */
static bool
hand(struct durable *durable, struct durable_job *job)
{
	struct error err = ERROR_INIT;
	struct tenant_terms terms;
	struct engine_refusal refusal;
	char id[JOB_ID_CHARS + 1];
	find_terms(durable, job->tenant->name, &terms);
	struct engine_owner owner = {
	    DURABLE_SESSION, job->ticket, &terms, job->id,
	    script_keep_compiled(durable->setup.scripts, job->tenant->name, job->script)};
	int rc = engine_submit(durable->engine, &job->request, &owner, id, &refusal, &err);
	if (rc == 0) {
		list_remove(&job->link);
		job->phase = DURABLE_HANDED;
		return true;
	}
	if (rc == ERROR_LIMIT && refusal.reason == ENGINE_TOO_LARGE) {
		durable_conclude(durable, job, STATUS_INTERNAL_ERROR, "TooLarge", err.text);
		return true;
	}
	if (rc != ERROR_LIMIT && rc != ERROR_CLOSED)
		log_limited(LOG_LEVEL_ERROR, "durable", 10, "job %s waits: %s", job->id, err.text);
	return false;
}

static void
make_ready(struct durable *durable, struct durable_job *job)
{
	job->phase = DURABLE_READY;
	list_append(&durable->ready, &job->link);
	if (!durable->draining)
		(void)hand(durable, job);
}

void
durable_turn(struct durable *durable)
{
	if (durable->draining || durable->closing)
		return;
	LIST_FOREACH_SAFE (&durable->ready, link, next)
		(void)hand(durable, list_item(link, struct durable_job, link));
	if (durable->ready.count == 0)
		durable_feed(durable);
}

/* ---- a new one ---- */

static void
answer_id(struct durable *durable, uint64_t ticket, const char *id)
{
	char text[DURABLE_ID_ANSWER_BYTES];
	int size = snprintf(text, sizeof(text), "{\"job\":\"%s\"}", id);
	reply_text(durable->setup.reply, ticket, text, (size_t)size);
}

static void
on_stored(void *context, struct store_op *op)
{
	struct durable *durable = context;
	struct durable_job *job = durable_by_ticket(durable, op->ticket);
	require(job != NULL);
	uint64_t ticket = job->request_ticket;
	if (op->outcome == STORE_DONE && job->kept) {
		make_ready(durable, job);
	} else {
		durable->backlog += op->outcome == STORE_DONE;
		durable_remove(durable, &job);
	}
	if (op->outcome == STORE_DONE || op->outcome == STORE_REPEATED) {
		answer_id(durable, ticket,
			  op->outcome == STORE_REPEATED ? op->found_id : op->row.id);
	} else {
		struct rpc_error fault;
		durable_fault(&fault, op);
		reply_fault(durable->setup.reply, ticket, &fault);
	}
	store_op_free(&op);
	if (durable->backlog > 0)
		durable_turn(durable);
	durable_check_idle(durable);
}

/* The limits as they were accepted: a live job keeps its terms, whatever the settings become. */
static char *
limits_text(const struct limits *limits)
{
	struct text_buffer text;
	size_t size;
	text_buffer_init(&text, DURABLE_LIMITS_BYTES_MAX);
	for (int id = 0; id < LIMIT_COUNT; id++) {
		text_buffer_put_text(&text, id == 0 ? "{\"" : ",\"");
		text_buffer_put_text(&text, LIMITS[id].name);
		text_buffer_put_text(&text, "\":");
		text_buffer_put_u64(&text, limits_get(limits, (enum limit_id)id));
	}
	text_buffer_put(&text, "}", 2);
	char *bytes = text_buffer_steal(&text, &size);
	text_buffer_deinit(&text);
	require(bytes != NULL);
	return bytes;
}

static bool
has_place(const struct durable *durable, const char *tenant)
{
	return durable->recovered && durable->backlog == 0 && !durable->feeding &&
	       durable->ready.count == 0 && durable->all.count < DURABLE_LIVE_MAX &&
	       durable_tenant_live(durable, tenant) < DURABLE_TENANT_LIVE_MAX;
}

bool
durable_submit(struct durable *durable, const char *tenant, uint64_t ticket,
	       struct durable_submission *submission, struct rpc_error *ret_fault)
{
	struct error err = ERROR_INIT;
	char id[JOB_ID_CHARS + 1];
	if (durable_is_off(durable, ret_fault))
		return false;
	if (durable->draining) {
		jsonrpc_error_reason(ret_fault, RPC_REASON_DRAINING,
				     "the daemon is shutting down and takes no more jobs");
		return false;
	}
	if (engine_new_id(id, &err) < 0) {
		jsonrpc_error_code(ret_fault, RPC_INTERNAL_ERROR, "%s", err.text);
		return false;
	}
	const char *tag = submission->request->tag != NULL ? submission->request->tag : "";
	bool kept = has_place(durable, tenant);
	struct store_op *op = durable_op(STORE_SUBMIT, on_stored, durable, tenant, id);
	op->row.state = kept ? STORE_HANDED_OUT : STORE_WAITING;
	op->row.submitted_us = durable_now_us();
	op->row.text = submission->text;
	op->row.text_size = submission->text_size;
	op->row.limits = limits_text(&submission->request->limits);
	(void)snprintf(op->row.tag, sizeof(op->row.tag), "%s", tag);
	(void)snprintf(op->row.key, sizeof(op->row.key), "%s", submission->key);
	(void)snprintf(op->row.script, sizeof(op->row.script), "%s", submission->script);
	op->ticket = durable->last_ticket + 1; /* of the job that is added below */
	if (!store_post(durable->store, op, false)) {
		op->row.text = NULL;
		store_op_free(&op);
		jsonrpc_error_reason(ret_fault, RPC_REASON_QUEUE_FULL,
				     "too many requests, yours or all, wait for the disk of "
				     "state_dir");
		return false;
	}
	/* The op is the thread's now, and is not looked at again. */
	struct durable_job *job = durable_add(durable, tenant, id);
	job->phase = DURABLE_STORING;
	job->kept = kept;
	job->request_ticket = ticket;
	job->submitted_us = durable_now_us();
	(void)snprintf(job->tag, sizeof(job->tag), "%s", tag);
	(void)snprintf(job->script, sizeof(job->script), "%s", submission->script);
	if (kept) {
		job->request = *submission->request;
		memset(submission->request, 0, sizeof(*submission->request));
	}
	submission->text = NULL;
	return true;
}
