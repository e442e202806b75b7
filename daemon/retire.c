/*
 * The end of a generation that did nothing wrong. Until its successor has as many ready workers as
 * are wanted, its own ready workers take jobs as before (they come first). Then those without a job
 * are killed, those with one run to its end, and when the last is gone the spawner is asked to end
 * the generation. When there is room for no further worker, an idle old one makes some. Never ends
 * a job. Called by the engine's `later` stage. Cannot fail.
 */
#include "daemon/retire.h"

#include "daemon/engine_state.h"
#include "protocol/base_assert.h"

static void
retire_kill(struct engine *engine, struct worker *worker)
{
	require(!worker->job);
	worker_link_unwatch(&worker->watch);
	watchdog_kill(leaf_killer(&worker->leaf), engine_zygote_fd(engine, worker), worker->serial);
	pool_move(&engine->pool, worker, WORKER_DEAD);
}

/* Kill at most `count` workers of that generation that have no job. */
static unsigned
retire_idle(struct engine *engine, uint64_t number, unsigned count)
{
	static const enum worker_state IDLE[] = {WORKER_STARTING, WORKER_READY};
	unsigned killed = 0;

	for (size_t i = 0; i < sizeof(IDLE) / sizeof(IDLE[0]); i++) {
		LIST_FOREACH_SAFE (&engine->pool.workers[IDLE[i]], link, next) {
			struct worker *worker = list_item(link, struct worker, link);
			if (killed == count)
				return killed;
			if (worker->generation != number)
				continue;
			retire_kill(engine, worker);
			killed++;
		}
	}
	return killed;
}

static bool
retire_has(const struct engine *engine, uint64_t number, enum worker_state state)
{
	LIST_FOREACH (&engine->pool.workers[state], link) {
		if (list_item(link, struct worker, link)->generation == number)
			return true;
	}
	return false;
}

/* The front has what it needs to serve alone; or all that were ready have gone to jobs. */
static bool
retire_is_due(const struct engine *engine, uint64_t number)
{
	return generation_state(engine->generation) == GENERATION_SERVING &&
	       generation_is_proved(engine->generation) &&
	       (pool_fresh(&engine->pool, WORKER_READY) >= engine->pool.target ||
		(!retire_has(engine, number, WORKER_READY) &&
		 !retire_has(engine, number, WORKER_STARTING)));
}

void
retire_run(struct engine *engine)
{
	struct generation *former = succession_former(engine->succession);
	if (!former)
		return;
	uint64_t number = generation_number(former);
	if (generation_state(former) == GENERATION_SERVING) {
		if (!retire_is_due(engine, number)) {
			if (pool_is_full(&engine->pool) && retire_idle(engine, number, 1) > 0)
				engine_later(engine);
			return;
		}
		generation_retire(former);
	}
	if (retire_idle(engine, number, WORKERS_MAX) > 0)
		engine_later(engine); /* to bury them */
	if (retire_has(engine, number, WORKER_BUSY) || retire_has(engine, number, WORKER_ENDED))
		return;
	sweep_forget(engine->sweep, generation_root(former));
	generation_dismiss(former);
}
