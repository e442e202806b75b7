/*
 * The pool's life beside the jobs: starts, their news, their failures, and burials. Runs in the
 * turn after answers were handed out, so that no client waits for a fork or an rmdir; only when the
 * pool runs low it does not wait for a job to end. A start that fails is logged with the step that
 * the worker's page names, and delays the next of its class. Never touches a job.
 */
#include "daemon/refill.h"

#include "daemon/engine_state.h"
#include "daemon/house.h"
#include "daemon/makeway.h"
#include "daemon/scratch.h"
#include "daemon/weigh.h"
#include "protocol/base_assert.h"
#include "protocol/base_clock.h"
#include "protocol/base_log.h"
#include "protocol/base_sys.h"

#include <stdio.h>
#include <string.h>

/*
 * How long a replacement waits for the end of the job that took its worker's place, while at least
 * half of the workers are there. Until a fork is over the zygote tells of no end: a short job would
 * be answered later for it.
 */
#define REFILL_DELAY_MS    20u
#define REFILL_TRIM_MS     200u
#define REFILL_SETUP_BYTES 256
#define REFILL_PULSES      4u /* signs of life to the spawner in the time that it waits for one */

static const struct worker_kind PLAIN = {0, 0};

void
refill_soon(struct engine *engine)
{
	engine->refill_due = true;
	engine_later(engine);
}

void
refill_after_dispatch(struct engine *engine)
{
	if (pool_is_low(&engine->pool))
		refill_soon(engine);
	else if (!alarm_is_set(engine->refill_alarm))
		alarm_set(engine->refill_alarm, REFILL_DELAY_MS);
}

void
refill_after_queue(struct engine *engine)
{
	/* Only when refill_run can do something about it: else this would be asked in every turn.
	 */
	if (pool_may_start(&engine->pool, WORKER_CLASS_SCRATCH, engine_now_ns()) &&
	    scratch_demand(engine))
		refill_soon(engine);
}

/* Wake up when the first back-off is over. It has an alarm of its own: the other class's workers
 * are not to wait for it. */
