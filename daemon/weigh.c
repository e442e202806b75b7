/*
 * Weights of workers' control groups. A job's tenant is what the queue knows of it. Allocates
 * nothing; a weight that the kernel does not take is tried again the next time. Called by
 * dispatch.c, refill.c and house.c.
 */
#include "daemon/weigh.h"

#include "daemon/engine_state.h"
#include "protocol/base_clock.h"

/* The greatest parts, of all running jobs and of the young ones. */
struct weigh_parts {
	double best, young;
};

unsigned
weigh_of(double part, double best, double young)
{
	double weight = LEAF_WEIGHT * part / best;

	if (part < young)
		weight *= part / young;
	return weight > WEIGH_LEAST ? (unsigned)(weight + 0.5) : WEIGH_LEAST;
}

/* 0: its job has ended. */
static double
weigh_part(const struct worker *worker)
{
	const struct pick_tenant *tenant = worker->job ? worker->job->turn.tenant : NULL;

	return tenant && tenant->started > 0 ? (double)tenant->weight / (double)tenant->started : 0;
}

static bool
weigh_is_young(const struct worker *worker)
{
	uint64_t cpu_ns;

	return !watchdog_cpu_ns(worker->cpu_clock, &cpu_ns) || cpu_ns < worker->cpu_start_ns ||
	       cpu_ns - worker->cpu_start_ns < WEIGH_YOUNG_MS * NS_PER_MS;
}

/* Clocks are read only of jobs that could be the first of the young ones. */
static struct weigh_parts
weigh_look(const struct list *busy)
{
	struct weigh_parts parts = {0};

	LIST_FOREACH (busy, link) {
		const struct worker *worker = list_item(link, struct worker, link);
		double part = weigh_part(worker);

		parts.best = part > parts.best ? part : parts.best;
		if (part > parts.young && weigh_is_young(worker))
			parts.young = part;
	}
	return parts;
}

void
weigh_run(struct engine *engine)
{
	const struct list *busy = &engine->pool.workers[WORKER_BUSY];
	bool shares = config_number(engine->config, share_cores) != 0;
	struct weigh_parts parts = shares ? weigh_look(busy) : (struct weigh_parts){0};
	bool needed = queue_count(&engine->queue) > 0 && parts.young == 0 &&
		      pool_count(&engine->pool, WORKER_READY) == 0;
	unsigned starting =
	    shares && !needed && engine_has_tenants(engine) ? WEIGH_STARTING : LEAF_WEIGHT;

	LIST_FOREACH (busy, link) {
		struct worker *worker = list_item(link, struct worker, link);
		double part = shares ? weigh_part(worker) : 0;

		leaf_weigh(&worker->leaf,
			   part > 0 ? weigh_of(part, parts.best, parts.young) : LEAF_WEIGHT);
	}
	LIST_FOREACH (&engine->pool.workers[WORKER_STARTING], link) {
		struct worker *worker = list_item(link, struct worker, link);


		leaf_weigh(&worker->leaf,
			   worker_kind_is_plain(worker->kind) ? starting : LEAF_WEIGHT);
	}
}
