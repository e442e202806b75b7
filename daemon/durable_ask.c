/*
 * What clients ask of durable jobs: result, state, list, cancellation.
 *
 * What is in memory is answered from there, the rest by the store; both by tenant and id, so that
 * nobody learns of another's. Between two answers of the store everything is in order: one that
 * says "not ended" comes before the news of its end, so that a wait which begins then misses
 * nothing. Called by the methods, on the loop.
 */
#include "daemon/durable_state.h"

#include "daemon/json_members.h"
#include "protocol/base_assert.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DURABLE_ANSWER_BYTES_MAX (8u << 20)

static const char *
state_name(enum store_state state)
{
	static const char *const NAMES[] = {"queued", "queued", "running", "ended"};
	return NAMES[state];
}

static void
answer_buffer(struct durable *durable, uint64_t ticket, struct text_buffer *text)
{
	if (!check_failed(!text->failed))
		reply_text(durable->setup.reply, ticket, text->bytes, text->size);
	text_buffer_deinit(text);
}

static void
answer_fault(struct durable *durable, uint64_t ticket, const struct store_op *op)
{
	struct rpc_error fault;
	durable_fault(&fault, op);
	reply_fault(durable->setup.reply, ticket, &fault);
}

static void
answer_not_found(struct durable *durable, uint64_t ticket)
{
	struct store_op nothing = {.outcome = STORE_NOT_FOUND};
	answer_fault(durable, ticket, &nothing);
}

static bool
post(struct durable *durable, struct store_op *op, uint64_t ticket)
{
	struct rpc_error fault;
	op->ticket = ticket;
	if (store_post(durable->store, op, false))
		return true;
	store_op_free(&op);
	jsonrpc_error_reason(&fault, RPC_REASON_QUEUE_FULL,
			     "too many requests, yours or all, wait for the disk of state_dir");
	reply_fault(durable->setup.reply, ticket, &fault);
	return false;
}

/* ---- state ---- */

static void
put_numbers(struct json_members *members, const struct engine_job_status *status)
{
	json_members_u64(members, "position", status->position);
	json_members_u64(members, "queue_us", status->queue_us);
	json_members_u64(members, "wall_us", status->wall_us);
	json_members_u64(members, "cpu_us", status->cpu_us);
	json_members_u64(members, "stdout_bytes", status->stdout_bytes);
	json_members_u64(members, "stderr_bytes", status->stderr_bytes);
	json_members_u64(members, "opcodes", status->opcodes);
}

static void
answer_live(struct durable *durable, uint64_t ticket, const struct durable_job *job)
{
	struct engine_job_status status;
	struct text_buffer text;
	if (engine_status(durable->engine, job->id, DURABLE_SESSION, &status, NULL) != 0) {
		uint64_t now_us = durable_now_us();
		memset(&status, 0, sizeof(status));
		status.state =
		    state_name(job->phase == DURABLE_ENDED ? STORE_RUNNING : STORE_WAITING);
		if (now_us > job->submitted_us && job->phase != DURABLE_ENDED)
			status.queue_us = now_us - job->submitted_us;
	}
	text_buffer_init(&text, DURABLE_ANSWER_BYTES_MAX);
	struct json_members members = json_members_begin(&text);
	json_members_text(&members, "job", job->id);
	json_members_text(&members, "state", status.state);
	json_members_u64(&members, "attempts", job->attempts + (job->phase == DURABLE_STARTED));
	put_numbers(&members, &status);
	json_members_end(&members);
	answer_buffer(durable, ticket, &text);
}

static void
answer_row(struct durable *durable, uint64_t ticket, const struct store_row *row)
{
	struct engine_job_status nothing = {0};
	struct text_buffer text;
	text_buffer_init(&text, DURABLE_ANSWER_BYTES_MAX);
	struct json_members members = json_members_begin(&text);
	json_members_text(&members, "job", row->id);
	json_members_text(&members, "state", state_name(row->state));
	if (row->state == STORE_ENDED)
		json_members_text(&members, "status", row->status);
	json_members_u64(&members, "attempts", row->attempts);
	if (row->state != STORE_ENDED && durable_now_us() > row->submitted_us)
		nothing.queue_us = durable_now_us() - row->submitted_us;
	put_numbers(&members, &nothing);
	json_members_end(&members);
	answer_buffer(durable, ticket, &text);
}

