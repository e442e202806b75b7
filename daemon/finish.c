/*
 * From a dead worker to its job's result: disarm the watchdog, read the counters that were measured
 * outside, collect what the worker left (on the pool thread when it is much), decide, explain,
 * tell. Nothing here believes the worker: see verdict.c. Called when the zygote reports an exit,
 * when a generation is lost, and by the `later` stage. A failure to read is the job's
 * internal_error, logged once; the engine goes on.
 */
#include "daemon/finish.h"

#include "daemon/collect.h"
#include "daemon/dispatch.h"
#include "daemon/engine_state.h"
#include "daemon/explain.h"
#include "daemon/makeway.h"
#include "daemon/page_read.h"
#include "daemon/refill.h"
#include "daemon/stream.h"
#include "protocol/base_assert.h"
#include "protocol/base_clock.h"
#include "protocol/base_log.h"
#include "protocol/base_sys.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define FINISH_INLINE_BYTES_MAX (256u << 10) /* more is read off the loop */
#define FINISH_SMALL_BYTES_MAX  (16u << 20)  /* taken apart fast */
#define FINISH_CPU_SLACK_US     20000u       /* by which cgroup and process clocks may differ */
#define FINISH_SETUP_BYTES      192

/* A worker's end being worked up. */
struct finish {
	uv_work_t work;
	struct result_place place;
	struct engine *engine; /* borrowed; waits for its works when it closes */
	struct worker *worker; /* borrowed; stays in the pool until we are done */
	struct verdict_facts facts;
	struct run_usage usage;
	struct collect_input input;
	struct worker_page page; /* as the worker left it */
	struct error page_err;   /* or why that is not known */
	struct collect_facts found;
	struct run_result result; /* owned until it is the job's */
};

/* For whoever counts, also when nobody waits for the result. */
static void
finish_report(struct engine *engine, const struct job *job)
{
	struct engine_ended ended = {.job = job->id,
				     .tenant = job->account->terms.name,
				     .tag = job->request.tag ? job->request.tag : "",
				     .status = job->result->status,
				     .usage = &job->result->usage,
				     .kill = job->kill,
				     .overrun_us = job->overrun_us};
	engine->ended[ended.status]++;
	if (engine->callbacks.ended)
		engine->callbacks.ended(engine->callbacks.context, &ended);
}

void
finish_tell(struct engine *engine)
{
	struct link *first;
	while (!engine->closing && (first = list_first(&engine->lists.of[JOB_ENDED]))) {
		struct job *job = list_item(first, struct job, link);
		finish_report(engine, job);
		account_charge(job->account, &job->result->usage);
		job_table_remove(&engine->table, job);
		list_remove(&job->link);
		stream_rest(engine, job);
		if (!job->forgotten && !engine->closing) {
			struct run_result result = *job->result;
			engine->told = true;
			memset(job->result, 0, sizeof(*job->result));
			memcpy(result.meter_id, generation_about(engine->generation)->meter_id,
			       sizeof(result.meter_id));
			engine->callbacks.result(engine->callbacks.context, job->session,
						 job->ticket, &result);
		} else if (!engine->closing) {
			engine_result_gone(engine, job->result->held_bytes);
		}
		job_free(&job);
	}
	if (engine->draining && !engine->drain_asked && !engine->drained_told && !engine->closing &&
	    engine->table.count == 0) {
		engine->drained_told = true;
		engine->callbacks.drained(engine->callbacks.context);
	}
}

void
finish_told(struct engine *engine)
{
	if (engine->told && !engine->closing && engine->callbacks.told)
		engine->callbacks.told(engine->callbacks.context);
	engine->told = false;
}

void
finish_waiting(struct engine *engine, struct job *job, enum job_status status, const char *type,
	       const char *message)
{
	queue_leave(&engine->queue, job);
	job_conclude(job, status, type, message);
	job->result->usage.queue_us = (engine_now_ns() - job->queued_ns) / NS_PER_US;
	engine_later(engine);
}

/* Its worker died before it took the job: another one gets it. */
static bool
finish_retry(struct engine *engine, struct job *job, const struct verdict_facts *facts)
{
	if (!facts->unread || facts->lost || facts->cancelled || facts->oom_kills > 0 ||
	    facts->kill != WATCHDOG_NONE || ++job->broken > DISPATCH_RETRIES_MAX)
		return false;
	job->worker = NULL;
	job->started_ns = 0;
	queue_return(&engine->queue, job);
	engine_later(engine);
	return true;
}

