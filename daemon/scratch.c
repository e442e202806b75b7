/*
 * Matches waiting jobs with workers of the scratch class. Such a worker cannot be kept ready for
 * whoever comes: the sizes of its tmpfs are given when it is made. Level triggered: looks at queue
 * and pool as they are, keeps nothing but the claims, starts and ends nothing (refill.c does).
 * Costs nothing while no job has a scratch directory but a look at the called jobs. Cannot fail.
 */
#include "daemon/scratch.h"

#include "daemon/engine_state.h"

static const enum worker_state COMING[] = {WORKER_READY, WORKER_STARTING};
#define COMING_COUNT (sizeof(COMING) / sizeof(COMING[0]))

bool
scratch_exists(const struct engine *engine)
{
	for (size_t i = 0; i < COMING_COUNT; i++) {
		LIST_FOREACH (&engine->pool.workers[COMING[i]], link) {
			if (!worker_kind_is_plain(list_item(link, struct worker, link)->kind))
				return true;
		}
	}
	return false;
}

static void
scratch_unclaim(struct engine *engine)
{
	for (size_t i = 0; i < COMING_COUNT; i++) {
		LIST_FOREACH (&engine->pool.workers[COMING[i]], link) {
			list_item(link, struct worker, link)->claimed = false;
		}
	}
}

static bool
scratch_claim(struct engine *engine, struct worker_kind kind)
{
	for (size_t i = 0; i < COMING_COUNT; i++) {
		LIST_FOREACH (&engine->pool.workers[COMING[i]], link) {
			struct worker *worker = list_item(link, struct worker, link);
			if (worker->claimed || worker->killed_ns != 0 ||
			    !worker_kind_equal(worker->kind, kind))
				continue;
			worker->claimed = true;
			return true;
		}
	}
	return false;
}

struct job *
scratch_demand(struct engine *engine)
{
	struct job *unmet = NULL;
	bool cleared = false;
	for (struct job *job = queue_called(&engine->queue); job;
	     job = queue_called_after(&engine->queue, job)) {
		struct worker_kind kind = worker_kind_of(&job->request.limits);
		if (worker_kind_is_plain(kind))
			continue;
		if (!cleared)
			scratch_unclaim(engine);
		cleared = true;
		if (!scratch_claim(engine, kind) && !unmet)
			unmet = job;
	}
	if (!cleared)
		scratch_unclaim(engine);
	return unmet;
}

void
scratch_blame(struct engine *engine, struct worker_kind kind)
{
	if (worker_kind_is_plain(kind))
		return;
	for (struct job *job = queue_called(&engine->queue); job;
	     job = queue_called_after(&engine->queue, job)) {
		if (!worker_kind_equal(worker_kind_of(&job->request.limits), kind))
			continue;
		job->broken++;
		return;
	}
}
