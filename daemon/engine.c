/*
 * The inner half of stintd as the outer half sees it, and the one file that shows how its stages
 * hang together:
 *
 *   submit -> queue                                  ends by leaving a job on a list
 *   [turn, once per loop turn]  dispatch             takes from lists, sends work
 *   zygote link / watchdog -> finish -> result       answers, by session number only
 *   [later, in the turn after]  tell what was put off, bury and start workers
 *
 * No stage calls one that is before it. Everything is on the loop but the watchdog's thread and the
 * reading of large results. Fails only at the start; later a lost spawner is told by `fatal`.
 */
#include "daemon/engine.h"

#include "daemon/deadline.h"
#include "daemon/dispatch.h"
#include "daemon/engine_numbers.h"
#include "daemon/engine_state.h"
#include "daemon/finish.h"
#include "daemon/house.h"
#include "daemon/makeway.h"
#include "daemon/refill.h"
#include "daemon/retire.h"
#include "daemon/stream.h"
#include "protocol/base_assert.h"
#include "protocol/base_clock.h"
#include "protocol/base_log.h"
#include "protocol/base_sys.h"

#include <stdlib.h>
#include <string.h>

#define ENGINE_TENANTS_MS 10000u

uint64_t
engine_now_ns(void)
{
	return clock_now_ns(&CLOCK_SYSTEM);
}

bool
engine_has_tenants(const struct engine *engine)
{
	return engine->tenants_ns != 0 &&
	       engine_now_ns() - engine->tenants_ns < ENGINE_TENANTS_MS * NS_PER_MS;
}

void
engine_note(struct engine *engine, enum engine_event event, uint64_t value)
{
	if (engine->callbacks.event)
		engine->callbacks.event(engine->callbacks.context, event, value);
}

static struct engine *
engine_of(void *data)
{
	struct engine *engine = data;
	require(engine && engine->magic == ENGINE_MAGIC);
	return engine;
}

static void
engine_on_turn(uv_check_t *check)
{
	struct engine *engine = engine_of(check->data);
	finish_told(engine);
	if (!engine->closing && !engine->failed)
		dispatch_run(engine);
}

static void
engine_on_later(uv_idle_t *idle)
{
	struct engine *engine = engine_of(idle->data);
	(void)uv_idle_stop(idle);
	if (engine->closing)
		return;
	finish_admit(engine);
	finish_tell(engine);
	finish_told(engine);
	if (!engine->closing && !engine->failed)
		refill_run(engine);
	if (!engine->closing && !engine->failed)
		retire_run(engine);
}

void
engine_later(struct engine *engine)
{
	if (!engine->closing)
		(void)uv_idle_start(&engine->later, engine_on_later);
}

static void
engine_on_refill_alarm(void *context)
{
	refill_soon(context);
}

static void
engine_on_makeway_alarm(void *context)
{
	if (makeway_expire(context))
		refill_soon(context);
}

int
engine_zygote_fd(const struct engine *engine, const struct worker *worker)
{
	const struct generation *generation =
	    succession_find(engine->succession, worker->generation);
	const struct zygote_link *zygote = generation ? generation_zygote(generation) : NULL;
	return zygote ? zygote_link_fd(zygote) : -1;
}

static void
engine_on_front(void *context, struct generation *generation)
{
	struct engine *engine = engine_of(context);
	engine->generation = generation;
	engine->pool.generation = generation_number(generation);
	engine->pool.uid_count = generation_uid_count(generation);
	engine_note(engine, ENGINE_EVENT_GENERATION_STARTED, generation_number(generation));
	refill_soon(engine);
}

static void
engine_on_lost(void *context, struct generation *generation, const char *why)
{
	struct engine *engine = engine_of(context);
	struct zygote_link *zygote = generation_zygote(generation);
	engine_note(engine, ENGINE_EVENT_GENERATION_LOST, generation_number(generation));
	for (size_t i = 0; i < WORKERS_MAX; i++) {
		struct worker *worker = engine->pool.slots[i];
		if (!worker || worker->state == WORKER_DEAD ||
		    worker->generation != generation_number(generation))
			continue;
		/* Some may live on: the zygote need not be dead, only of no use. */
		watchdog_kill(leaf_killer(&worker->leaf), zygote ? zygote_link_fd(zygote) : -1,
			      worker->serial);
		if (worker->state == WORKER_BUSY)
			finish_lost(engine, worker);
		else
			pool_move(&engine->pool, worker, WORKER_DEAD);
	}
	sweep_forget(engine->sweep, generation_root(generation));
	engine_later(engine);
}