static void
finish_log(const struct finish *finish, const struct job *job, const struct verdict *verdict,
	   const char *setup)
{
	const struct verdict_facts *facts = &finish->facts;
	if (finish->found.failed)
		log_error("finish", "job %s: %s", job->id, finish->found.err.text);
	else if (verdict->status == STATUS_INTERNAL_ERROR)
		log_error("finish", "job %s: worker %llu: %s, signal %d, code %d, set-up: %s",
			  job->id, (unsigned long long)finish->worker->serial, verdict->why,
			  facts->signal, facts->exit_code, setup);
	else if (verdict->status == STATUS_SECURITY_VIOLATION)
		log_limited(LOG_LEVEL_WARNING, "finish", 60, "job %s: security violation: %s%s%s",
			    job->id, verdict->why, finish->found.fault ? ": " : "",
			    finish->found.fault ? finish->found.fault : "");
}

/* Who has ended the job, if not itself, and how far past its limit it came. */
static void
finish_note_kill(struct job *job, const struct verdict_facts *facts, const struct run_usage *usage,
		 enum job_status status)
{
	static const enum engine_kill KILLS[] = {
	    [WATCHDOG_CPU] = ENGINE_KILL_CPU,
	    [WATCHDOG_WALL] = ENGINE_KILL_WALL,
	    [WATCHDOG_CANCEL] = ENGINE_KILL_CANCEL,
	    [WATCHDOG_OPCODES] = ENGINE_KILL_OPCODES,
	};
	uint64_t used_us = 0, limit_us = 0;
	job->kill = KILLS[facts->kill];
	if (facts->kill == WATCHDOG_NONE && facts->oom_kills > 0 && status == STATUS_MEMORY_LIMIT)
		job->kill = ENGINE_KILL_MEMORY;
	if (facts->kill == WATCHDOG_CPU) {
		used_us = facts->cpu_used_us;
		limit_us = facts->cpu_limit_us;
	} else if (facts->kill == WATCHDOG_WALL) {
		used_us = usage->wall_us;
		limit_us = facts->wall_limit_us;
	}
	job->overrun_us = used_us > limit_us ? used_us - limit_us : 0;
}

/* Also of a job that ended badly: it was left before the job's own code began. */
static void
finish_keep_code(struct finish *finish, struct job *job)
{
	if (finish->found.code_never && job->leaves_code)
		compiled_refuse(job->compiled);
	job_fill_code(job, &finish->worker->code_key, finish->found.code, finish->found.code_size);
	finish->found.code = NULL;
}

/* All is known: make the job's result out of it. */
static void
finish_decide(struct finish *finish)
{
	struct worker *worker = finish->worker;
	struct job *job = worker->job;
	struct run_result *result = &finish->result;
	struct verdict_facts *facts = &finish->facts;
	char setup[FINISH_SETUP_BYTES];

	facts->cancelled = job->cancelled;
	facts->failed = finish->found.failed;
	facts->output_over = finish->found.output_over;
	facts->reason = finish->found.reason;
	facts->blob = finish->found.blob;
	struct verdict verdict = verdict_decide(facts);
	(void)page_setup_text(&finish->page, setup, sizeof(setup));
	finish_log(finish, job, &verdict, setup);
	worker->job = NULL;
	finish_keep_code(finish, job);
	if (finish_retry(finish->engine, job, facts)) {
		run_result_deinit(result);
		engine_result_gone(finish->engine, finish->place.bytes);
		return;
	}
	result->held_bytes = finish->place.bytes;
	memcpy(result->job, job->id, sizeof(job->id));
	result->has_trace = result->traced && !job->request.stream;
	result->status = verdict.status;
	/* One that we stopped and killed: no matter which of the two it died of. */
	bool stopped = facts->kill != WATCHDOG_NONE && !facts->lost;
	result->exit_code = facts->signal != 0 || facts->lost || stopped ? -1 : facts->exit_code;
	result->signal = stopped ? SIGKILL : facts->signal;
	finish->usage.stdout_bytes = result->out.size;
	finish->usage.stderr_bytes = result->err.size;
	result->usage = finish->usage;
	finish_note_kill(job, facts, &result->usage, verdict.status);
	explain_result(result, facts, &job->request.limits,
		       facts->unread && finish->page.setup_step != 0 ? setup : NULL);
	*job_new_result(job) = *result;
	job->worker = NULL;
	uint64_t now_ns = engine_now_ns();
	uint64_t cost_us =
	    quota_charge(job->account, result->usage.cpu_us, result->usage.opcodes, now_ns);
	queue_clock(&finish->engine->queue, now_ns);
	queue_end(&finish->engine->queue, job, cost_us);
}

