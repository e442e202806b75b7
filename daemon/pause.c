/*
 * Who stands still. Called by makeway.c, and by house.c for what was left. Takes the pool as it is:
 * a worker that ends meanwhile takes its pause with it, to leaf_give. Fails never: without
 * cgroup.freeze nobody is paused.
 */
#include "daemon/pause.h"

#include "daemon/engine_state.h"
#include "daemon/weigh.h"
#include "protocol/base_clock.h"

/* Its job is another tenant's, has a smaller part, and is not about to end by its wall time. */
static bool
pause_is_of(const struct worker *worker, const struct pick_tenant *tenant, double part,
	    uint64_t now_ns)
{
	const struct job *job = worker->job;
	const struct pick_tenant *other = job ? job->turn.tenant : NULL;

	return other && other != tenant && weigh_part(other, other->started) < part &&
	       now_ns + PAUSE_WALL_MS * NS_PER_MS <
		   job->started_ns + job->request.limits.wall_ms * NS_PER_MS;
}

void
pause_begin(struct engine *engine, const struct pick_tenant *tenant, double part)
{
	unsigned go_on = engine->cores > PAUSE_CORES_FREE ? engine->cores - PAUSE_CORES_FREE : 0;
	uint64_t now_ns = engine_now_ns();
	unsigned count = 0;

	if (engine->paused.since_ns != 0 || now_ns < engine->paused.free_ns ||
	    now_ns < tenant->unpaused_ns)
		return;
	LIST_FOREACH (&engine->pool.workers[WORKER_BUSY], link)
		count += pause_is_of(list_item(link, struct worker, link), tenant, part, now_ns);
	if (count <= go_on || count - go_on > PAUSE_JOBS_MAX)
		return;
	LIST_FOREACH (&engine->pool.workers[WORKER_BUSY], link) {
		struct worker *worker = list_item(link, struct worker, link);

		if (!pause_is_of(worker, tenant, part, now_ns))
			continue;
		if (go_on > 0)
			go_on--;
		else if (leaf_pause(&worker->leaf, true))
			engine->paused.since_ns = now_ns;
	}
}

void
pause_judge(struct engine *engine, struct pick_tenant *tenant, uint64_t cpu_us)
{
	uint64_t now_ns = engine_now_ns(), lasted_ns = now_ns - engine->paused.since_ns;
	bool slept = lasted_ns > PAUSE_SLEPT_MS * NS_PER_MS && cpu_us < lasted_ns / NS_PER_US / 4;

	if (engine->paused.since_ns != 0 && (slept || cpu_us == UINT64_MAX))
		tenant->unpaused_ns = now_ns + PAUSE_AGAIN_MS * NS_PER_MS;
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
