/*
 * Counting, and the text that Prometheus reads.
 *
 * The tables of metrics.def say everything: how many cells a metric takes, how it is printed. A
 * histogram's cells hold each value once; they are summed up when they are printed. Tenants get
 * series of their own in the order in which they show up, and keep them, so that a series never
 * goes back; what finds no place is counted under one name. Names cannot hold what would need
 * escaping, and are escaped all the same. Never asks anybody for anything: gauges are put in by
 * metrics_gather.c. Cannot fail but for memory, which ends the process.
 */
#include "daemon/metrics.h"

#include "protocol/base_assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define METRICS_US_PER_S   1000000u
#define METRICS_LABEL_SALT 0

/* Upper bounds, inclusive; as Prometheus compares them. */
static const uint64_t BOUNDS_US[METRICS_BUCKETS] = {
    500,    1000,    2500,    5000,    10000,    25000,    50000,    100000,   250000,
    500000, 1000000, 2500000, 5000000, 10000000, 30000000, 60000000, 300000000};

enum metrics_type { TYPE_COUNTER, TYPE_GAUGE, TYPE_HISTOGRAM };
enum metrics_unit { UNIT_COUNT, UNIT_SECONDS };
enum metrics_labels {
	LABELS_NONE,
	LABELS_STATUS,
	LABELS_REASON,
	LABELS_METHOD,
	LABELS_KILL,
	LABELS_LIMIT,
	LABELS_STATE,
	LABELS_LAYER
};

struct metric {
	const char *name, *help;
	enum metrics_type type;
	enum metrics_unit unit;
	enum metrics_labels labels;
	unsigned first, words; /* cells; each word takes as many as the type needs */
};