static void
engine_on_forked(void *context, struct generation *generation, const struct message_forked *about,
		 int pidfd)
{
	refill_on_forked(engine_of(context), generation_number(generation), about, pidfd);
}

static void
engine_on_exited(void *context, struct generation *generation, const struct message_exited *about)
{
	struct engine *engine = engine_of(context);
	struct worker *worker = pool_find(&engine->pool, about->serial);
	if (!worker || worker->generation != generation_number(generation))
		return; /* given up, and now reaped */
	if (worker->state == WORKER_BUSY)
		finish_exited(engine, worker, about);
	else if (worker->state == WORKER_ENDED)
		finish_reaped(engine, worker);
	else
		refill_on_exited(engine, worker, about);
}

static void
engine_begin_drain(struct engine *engine)
{
	if (!engine->draining && engine->callbacks.draining)
		engine->callbacks.draining(engine->callbacks.context);
	engine_drain(engine);
}

static void
engine_on_drain(void *context)
{
	struct engine *engine = engine_of(context);
	engine->drain_asked = false;
	engine_begin_drain(engine);
	engine_later(engine);
}

static int
engine_on_config(void *context, int fd, struct error *err)
{
	struct engine *engine = engine_of(context);
	return engine->callbacks.config(engine->callbacks.context, fd, err);
}

static void
engine_on_fatal(void *context, const struct error *err)
{
	struct engine *engine = engine_of(context);
	if (engine->failed || engine->closing)
		return;
	engine->failed = true;
	engine->callbacks.fatal(engine->callbacks.context, err);
}

/* The last thing: nothing of the engine is on the stack or in the loop. */
void
engine_check_closed(struct engine *engine)
{
	if (engine->handles_open > 0 || engine->works_open > 0)
		return;
	finish_drop(engine);
	for (size_t i = 0; i < WORKERS_MAX; i++) {
		struct watchdog_report report;
		struct worker *worker = engine->pool.slots[i];
		if (!worker)
			continue;
		if (engine->watchdog)
			(void)watchdog_disarm(engine->watchdog, worker->slot, worker->serial,
					      &report);
		worker_free(&worker);
	}
	for (size_t state = 0; state < JOB_STATE_COUNT; state++) {
		LIST_FOREACH_SAFE (&engine->lists.of[state], link, next) {
			struct job *job = list_item(link, struct job, link);
			job_table_remove(&engine->table, job);
			queue_forget(&engine->queue, job);
			job_free(&job);
		}
	}
	sweep_free(&engine->sweep);
	succession_free(&engine->succession);
	watchdog_free(&engine->watchdog);
	alarm_close(&engine->refill_alarm);
	alarm_close(&engine->backoff_alarm);
	alarm_close(&engine->trim_alarm);
	alarm_close(&engine->makeway_alarm);
	alarm_close(&engine->house_alarm);
	alarm_close(&engine->stream_alarm);
	alarm_close(&engine->deadline_alarm);
	job_table_deinit(&engine->table);
	queue_deinit(&engine->queue);
	account_table_deinit(&engine->accounts);
	engine->magic = 0;
	free(engine);
}

static void
engine_on_closed(uv_handle_t *handle)
{
	struct engine *engine = engine_of(handle->data);
	engine->handles_open--;
	engine_check_closed(engine);
}

void
engine_close(struct engine **engine)
{
	struct engine *gone = *engine;
	if (!gone)
		return;
	*engine = NULL;
	gone->closing = true;
	uv_close((uv_handle_t *)&gone->turn, engine_on_closed);
	uv_close((uv_handle_t *)&gone->later, engine_on_closed);
}

