/*
 * What stintd counts (metrics.def), and its text for Prometheus. One counter is one addition to an
 * array; nothing is allocated where a thing happens, but once for each of the first
 * metrics_tenants_max tenants. Used on the loop alone.
 *
 * Functions that count take a NULL for "nobody counts", which spares every caller the question.
 */
#ifndef STINT_DAEMON_METRICS_H
#define STINT_DAEMON_METRICS_H

#include "daemon/engine_event.h"
#include "daemon/hash_table.h"
#include "protocol/isolation.h"
#include "protocol/jsonrpc.h"
#include "protocol/result.h"
#include "protocol/tenant_terms.h"
#include "protocol/text_buffer.h"

#include <stdbool.h>
#include <stdint.h>

#define METRICS_CONTENT_TYPE  "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_OTHER         "_other"   /* tenant of all that have no series of their own */
#define METRICS_TEXT_MAX      (8u << 20) /* more than 1,000 tenants with every series need */
#define METRICS_BUCKETS       17
#define METRICS_WORKER_STATES 3 /* ready, starting, busy */

/* In the order of methods.def; one more for what is no method. */
enum metrics_method {
#define METHOD(name, handler, prepares, params, sentence) METRICS_METHOD_##handler,
#include "daemon/methods.def"
#undef METHOD
	METRICS_METHOD_UNKNOWN,
	METRICS_METHOD_COUNT
};

/* How many words a label has; for a histogram: how many cells each of them takes. */
enum metrics_size {
	METRICS_WORDS_NONE = 1,
	METRICS_WORDS_STATUS = STATUS_COUNT,
	METRICS_WORDS_REASON = RPC_REASON_COUNT,
	METRICS_WORDS_METHOD = METRICS_METHOD_COUNT,
	METRICS_WORDS_KILL = ENGINE_KILL_COUNT - 1,
	METRICS_WORDS_LIMIT = ENGINE_KILL_WALL,
	METRICS_WORDS_STATE = METRICS_WORKER_STATES,
	METRICS_WORDS_LAYER = ISOLATION_LAYER_COUNT,
	METRICS_CELLS_COUNTER = 1,
	METRICS_CELLS_GAUGE = 1,
	METRICS_CELLS_HISTOGRAM = METRICS_BUCKETS + 2, /* buckets, the rest, sum */
};

/* Number of a metric's first cell. */
enum metrics_cell {
#define METRIC(id, name, type, unit, labels, help)                                                 \
	METRIC_##id,                                                                               \
	    METRIC_##id##_LAST = METRIC_##id + METRICS_CELLS_##type * METRICS_WORDS_##labels - 1,
#define TENANT_METRIC(id, name, type, unit, labels, help)
#include "daemon/metrics.def"
#undef METRIC
#undef TENANT_METRIC
	METRIC_CELLS
};
enum metrics_tenant_cell {
#define METRIC(id, name, type, unit, labels, help)
#define TENANT_METRIC(id, name, type, unit, labels, help)                                          \
	TENANT_METRIC_##id,                                                                        \
	    TENANT_METRIC_##id##_LAST =                                                            \
		TENANT_METRIC_##id + METRICS_CELLS_##type * METRICS_WORDS_##labels - 1,
#include "daemon/metrics.def"
#undef METRIC
#undef TENANT_METRIC
	TENANT_METRIC_CELLS
};

struct metrics_tenant {
	struct hash_link link;
	char name[TENANT_NAME_MAX + 1];
	uint64_t cells[TENANT_METRIC_CELLS];
};

struct metrics {
	uint64_t cells[METRIC_CELLS];
	struct hash_table names;       /* of tenants */
	struct metrics_tenant **named; /* owned: in the order in which they came */
	unsigned named_count, named_max;
	struct metrics_tenant other; /* the sum of all without a place */
};

/* tenants_max: how many tenants get series under their own names; the rest share METRICS_OTHER. */
void metrics_init(struct metrics *ret_metrics, unsigned tenants_max);
void metrics_deinit(struct metrics *metrics);

static inline void
metrics_add(struct metrics *metrics, unsigned cell, uint64_t by)
{
	if (metrics)
		metrics->cells[cell] += by;
}

static inline void
metrics_set(struct metrics *metrics, unsigned cell, uint64_t value)
{
	if (metrics)
		metrics->cells[cell] = value;
}

/* One more value of a histogram: METRIC_<id>, number of the label's word, microseconds. */
void metrics_observe(struct metrics *metrics, unsigned id, unsigned word, uint64_t us);
void metrics_ended(struct metrics *metrics, const struct engine_ended *ended);
void metrics_event(struct metrics *metrics, enum engine_event event, uint64_t value);
/* A request of this tenant (NULL: of nobody known) was refused. NONE: for a mistake in it. */
void metrics_refused(struct metrics *metrics, const char *tenant, enum rpc_reason reason);

/* The text exposition format, version 0.0.4. */
void metrics_write(const struct metrics *metrics, struct text_buffer *text);

#endif
