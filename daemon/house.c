/*
 * What nobody tells us: a worker that was asked for and does not say hello is killed; when a killed
 * worker is not reaped within some seconds, its zygote is of no use and the generation is given up.
 * When nothing is at work any more, memory that large results took goes back to the system.
 * Never kills a job for its limits (the watchdog does). Called by an alarm that it sets itself.
 */
#include "daemon/house.h"

#include "daemon/engine_state.h"
#include "daemon/pause.h"
#include "daemon/weigh.h"
#include "protocol/base_clock.h"
#include "protocol/base_log.h"

#include <malloc.h>

#define HOUSE_EVERY_MS    250u
#define HOUSE_REAP_MAX_MS 5000u
#define HOUSE_SETUP_BYTES 256

void
house_wake(struct engine *engine)
{
	if (!alarm_is_set(engine->house_alarm))
		alarm_set(engine->house_alarm, HOUSE_EVERY_MS);
}

/* Killed long ago and still not reaped. */
static bool
house_is_overdue(uint64_t killed_ns, uint64_t now_ns)
{
	return killed_ns != 0 && now_ns > killed_ns &&
	       now_ns - killed_ns > HOUSE_REAP_MAX_MS * NS_PER_MS;
}

/* True: overdue. */
static bool
house_check_starting(struct engine *engine, struct worker *worker, uint64_t now_ns)
{
	char setup[HOUSE_SETUP_BYTES];
	if (worker->killed_ns != 0)
		return house_is_overdue(worker->killed_ns, now_ns);
	if (now_ns - worker->born_ns < POOL_HELLO_MAX_MS * NS_PER_MS)
		return false;
	log_error("pool", "worker %llu does not get ready: %s", (unsigned long long)worker->serial,
		  worker_setup_text(worker, setup, sizeof(setup)));
	worker->killed_ns = now_ns;
	watchdog_kill(leaf_killer(&worker->leaf), engine_zygote_fd(engine, worker), worker->serial);
	return false;
}

static bool
house_check_busy(struct engine *engine, const struct worker *worker, uint64_t now_ns)
{
	return house_is_overdue(
	    watchdog_killed_ns(engine->watchdog, worker->slot, worker->serial), now_ns);
}

/* Its zygote was asked to kill it, but may be slow, or not have heard. */
static bool
house_check_ended(struct engine *engine, struct worker *worker, uint64_t now_ns)
{
	if (now_ns - worker->killed_ns > HOUSE_EVERY_MS * NS_PER_MS)
		watchdog_kill(leaf_killer(&worker->leaf), engine_zygote_fd(engine, worker),
			      worker->serial);
	return house_is_overdue(worker->killed_ns, now_ns);
}

void
house_on_alarm(void *context)
{
	struct engine *engine = context;
	uint64_t now_ns = engine_now_ns();
	const struct worker *stuck = NULL;
	if (engine->closing)
		return;
	weigh_run(engine);
	if (engine->makeway.serial == 0)
		pause_end(engine);
	LIST_FOREACH (&engine->pool.workers[WORKER_STARTING], link) {
		struct worker *worker = list_item(link, struct worker, link);
		if (house_check_starting(engine, worker, now_ns))
			stuck = worker;
	}
	LIST_FOREACH (&engine->pool.workers[WORKER_BUSY], link) {
		const struct worker *worker = list_item(link, struct worker, link);
		if (house_check_busy(engine, worker, now_ns))
			stuck = worker;
	}
	LIST_FOREACH (&engine->pool.workers[WORKER_ENDED], link) {
		struct worker *worker = list_item(link, struct worker, link);
		if (house_check_ended(engine, worker, now_ns))
			stuck = worker;
	}
	struct generation *lost =
	    stuck ? succession_find(engine->succession, stuck->generation) : NULL;
	if (lost)
		generation_abandon(lost, "a killed worker is not reaped");
	if (pool_count(&engine->pool, WORKER_STARTING) + pool_count(&engine->pool, WORKER_BUSY) +
	    pool_count(&engine->pool, WORKER_ENDED))
		house_wake(engine);
	else if (engine->heap_is_wide) {
		(void)malloc_trim(0); /* also what lies between small blocks that stay */
		engine->heap_is_wide = false;
	}
}
