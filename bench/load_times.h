/*
 * A histogram of nanoseconds for a program that reads JSON.
 */
#ifndef STINT_BENCH_LOAD_TIMES_H
#define STINT_BENCH_LOAD_TIMES_H

#include "bench/load_histogram.h"

#include <jansson.h>

/* An object with count, min, p50, p90, p99, p999, max and mean, in microseconds. NULL: no memory.
 * The caller's to decref. */
json_t *load_times_json(const struct load_histogram *histogram);

#endif
