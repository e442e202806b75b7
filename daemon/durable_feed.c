/*
 * Stored jobs on their way back into memory: after a restart, and when more were submitted than are
 * kept there.
 *
 * One batch at a time, a job of each tenant in turn; their parameters are read again, off the loop
 * when they are long. A job keeps the limits it was accepted with. One that was begun
 * job_attempts_max times, each time with the daemon ending under it, is not begun again. Called by
 * durable.c and durable_run.c, on the loop.
 */
#include "daemon/durable_state.h"

#include "protocol/base_assert.h"
#include "protocol/base_log.h"
#include "protocol/request_json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Parameters that a line of request_bytes_max could hold have at most so much text. */
#define DURABLE_TEXT_GROWTH 6u
#define DURABLE_TEXT_EXTRA  65536u

struct feed_read {
	struct run_request request;
	struct error err; /* code 0: request is complete */
};

/* A batch whose parameters are being read. */
struct feed_work {
	uv_work_t work;
	struct durable *durable;
	struct tenant_table *tenants; /* held: the settings while it is read */
	struct store_op *op;          /* owned */
	struct feed_read *reads;      /* owned: one for each row */
};

static void
read_limits(const struct json_marks *marks, const char *text, struct limits *limits)
{
	json_t *tree = NULL, *value;
	const char *name;
	size_t size = strlen(text);
	if (json_value_parse(marks, text, size, size, &tree, NULL) < 0)
		return;
	json_object_foreach(tree, name, value)
	{
		const struct limit_info *info = limits_find(name, strlen(name));
		if (info != NULL && json_is_integer(value))
			limits_set(limits, (enum limit_id)(info - LIMITS),
				   (uint64_t)json_integer_value(value));
	}
	json_decref(tree);
}

static void
read_row(const struct durable *durable, const struct config *config, struct store_row *row,
	 struct feed_read *read)
{
	const struct durable_setup *setup = &durable->setup;
	struct tenant_terms terms;
	struct limits maxima, limits = config->limits_default;
	json_t *params = NULL;
	read_limits(setup->marks, row->limits, &limits);
	/* Terms that accept what was accepted, whatever they are now. */
	limits_maxima(&maxima);
	tenant_terms_init(&terms, row->tenant, &limits, &maxima);
	size_t most =
	    config_number(config, request_bytes_max) * DURABLE_TEXT_GROWTH + DURABLE_TEXT_EXTRA;
	if (most < row->text_size)
		most = row->text_size;
	int rc =
	    json_value_parse(setup->marks, row->text, row->text_size, most, &params, &read->err);
	if (rc == 0)
		rc = request_json_read(setup->marks, params, config, &terms, &read->request,
				       &read->err);
	json_decref(params);
	if (rc == 0 && row->script[0] != '\0') {
		if (row->program == NULL)
			rc = error_set(&read->err, ERROR_NOT_FOUND, "its script is gone");
		else
			rc = request_json_put_program(&read->request, row->is_code, row->program,
						      row->program_size, row->name, &read->err);
	}
	if (rc < 0)
		read->err.code = rc;
	else
		read->request.limits = limits;
	read->request.stream = false;
}

static void
read_rows(uv_work_t *work)
{
	struct feed_work *feed = work->data;
	for (size_t i = 0; i < feed->op->row_count; i++)
		read_row(feed->durable, tenant_table_config(feed->tenants), &feed->op->rows[i],
			 &feed->reads[i]);
}

static void
settle(struct durable *durable, struct durable_job *job, struct feed_read *read)
{
	uint64_t attempts_max = config_number(durable->setup.config, job_attempts_max);
	char text[ERROR_TEXT_BYTES + 128];
	if (job->cancelled) {
		durable_conclude(durable, job, STATUS_CANCELLED, "Cancelled",
				 "the job was cancelled");
	} else if (job->attempts >= attempts_max) {
		(void)snprintf(text, sizeof(text),
			       "the daemon ended %u times while the job ran; it is not begun "
			       "again (job_attempts_max = %" PRIu64 ")",
			       job->attempts, attempts_max);
		durable_conclude(durable, job, STATUS_INTERNAL_ERROR, "Interrupted", text);
	} else if (read->err.code != 0) {
		(void)snprintf(text, sizeof(text), "the stored job cannot be read: %s",
			       read->err.text);
		log_error("durable", "job %s: %s", job->id, text);
		durable_conclude(durable, job, STATUS_INTERNAL_ERROR, "InternalError", text);
	} else {
		job->request = read->request;
		memset(&read->request, 0, sizeof(read->request));
		job->phase = DURABLE_READY;
		list_append(&durable->ready, &job->link);
	}
}

