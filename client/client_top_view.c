/*
 * Lines about the daemon as a whole, then a table of tenants by what they use. Called by
 * client_top.c. Fails without memory only.
 */
#include "client/client_top_view.h"

#include "client/client_units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOP_VIEW_TENANTS_MAX 1001

enum top_field {
	FIELD_RUNNING,
	FIELD_QUEUED,
	FIELD_JOBS,
	FIELD_CPU,
	FIELD_OPCODES,
	FIELD_REFUSED,
	FIELD_COUNT
};

static const char *const FIELD_METRICS[FIELD_COUNT] = {
    [FIELD_RUNNING] = "stint_tenant_jobs_running",  [FIELD_QUEUED] = "stint_tenant_jobs_queued",
    [FIELD_JOBS] = "stint_tenant_jobs_ended_total", [FIELD_CPU] = "stint_tenant_cpu_seconds_total",
    [FIELD_OPCODES] = "stint_tenant_opcodes_total", [FIELD_REFUSED] = "stint_tenant_refusals_total",
};

struct top_tenant {
	char name[CLIENT_SAMPLE_NAME_BYTES];
	double now[FIELD_COUNT], before[FIELD_COUNT];
};

struct top_table {
	struct top_tenant *rows; /* owned */
	size_t count;
};

/* The row of that name. Series come in one order, so it is mostly at or behind `hint`. */
static struct top_tenant *
top_view_row(struct top_table *table, const char *name, size_t *hint)
{
	for (size_t i = 0; i < table->count; i++) {
		size_t at = (*hint + i) % table->count;
		if (strcmp(table->rows[at].name, name) == 0) {
			*hint = at;
			return &table->rows[at];
		}
	}
	return NULL;
}

static void
top_view_fill(struct top_table *table, const struct client_sample *sample, enum top_field field,
	      bool before)
{
	char name[CLIENT_SAMPLE_NAME_BYTES];
	const char *at = NULL;
	double number;
	size_t hint = 0;

	while (client_sample_next(sample, FIELD_METRICS[field], "tenant", &at, name, &number)) {
		struct top_tenant *row = top_view_row(table, name, &hint);
		if (row != NULL)
			(before ? row->before : row->now)[field] += number;
	}
}

static double
top_view_order(const struct top_tenant *row)
{
	/* Who uses most now; then who waits, then who has ever used most. */
	return (row->now[FIELD_CPU] - row->before[FIELD_CPU]) * 1e6 +
	       row->now[FIELD_RUNNING] * 1e3 + row->now[FIELD_QUEUED] + row->now[FIELD_CPU] * 1e-6;
}

static int
top_view_compare(const void *a, const void *b)
{
	const struct top_tenant *left = a, *right = b;
	double x = top_view_order(left), y = top_view_order(right);

	if (x != y)
		return x < y ? 1 : -1;
	return strcmp(left->name, right->name);
}

static bool
top_view_collect(const struct client_top_view *view, struct top_table *table)
{
	char name[CLIENT_SAMPLE_NAME_BYTES];
	const char *at = NULL;
	double number;

	table->rows = calloc(TOP_VIEW_TENANTS_MAX, sizeof(*table->rows));
	if (table->rows == NULL)
		return false;
	while (table->count < TOP_VIEW_TENANTS_MAX &&
	       client_sample_next(view->now, FIELD_METRICS[FIELD_OPCODES], "tenant", &at, name,
				  &number))
		(void)strcpy(table->rows[table->count++].name, name);
	for (int field = 0; field < FIELD_COUNT; field++) {
		top_view_fill(table, view->now, (enum top_field)field, false);
		top_view_fill(table, view->before, (enum top_field)field, true);
	}
	qsort(table->rows, table->count, sizeof(*table->rows), top_view_compare);
	return true;
}

static double
top_view_rate(const struct client_top_view *view, const char *name)
{
	double more = client_sample_sum(view->now, name) - client_sample_sum(view->before, name);
	return view->seconds > 0 && more > 0 ? more / view->seconds : 0;
}

static double
top_view_value(const struct client_top_view *view, const char *name, const char *labels)
{
	return client_sample_value(view->now, name, labels);
}

/* Mean of a histogram's new values, in people's units. */
static const char *
top_view_mean(const struct client_top_view *view, const char *name, char ret[CLIENT_UNITS_BYTES])
{
	char part[CLIENT_SAMPLE_NAME_BYTES];
	double sum, count;

	(void)snprintf(part, sizeof(part), "%s_sum", name);
	sum = client_sample_sum(view->now, part) - client_sample_sum(view->before, part);
	(void)snprintf(part, sizeof(part), "%s_count", name);
	count = client_sample_sum(view->now, part) - client_sample_sum(view->before, part);
	if (count <= 0 || sum < 0)
		return "-";
	return client_units_time((uint64_t)(sum / count * 1e6), ret);
}

