/*
 * The job object and its life: queued -> running -> ended. A job that is cancelled while it waits
 * goes from queued to ended. Never runs anything, tells nobody (finish.c does). Called by the
 * engine's parts on the loop. job_new fails without memory or random numbers; the rest cannot fail.
 */
#include "daemon/job.h"

#include "protocol/base_assert.h"
#include "protocol/base_clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define JOB_ID_BYTES (JOB_ID_CHARS / 2)

static const char *const JOB_STATE_NAMES[JOB_STATE_COUNT] = {
    [JOB_QUEUED] = "queued",
    [JOB_RUNNING] = "running",
    [JOB_ENDED] = "ended",
};

static const unsigned JOB_MOVES[JOB_STATE_COUNT] = {
    [JOB_QUEUED] = 1u << JOB_RUNNING | 1u << JOB_ENDED,
    /* back to QUEUED: its worker broke before it took the job */
    [JOB_RUNNING] = 1u << JOB_ENDED | 1u << JOB_QUEUED,
    [JOB_ENDED] = 0,
};

void
job_lists_init(struct job_lists *ret_lists)
{
	for (size_t i = 0; i < JOB_STATE_COUNT; i++)
		list_init(&ret_lists->of[i]);
}

int
job_make_id(char ret_id[JOB_ID_CHARS + 1], struct error *err)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t bytes[JOB_ID_BYTES];
	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return error_errno(err, "random numbers for a job's id");
	for (size_t i = 0; i < sizeof(bytes); i++) {
		ret_id[2 * i] = digits[bytes[i] >> 4];
		ret_id[2 * i + 1] = digits[bytes[i] & 15];
	}
	ret_id[JOB_ID_CHARS] = 0;
	return 0;
}

uint64_t
job_bytes(const struct run_request *request)
{
	return sizeof(struct job) + request->blob_bytes + request->stdin_size;
}

int
job_new(struct run_request *request, const struct job_owner *owner, uint64_t now_ns,
	struct job **ret_job, struct error *err)
{
	struct job *job = calloc(1, sizeof(*job));
	if (!job)
		return error_errno(err, "memory for a job");
	int code = 0;
	if (owner->id)
		(void)snprintf(job->id, sizeof(job->id), "%s", owner->id);
	else
		code = job_make_id(job->id, err);
	if (code < 0) {
		free(job);
		return code;
	}
	job->account = owner->account;
	account_hold(job->account);
	job->session = owner->session;
	job->ticket = owner->ticket;
	job->queued_ns = now_ns;
	if (request->deadline_ms > 0)
		job->deadline_ns = now_ns + request->deadline_ms * NS_PER_MS;
	if (owner->compiled)
		job->compiled = compiled_hold(owner->compiled);
	job->bytes = job_bytes(request);
	job->request = *request;
	memset(request, 0, sizeof(*request));
	*ret_job = job;
	return 0;
}

/* A job in a list counts for its account by the list's state. */
static void
job_count(const struct job *job, int by)
{
	struct account *account = job->account;
	if (!job->link.owner)
		return;
	if (job->state == JOB_QUEUED) {
		account->queued += (uint64_t)by;
		account->queue_bytes += by > 0 ? job->bytes : -job->bytes;
	} else if (job->state == JOB_RUNNING) {
		account->running += (uint64_t)by;
	}
}

void
job_free(struct job **job)
{
	struct job *gone = *job;
	if (!gone)
		return;
	*job = NULL;
	require(gone->peers.owner == NULL);
	job_count(gone, -1);
	list_remove(&gone->link);
	account_release(gone->account);
	job_fill_code(gone, NULL, NULL, 0);
	compiled_release(&gone->compiled);
	run_request_deinit(&gone->request);
	run_result_deinit(gone->result);
	free(gone->result);
	free(gone);
}

void
job_fill_code(struct job *job, const struct compiled_key *key, void *bytes, size_t size)
{
	if (job->leaves_code)
		compiled_fill(job->compiled, key, bytes, size);
	else
		free(bytes);
	job->leaves_code = false;
}

const char *
job_state_name(enum job_state state)
{
	return state < JOB_STATE_COUNT ? JOB_STATE_NAMES[state] : "unknown";
}

void
job_enter(struct job_lists *lists, struct job *job)
{
	require(job->state == JOB_QUEUED);
	list_append(&lists->of[JOB_QUEUED], &job->link);
	job->account->jobs_total++;
	job_count(job, 1);
}

void
job_move(struct job_lists *lists, struct job *job, enum job_state state)
{
	require(state < JOB_STATE_COUNT);
	require(job->link.owner == &lists->of[job->state]);
	require(JOB_MOVES[job->state] & 1u << state);
	job_count(job, -1);
	list_remove(&job->link);
	job->state = state;
	list_append(&lists->of[state], &job->link);
	job_count(job, 1);
}

struct run_result *
job_new_result(struct job *job)
{
	if (job->result)
		run_result_deinit(job->result);
	else
		job->result = malloc(sizeof(*job->result));
	require(job->result);
	memset(job->result, 0, sizeof(*job->result));
	memcpy(job->result->job, job->id, sizeof(job->id));
	return job->result;
}

static void
job_copy_text(struct bytes *ret_bytes, const char *text)
{
	size_t size = strlen(text);
	ret_bytes->data = malloc(size + 1);
	if (!ret_bytes->data)
		return; /* an empty text is a poor answer, none is worse */
	memcpy(ret_bytes->data, text, size + 1);
	ret_bytes->size = size;
}

void
job_conclude(struct job *job, enum job_status status, const char *type, const char *message)
{
	struct run_result *result = job_new_result(job);
	result->status = status;
	result->exit_code = -1;
	result->has_error = true;
	job_copy_text(&result->error_type, type);
	job_copy_text(&result->error_message, message);
}
