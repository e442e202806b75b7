/*
 * The numbers that the engine takes out of a configuration, at its start and in a reload.
 *
 * A reload changes numbers and shares, never a job: what waits or runs has its limits with it.
 * Reads no file and knows no tenant but by its account. Called by engine.c, and by the outer half
 * through engine.h. Fails only
 * at the start, when the cores are not told.
 */
#include "daemon/engine_numbers.h"

#include "daemon/engine_state.h"
#include "daemon/refill.h"
#include "protocol/base_log.h"

#include <unistd.h>

#define ENGINE_WORKERS_MIN 4u /* of the automatic settings */
/* Workers are made by computing: more at once than cores makes none of them sooner, and takes the
 * cores from jobs. While the kernel moves one to its groups, another goes on. */
#define ENGINE_STARTS_MIN 2u

/* What 0 stands for in the settings of workers. */
static unsigned
engine_automatic(const struct engine *engine)
{
	unsigned automatic =
	    2 * engine->cores > ENGINE_WORKERS_MIN ? 2 * engine->cores : ENGINE_WORKERS_MIN;
	return automatic < WORKERS_MAX / 4 ? automatic : WORKERS_MAX / 4;
}

static unsigned
engine_ready_target(const struct engine *engine, const struct config *config)
{
	uint64_t ready = config_number(config, workers_ready);
	return ready > 0 ? (unsigned)ready : engine_automatic(engine);
}

static size_t
engine_running_max(const struct engine *engine, const struct config *config)
{
	uint64_t running = config_number(config, running_max);
	return running > 0 ? running : engine_automatic(engine);
}

static struct quota_caps
engine_caps(const struct config *config)
{
	return (struct quota_caps){config_number(config, queue_jobs_max),
				   config_number(config, queue_bytes_max)};
}

struct recycle_limits
engine_recycle_limits(const struct config *config)
{
	return (struct recycle_limits){config_number(config, generation_jobs_max),
				       config_number(config, generation_time_max)};
}

void
engine_numbers_init(struct engine *engine, const struct config *config)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	engine->cores = cores > 0 ? (unsigned)cores : 1;
	pool_init(&engine->pool, engine_ready_target(engine, config),
		  engine->cores > ENGINE_STARTS_MIN ? engine->cores : ENGINE_STARTS_MIN);
	account_table_init(&engine->accounts, config_number(config, tenants_max));
	job_lists_init(&engine->lists);
	queue_init(&engine->queue, &engine->lists, engine_running_max(engine, config));
	engine->queue.pick.cores = engine->cores;
	engine->queue.pick.guests_max = config_number(config, guests_max);
	engine->caps = engine_caps(config);
	result_room_init(&engine->results, config_number(config, results_bytes_max));
}

/* Each setting by itself is fine: only together they are not what was meant, most likely. */
static void
engine_warn_of_sharing(const struct engine *engine)
{
	const struct pick *pick = &engine->queue.pick;
	size_t jobs = pick->running_max + pick->guests_max;
	if (config_number(engine->config, pin_cores) && jobs > engine->pinning.count)
		log_warning("engine",
			    "pin_cores: running_max and guests_max let %zu jobs run at one time, "
			    "and there are %u cores for them: some will share one",
			    jobs, engine->pinning.count);
}

int
engine_numbers_pin(struct engine *engine, struct error *err)
{
	if (!config_number(engine->config, pin_cores))
		return 0;
	int code = cores_read(&engine->pinning, err);
	if (code < 0)
		return code;
	log_info("engine", "jobs are pinned, each to one of %u cores", engine->pinning.count);
	engine_warn_of_sharing(engine);
	return 0;
}

struct engine_visit {
	struct engine *engine;
	engine_terms *terms;
	void *context;
	uint64_t now_ns;
};

/* The terms that hold now. A tenant that is gone keeps what it had, as long as it has jobs. */
static void
engine_reload_account(void *context, struct account *account)
{
	const struct engine_visit *visit = context;
	struct tenant_terms terms;
	bool known = visit->terms(visit->context, account->terms.name, &terms);
	if (known)
		account->terms = terms;
	account_set_named(account, known);
	quota_set(account, &visit->engine->queue, visit->now_ns);
}

void
engine_reload(struct engine *engine, const struct config *config, engine_terms *terms,
	      void *context)
{
	const struct recycle_limits limits = engine_recycle_limits(config);
	struct engine_visit visit = {engine, terms, context, engine_now_ns()};
	engine->config = config;
	engine->pool.target = engine_ready_target(engine, config);
	engine->queue.pick.running_max = engine_running_max(engine, config);
	engine->queue.pick.guests_max = config_number(config, guests_max);
	engine->caps = engine_caps(config);
	engine->results.max_bytes = config_number(config, results_bytes_max);
	engine_warn_of_sharing(engine);
	account_table_each(&engine->accounts, engine_reload_account, &visit);
	account_table_resize(&engine->accounts, config_number(config, tenants_max));
	succession_set_limits(engine->succession, &limits);
	refill_soon(engine);
	engine_later(engine);
}
