/*
 * Gauges, from the engine, the store and the configuration, at the moment somebody asks; then the
 * text. Called by method_metrics.c and scrape.c, on the loop. Changes nothing but the gauges, and
 * counters that are counted elsewhere.
 */
#include "daemon/metrics_gather.h"

#include "daemon/durable.h"
#include "daemon/engine.h"
#include "daemon/metrics.h"
#include "daemon/rpc.h"
#include "daemon/usage_log.h"
#include "protocol/config.h"

#define METRICS_GATHER_US_PER_MS 1000u

/* Whoever has no series of his own is in what the named ones leave of the sums. */
static void
metrics_gather_tenants(struct metrics *metrics, const struct rpc *rpc,
		       const struct engine_info *engine)
{
	uint64_t queued = engine->jobs_queued, running = engine->jobs_running;
	for (unsigned i = 0; i < metrics->named_count; i++) {
		struct metrics_tenant *tenant = metrics->named[i];
		struct engine_tenant_usage usage;
		engine_tenant_usage(rpc->engine, tenant->name, &usage);
		tenant->cells[TENANT_METRIC_jobs_queued] = usage.queued;
		tenant->cells[TENANT_METRIC_jobs_running] = usage.running;
		queued -= usage.queued < queued ? usage.queued : queued;
		running -= usage.running < running ? usage.running : running;
	}
	metrics->other.cells[TENANT_METRIC_jobs_queued] = queued;
	metrics->other.cells[TENANT_METRIC_jobs_running] = running;
}

/* Its counters are the store thread's own. */
static void
metrics_gather_store(struct metrics *metrics, const struct durable *durable)
{
	struct store_health store = {0};
	uint64_t waiting, held, stored;
	(void)durable_health(durable, &store, &waiting);
	durable_count(durable, &held, &stored);
	metrics_set(metrics, METRIC_store_operations, store.operations);
	metrics_set(metrics, METRIC_store_failures, store.failures);
	metrics_set(metrics, METRIC_store_batches, store.commits);
	metrics_set(metrics, METRIC_store_set_aside, store.aside_count);
	metrics_set(metrics, METRIC_store_failing, store.failing);
	metrics_set(metrics, METRIC_store_waiting, store.waiting);
	metrics_set(metrics, METRIC_store_bytes, store.bytes);
	metrics_set(metrics, METRIC_store_bytes_max, store.bytes_max);
	metrics_set(metrics, METRIC_durable_held, held);
	metrics_set(metrics, METRIC_durable_stored, stored);
}

void
metrics_gather(struct rpc *rpc, struct text_buffer *text)
{
	struct metrics *metrics = rpc->metrics;
	const struct config *config = rpc->config;
	struct engine_info engine;
	engine_info(rpc->engine, &engine);
	const struct {
		unsigned cell;
		uint64_t value;
	} gauges[] = {
	    {METRIC_serving, rpc->ready && engine.serving},
	    {METRIC_draining, engine.draining},
	    {METRIC_uptime, (uv_now(rpc->loop) - rpc->start_ms) * METRICS_GATHER_US_PER_MS},
	    {METRIC_jobs_queued, engine.jobs_queued},
	    {METRIC_jobs_running, engine.jobs_running},
	    {METRIC_queue_jobs_max, config_number(config, queue_jobs_max)},
	    {METRIC_queue_bytes, engine.queue_bytes},
	    {METRIC_queue_bytes_max, config_number(config, queue_bytes_max)},
	    {METRIC_workers, engine.workers_ready},
	    {METRIC_workers + 1, engine.workers_starting},
	    {METRIC_workers + 2, engine.workers_busy},
	    {METRIC_connections, rpc->inwork->sessions.count},
	    {METRIC_connections_max, config_number(config, connections_max)},
	    {METRIC_results_bytes, engine.results_bytes},
	    {METRIC_results_waiting, engine.results_waiting},
	    {METRIC_results_bytes_max, config_number(config, results_bytes_max)},
	    {METRIC_generation, engine.generation},
	};
	for (size_t i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++)
		metrics_set(metrics, gauges[i].cell, gauges[i].value);
	for (unsigned layer = 0; layer < ISOLATION_LAYER_COUNT; layer++)
		metrics_set(metrics, METRIC_layers + layer, engine.layers >> layer & 1);
	usage_log_counts(rpc->usage_log, &metrics->cells[METRIC_usage_records],
			 &metrics->cells[METRIC_usage_dropped]);
	metrics_gather_store(metrics, rpc->durable);
	metrics_gather_tenants(metrics, rpc, &engine);
	metrics_write(metrics, text);
}