static void
finish_complete(struct finish *finish)
{
	struct engine *engine = finish->engine;
	bool ended = finish->worker->state == WORKER_ENDED;
	finish_decide(finish);
	free(finish);
	finish_tell(engine);
	/* One that is still to be reaped: its replacement can have its control groups then. */
	if (!ended || pool_is_low(&engine->pool))
		refill_soon(engine);
}

static void
finish_on_work(uv_work_t *work)
{
	struct finish *finish = work->data;
	collect_run(&finish->input, &finish->result, &finish->found);
}

static void
finish_after_work(uv_work_t *work, int status)
{
	struct finish *finish = work->data;
	struct engine *engine = finish->engine;
	engine->works_open--;
	engine->heap_is_wide = true;
	if (!engine->closing) {
		finish_complete(finish);
		return;
	}
	finish->worker->job = NULL;
	run_result_deinit(&finish->result);
	free(finish->found.code);
	free(finish);
	engine_check_closed(engine);
}

/* What the watchdog, the kernel and the channel say; the worker is dead or stopped, its numbers are
 * final. */
static void
finish_measure(struct finish *finish, const struct message_exited *about)
{
	struct engine *engine = finish->engine;
	struct worker *worker = finish->worker;
	struct job *job = worker->job;
	struct verdict_facts *facts = &finish->facts;
	const struct limits *limits = &job->request.limits;
	struct watchdog_report report = {WATCHDOG_NONE, 0, 0};
	uint64_t now_ns = engine_now_ns(), start_us = worker->cpu_start_ns / NS_PER_US;

	(void)watchdog_disarm(engine->watchdog, worker->slot, worker->serial, &report);
	struct worker_rest rest = worker_link_rest(worker->channel);
	facts->kill = report.reason;
	if (report.reason != WATCHDOG_NONE)
		(void)leaf_killer(&worker->leaf);
	facts->spoke = rest.spoke;
	facts->unread = rest.unread || finish->worker->unsent;
	facts->cpu_limit_us = limits->cpu_ms * 1000;
	facts->wall_limit_us = limits->wall_ms * 1000;
	facts->cpu_used_us = report.cpu_used_ns / NS_PER_US;
	facts->wall_used_us = report.wall_used_ns / NS_PER_US;
	facts->oom_kills = leaf_oom_kills(&worker->leaf);
	facts->wants_value = job->request.wants_value;
	facts->opcode_limit = limits->opcodes;
	facts->exit_code = -1;
	uint64_t leaf_us = leaf_cpu_us(&worker->leaf);
	uint64_t total_us = about ? about->user_us + about->system_us : leaf_us;
	uint64_t used_us = total_us > start_us ? total_us - start_us : 0;
	if (used_us > facts->cpu_used_us)
		facts->cpu_used_us = used_us;
	if (leaf_us > total_us + FINISH_CPU_SLACK_US + total_us / 8)
		log_limited(LOG_LEVEL_WARNING, "finish", 10,
			    "job %s: the cgroup has %llu us of CPU, the process %llu", job->id,
			    (unsigned long long)leaf_us, (unsigned long long)total_us);
	if (about) {
		facts->exit_code = about->exit_code;
		facts->signal = about->signal;
	}
	finish->usage.cpu_us = facts->cpu_used_us;
	/* Of a lost generation one may still be running. */
	finish->usage.opcodes =
	    about ? page_opcodes(&finish->page) : page_read_opcodes(worker->page_fd);
	if (limits->opcodes > 0 && finish->usage.opcodes > limits->opcodes)
		finish->usage.opcodes = limits->opcodes;
	finish->usage.wall_us = (now_ns - job->started_ns) / NS_PER_US;
	finish->usage.throttled_us = page_throttled_us(&finish->page, finish->usage.wall_us);
	finish->usage.queue_us = (job->started_ns - job->queued_ns) / NS_PER_US;
	finish->usage.memory_peak_bytes = leaf_memory_peak_bytes(&worker->leaf);
	/* Without a control group: resident memory of the process, the interpreter's with it. */
	if (finish->usage.memory_peak_bytes == 0 && about)
		finish->usage.memory_peak_bytes = about->max_rss_bytes;
	finish->usage.memory_baseline_bytes =
	    generation_about(engine->generation)->baseline_rss_bytes;
}