#define METRIC(id, name, type, unit, labels, help)                                                 \
	{name,                                                                                     \
	 help,                                                                                     \
	 TYPE_##type,                                                                              \
	 UNIT_##unit,                                                                              \
	 LABELS_##labels,                                                                          \
	 METRIC_##id,                                                                              \
	 METRICS_WORDS_##labels},
#define TENANT_METRIC(id, name, type, unit, labels, help)
static const struct metric METRICS[] = {
#include "daemon/metrics.def"
};
#undef METRIC
#undef TENANT_METRIC
#define METRIC(id, name, type, unit, labels, help)
#define TENANT_METRIC(id, name, type, unit, labels, help)                                          \
	{name,                                                                                     \
	 help,                                                                                     \
	 TYPE_##type,                                                                              \
	 UNIT_##unit,                                                                              \
	 LABELS_##labels,                                                                          \
	 TENANT_METRIC_##id,                                                                       \
	 METRICS_WORDS_##labels},
static const struct metric TENANT_METRICS[] = {
#include "daemon/metrics.def"
};
#undef METRIC
#undef TENANT_METRIC

static const char *const METHODS[METRICS_METHOD_COUNT] = {
#define METHOD(name, handler, prepares, params, sentence) name,
#include "daemon/methods.def"
#undef METHOD
    "_unknown"};
static const char *const KILLS[METRICS_WORDS_KILL] = {
#define ENGINE_KILL(constant, word) word,
    ENGINE_KILL_TABLE(ENGINE_KILL)
#undef ENGINE_KILL
};
static const char *const STATES[METRICS_WORKER_STATES] = {"ready", "starting", "busy"};
static const char *const LABEL_NAMES[] = {
    [LABELS_NONE] = "",         [LABELS_STATUS] = "status", [LABELS_REASON] = "reason",
    [LABELS_METHOD] = "method", [LABELS_KILL] = "reason",   [LABELS_LIMIT] = "limit",
    [LABELS_STATE] = "state",   [LABELS_LAYER] = "layer"};

static const char *
metrics_word(enum metrics_labels labels, unsigned word)
{
	switch (labels) {
	case LABELS_STATUS:
		return status_name((enum job_status)word);
	case LABELS_REASON:
		return word == RPC_REASON_NONE ? "invalid_request"
					       : jsonrpc_reason_name((enum rpc_reason)word);
	case LABELS_METHOD:
		return METHODS[word];
	case LABELS_KILL:
	case LABELS_LIMIT:
		return KILLS[word];
	case LABELS_STATE:
		return STATES[word];
	case LABELS_LAYER:
		return ISOLATION_LAYERS[word].name;
	case LABELS_NONE:
		break;
	}
	return "";
}

void
metrics_init(struct metrics *ret_metrics, unsigned tenants_max)
{
	memset(ret_metrics, 0, sizeof(*ret_metrics));
	hash_table_init(&ret_metrics->names);
	ret_metrics->named_max = tenants_max;
	(void)snprintf(ret_metrics->other.name, sizeof(ret_metrics->other.name), METRICS_OTHER);
	if (tenants_max == 0)
		return;
	ret_metrics->named = calloc(tenants_max, sizeof(*ret_metrics->named));
	require(ret_metrics->named != NULL);
}

void
metrics_deinit(struct metrics *metrics)
{
	for (unsigned i = 0; i < metrics->named_count; i++) {
		hash_table_remove(&metrics->names, &metrics->named[i]->link);
		free(metrics->named[i]);
	}
	free(metrics->named);
	metrics->named = NULL;
	metrics->named_count = metrics->named_max = 0;
	hash_table_deinit(&metrics->names);
}

/* The tenant's series, made at its first; or what the others share. */
static struct metrics_tenant *
metrics_tenant(struct metrics *metrics, const char *name)
{
	size_t size = strnlen(name, TENANT_NAME_MAX + 1);
	if (size > TENANT_NAME_MAX)
		return &metrics->other;
	uint64_t hash = hash_table_hash(&metrics->names, METRICS_LABEL_SALT, name, size);
	for (struct hash_link *link = hash_table_first(&metrics->names, hash); link;
	     link = hash_table_next(link)) {
		struct metrics_tenant *found = hash_table_item(link, struct metrics_tenant, link);
		if (strcmp(found->name, name) == 0)
			return found;
	}
	if (metrics->named_count >= metrics->named_max)
		return &metrics->other;
	struct metrics_tenant *made = calloc(1, sizeof(*made));
	require(made != NULL);
	memcpy(made->name, name, size);
	hash_table_add(&metrics->names, &made->link, hash);
	metrics->named[metrics->named_count++] = made;
	return made;
}

void
metrics_observe(struct metrics *metrics, unsigned id, unsigned word, uint64_t us)
{
	unsigned bucket = 0;
	if (!metrics)
		return;
	while (bucket < METRICS_BUCKETS && us > BOUNDS_US[bucket])
		bucket++;
	uint64_t *cells = &metrics->cells[id + word * METRICS_CELLS_HISTOGRAM];
	cells[bucket]++;
	cells[METRICS_BUCKETS + 1] += us;
}

void
metrics_ended(struct metrics *metrics, const struct engine_ended *ended)
{
	const struct run_usage *usage = ended->usage;
	uint64_t output_bytes = usage->stdout_bytes + usage->stderr_bytes;
	if (!metrics)
		return;
	metrics_add(metrics, METRIC_jobs_ended + ended->status, 1);
	metrics_add(metrics, METRIC_jobs_cpu, usage->cpu_us);
	metrics_add(metrics, METRIC_jobs_opcodes, usage->opcodes);
	metrics_add(metrics, METRIC_jobs_output, output_bytes);
	metrics_observe(metrics, METRIC_job_queue, 0, usage->queue_us);
	metrics_observe(metrics, METRIC_job_wall, 0, usage->wall_us);
	metrics_observe(metrics, METRIC_job_cpu, 0, usage->cpu_us);
	if (ended->kill != ENGINE_KILL_NONE)
		metrics_add(metrics, METRIC_job_kills + ended->kill - 1, 1);
	if (ended->kill == ENGINE_KILL_CPU || ended->kill == ENGINE_KILL_WALL)
		metrics_observe(metrics, METRIC_kill_overrun, ended->kill - 1, ended->overrun_us);
	uint64_t *cells = metrics_tenant(metrics, ended->tenant)->cells;
	cells[TENANT_METRIC_jobs_ended + ended->status]++;
	cells[TENANT_METRIC_cpu] += usage->cpu_us;
	cells[TENANT_METRIC_opcodes] += usage->opcodes;
	cells[TENANT_METRIC_output] += output_bytes;
	cells[TENANT_METRIC_queue] += usage->queue_us;
}

void
metrics_event(struct metrics *metrics, enum engine_event event, uint64_t value)
{
	static const unsigned CELLS[] = {
	    [ENGINE_EVENT_WORKER_STARTED] = METRIC_workers_started,
	    [ENGINE_EVENT_WORKER_FAILED] = METRIC_workers_failed,
	    [ENGINE_EVENT_GENERATION_STARTED] = METRIC_generations_started,
	    [ENGINE_EVENT_GENERATION_LOST] = METRIC_generations_lost,
	    [ENGINE_EVENT_CODE_REUSED] = METRIC_code_reused,
	    [ENGINE_EVENT_MADE_WAY] = METRIC_made_way,
	    [ENGINE_EVENT_PAUSED] = METRIC_paused,
	};
	if (event == ENGINE_EVENT_WORKER_READY)
		metrics_observe(metrics, METRIC_worker_start, 0, value);
	else if (event == ENGINE_EVENT_MADE_WAY || event == ENGINE_EVENT_PAUSED)
		metrics_add(metrics, CELLS[event], value);
	else
		metrics_add(metrics, CELLS[event], 1);
}

void
metrics_refused(struct metrics *metrics, const char *tenant, enum rpc_reason reason)
{
	if (!metrics)
		return;
	metrics_add(metrics, METRIC_refusals + reason, 1);
	if (tenant && tenant[0] != '\0')
		metrics_tenant(metrics, tenant)->cells[TENANT_METRIC_refusals + reason]++;
}

static void
metrics_put_escaped(struct text_buffer *text, const char *value)
{
	for (; *value != '\0'; value++) {
		if (*value == '\\' || *value == '"')
			text_buffer_put(text, "\\", 1);
		if (*value == '\n')
			text_buffer_put(text, "\\n", 2);
		else
			text_buffer_put(text, value, 1);
	}
}

static void
metrics_put_value(struct text_buffer *text, enum metrics_unit unit, uint64_t value)
{
	char seconds[32];
	if (unit == UNIT_COUNT) {
		text_buffer_put_u64(text, value);
	} else {
		(void)snprintf(seconds, sizeof(seconds), "%llu.%06u",
			       (unsigned long long)(value / METRICS_US_PER_S),
			       (unsigned)(value % METRICS_US_PER_S));
		text_buffer_put_text(text, seconds);
	}
	text_buffer_put(text, "\n", 1);
}

static void
metrics_put_label(struct text_buffer *text, bool *first, const char *name, const char *value)
{
	text_buffer_put_text(text, *first ? "{" : ",");
	text_buffer_put_text(text, name);
	text_buffer_put_text(text, "=\"");
	metrics_put_escaped(text, value);
	text_buffer_put_text(text, "\"");
	*first = false;
}

/* name{labels}, up to and with the blank before the value. tenant, bound: NULL for none. */
static void
metrics_put_series(struct text_buffer *text, const struct metric *metric, const char *suffix,
		   const char *tenant, unsigned word, const char *bound)
{
	bool first = true;
	text_buffer_put_text(text, metric->name);
	text_buffer_put_text(text, suffix);
	if (tenant)
		metrics_put_label(text, &first, "tenant", tenant);
	if (metric->labels != LABELS_NONE)
		metrics_put_label(text, &first, LABEL_NAMES[metric->labels],
				  metrics_word(metric->labels, word));
	if (bound)
		metrics_put_label(text, &first, "le", bound);
	text_buffer_put_text(text, first ? " " : "} ");
}

static void
metrics_put_histogram(struct text_buffer *text, const struct metric *metric, unsigned word,
		      const uint64_t *cells)
{
	char bound[32];
	uint64_t count = 0;
	for (unsigned i = 0; i < METRICS_BUCKETS; i++) {
		count += cells[i];
		(void)snprintf(bound, sizeof(bound), "%g", (double)BOUNDS_US[i] / METRICS_US_PER_S);
		metrics_put_series(text, metric, "_bucket", NULL, word, bound);
		metrics_put_value(text, UNIT_COUNT, count);
	}
	count += cells[METRICS_BUCKETS];
	metrics_put_series(text, metric, "_bucket", NULL, word, "+Inf");
	metrics_put_value(text, UNIT_COUNT, count);
	metrics_put_series(text, metric, "_sum", NULL, word, NULL);
	metrics_put_value(text, metric->unit, cells[METRICS_BUCKETS + 1]);
	metrics_put_series(text, metric, "_count", NULL, word, NULL);
	metrics_put_value(text, UNIT_COUNT, count);
}

static void
metrics_put_head(struct text_buffer *text, const struct metric *metric)
{
	static const char *const TYPES[] = {[TYPE_COUNTER] = " counter\n",
					    [TYPE_GAUGE] = " gauge\n",
					    [TYPE_HISTOGRAM] = " histogram\n"};
	text_buffer_put_text(text, "# HELP ");
	text_buffer_put_text(text, metric->name);
	text_buffer_put_text(text, " ");
	text_buffer_put_text(text, metric->help);
	text_buffer_put_text(text, "\n# TYPE ");
	text_buffer_put_text(text, metric->name);
	text_buffer_put_text(text, TYPES[metric->type]);
}

/* A tenant that never had one of a word's kind has no series of it. */
static void
metrics_put_tenant(struct text_buffer *text, const struct metric *metric,
		   const struct metrics_tenant *tenant)
{
	for (unsigned word = 0; word < metric->words; word++) {
		uint64_t value = tenant->cells[metric->first + word];
		if (value == 0 && metric->labels != LABELS_NONE)
			continue;
		metrics_put_series(text, metric, "", tenant->name, word, NULL);
		metrics_put_value(text, metric->unit, value);
	}
}

void
metrics_write(const struct metrics *metrics, struct text_buffer *text)
{
	for (size_t i = 0; i < sizeof(METRICS) / sizeof(METRICS[0]); i++) {
		const struct metric *metric = &METRICS[i];
		metrics_put_head(text, metric);
		for (unsigned word = 0; word < metric->words; word++) {
			if (metric->type == TYPE_HISTOGRAM) {
				metrics_put_histogram(
				    text, metric, word,
				    &metrics
					 ->cells[metric->first + word * METRICS_CELLS_HISTOGRAM]);
				continue;
			}
			metrics_put_series(text, metric, "", NULL, word, NULL);
			metrics_put_value(text, metric->unit, metrics->cells[metric->first + word]);
		}
	}
	for (size_t i = 0; i < sizeof(TENANT_METRICS) / sizeof(TENANT_METRICS[0]); i++) {
		metrics_put_head(text, &TENANT_METRICS[i]);
		for (unsigned j = 0; j < metrics->named_count; j++)
			metrics_put_tenant(text, &TENANT_METRICS[i], metrics->named[j]);
		metrics_put_tenant(text, &TENANT_METRICS[i], &metrics->other);
	}
}
