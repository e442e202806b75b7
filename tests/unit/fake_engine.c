/*
 * See fake_engine.h. Results are given out from a check callback, as the real engine's are: never
 * from within engine_submit or engine_cancel. Used by the tests of the outer half only.
 */
#include "fake_engine.h"

#include "daemon/durable.h"
#include "protocol/base_assert.h"
#include "protocol/base_sys.h"
#include "protocol/pack.h"
#include "protocol/worker_abi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct engine *last_engine;
static bool auto_finish, breaks, strays;

struct engine *
fake_engine(void)
{
	return last_engine;
}

void
fake_engine_auto(bool on)
{
	auto_finish = on;
}

void
fake_engine_breaks(bool on)
{
	breaks = on;
}

void
fake_engine_strays(bool on)
{
	strays = on;
}

static void
end_job(struct engine *engine, struct fake_job *job, enum job_status status, const void *out,
	size_t size)
{
	struct run_result result;
	require(job->live);
	memset(&result, 0, sizeof(result));
	memcpy(result.job, job->id, sizeof(result.job));
	result.status = status;
	result.exit_code = status == STATUS_OK ? 0 : -1;
	result.out.data = malloc(size + 1);
	require(result.out.data != NULL);
	if (size > 0)
		memcpy(result.out.data, out, size);
	result.out.size = size;
	result.usage.stdout_bytes = size;
	result.held_bytes = size;
	engine->held_bytes += size;
	job->live = false;
	engine->live--;
	run_request_deinit(&job->request);
	engine->callbacks.result(engine->callbacks.context, job->session, job->ticket, &result);
}

void
fake_engine_finish(struct engine *engine, size_t index, const void *out, size_t size)
{
	require(index < engine->count);
	end_job(engine, &engine->jobs[index], STATUS_OK, out, size);
}

void
fake_engine_output(struct engine *engine, size_t index, int stream, const void *bytes, size_t size)
{
	struct fake_job *job = &engine->jobs[index];
	engine->callbacks.output(engine->callbacks.context, job->session, job->ticket, job->id,
				 stream, bytes, size);
}

static void
finish_by_itself(struct engine *engine, struct fake_job *job)
{
	struct pack_reader reader;
	struct pack_field field;
	const void *source = "";
	size_t size = 0;
	pack_reader_init(&reader, job->request.blob, job->request.blob_bytes);
	while (pack_next(&reader, &field, NULL) == 1) {
		if (field.tag != JOB_SOURCE)
			continue;
		source = field.bytes;
		size = field.length;
	}
	end_job(engine, job, STATUS_OK, source, size);
}

static void
tell_strays(const struct engine *engine, const struct fake_job *job)
{
	static const char LINES[] = "{\"event\":\"stray\"}\n";
	const struct engine_callbacks *tell = &engine->callbacks;
	struct engine_job_status status = {.state = "stray"};
	for (uint64_t ticket = 1; ticket <= FAKE_STRAY_TICKETS; ticket++) {
		tell->output(tell->context, job->session, ticket, job->id, 1, "stray", 5);
		tell->trace(tell->context, job->session, ticket, job->id, LINES,
			    sizeof(LINES) - 1);
		tell->progress(tell->context, job->session, ticket, &status);
	}
}

static void
on_check(uv_check_t *handle)
{
	struct engine *engine = handle->data;
	if (!engine->told_ready && engine->callbacks.ready != NULL)
		engine->callbacks.ready(engine->callbacks.context);
	engine->told_ready = true;
	if (engine->breaks && engine->live > 0) {
		struct error err = ERROR_INIT;
		(void)error_set(&err, ERROR_CLOSED, "the spawner is gone");
		engine->breaks = false;
		engine->callbacks.fatal(engine->callbacks.context, &err);
		return;
	}
	for (size_t i = 0; i < engine->count; i++) {
		struct fake_job *job = &engine->jobs[i];
		if (job->live && engine->strays && job->session == DURABLE_SESSION)
			tell_strays(engine, job);
		if (job->live && job->cancelled)
			end_job(engine, job, STATUS_CANCELLED, NULL, 0);
		else if (job->live && engine->auto_finish)
			finish_by_itself(engine, job);
	}
	if (engine->live == 0 && engine->auto_finish)
		engine->count = 0;
	if (engine->draining && !engine->drained && engine->live == 0) {
		engine->drained = true;
		engine->callbacks.drained(engine->callbacks.context);
	}
	(void)uv_idle_stop(&engine->idle);
}

