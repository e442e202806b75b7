/*
 * Arrivals and choices from a small generator (splitmix64).
 *
 * Equal intervals are multiples of one, so that they do not drift. Never fails, holds no memory.
 * Called by load_drive.c and by its unit test.
 */
#include "bench/load_rate.h"

#include <math.h>

uint64_t
load_random_next(struct load_random *random)
{
	uint64_t z = random->state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

double
load_random_share(struct load_random *random)
{
	return (double)((load_random_next(random) >> 11) + 1) * 0x1p-53;
}

static double
wait_ns(const struct load_rate *rate, struct load_random *random)
{
	return -log(load_random_share(random)) * rate->interval_ns;
}

void
load_rate_init(struct load_rate *ret_rate, double per_second, bool poisson,
	       struct load_random *random)
{
	ret_rate->interval_ns = 1e9 / per_second;
	ret_rate->poisson = poisson;
	ret_rate->number = 1;
	ret_rate->due_ns = poisson ? wait_ns(ret_rate, random) : ret_rate->interval_ns;
}

uint64_t
load_rate_due(const struct load_rate *rate)
{
	return (uint64_t)rate->due_ns;
}

void
load_rate_advance(struct load_rate *rate, struct load_random *random)
{
	rate->number++;
	if (rate->poisson)
		rate->due_ns += wait_ns(rate, random);
	else
		rate->due_ns = (double)rate->number * rate->interval_ns;
}

size_t
load_pick(const unsigned *weights, size_t count, struct load_random *random)
{
	uint64_t sum = 0, at;

	for (size_t i = 0; i < count; i++)
		sum += weights[i];
	at = load_random_next(random) % sum;
	for (size_t i = 0; i + 1 < count; i++) {
		if (at < weights[i])
			return i;
		at -= weights[i];
	}
	return count - 1;
}
