/*
 * Weights of workers' control groups. A job's tenant is what the queue knows of it. Allocates
 * nothing; a weight that the kernel does not take is tried again the next time. Called by
 * dispatch.c, refill.c and house.c.
 */
#include "daemon/weigh.h"

#include "daemon/engine_state.h"
#include "protocol/base_clock.h"

/* The greatest parts: of jobs that run or wait for a worker, of the young ones and those that wait,
 * of those that wait; and the least of a running one. 0: there is none. */
struct weigh_parts {
	double best, young, waiting, least;
};

unsigned
weigh_of(double part, double best, double young)
{
	double weight = LEAF_WEIGHT * part / best;

	if (part < young)
		weight *= part / young;
	return weight > WEIGH_LEAST ? (unsigned)(weight + 0.5) : WEIGH_LEAST;
}

double
weigh_part(const struct pick_tenant *tenant, uint64_t running)
{
	return running > 0 ? (double)tenant->weight / (double)running : 0;
}

/* 0: its job has ended. */
static double
weigh_part_of(const struct worker *worker)
{
	const struct pick_tenant *tenant = worker->job ? worker->job->turn.tenant : NULL;

	return tenant ? weigh_part(tenant, tenant->started) : 0;
}

static bool
weigh_is_young(const struct worker *worker, uint64_t now_ns)
{
	uint64_t cpu_ns;

	return now_ns - worker->job->started_ns < WEIGH_YOUNG_WALL_MS * NS_PER_MS &&
	       watchdog_cpu_ns(worker->cpu_clock, &cpu_ns) && cpu_ns >= worker->cpu_start_ns &&
	       cpu_ns - worker->cpu_start_ns < WEIGH_YOUNG_CPU_MS * NS_PER_MS;
}

/* Clocks are read only where parts differ, of jobs that could be the first of the young ones. */
static struct weigh_parts
weigh_look(const struct engine *engine)
{
	const struct list *busy = &engine->pool.workers[WORKER_BUSY];
	struct weigh_parts parts = {0};
	uint64_t now_ns = engine_now_ns();

	for (const struct job *job = queue_called(&engine->queue); job;
	     job = queue_called_after(&engine->queue, job)) {
		double part = weigh_part(job->turn.tenant, job->turn.tenant->started + 1);

		parts.waiting = part > parts.waiting ? part : parts.waiting;
	}
	parts.best = parts.young = parts.waiting;
	LIST_FOREACH (busy, link) {
		double part = weigh_part_of(list_item(link, struct worker, link));

		parts.best = part > parts.best ? part : parts.best;
		if (part > 0 && (parts.least == 0 || part < parts.least))
			parts.least = part;
	}
	if (parts.least == parts.best)
		return parts;
	LIST_FOREACH (busy, link) {
		const struct worker *worker = list_item(link, struct worker, link);
		double part = weigh_part_of(worker);

		if (part > parts.young && weigh_is_young(worker, now_ns))
			parts.young = part;
	}
	return parts;
}

/* Less than a quarter more or less is not worth a write; what weighs nothing less is exact. */
static void
weigh_set(struct worker *worker, unsigned weight)
{
	unsigned now = worker->leaf.weight;

	if (weight == LEAF_WEIGHT || 4 * weight < 3 * now || 4 * weight > 5 * now)
		leaf_weigh(&worker->leaf, weight);
}

void
weigh_job(struct engine *engine, struct worker *worker, const struct job *job)
{
	const struct weigh_seen *seen = &engine->weighed;
	double part = weigh_part(job->turn.tenant, job->turn.tenant->started + 1);
	unsigned weight = LEAF_WEIGHT;

	if (seen->shares && part < seen->best)
		weight = weigh_of(part, seen->best, seen->young);
	else if (part > seen->young)
		engine->weighed.at_ns = 0; /* the others are to make room */
	leaf_weigh(&worker->leaf, weight);
}

void
weigh_starting(struct engine *engine)
{
	LIST_FOREACH (&engine->pool.workers[WORKER_STARTING], link) {
		struct worker *worker = list_item(link, struct worker, link);

		leaf_weigh(&worker->leaf,
			   engine->weighed.makes_wait && worker_kind_is_plain(worker->kind)
			       ? WEIGH_STARTING
			       : LEAF_WEIGHT);
	}
}

void
weigh_soon(struct engine *engine)
{
	if (engine_now_ns() - engine->weighed.at_ns >= WEIGH_EVERY_MS * NS_PER_MS)
		weigh_run(engine);
}

void
weigh_run(struct engine *engine)
{
	bool shares = config_number(engine->config, share_cores) != 0;
	struct weigh_parts parts = shares ? weigh_look(engine) : (struct weigh_parts){0};
	bool needed = parts.waiting > 0 && parts.waiting >= parts.best;

	LIST_FOREACH (&engine->pool.workers[WORKER_BUSY], link) {
		struct worker *worker = list_item(link, struct worker, link);
		double part = shares ? weigh_part_of(worker) : 0;

		weigh_set(worker, part > 0 ? weigh_of(part, parts.best, parts.young) : LEAF_WEIGHT);
	}
	engine->weighed = (struct weigh_seen){
	    .at_ns = engine_now_ns(),
	    .best = parts.best,
	    .young = parts.young,
	    .shares = shares,
	    .makes_wait = shares && !needed && engine_has_tenants(engine),
	};
	weigh_starting(engine);
}
