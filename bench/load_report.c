/*
 * Prints what a run has found.
 *
 * Computes nothing but percentiles and rates. Fails only where a file cannot be written. Called by
 * load_main.c; load_times_json() also by the programs that measure the floors.
 */
#include "bench/load_report.h"

#include "bench/load_times.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define MS(ns) ((double)(ns) / 1e6)

static json_t *
words_json(const struct load_words *words)
{
	json_t *object = json_object();

	for (size_t i = 0; object != NULL && i < words->count; i++)
		(void)json_object_set_new(object, words->words[i].text,
					  json_integer((json_int_t)words->words[i].count));
	return object;
}

static double
per_second(uint64_t count, double seconds)
{
	return seconds > 0 ? (double)count / seconds : 0;
}

static json_t *
kinds_json(const struct load_plan *plan, const struct load_figures *figures)
{
	json_t *object = json_object();

	for (size_t i = 0; object != NULL && i < plan->kinds.count; i++) {
		const struct load_kind_figures *kind = figures->kinds[i];

		if (kind == NULL)
			continue;
		(void)json_object_set_new(
		    object, plan->kinds.kinds[i].name,
		    json_pack("{s:I, s:I, s:I, s:o, s:o}", "sent", (json_int_t)kind->sent,
			      "results", (json_int_t)kind->results, "unexpected",
			      (json_int_t)kind->unexpected, "statuses", words_json(&kind->statuses),
			      "latency_us", load_times_json(&kind->latency)));
	}
	return object;
}

static json_t *
tenant_json(const struct load_plan *plan, const struct load_outcome *outcome, size_t index)
{
	const struct load_tenant *tenant = &plan->tenants[index];
	const struct load_figures *f = &outcome->figures[index];
	double seconds = outcome->window_seconds[index];
	json_t *object = json_pack(
	    "{s:s, s:s, s:I, s:I, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "name",
	    tenant->name, "loop", tenant->rate > 0 ? "open" : "closed", "connections",
	    (json_int_t)tenant->connections, "in_flight", (json_int_t)tenant->in_flight, "rate",
	    tenant->rate, "sent", (json_int_t)f->sent, "answered", (json_int_t)f->answered,
	    "results", (json_int_t)f->results, "refused", (json_int_t)f->refused, "missing",
	    (json_int_t)f->missing, "left_out", (json_int_t)f->left_out, "unreadable",
	    (json_int_t)f->unreadable, "unexpected", (json_int_t)f->unexpected, "connections_lost",
	    (json_int_t)f->lost);
	json_t *more = json_pack(
	    "{s:f, s:I, s:f, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "window_seconds",
	    seconds, "window_results", (json_int_t)f->window_results, "results_per_second",
	    per_second(f->window_results, seconds), "window_cpu_us", (json_int_t)f->window_cpu_us,
	    "window_bytes", (json_int_t)f->window_bytes, "statuses", words_json(&f->statuses),
	    "reasons", words_json(&f->reasons), "latency_us", load_times_json(&f->latency),
	    "refusal_us", load_times_json(&f->refusals), "send_lag_us", load_times_json(&f->lag),
	    "queue_us", load_times_json(&f->queued), "kinds", kinds_json(plan, f));

	if (object == NULL || more == NULL || json_object_update(object, more) < 0) {
		json_decref(object);
		object = NULL;
	}
	json_decref(more);
	return object;
}

int
load_report_write(const char *path, const struct load_plan *plan,
		  const struct load_outcome *outcome, struct error *err)
{
	json_t *tenants = json_array(), *all;
	int code = 0;

	for (size_t i = 0; i < plan->tenant_count; i++)
		(void)json_array_append_new(tenants, tenant_json(plan, outcome, i));
	all = json_pack("{s:f, s:f, s:f, s:I, s:o}", "seconds", outcome->seconds, "window_seconds",
			plan->seconds, "warm_up_seconds", plan->warm_up, "seed",
			(json_int_t)plan->seed, "tenants", tenants);
	if (all == NULL || json_array_size(tenants) != plan->tenant_count)
		code = error_set(err, ERROR_SYSTEM, "no memory for the figures");
	else if (json_dump_file(all, path, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) < 0)
		code = error_errno(err, "%.150s", path);
	json_decref(all);
	return code;
}

static void
print_times(FILE *file, const struct load_histogram *histogram)
{
	static const double SHARES[] = {0.5, 0.9, 0.99, 0.999, 1};

	for (size_t i = 0; i < sizeof(SHARES) / sizeof(SHARES[0]); i++)
		(void)fprintf(file, " %9.3f", MS(load_histogram_at(histogram, SHARES[i])));
}

static void
print_words(FILE *file, const char *what, const struct load_words *words)
{
	if (words->count == 0)
		return;
	(void)fprintf(file, "    %s:", what);
	for (size_t i = 0; i < words->count; i++)
		(void)fprintf(file, "%s %s %" PRIu64, i > 0 ? "," : "", words->words[i].text,
			      words->words[i].count);
	(void)fprintf(file, "\n");
}

static void
print_faults(FILE *file, const struct load_figures *f)
{
	const struct {
		const char *what;
		uint64_t count;
	} faults[] = {
	    {"without an answer", f->missing},   {"due but left out", f->left_out},
	    {"unreadable lines", f->unreadable}, {"with an unexpected status", f->unexpected},
	    {"connections lost", f->lost},
	};

	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		if (faults[i].count > 0)
			(void)fprintf(file, "    %s: %" PRIu64 "\n", faults[i].what,
				      faults[i].count);
}

static void
print_kinds(FILE *file, const struct load_plan *plan, const struct load_figures *figures)
{
	size_t kinds = 0;

	for (size_t i = 0; i < plan->kinds.count; i++)
		kinds += figures->kinds[i] != NULL;
	for (size_t i = 0; kinds > 1 && i < plan->kinds.count; i++) {
		if (figures->kinds[i] == NULL)
			continue;
		(void)fprintf(file, "  %-14s %10" PRIu64 " %9s %9s", plan->kinds.kinds[i].name,
			      figures->kinds[i]->results, "", "");
		print_times(file, &figures->kinds[i]->latency);
		(void)fprintf(file, "\n");
	}
}

void
load_report_table(FILE *file, const struct load_plan *plan, const struct load_outcome *outcome)
{
	(void)fprintf(file, "%-16s %10s %9s %9s %9s %9s %9s %9s %9s   latency in ms\n", "tenant",
		      "results", "refused", "results/s", "p50", "p90", "p99", "p99.9", "max");
	for (size_t i = 0; i < plan->tenant_count; i++) {
		const struct load_figures *f = &outcome->figures[i];

		(void)fprintf(file, "%-16s %10" PRIu64 " %9" PRIu64 " %9.1f", plan->tenants[i].name,
			      f->results, f->refused,
			      per_second(f->window_results, outcome->window_seconds[i]));
		print_times(file, &f->latency);
		(void)fprintf(file, "\n");
		print_kinds(file, plan, f);
		if (plan->tenants[i].rate > 0)
			(void)fprintf(file, "    sent late by: p50 %.3f ms, p99 %.3f ms\n",
				      MS(load_histogram_at(&f->lag, 0.5)),
				      MS(load_histogram_at(&f->lag, 0.99)));
		print_words(file, "statuses", &f->statuses);
		print_words(file, "reasons", &f->reasons);
		print_faults(file, f);
	}
}