static void
finish(struct feed_work *feed)
{
	struct durable *durable = feed->durable;
	for (size_t i = 0; i < feed->op->row_count; i++) {
		struct store_row *row = &feed->op->rows[i];
		struct durable_job *job =
		    durable->closing ? NULL : durable_find(durable, row->tenant, row->id);
		if (job != NULL)
			settle(durable, job, &feed->reads[i]);
		run_request_deinit(&feed->reads[i].request);
	}
	store_op_free(&feed->op);
	tenant_table_release(&feed->tenants);
	free(feed->reads);
	free(feed);
	durable->feeding = false;
	if (durable->closing) {
		durable_check_closed(durable);
		return;
	}
	durable_turn(durable);
	durable_check_idle(durable);
}

static void
on_read(uv_work_t *work, int status)
{
	struct feed_work *feed = work->data;
	(void)status;
	feed->durable->works_open--;
	finish(feed);
}

static void
add_jobs(struct durable *durable, struct store_op *op)
{
	for (size_t i = 0; i < op->row_count; i++) {
		const struct store_row *row = &op->rows[i];
		struct durable_job *job = durable_add(durable, row->tenant, row->id);
		job->phase = DURABLE_READING;
		job->attempts = row->attempts;
		job->cancelled = row->cancelled;
		job->submitted_us = row->submitted_us;
		memcpy(job->tag, row->tag, sizeof(job->tag));
		memcpy(job->script, row->script, sizeof(job->script));
	}
}

static void
note_backlog(struct durable *durable, const struct store_op *op)
{
	if (op->want_text) {
		durable->recovered = true;
		durable->backlog = op->waiting;
		if (op->waiting + op->row_count > 0)
			log_info("durable", "%llu stored jobs are to be run",
				 (unsigned long long)(op->waiting + op->row_count));
	} else if (op->row_count == 0 && op->except_count == 0) {
		durable->backlog = 0; /* they went with a database that was moved aside */
	} else {
		durable->backlog -=
		    op->row_count < durable->backlog ? op->row_count : durable->backlog;
	}
	memcpy(durable->round, op->row.tenant, sizeof(durable->round));
}

static void
on_fed(void *context, struct store_op *op)
{
	struct durable *durable = context;
	size_t bytes = 0;
	if (op->outcome != STORE_DONE || op->row_count == 0) {
		durable->feeding = false;
		if (op->outcome == STORE_DONE)
			note_backlog(durable, op);
		store_op_free(&op);
		durable_check_idle(durable);
		return; /* after a failure the clock tries again */
	}
	note_backlog(durable, op);
	add_jobs(durable, op);
	for (size_t i = 0; i < op->row_count; i++)
		bytes += op->rows[i].text_size + op->rows[i].program_size;
	struct feed_work *feed = calloc(1, sizeof(*feed));
	require(feed != NULL);
	feed->work.data = feed;
	feed->durable = durable;
	feed->tenants = tenant_table_hold(*durable->setup.tenants);
	feed->op = op;
	feed->reads = calloc(op->row_count, sizeof(*feed->reads));
	require(feed->reads != NULL);
	if (bytes <= DURABLE_INLINE_BYTES_MAX) {
		read_rows(&feed->work);
		finish(feed);
		return;
	}
	durable->works_open++;
	require(uv_queue_work(durable->setup.loop, &feed->work, read_rows, on_read) == 0);
}

/* Tenants that have as much in memory as one may. */
static void
leave_out(const struct durable *durable, struct store_op *op)
{
	LIST_FOREACH (&durable->all, link) {
		const struct durable_tenant *tenant =
		    list_item(link, struct durable_job, all)->tenant;
		bool known = false;
		if (tenant->live < DURABLE_TENANT_LIVE_MAX || op->except_count == STORE_EXCEPT_MAX)
			continue;
		for (unsigned i = 0; i < op->except_count && !known; i++)
			known = strcmp(op->except[i], tenant->name) == 0;
		if (!known)
			memcpy(op->except[op->except_count++], tenant->name, sizeof(tenant->name));
	}
}

void
durable_feed(struct durable *durable)
{
	if (durable->feeding || durable->draining || durable->closing ||
	    (durable->recovered && durable->backlog == 0) ||
	    durable->all.count + DURABLE_FEED_JOBS > DURABLE_LIVE_MAX)
		return;
	struct store_op *op = durable_op(STORE_FEED, on_fed, durable, durable->round, "");
	op->want_text = !durable->recovered;
	op->count_max = DURABLE_FEED_JOBS;
	op->bytes_max = DURABLE_FEED_BYTES;
	leave_out(durable, op);
	durable->feeding = true;
	(void)store_post(durable->store, op, true);
}