static void
engine_init_handles(struct engine *engine)
{
	/* None of these can fail. */
	(void)uv_check_init(engine->loop, &engine->turn);
	(void)uv_idle_init(engine->loop, &engine->later);
	engine->turn.data = engine->later.data = engine;
	engine->handles_open = 2;
	(void)uv_check_start(&engine->turn, engine_on_turn);
}

int
engine_new(uv_loop_t *loop, const struct config *config, int spawner_fd,
	   const struct engine_callbacks *callbacks, struct engine **ret_engine, struct error *err)
{
	struct succession_callbacks inner = {engine_on_front,
					     engine_on_lost,
					     engine_on_forked,
					     engine_on_exited,
					     finish_on_stopped,
					     engine_on_drain,
					     engine_on_config,
					     engine_on_fatal,
					     NULL};
	const struct recycle_limits limits = engine_recycle_limits(config);
	struct engine *engine = calloc(1, sizeof(*engine));
	require(engine);
	engine->magic = ENGINE_MAGIC;
	engine->loop = loop;
	engine->config = config;
	engine->callbacks = *callbacks;
	inner.context = engine;
	engine_numbers_init(engine, config);
	engine_init_handles(engine);
	int code = job_table_init(&engine->table, err);
	if (code == 0)
		code = engine_numbers_pin(engine, err);
	if (code == 0)
		code = watchdog_new(&engine->watchdog, err);
	if (code == 0)
		code = sweep_new(loop, &engine->sweep, err);
	if (code == 0)
		code = alarm_new(loop, engine_on_refill_alarm, engine, &engine->refill_alarm, err);
	if (code == 0)
		code = alarm_new(loop, engine_on_refill_alarm, engine, &engine->backoff_alarm, err);
	if (code == 0)
		code = alarm_new(loop, refill_on_trim_alarm, engine, &engine->trim_alarm, err);
	if (code == 0)
		code =
		    alarm_new(loop, engine_on_makeway_alarm, engine, &engine->makeway_alarm, err);
	if (code == 0)
		code = alarm_new(loop, house_on_alarm, engine, &engine->house_alarm, err);
	if (code == 0)
		code = alarm_new(loop, stream_on_alarm, engine, &engine->stream_alarm, err);
	if (code == 0)
		code = alarm_new(loop, deadline_on_alarm, engine, &engine->deadline_alarm, err);
	if (code == 0)
		code = succession_new(loop, spawner_fd, &CLOCK_SYSTEM, &limits,
				      (enum isolation_level)config_number(config, isolation),
				      &inner, &engine->succession, err);
	else
		base_close(&spawner_fd);
	if (code < 0) {
		engine_close(&engine);
		return code;
	}
	engine->generation = succession_front(engine->succession);
	*ret_engine = engine;
	return 0;
}

static struct engine_refusal
engine_refusal(const struct admission_answer *answer)
{
	struct engine_refusal refusal = {ENGINE_QUEUE_FULL, answer->retry_after_ms};
	if (answer->outcome == ADMISSION_QUOTA)
		refusal.reason = ENGINE_QUOTA;
	else if (answer->outcome == ADMISSION_TOO_LARGE)
		refusal.reason = ENGINE_TOO_LARGE;
	return refusal;
}

/* May it enter? On success *ret_job is new, and in no list. */
static int
engine_admit(struct engine *engine, struct run_request *request, const struct engine_owner *owner,
	     struct account *account, struct job **ret_job, struct engine_refusal *ret_refusal,
	     struct error *err)
{
	struct job_owner of = {account, owner->session, owner->ticket, owner->id, owner->compiled};
	struct admission_answer answer;
	uint64_t now_ns = engine_now_ns();
	quota_set(account, &engine->queue, now_ns);
	int code = quota_admit(account, &engine->queue, &engine->caps, job_bytes(request),
			       owner->id != NULL, now_ns, &answer, err);
	if (code == 0)
		return job_new(request, &of, now_ns, ret_job, err);
	*ret_refusal = engine_refusal(&answer);
	return code;
}