static void
on_idle(uv_idle_t *handle)
{
	(void)handle;
}

static void
wake(struct engine *engine)
{
	require(uv_idle_start(&engine->idle, on_idle) == 0);
}

int
engine_new(uv_loop_t *loop, const struct config *config, int spawner_fd,
	   const struct engine_callbacks *callbacks, struct engine **ret_engine, struct error *err)
{
	(void)err;
	struct engine *engine = calloc(1, sizeof(*engine));
	require(engine != NULL);
	base_close(&spawner_fd);
	engine->config = config;
	engine->callbacks = *callbacks;
	engine->auto_finish = auto_finish;
	engine->breaks = breaks;
	engine->strays = strays;
	require(uv_check_init(loop, &engine->check) == 0);
	require(uv_idle_init(loop, &engine->idle) == 0);
	engine->check.data = engine->idle.data = engine;
	require(uv_check_start(&engine->check, on_check) == 0);
	uv_unref((uv_handle_t *)&engine->check);
	last_engine = engine;
	*ret_engine = engine;
	return 0;
}

void
engine_reload(struct engine *engine, const struct config *config, engine_terms *terms,
	      void *context)
{
	(void)terms;
	(void)context;
	engine->config = config;
	engine->reloads++;
}

static void
on_closed(uv_handle_t *handle)
{
	struct engine *engine = handle->data;
	if (++engine->handles_closed < 2)
		return;
	for (size_t i = 0; i < engine->count; i++)
		run_request_deinit(&engine->jobs[i].request);
	free(engine);
}

void
engine_close(struct engine **engine)
{
	if (*engine == NULL)
		return;
	uv_close((uv_handle_t *)&(*engine)->idle, on_closed);
	uv_close((uv_handle_t *)&(*engine)->check, on_closed);
	*engine = NULL;
	last_engine = NULL;
}

int
engine_submit(struct engine *engine, struct run_request *request, const struct engine_owner *owner,
	      char ret_id[JOB_ID_CHARS + 1], struct engine_refusal *ret_refusal, struct error *err)
{
	if (engine->draining)
		return error_set(err, ERROR_CLOSED, "the daemon is draining");
	*ret_refusal = engine->refusal;
	if (engine->full || engine->count == FAKE_JOBS_MAX)
		return error_set(err, ERROR_LIMIT, "the queue is full: 3 jobs wait");
	struct fake_job *job = &engine->jobs[engine->count++];
	memset(job, 0, sizeof(*job));
	job->live = true;
	job->session = owner->session;
	job->ticket = owner->ticket;
	job->terms = *owner->terms;
	job->request = *request;
	memset(request, 0, sizeof(*request));
	(void)snprintf(job->id, sizeof(job->id), "%032x", ++engine->last_id);
	if (owner->id != NULL)
		(void)snprintf(job->id, sizeof(job->id), "%s", owner->id);
	memcpy(ret_id, job->id, sizeof(job->id));
	engine->live++;
	wake(engine);
	return 0;
}

static struct fake_job *
find(struct engine *engine, const char *id, uint64_t session)
{
	for (size_t i = 0; i < engine->count; i++) {
		struct fake_job *job = &engine->jobs[i];
		if (job->live && strcmp(job->id, id) == 0 &&
		    (session == 0 || session == job->session))
			return job;
	}
	return NULL;
}

