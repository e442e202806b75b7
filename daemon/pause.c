/*
 * Who stands still. Called by makeway.c, and by house.c for what was left. Takes the pool as it is:
 * a worker that ends meanwhile takes its pause with it, to leaf_give. Fails never: without
 * cgroup.freeze nobody is paused.
 */
#include "daemon/pause.h"

#include "daemon/engine_state.h"
#include "daemon/weigh.h"
#include "protocol/base_clock.h"

/* Its job is another tenant's, and has a smaller part. */
static bool
pause_is_of(const struct worker *worker, const struct pick_tenant *tenant, double part)
{
	const struct pick_tenant *other = worker->job ? worker->job->turn.tenant : NULL;

	return other && other != tenant && weigh_part(other, other->started) < part;
}

void
pause_begin(struct engine *engine, const struct pick_tenant *tenant, double part)
{
	unsigned go_on = engine->cores > PAUSE_CORES_FREE ? engine->cores - PAUSE_CORES_FREE : 0;
	uint64_t now_ns = engine_now_ns();
	unsigned count = 0;

	if (engine->paused.since_ns != 0 || now_ns < engine->paused.free_ns)
		return;
	LIST_FOREACH (&engine->pool.workers[WORKER_BUSY], link)
		count += pause_is_of(list_item(link, struct worker, link), tenant, part);
	if (count <= go_on || count - go_on > PAUSE_JOBS_MAX)
		return;
	LIST_FOREACH (&engine->pool.workers[WORKER_BUSY], link) {
		struct worker *worker = list_item(link, struct worker, link);

		if (!pause_is_of(worker, tenant, part))
			continue;
		if (go_on > 0)
			go_on--;
		else if (leaf_pause(&worker->leaf, true))
			engine->paused.since_ns = now_ns;
	}
}

void
pause_end(struct engine *engine)
{
	bool all = true;

	if (engine->paused.since_ns == 0)
		return;
	LIST_FOREACH (&engine->pool.workers[WORKER_BUSY], link)
		all = leaf_pause(&list_item(link, struct worker, link)->leaf, false) && all;
	if (!all)
		return;
	uint64_t now_ns = engine_now_ns(), lasted_ns = now_ns - engine->paused.since_ns;
	engine->paused.free_ns = now_ns + PAUSE_FREE_TIMES * lasted_ns;
	engine->paused.since_ns = 0;
	engine_note(engine, ENGINE_EVENT_PAUSED, lasted_ns / NS_PER_US);
}
