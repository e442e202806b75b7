/*
 * Percentiles as JSON, in microseconds.
 *
 * Computes nothing else. Fails only for want of memory. Called by load_report.c and by the
 * programs that measure the floors.
 */
#include "bench/load_times.h"

#define US(ns) ((double)(ns) / 1e3)

json_t *
load_times_json(const struct load_histogram *histogram)
{
	return json_pack(
	    "{s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "count", (json_int_t)histogram->count,
	    "min", US(load_histogram_at(histogram, 0)), "p50",
	    US(load_histogram_at(histogram, 0.5)), "p90", US(load_histogram_at(histogram, 0.9)),
	    "p99", US(load_histogram_at(histogram, 0.99)), "p999",
	    US(load_histogram_at(histogram, 0.999)), "max", US(load_histogram_at(histogram, 1)),
	    "mean", load_histogram_mean(histogram) / 1e3);
}