static void
on_status(void *context, struct store_op *op)
{
	struct durable *durable = context;
	const struct durable_job *job;
	if (op->outcome != STORE_DONE)
		answer_fault(durable, op->ticket, op);
	else if (op->row.state != STORE_ENDED &&
		 (job = durable_find(durable, op->row.tenant, op->row.id)) != NULL)
		answer_live(durable, op->ticket, job);
	else
		answer_row(durable, op->ticket, &op->row);
	store_op_free(&op);
	durable_check_idle(durable);
}

void
durable_status(struct durable *durable, const char *tenant, uint64_t ticket, const char *job)
{
	const struct durable_job *live = durable_find(durable, tenant, job);
	if (live != NULL)
		answer_live(durable, ticket, live);
	else
		(void)post(durable, durable_op(STORE_FETCH, on_status, durable, tenant, job),
			   ticket);
}

/* ---- result ---- */

static void
wait_for(struct durable *durable, const char *tenant, uint64_t ticket, const char *id,
	 const struct durable_job *job, uint64_t timeout_ms)
{
	bool runs = job != NULL && job->phase >= DURABLE_STARTED;
	if (durable->draining && !runs) {
		struct rpc_error fault;
		jsonrpc_error_reason(&fault, RPC_REASON_DRAINING,
				     "the daemon is shutting down; the job stays stored");
		reply_fault(durable->setup.reply, ticket, &fault);
		return;
	}
	durable_wait_add(durable, ticket, tenant, id, timeout_ms);
}

static void
on_fetched(void *context, struct store_op *op)
{
	struct durable *durable = context;
	const struct store_row *row = &op->row;
	const struct durable_job *job = durable_find(durable, row->tenant, row->id);
	uint64_t timeout_ms = op->note;
	if (op->outcome != STORE_DONE)
		answer_fault(durable, op->ticket, op);
	else if (row->state == STORE_ENDED)
		reply_text(durable->setup.reply, op->ticket, row->text, row->text_size);
	else if (timeout_ms > 0)
		wait_for(durable, row->tenant, op->ticket, row->id, job, timeout_ms);
	else if (job != NULL)
		answer_live(durable, op->ticket, job);
	else
		answer_row(durable, op->ticket, row);
	store_op_free(&op);
	durable_check_idle(durable);
}

void
durable_result(struct durable *durable, const char *tenant, uint64_t ticket, const char *job,
	       uint64_t timeout_ms)
{
	const struct durable_job *live = durable_find(durable, tenant, job);
	if (live != NULL && timeout_ms > 0) {
		wait_for(durable, tenant, ticket, job, live, timeout_ms);
	} else if (live != NULL) {
		answer_live(durable, ticket, live);
	} else {
		struct store_op *op = durable_op(STORE_FETCH, on_fetched, durable, tenant, job);
		op->want_text = true;
		op->note = timeout_ms;
		(void)post(durable, op, ticket);
	}
}

/* ---- list ---- */

static void
put_row(struct text_buffer *text, const struct store_row *row)
{
	struct json_members members = json_members_begin(text);
	json_members_text(&members, "job", row->id);
	json_members_text(&members, "state", state_name(row->state));
	json_members_name(&members, "status");
	if (row->state == STORE_ENDED)
		text_buffer_json_string(text, row->status, strlen(row->status));
	else
		text_buffer_put_text(text, "null");
	json_members_name(&members, "tag");
	text_buffer_json_string(text, row->tag, strlen(row->tag));
	json_members_u64(&members, "attempts", row->attempts);
	json_members_u64(&members, "submitted_us", row->submitted_us);
	json_members_name(&members, "ended_us");
	if (row->state == STORE_ENDED)
		text_buffer_put_u64(text, row->ended_us);
	else
		text_buffer_put_text(text, "null");
	json_members_end(&members);
}

