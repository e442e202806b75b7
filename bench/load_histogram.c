/*
 * Log-linear buckets: a value's seven bits behind its first one are kept, the others dropped.
 *
 * Pure arithmetic: no heap, no clock, never fails. Called by the load generator and by the
 * programs that measure the floors.
 */
#include "bench/load_histogram.h"

#include <math.h>
#include <string.h>

#define KEPT_BITS   7
#define PER_OCTAVE  (1u << KEPT_BITS)
#define EXACT_BELOW (2u * PER_OCTAVE)

_Static_assert(LOAD_HISTOGRAM_BUCKETS == (63 - KEPT_BITS) * PER_OCTAVE + EXACT_BELOW,
	       "each 64-bit value has a bucket");

void
load_histogram_clear(struct load_histogram *histogram)
{
	memset(histogram, 0, sizeof(*histogram));
}

unsigned
load_histogram_bucket(uint64_t value)
{
	unsigned shift;

	if (value < EXACT_BELOW)
		return (unsigned)value;
	shift = 63u - (unsigned)__builtin_clzll(value) - KEPT_BITS;
	return shift * PER_OCTAVE + (unsigned)(value >> shift);
}

uint64_t
load_histogram_floor(unsigned bucket)
{
	unsigned shift = bucket < EXACT_BELOW ? 0 : bucket / PER_OCTAVE - 1;

	return (uint64_t)(bucket - shift * PER_OCTAVE) << shift;
}

/* Its middle, within what was really seen. */
static uint64_t
read_bucket(const struct load_histogram *histogram, unsigned bucket)
{
	unsigned shift = bucket < EXACT_BELOW ? 0 : bucket / PER_OCTAVE - 1;
	uint64_t value = load_histogram_floor(bucket) + ((1ull << shift) >> 1);

	if (value < histogram->least)
		return histogram->least;
	return value > histogram->greatest ? histogram->greatest : value;
}

void
load_histogram_add(struct load_histogram *histogram, uint64_t value)
{
	if (histogram->count == 0 || value < histogram->least)
		histogram->least = value;
	if (histogram->count == 0 || value > histogram->greatest)
		histogram->greatest = value;
	histogram->count++;
	histogram->sum += (double)value;
	histogram->buckets[load_histogram_bucket(value)]++;
}

void
load_histogram_merge(struct load_histogram *into, const struct load_histogram *from)
{
	if (from->count == 0)
		return;
	if (into->count == 0 || from->least < into->least)
		into->least = from->least;
	if (into->count == 0 || from->greatest > into->greatest)
		into->greatest = from->greatest;
	into->count += from->count;
	into->sum += from->sum;
	for (unsigned i = 0; i < LOAD_HISTOGRAM_BUCKETS; i++)
		into->buckets[i] += from->buckets[i];
}

uint64_t
load_histogram_at(const struct load_histogram *histogram, double share)
{
	uint64_t seen = 0;
	double wanted = ceil(share * (double)histogram->count);

	if (histogram->count == 0)
		return 0;
	if (wanted <= 1)
		return histogram->least;
	if (wanted >= (double)histogram->count)
		return histogram->greatest;
	for (unsigned i = 0; i < LOAD_HISTOGRAM_BUCKETS; i++) {
		seen += histogram->buckets[i];
		if ((double)seen >= wanted)
			return read_bucket(histogram, i);
	}
	return histogram->greatest;
}

double
load_histogram_mean(const struct load_histogram *histogram)
{
	return histogram->count == 0 ? 0 : histogram->sum / (double)histogram->count;
}