int
engine_admit_stored(struct engine *engine, const struct run_request *request,
		    const struct tenant_terms *terms, struct engine_refusal *ret_refusal,
		    struct error *err)
{
	struct account *account;
	struct admission_answer answer;
	uint64_t now_ns = engine_now_ns();
	*ret_refusal = (struct engine_refusal){ENGINE_QUEUE_FULL, ADMISSION_FULL_RETRY_MS};
	int code = account_get(&engine->accounts, terms, &account, err);
	if (code < 0)
		return code;
	quota_set(account, &engine->queue, now_ns);
	code = quota_admit_stored(account, &engine->caps, job_bytes(request), now_ns, &answer, err);
	if (code == 0)
		return 0;
	account->refused_total++;
	*ret_refusal = engine_refusal(&answer);
	return code;
}

int
engine_submit(struct engine *engine, struct run_request *request, const struct engine_owner *owner,
	      char ret_id[JOB_ID_CHARS + 1], struct engine_refusal *ret_refusal, struct error *err)
{
	struct account *account;
	struct job *job = NULL;
	*ret_refusal = (struct engine_refusal){ENGINE_QUEUE_FULL, ADMISSION_FULL_RETRY_MS};
	int code = account_get(&engine->accounts, owner->terms, &account, err);
	if (code < 0)
		return code;
	if (engine->draining || engine->failed || engine->closing)
		code = error_set(err, ERROR_CLOSED, "the daemon takes no new job");
	else
		code = engine_admit(engine, request, owner, account, &job, ret_refusal, err);
	if (code < 0) {
		account->refused_total++;
		return code;
	}
	job_table_add(&engine->table, job);
	queue_put(&engine->queue, job);
	memcpy(ret_id, job->id, sizeof(job->id));
	return 0;
}

void
engine_result_gone(struct engine *engine, uint64_t held_bytes)
{
	result_room_leave(&engine->results, held_bytes);
	if (engine->results.waiting.count > 0)
		engine_later(engine);
}

static void
engine_cancel_job(struct engine *engine, struct job *job)
{
	job->cancelled = true;
	if (job->state == JOB_QUEUED)
		finish_waiting(engine, job, STATUS_CANCELLED, "Cancelled", "the job was cancelled");
	else if (job->state == JOB_RUNNING)
		watchdog_cancel(engine->watchdog, job->worker->slot, job->worker->serial);
}

int
engine_cancel(struct engine *engine, const char *id, uint64_t session, struct error *err)
{
	struct job *job = job_table_find(&engine->table, id, session);
	if (!job || job->state == JOB_ENDED)
		return error_set(err, ERROR_NOT_FOUND, "no such job waits or runs");
	engine_cancel_job(engine, job);
	return 0;
}

void
engine_forget_session(struct engine *engine, uint64_t session)
{
	LIST_FOREACH_SAFE (job_table_session(&engine->table, session), link, next) {
		struct job *job = list_item(link, struct job, peers);
		if (job->session != session || job->forgotten)
			continue;
		job->forgotten = true;
		if (job->state != JOB_ENDED)
			engine_cancel_job(engine, job);
	}
}

size_t
engine_withdraw(struct engine *engine, uint64_t session)
{
	size_t count = 0;
	LIST_FOREACH_SAFE (job_table_session(&engine->table, session), link, next) {
		struct job *job = list_item(link, struct job, peers);
		if (job->session != session || job->state != JOB_QUEUED)
			continue;
		job->forgotten = true;
		engine_cancel_job(engine, job);
		count++;
	}
	return count;
}

int
engine_new_id(char ret_id[JOB_ID_CHARS + 1], struct error *err)
{
	return job_make_id(ret_id, err);
}

void
engine_drain(struct engine *engine)
{
	if (engine->draining)
		return;
	engine->draining = true;
	log_info("engine", "draining: %zu jobs left", engine->table.count);
	engine_later(engine);
}

/* No job enters from now on. The end waits for the spawner's word: it would take ours for a death,
 * and start another stintd. */
int
engine_ask_drain(struct engine *engine, struct error *err)
{
	if (engine->draining)
		return 0;
	int code = succession_ask_drain(engine->succession, err);
	if (code < 0)
		return code;
	engine->drain_asked = true;
	engine_begin_drain(engine);
	return 0;
}