int
engine_cancel(struct engine *engine, const char *id, uint64_t session, struct error *err)
{
	struct fake_job *job = find(engine, id, session);
	if (job == NULL)
		return error_set(err, ERROR_NOT_FOUND, "no such job");
	job->cancelled = true;
	wake(engine);
	return 0;
}

void
engine_result_gone(struct engine *engine, uint64_t held_bytes)
{
	require(held_bytes <= engine->held_bytes);
	engine->held_bytes -= held_bytes;
}

void
engine_forget_session(struct engine *engine, uint64_t session)
{
	engine->forgotten++;
	for (size_t i = 0; i < engine->count; i++) {
		struct fake_job *job = &engine->jobs[i];
		if (!job->live || job->session != session)
			continue;
		job->live = false;
		engine->live--;
		run_request_deinit(&job->request);
	}
	wake(engine);
}

int
engine_status(struct engine *engine, const char *id, uint64_t session,
	      struct engine_job_status *ret_status, struct error *err)
{
	struct fake_job *job = find(engine, id, session);
	if (job == NULL)
		return error_set(err, ERROR_NOT_FOUND, "no such job");
	memset(ret_status, 0, sizeof(*ret_status));
	ret_status->state = "running";
	ret_status->wall_us = 11;
	ret_status->cpu_us = 22;
	ret_status->stdout_bytes = 33;
	return 0;
}

void
engine_info(const struct engine *engine, struct engine_info *ret_info)
{
	memset(ret_info, 0, sizeof(*ret_info));
	ret_info->jobs_running = engine->live;
	ret_info->workers_ready = 4;
	ret_info->jobs_ended[STATUS_OK] = 5;
	ret_info->serving = true;
	ret_info->isolation = ISOLATION_REDUCED;
	ret_info->layers = ISOLATION_ALL & ~ISOLATION_BIT(landlock);
	ret_info->cgroups = true;
	ret_info->draining = engine->draining;
	(void)snprintf(ret_info->python, sizeof(ret_info->python), "3.11.2");
}

int
engine_admit_stored(struct engine *engine, const struct run_request *request,
		    const struct tenant_terms *terms, struct engine_refusal *ret_refusal,
		    struct error *err)
{
	(void)request;
	(void)terms;
	*ret_refusal = (struct engine_refusal){ENGINE_QUEUE_FULL, 1000};
	return engine->full ? error_set(err, ERROR_LIMIT, "the queue is full") : 0;
}

int
engine_new_id(char ret_id[JOB_ID_CHARS + 1], struct error *err)
{
	static unsigned last;
	(void)err;
	(void)snprintf(ret_id, JOB_ID_CHARS + 1, "d%031u", ++last);
	return 0;
}

size_t
engine_withdraw(struct engine *engine, uint64_t session)
{
	size_t count = 0;
	for (size_t i = 0; i < engine->count; i++) {
		struct fake_job *job = &engine->jobs[i];
		if (!job->live || job->session != session)
			continue;
		job->live = false;
		engine->live--;
		run_request_deinit(&job->request);
		count++;
	}
	return count;
}

void
engine_tenant_usage(const struct engine *engine, const char *tenant,
		    struct engine_tenant_usage *ret_usage)
{
	memset(ret_usage, 0, sizeof(*ret_usage));
	for (size_t i = 0; i < engine->count; i++)
		ret_usage->running +=
		    engine->jobs[i].live && strcmp(engine->jobs[i].terms.name, tenant) == 0;
	ret_usage->jobs_total = ret_usage->running;
	ret_usage->cpu_us_total = 77;
}

void
engine_drain(struct engine *engine)
{
	engine->draining = true;
	wake(engine);
}

int
engine_ask_drain(struct engine *engine, struct error *err)
{
	if (engine->lost)
		return error_set(err, ERROR_CLOSED, "the link is lost");
	engine->drains_asked++;
	engine_drain(engine);
	return 0;
}