static void
refill_wait(struct engine *engine, uint64_t now_ns)
{
	uint64_t end_ns = pool_backoff_end_ns(&engine->pool, now_ns);
	if (end_ns != 0)
		alarm_set(engine->backoff_alarm, (end_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS);
}

static void
refill_note_failure(struct engine *engine, struct worker_kind kind, uint64_t generation)
{
	uint64_t now_ns = engine_now_ns();
	engine_note(engine, ENGINE_EVENT_WORKER_FAILED, generation);
	succession_doubt(engine->succession, generation);
	pool_note_failure(&engine->pool, worker_kind_class(kind), now_ns);
	scratch_blame(engine, kind);
	refill_wait(engine, now_ns);
}

/* Leaves that no worker needed for a while are not kept. */
void
refill_on_trim_alarm(void *context)
{
	struct engine *engine = context;
	struct leaf_root *root = engine->generation ? generation_root(engine->generation) : NULL;
	uint64_t serial;
	uint32_t made;
	while (root && leaf_trim(root, &serial, &made))
		sweep_remove(engine->sweep, root, serial, made);
	if (root && root->spare_count > 0)
		alarm_set(engine->trim_alarm, REFILL_TRIM_MS);
}

/* The worker's group to the next one, if it can be. */
static void
refill_keep_leaf(struct engine *engine, struct worker *worker)
{
	/* One that is lost has closed its directories: what is kept there, nobody takes or closes.
	 * A scratch directory's pages go some time after the worker. */
	if (worker->generation != generation_number(engine->generation) ||
	    generation_state(engine->generation) != GENERATION_SERVING ||
	    !worker_kind_is_plain(worker->kind))
		return;
	if (leaf_give(&worker->leaf, generation_root(engine->generation)) &&
	    !alarm_is_set(engine->trim_alarm))
		alarm_set(engine->trim_alarm, REFILL_TRIM_MS);
}

/* Free the dead that nobody reads any more. */
static void
refill_bury(struct engine *engine)
{
	LIST_FOREACH_SAFE (&engine->pool.workers[WORKER_DEAD], link, next) {
		struct worker *worker = list_item(link, struct worker, link);
		if (worker->job)
			continue; /* its result is being read */
		struct generation *generation =
		    succession_find(engine->succession, worker->generation);
		worker_drop_files(worker); /* their pages are charged to the leaf */
		refill_keep_leaf(engine, worker);
		uint64_t serial = worker->leaf.serial;
		uint32_t made = worker->leaf.made;
		pool_drop(&engine->pool, worker);
		if (generation)
			sweep_remove(engine->sweep, generation_root(generation), serial, made);
	}
}

static bool
refill_start_one(struct engine *engine, struct worker_kind kind)
{
	struct error err = ERROR_INIT;
	int code =
	    pool_start(&engine->pool, kind, engine->loop, generation_root(engine->generation),
		       generation_zygote(engine->generation), generation_number(engine->generation),
		       engine_now_ns(), refill_on_hello, engine, &err);
	if (code == 0) {
		engine_note(engine, ENGINE_EVENT_WORKER_STARTED, engine->pool.last_serial);
		return true;
	}
	log_error("pool", "worker %llu cannot be started: %s",
		  (unsigned long long)engine->pool.last_serial, err.text);
	refill_note_failure(engine, kind, generation_number(engine->generation));
	return false;
}

/* Workers for waiting jobs that need a scratch directory: made when there is a job for them. A
 * client waits for each, so they go before the plain ones. */
static unsigned
refill_start_scratch(struct engine *engine, uint64_t now_ns)
{
	const struct job *job;
	unsigned started = 0;
	while (started < POOL_STARTS_PER_TURN &&
	       pool_may_start(&engine->pool, WORKER_CLASS_SCRATCH, now_ns) &&
	       (job = scratch_demand(engine)) != NULL) {
		if (!refill_start_one(engine, worker_kind_of(&job->request.limits)))
			break;
		started++;
	}
	return started;
}

/* A scratch worker whose job went (cancelled, or its client did) serves nobody: it is as good as
 * none, and holds memory and a place. */
static void
refill_retire(struct engine *engine)
{
	if (!scratch_exists(engine))
		return;
	(void)scratch_demand(engine);
	LIST_FOREACH_SAFE (&engine->pool.workers[WORKER_READY], link, next) {
		struct worker *worker = list_item(link, struct worker, link);
		if (worker_kind_is_plain(worker->kind) || worker->claimed)
			continue;
		watchdog_kill(leaf_killer(&worker->leaf), engine_zygote_fd(engine, worker),
			      worker->serial);
		pool_move(&engine->pool, worker, WORKER_DEAD);
		engine_later(engine); /* to bury it */
	}
}

void
refill_run(struct engine *engine)
{
	refill_bury(engine);
	refill_retire(engine);
	if (!engine->refill_due || makeway_holds_starts(engine))
		return;
	engine->refill_due = false;
	if (generation_state(engine->generation) != GENERATION_SERVING)
		return;
	uint64_t now_ns = engine_now_ns();
	/* The loop's clock stands still during a turn, so the alarm can ring before its time; with
	 * an empty pool nothing else would ever come back here. */
	refill_wait(engine, now_ns);
	unsigned started = refill_start_scratch(engine, now_ns);
	/* A failure may have cost a new generation its place. */
	unsigned wanted = generation_state(engine->generation) == GENERATION_SERVING
			      ? pool_wanted(&engine->pool, now_ns)
			      : 0;
	for (unsigned i = 0; i < wanted && i < POOL_STARTS_PER_TURN; i++) {
		if (!refill_start_one(engine, PLAIN)) {
			wanted = 0; /* after the back-off */
			break;
		}
	}
	if (pool_count(&engine->pool, WORKER_STARTING) > 0) {
		weigh_starting(engine);
		house_wake(engine);
	}
	if (wanted > POOL_STARTS_PER_TURN || started == POOL_STARTS_PER_TURN)
		refill_soon(engine);
}

void
refill_give_up(struct engine *engine, struct worker *worker)
{
	require(!worker->job);
	watchdog_kill(leaf_killer(&worker->leaf), engine_zygote_fd(engine, worker), worker->serial);
	pool_move(&engine->pool, worker, WORKER_DEAD);
	refill_note_failure(engine, worker->kind, worker->generation);
	engine_later(engine);
}

/* Born and heard of: it can take a job. */
static void
refill_check_ready(struct engine *engine, struct worker *worker)
{
	struct error err = ERROR_INIT;
	if (worker->pidfd < 0 || worker->pid == 0)
		return;
	pool_move(&engine->pool, worker, WORKER_READY);
	engine_note(engine, ENGINE_EVENT_WORKER_READY,
		    (engine_now_ns() - worker->born_ns) / NS_PER_US);
	pool_note_success(&engine->pool, worker_kind_class(worker->kind));
	succession_prove(engine->succession, worker->generation);
	refill_soon(engine);
	if (engine->announced)
		return;
	engine->announced = true;
	if (succession_announce(engine->succession,
				config_number(engine->config, silence_max) / REFILL_PULSES,
				&err) < 0) {
		engine->failed = true;
		engine->callbacks.fatal(engine->callbacks.context, &err);
		return;
	}
	engine->callbacks.ready(engine->callbacks.context);
}

void
refill_on_forked(struct engine *engine, uint64_t generation, const struct message_forked *about,
		 int pidfd)
{
	struct worker *worker = pool_find(&engine->pool, about->serial);
	if (!worker || worker->generation != generation || worker->state != WORKER_STARTING ||
	    worker->pidfd >= 0) {
		base_close(&pidfd); /* given up meanwhile */
		return;
	}
	if (about->error != 0) {
		log_error("pool", "worker %llu: fork: %s", (unsigned long long)about->serial,
			  strerror(about->error));
		refill_give_up(engine, worker);
		return;
	}
	worker->pidfd = pidfd;
	refill_check_ready(engine, worker);
}

void
refill_on_hello(void *context, uint64_t serial, int code, pid_t pid, const struct error *err)
{
	struct engine *engine = context;
	struct worker *worker = pool_find(&engine->pool, serial);
	if (!worker || worker->state != WORKER_STARTING)
		return;
	worker_link_unwatch(&worker->watch);
	if (code == ERROR_CLOSED)
		return; /* it died: the zygote is about to say how */
	if (code < 0) {
		log_error("pool", "worker %llu: %s", (unsigned long long)serial, err->text);
		refill_give_up(engine, worker);
		return;
	}
	worker_greet(worker, pid);
	refill_check_ready(engine, worker);
}

void
refill_on_exited(struct engine *engine, struct worker *worker, const struct message_exited *about)
{
	char setup[REFILL_SETUP_BYTES], how[32];
	if (about->signal != 0)
		(void)snprintf(how, sizeof(how), "signal %d", about->signal);
	else
		(void)snprintf(how, sizeof(how), "code %d", about->exit_code);
	log_error("pool", "worker %llu ended while %s, by %s: %s",
		  (unsigned long long)worker->serial, pool_state_name(worker->state), how,
		  worker_setup_text(worker, setup, sizeof(setup)));
	pool_move(&engine->pool, worker, WORKER_DEAD);
	refill_note_failure(engine, worker->kind, worker->generation);
	engine_later(engine);
}
