/*
 * When the jobs of an open loop are due, and which kind each job is: from a seed, so that a run
 * can be repeated. No clock: the caller compares with his own.
 */
#ifndef STINT_BENCH_LOAD_RATE_H
#define STINT_BENCH_LOAD_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct load_random {
	uint64_t state; /* any seed */
};

uint64_t load_random_next(struct load_random *random);
/* In (0, 1]. */
double load_random_share(struct load_random *random);

struct load_rate {
	double interval_ns; /* mean time between two jobs */
	bool poisson;       /* exponential intervals; else all are equal */
	double due_ns;      /* of the next job, since the start */
	uint64_t number;    /* of the next job */
};

/* per_second > 0. The first job is due after one interval. */
void load_rate_init(struct load_rate *ret_rate, double per_second, bool poisson,
		    struct load_random *random);
/* Nanoseconds since the start at which the next job is due. */
uint64_t load_rate_due(const struct load_rate *rate);
/* It was sent: on to the one after it. */
void load_rate_advance(struct load_rate *rate, struct load_random *random);

/* An index below `count`, each in the proportion of its weight; their sum is above 0. */
size_t load_pick(const unsigned *weights, size_t count, struct load_random *random);

#endif
