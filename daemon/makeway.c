/*
 * Who makes way for whom. Asked by dispatch.c (jobs), refill.c (workers) and finish.c (results),
 * told by dispatch.c and finish.c; sets the engine's alarm for its own end. Fails never.
 */
#include "daemon/makeway.h"

#include "daemon/engine_state.h"
#include "daemon/pause.h"
#include "daemon/weigh.h"
#include "protocol/base_clock.h"

#define MAKEWAY_NS       (MAKEWAY_MS * NS_PER_MS)
#define MAKEWAY_LARGE_NS (MAKEWAY_LARGE_MS * NS_PER_MS)
#define MAKEWAY_AFTER_NS (MAKEWAY_AFTER_MS * NS_PER_MS)
#define MAKEWAY_PAUSE_NS (PAUSE_MS * NS_PER_MS)

/* When it is over, if nothing else happens. */
static uint64_t
makeway_end_ns(const struct engine *engine)
{
	uint64_t end_ns = engine->makeway.since_ns + MAKEWAY_NS;
	uint64_t after_ns = engine->makeway.ended_ns + MAKEWAY_AFTER_NS;

	return engine->makeway.ended_ns != 0 && after_ns < end_ns ? after_ns : end_ns;
}

static bool
makeway_is_on(const struct engine *engine, uint64_t now_ns)
{
	return engine->makeway.serial != 0 && now_ns < makeway_end_ns(engine);
}

/* It is, and there is enough beside that job to keep the cores busy, if it sleeps. */
static bool
makeway_holds_now(const struct engine *engine, uint64_t now_ns)
{
	return makeway_is_on(engine, now_ns) &&
	       pool_count(&engine->pool, WORKER_BUSY) + pool_count(&engine->pool, WORKER_STARTING) >
		   engine->cores;
}

/* Large results wait, or do no more. */
static void
makeway_hold_large(struct engine *engine, bool on)
{
	if (engine->makeway.large == on)
		return;
	engine->makeway.large = on;
	if (engine->callbacks.makes_way && !engine->closing)
		engine->callbacks.makes_way(engine->callbacks.context, on);
	if (!on && engine->results.waiting.count > 0)
		engine_later(engine);
}

static void
makeway_stop(struct engine *engine, uint64_t now_ns)
{
	uint64_t lasted_ns = now_ns - engine->makeway.since_ns;

	if (lasted_ns > MAKEWAY_NS)
		lasted_ns = MAKEWAY_NS;
	engine->makeway.free_ns = now_ns + lasted_ns;
	engine->makeway.serial = 0;
	pause_end(engine);
	makeway_hold_large(engine, false);
	engine_note(engine, ENGINE_EVENT_MADE_WAY, lasted_ns / NS_PER_US);
	alarm_stop(engine->makeway_alarm);
	if (engine->refill_due)
		engine_later(engine);
}

/* A job of another tenant runs, and its part is less, or will be with the next one's. */
static bool
makeway_is_needed(const struct engine *engine, const struct pick_tenant *tenant, double part)
{
	LIST_FOREACH (&engine->pool.workers[WORKER_BUSY], link) {
		const struct worker *worker = list_item(link, struct worker, link);
		const struct pick_tenant *other = worker->job ? worker->job->turn.tenant : NULL;

		if (!other || other == tenant)
			continue;
		bool waits = other->waiting > 0 || other->running > other->started;
		if (weigh_part(other, other->started + (waits ? 1 : 0)) < part)
			return true;
	}
	return false;
}

bool
makeway_is_due(const struct engine *engine, const struct job *job)
{
	const struct pick_tenant *tenant = job->turn.tenant;

	return config_number(engine->config, share_cores) != 0 &&
	       makeway_is_needed(engine, tenant, weigh_part(tenant, tenant->started + 1));
}

void
makeway_begin(struct engine *engine, const struct job *job, const struct worker *worker)
{
	const struct pick_tenant *tenant = job->turn.tenant;
	double part = weigh_part(tenant, tenant->started + 1);
	uint64_t now_ns = engine_now_ns();

	if (makeway_is_on(engine, now_ns) && engine->makeway.ended_ns == 0)
		return;
	if (engine->makeway.serial != 0)
		makeway_stop(engine, now_ns);
	if (now_ns < engine->makeway.free_ns || config_number(engine->config, share_cores) == 0 ||
	    !makeway_is_needed(engine, tenant, part))
		return;
	engine->makeway = (struct makeway){
	    .serial = worker->serial,
	    .tenant = tenant,
	    .part = part,
	    .since_ns = now_ns,
	};
	pause_begin(engine, tenant, part);
	alarm_set(engine->makeway_alarm, PAUSE_MS);
	makeway_hold_large(engine, true);
}

