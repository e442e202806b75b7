/*
 * A histogram of times with a bounded relative error, in constant memory.
 *
 * Values are 64-bit numbers, here nanoseconds; all of them have a place. Below 256 each value has a
 * bucket of its own; above, each power of two is cut into 128 equal ones, and a bucket is read as
 * its middle: what is read back differs from what was put in by at most 1/256 of it (0.4 %).
 * Least, greatest and count are exact.
 */
#ifndef STINT_BENCH_LOAD_HISTOGRAM_H
#define STINT_BENCH_LOAD_HISTOGRAM_H

#include <stdint.h>

#define LOAD_HISTOGRAM_BUCKETS 7424

struct load_histogram {
	uint64_t count;
	uint64_t least, greatest; /* of no meaning when count is 0 */
	double sum;
	uint64_t buckets[LOAD_HISTOGRAM_BUCKETS];
};

/* All zero bytes is an empty histogram, too. */
void load_histogram_clear(struct load_histogram *histogram);
void load_histogram_add(struct load_histogram *histogram, uint64_t value);
/* Afterwards `into` is as if it had been given the values of both. `from` may not be `into`. */
void load_histogram_merge(struct load_histogram *into, const struct load_histogram *from);

/*
 * The least value that at least `share` of all values are not above; share 0 gives the least, 1 the
 * greatest. 0 when the histogram is empty.
 */
uint64_t load_histogram_at(const struct load_histogram *histogram, double share);
/* 0 when empty. */
double load_histogram_mean(const struct load_histogram *histogram);

/* The bucket of a value, and the least value of a bucket; for tests. */
unsigned load_histogram_bucket(uint64_t value);
uint64_t load_histogram_floor(unsigned bucket);

#endif