static void
top_view_load(const struct client_top_view *view, FILE *out)
{
	char size[CLIENT_UNITS_BYTES], most[CLIENT_UNITS_BYTES];

	(void)fprintf(
	    out, "jobs     %.0f running, %.0f queued of %.0f (%s of %s)\n",
	    top_view_value(view, "stint_jobs_running", NULL),
	    top_view_value(view, "stint_jobs_queued", NULL),
	    top_view_value(view, "stint_queue_jobs_max", NULL),
	    client_units_size((uint64_t)top_view_value(view, "stint_queue_bytes", NULL), size),
	    client_units_size((uint64_t)top_view_value(view, "stint_queue_bytes_max", NULL), most));
	(void)fprintf(out,
		      "workers  %.0f ready, %.0f starting, %.0f busy; %.0f started, %.0f failed; "
		      "generation %.0f\n",
		      top_view_value(view, "stint_workers", "state=\"ready\""),
		      top_view_value(view, "stint_workers", "state=\"starting\""),
		      top_view_value(view, "stint_workers", "state=\"busy\""),
		      top_view_value(view, "stint_workers_started_total", NULL),
		      top_view_value(view, "stint_workers_failed_total", NULL),
		      top_view_value(view, "stint_generation", NULL));
	(void)fprintf(out, "clients  %.0f connections of %.0f\n",
		      top_view_value(view, "stint_connections", NULL),
		      top_view_value(view, "stint_connections_max", NULL));
}

static void
top_view_rates(const struct client_top_view *view, FILE *out)
{
	char size[CLIENT_UNITS_BYTES], queue[CLIENT_UNITS_BYTES], wall[CLIENT_UNITS_BYTES],
	    cpu[CLIENT_UNITS_BYTES];

	(void)fprintf(
	    out, "%-8s %.1f jobs/s, %.2f cores, %.3g opcodes/s, %s/s output, %.1f refused/s\n",
	    "rates", top_view_rate(view, "stint_jobs_ended_total"),
	    top_view_rate(view, "stint_jobs_cpu_seconds_total"),
	    top_view_rate(view, "stint_jobs_opcodes_total"),
	    client_units_size((uint64_t)top_view_rate(view, "stint_jobs_output_bytes_total"), size),
	    top_view_rate(view, "stint_refusals_total"));
	(void)fprintf(out, "a job    waits %s, runs %s, uses %s of CPU time (means)\n",
		      top_view_mean(view, "stint_job_queue_seconds", queue),
		      top_view_mean(view, "stint_job_wall_seconds", wall),
		      top_view_mean(view, "stint_job_cpu_seconds", cpu));
}

/* Statuses that there were, all together since the daemon's start. */
static void
top_view_ended(const struct client_top_view *view, FILE *out)
{
	char name[CLIENT_SAMPLE_NAME_BYTES];
	const char *at = NULL;
	double number;
	int count = 0;

	(void)fputs("ended   ", out);
	while (
	    client_sample_next(view->now, "stint_jobs_ended_total", "status", &at, name, &number)) {
		if (number > 0)
			(void)fprintf(out, "%s %s %.0f", count++ > 0 ? "," : "", name, number);
	}
	(void)fputs(count > 0 ? "\n" : " none\n", out);
}

static void
top_view_tenants(const struct client_top_view *view, const struct top_table *table, FILE *out)
{
	(void)fprintf(out, "\n%-24s %7s %7s %9s %7s %10s %9s %10s %12s\n", "TENANT", "RUNNING",
		      "QUEUED", "JOBS/S", "CORES", "OPCODES/S", "REFUSED/S", "JOBS", "CPU");
	for (size_t i = 0; i < table->count; i++) {
		const struct top_tenant *row = &table->rows[i];
		char cpu[CLIENT_UNITS_BYTES];
		double rate[FIELD_COUNT];

		for (int field = 0; field < FIELD_COUNT; field++) {
			double more = row->now[field] - row->before[field];
			rate[field] = view->seconds > 0 && more > 0 ? more / view->seconds : 0;
		}
		/* What the others share is shown when there is anything. */
		if (strcmp(row->name, "_other") == 0 && row->now[FIELD_JOBS] == 0 &&
		    row->now[FIELD_QUEUED] + row->now[FIELD_RUNNING] + row->now[FIELD_REFUSED] == 0)
			continue;
		(void)fprintf(out, "%-24s %7.0f %7.0f %9.1f %7.2f %10.3g %9.1f %10.0f %12s\n",
			      row->name, row->now[FIELD_RUNNING], row->now[FIELD_QUEUED],
			      rate[FIELD_JOBS], rate[FIELD_CPU], rate[FIELD_OPCODES],
			      rate[FIELD_REFUSED], row->now[FIELD_JOBS],
			      client_units_time((uint64_t)(row->now[FIELD_CPU] * 1e6), cpu));
	}
}

char *
client_top_view(const struct client_top_view *view, size_t *ret_size)
{
	struct top_table table = {0};
	char up[CLIENT_UNITS_BYTES], *text = NULL;
	const char *state = "starting";
	FILE *out = open_memstream(&text, ret_size);

	if (out == NULL)
		return NULL;
	if (!top_view_collect(view, &table)) {
		(void)fclose(out);
		free(text);
		return NULL;
	}
	if (top_view_value(view, "stint_draining", NULL) > 0)
		state = "draining";
	else if (top_view_value(view, "stint_serving", NULL) > 0)
		state = "ok";
	(void)fprintf(out, "stint    %s, up %s; rates: %s\n", state,
		      client_units_time(
			  (uint64_t)(top_view_value(view, "stint_uptime_seconds", NULL) * 1e6), up),
		      view->title);
	top_view_load(view, out);
	top_view_rates(view, out);
	top_view_ended(view, out);
	top_view_tenants(view, &table, out);
	free(table.rows);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}