void
makeway_end(struct engine *engine, const struct worker *worker, uint64_t cpu_us)
{
	if (engine->makeway.serial != worker->serial || engine->makeway.ended_ns != 0)
		return;
	if (worker->job->turn.tenant)
		pause_judge(engine, worker->job->turn.tenant, cpu_us);
	engine->makeway.ended_ns = engine_now_ns();
	if (engine->paused.since_ns == 0) {
		makeway_stop(engine, engine->makeway.ended_ns);
		return;
	}
	makeway_hold_large(engine, false); /* its own result may be one */
	alarm_set(engine->makeway_alarm, MAKEWAY_AFTER_MS);
}

void
makeway_undo(struct engine *engine, const struct worker *worker)
{
	if (engine->makeway.serial != worker->serial)
		return;
	makeway_stop(engine, engine_now_ns());
	engine->makeway.free_ns = 0;
}

/* That job is none of the short ones. */
static void
makeway_end_pause(struct engine *engine)
{
	LIST_FOREACH (&engine->pool.workers[WORKER_BUSY], link) {
		const struct worker *worker = list_item(link, struct worker, link);

		if (worker->serial == engine->makeway.serial && worker->job &&
		    worker->job->turn.tenant)
			pause_judge(engine, worker->job->turn.tenant, UINT64_MAX);
	}
	pause_end(engine);
}

/* First for who stands still, then for large results, then for all. */
static uint64_t
makeway_next_ns(const struct engine *engine)
{
	uint64_t since_ns = engine->makeway.since_ns, end_ns = makeway_end_ns(engine);
	uint64_t next_ns = end_ns;

	if (engine->paused.since_ns != 0)
		next_ns = since_ns + MAKEWAY_PAUSE_NS;
	else if (engine->makeway.large)
		next_ns = since_ns + MAKEWAY_LARGE_NS;
	return next_ns < end_ns ? next_ns : end_ns;
}

/* The loop's clock stands still during a turn, so the alarm can ring before its time. */
bool
makeway_expire(struct engine *engine)
{
	uint64_t now_ns = engine_now_ns();

	if (engine->makeway.serial == 0)
		return true;
	if (makeway_is_on(engine, now_ns)) {
		if (now_ns >= engine->makeway.since_ns + MAKEWAY_PAUSE_NS)
			makeway_end_pause(engine);
		if (now_ns >= engine->makeway.since_ns + MAKEWAY_LARGE_NS)
			makeway_hold_large(engine, false);
		uint64_t next_ns = makeway_next_ns(engine);
		alarm_set(engine->makeway_alarm,
			  next_ns > now_ns ? (next_ns - now_ns) / NS_PER_MS + 1 : 1);
		return false;
	}
	makeway_stop(engine, now_ns);
	return true;
}

static bool
makeway_holds_at(const struct engine *engine, const struct job *job, uint64_t now_ns)
{
	const struct pick_tenant *tenant = job->turn.tenant;

	return makeway_holds_now(engine, now_ns) && tenant != engine->makeway.tenant &&
	       tenant->started > 0 &&
	       weigh_part(tenant, tenant->started + 1) < engine->makeway.part;
}

bool
makeway_holds(const struct engine *engine, const struct job *job)
{
	return engine->makeway.serial != 0 && makeway_holds_at(engine, job, engine_now_ns());
}

bool
makeway_holds_starts(const struct engine *engine)
{
	uint64_t now_ns = engine_now_ns();

	if (!makeway_holds_now(engine, now_ns))
		return false;
	for (const struct job *job = queue_called(&engine->queue); job;
	     job = queue_called_after(&engine->queue, job)) {
		if (!makeway_holds_at(engine, job, now_ns))
			return false;
	}
	return true;
}

bool
makeway_holds_results(const struct engine *engine)
{
	return engine->makeway.large;
}
