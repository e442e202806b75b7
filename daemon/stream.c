/*
 * Streams: reads what streaming jobs have put into their output files since the last look, and
 * hands it on; at the end the rest comes from the result, so that the sum is exactly what the
 * result holds. A file of a job that tampers with it gives wrong bytes to its own client only.
 * Costs nothing while no job streams. Called by an alarm and by finish.c.
 */
#include "daemon/stream.h"

#include "daemon/engine_state.h"
#include "daemon/output_read.h"
#include "daemon/page_read.h"
#include "protocol/base_log.h"

#include <stdlib.h>

#define STREAM_PROGRESS_NS    500000000ull
#define STREAM_EVERY_MS       10u
#define STREAM_LOOK_BYTES_MAX 65536u /* of one stream in one look */

static void
stream_tell(struct engine *engine, const struct job *job, int stream, const void *bytes,
	    size_t size)
{
	if (!job->forgotten && !engine->closing && size > 0)
		engine->callbacks.output(engine->callbacks.context, job->session, job->ticket,
					 job->id, stream, bytes, size);
}

static void
stream_look(struct engine *engine, struct job *job, int stream)
{
	struct error err = ERROR_INIT;
	struct bytes bytes = {NULL, 0};
	const struct limits *limits = &job->request.limits;
	uint64_t cap = stream == 1 ? limits->stdout_bytes : limits->stderr_bytes;
	int code = output_read_new(stream == 1 ? job->worker->out_fd : job->worker->err_fd,
				   limits_output_base(limits, cap),
				   stream == 1 ? &job->out_told : &job->err_told, cap,
				   STREAM_LOOK_BYTES_MAX, &bytes, &err);
	if (code < 0)
		log_limited(LOG_LEVEL_WARNING, "stream", 10, "job %s: %s", job->id, err.text);
	else
		stream_tell(engine, job, stream, bytes.data, bytes.size);
	free(bytes.data);
}

static void
stream_tell_trace(struct engine *engine, const struct job *job, const struct bytes *lines)
{
	if (engine->callbacks.trace && !job->forgotten && !engine->closing && lines->size > 0)
		engine->callbacks.trace(engine->callbacks.context, job->session, job->ticket,
					job->id, lines->data, lines->size);
}

static void
stream_look_trace(struct engine *engine, struct job *job)
{
	struct error err = ERROR_INIT;
	struct bytes lines = {NULL, 0};
	struct worker_page page;
	int page_fd = job->worker->page_fd;
	int code = page_read(page_fd, &page, &err);
	if (code == 0)
		code = trace_read(page_fd, &page, job->request.limits.trace_events,
				  STREAM_LOOK_BYTES_MAX, &job->trace, &lines, &err);
	if (code < 0)
		log_limited(LOG_LEVEL_WARNING, "stream", 10, "job %s: %s", job->id, err.text);
	else
		stream_tell_trace(engine, job, &lines);
	free(lines.data);
}

/* Not of a job that ends before anybody could read it. */
static void
stream_progress(struct engine *engine, struct job *job)
{
	uint64_t now_ns = engine_now_ns();
	uint64_t last_ns = job->progress_ns > 0 ? job->progress_ns : job->started_ns;
	struct engine_job_status status = {0};
	if (engine->callbacks.progress == NULL || now_ns < last_ns + STREAM_PROGRESS_NS)
		return;
	job->progress_ns = now_ns;
	engine_report_running(job, now_ns, &status);
	engine->callbacks.progress(engine->callbacks.context, job->session, job->ticket, &status);
}

void
stream_wake(struct engine *engine)
{
	if (alarm_is_set(engine->stream_alarm))
		return;
	LIST_FOREACH (&engine->lists.of[JOB_RUNNING], link) {
		if (list_item(link, struct job, link)->request.stream) {
			alarm_set(engine->stream_alarm, STREAM_EVERY_MS);
			return;
		}
	}
}

void
stream_on_alarm(void *context)
{
	struct engine *engine = context;
	LIST_FOREACH_SAFE (&engine->lists.of[JOB_RUNNING], link, next) {
		struct job *job = list_item(link, struct job, link);
		if (!job->request.stream || job->forgotten || job->worker->state != WORKER_BUSY)
			continue;
		stream_look(engine, job, 1);
		stream_look(engine, job, 2);
		if (job->request.trace != TRACE_NONE)
			stream_look_trace(engine, job);
		stream_progress(engine, job);
	}
	stream_wake(engine);
}

static void
stream_rest_of(struct engine *engine, const struct job *job, int stream, uint64_t *told,
	       const struct bytes *all)
{
	if (*told >= all->size)
		return;
	stream_tell(engine, job, stream, all->data + *told, all->size - *told);
	*told = all->size;
}

void
stream_rest(struct engine *engine, struct job *job)
{
	if (!job->request.stream)
		return;
	stream_rest_of(engine, job, 1, &job->out_told, &job->result->out);
	stream_rest_of(engine, job, 2, &job->err_told, &job->result->err);
	stream_tell_trace(engine, job, &job->result->trace);
}