/* state: DEAD, or ENDED: what is read may not change, but the process is still there. */
static struct finish *
finish_begin(struct engine *engine, struct worker *worker, enum worker_state state,
	     const struct message_exited *about)
{
	struct finish *finish = calloc(1, sizeof(*finish));
	require(finish && worker->job && worker->state == WORKER_BUSY);
	finish->work.data = finish;
	finish->engine = engine;
	finish->worker = worker;
	finish->input = (struct collect_input){.out_fd = worker->out_fd,
					       .err_fd = worker->err_fd,
					       .page_fd = worker->page_fd,
					       .page = &finish->page,
					       .limits = worker->job->request.limits,
					       .collects = worker->job->request.collects,
					       .traced = worker->job->request.trace != TRACE_NONE,
					       .leaves_code = worker->code_fd >= 0,
					       .code_fd = worker->code_fd,
					       .trace = worker->job->trace};
	if (page_read(worker->page_fd, &finish->page, &finish->page_err) < 0)
		finish->input.page_err = &finish->page_err;
	if (state == WORKER_DEAD)
		leaf_settle(&worker->leaf); /* else its end is still to be counted */
	finish_measure(finish, about);
	pool_move(&engine->pool, worker, state);
	makeway_end(engine, worker, finish->facts.cpu_used_us);
	return finish;
}

/* Off the loop. */
static void
finish_start(struct finish *finish)
{
	struct engine *engine = finish->engine;
	require(uv_queue_work(engine->loop, &finish->work, finish_on_work, finish_after_work) == 0);
	engine->works_open++;
}

/* True: it is small, and there is a place for it: read it now. Else that happens by itself. */
static bool
finish_is_inline(struct finish *finish)
{
	struct engine *engine = finish->engine;
	uint64_t size = collect_size(&finish->input);
	bool held = makeway_holds_results(engine);
	if (!result_room_enter(&engine->results, &finish->place, size, held)) {
		if (!held)
			engine_later(engine); /* those before it were held, maybe */
		return false;
	}
	if (size <= FINISH_INLINE_BYTES_MAX)
		return true;
	finish_start(finish);
	return false;
}

void
finish_admit(struct engine *engine)
{
	struct result_place *place;
	if (makeway_holds_results(engine))
		return;
	while ((place = result_room_next(&engine->results)) != NULL)
		finish_start(list_item(&place->link, struct finish, place.link));
}

void
finish_drop(struct engine *engine)
{
	LIST_FOREACH_SAFE (&engine->results.waiting, link, next) {
		struct finish *finish = list_item(link, struct finish, place.link);
		list_remove(link);
		finish->worker->job = NULL;
		free(finish);
	}
}

static void
finish_run(struct finish *finish)
{
	if (!finish_is_inline(finish))
		return;
	collect_run(&finish->input, &finish->result, &finish->found);
	finish_complete(finish);
}

void
finish_exited(struct engine *engine, struct worker *worker, const struct message_exited *about)
{
	struct message_exited end = *about;
	if (worker->ended_code >= 0) { /* it was killed for that */
		end.exit_code = worker->ended_code;
		end.signal = 0;
	}
	finish_run(finish_begin(engine, worker, WORKER_DEAD, &end));
}

void
finish_on_stopped(void *context, struct generation *generation, const struct message_exited *about)
{
	struct engine *engine = context;
	struct worker *worker = pool_find(&engine->pool, about->serial);
	struct message_exited end = *about;
	uint32_t ended;
	if (!worker || worker->generation != generation_number(generation) ||
	    worker->state != WORKER_BUSY || !worker->stops)
		return;
	ended = page_read_ended(worker->page_fd);
	if (ended == 0 || ended > 256)
		return;
	end.exit_code = worker->ended_code = (int32_t)ended - 1;
	end.signal = 0;
	/* By the zygote: a control group in which its own file has killed serves nobody again. */
	watchdog_kill(-1, engine_zygote_fd(engine, worker), worker->serial);
	/* The next job would have its memory beside what this one has not yet given back. */
	if (about->max_rss_bytes >
	    generation_about(generation)->baseline_rss_bytes + FINISH_SMALL_BYTES_MAX)
		return;
	worker->killed_ns = engine_now_ns();
	finish_run(finish_begin(engine, worker, WORKER_ENDED, &end));
}

void
finish_reaped(struct engine *engine, struct worker *worker)
{
	pool_move(&engine->pool, worker, WORKER_DEAD);
	refill_soon(engine); /* to bury it */
}

void
finish_lost(struct engine *engine, struct worker *worker)
{
	struct finish *finish = finish_begin(engine, worker, WORKER_DEAD, NULL);
	finish->facts.lost = true;
	if (!finish_is_inline(finish))
		return;
	collect_run(&finish->input, &finish->result, &finish->found);
	finish_decide(finish);
	free(finish);
	engine_later(engine);
}