static void
on_listed(void *context, struct store_op *op)
{
	struct durable *durable = context;
	struct text_buffer text;
	if (op->outcome != STORE_DONE) {
		answer_fault(durable, op->ticket, op);
		store_op_free(&op);
		durable_check_idle(durable);
		return;
	}
	text_buffer_init(&text, DURABLE_ANSWER_BYTES_MAX);
	struct json_members members = json_members_begin(&text);
	json_members_name(&members, "jobs");
	for (size_t i = 0; i < op->row_count; i++) {
		text_buffer_put(&text, i == 0 ? "[" : ",", 1);
		put_row(&text, &op->rows[i]);
	}
	text_buffer_put_text(&text, op->row_count == 0 ? "[]" : "]");
	json_members_name(&members, "cursor");
	if (op->more) {
		const struct store_row *last = &op->rows[op->row_count - 1];
		char cursor[DURABLE_CURSOR_CHARS + 1];
		(void)snprintf(cursor, sizeof(cursor), "%016" PRIx64 "%s", last->submitted_us,
			       last->id);
		text_buffer_json_string(&text, cursor, strlen(cursor));
	} else {
		text_buffer_put_text(&text, "null");
	}
	json_members_end(&members);
	answer_buffer(durable, op->ticket, &text);
	store_op_free(&op);
	durable_check_idle(durable);
}

void
durable_list(struct durable *durable, const char *tenant, uint64_t ticket,
	     const struct store_filter *filter)
{
	struct store_op *op = durable_op(STORE_LIST, on_listed, durable, tenant, "");
	op->filter = *filter;
	(void)post(durable, op, ticket);
}

/* ---- cancellation ---- */

static void
answer_cancelled(struct durable *durable, uint64_t ticket, const char *job)
{
	struct text_buffer text;
	text_buffer_init(&text, DURABLE_ANSWER_BYTES_MAX);
	struct json_members members = json_members_begin(&text);
	json_members_text(&members, "job", job);
	json_members_flag(&members, "cancelled", true);
	json_members_end(&members);
	answer_buffer(durable, ticket, &text);
}

/* The mark is on the disk: a restart does not run it again. Now it ends, if it has not yet. */
static void
cancel_live(struct durable *durable, struct durable_job *job)
{
	job->cancelled = true;
	if (job->phase == DURABLE_READY)
		durable_conclude(durable, job, STATUS_CANCELLED, "Cancelled",
				 "the job was cancelled");
	else if (job->phase == DURABLE_HANDED || job->phase == DURABLE_STARTED)
		(void)engine_cancel(durable->engine, job->id, DURABLE_SESSION, NULL);
}

static void
on_cancelled(void *context, struct store_op *op)
{
	struct durable *durable = context;
	const struct store_row *row = &op->row;
	struct durable_job *job = durable_find(durable, row->tenant, row->id);
	if (op->outcome == STORE_FAILED && job != NULL && job->phase != DURABLE_ENDED) {
		/* The disk does not take the mark: it ends all the same, in this life. */
		cancel_live(durable, job);
		answer_cancelled(durable, op->ticket, row->id);
	} else if (op->outcome != STORE_DONE) {
		answer_fault(durable, op->ticket, op);
	} else {
		if (row->state == STORE_ENDED) {
			durable->backlog -= durable->backlog > 0;
			durable_wait_tell(durable, row->id, row->text, row->text_size);
		} else if (job != NULL) {
			cancel_live(durable, job);
		}
		answer_cancelled(durable, op->ticket, row->id);
	}
	store_op_free(&op);
	durable_check_idle(durable);
}

void
durable_cancel(struct durable *durable, const char *tenant, uint64_t ticket, const char *job)
{
	const struct durable_job *live = durable_find(durable, tenant, job);
	if (live != NULL && live->phase == DURABLE_ENDED) {
		answer_not_found(durable, ticket);
		return;
	}
	struct store_op *op = durable_op(STORE_CANCEL, on_cancelled, durable, tenant, job);
	/* What it becomes when it waits on the disk alone. */
	op->result =
	    durable_make_result(job, STATUS_CANCELLED, "Cancelled", "the job was cancelled", 0);
	op->row.ended_us = durable_now_us();
	(void)post(durable, op, ticket);
}
