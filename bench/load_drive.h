/*
 * A run: connects all tenants, sends what is due, takes the answers, ends.
 */
#ifndef STINT_BENCH_LOAD_DRIVE_H
#define STINT_BENCH_LOAD_DRIVE_H

#include "bench/load_figures.h"
#include "bench/load_plan.h"
#include "protocol/error.h"

struct load_outcome {
	double seconds; /* from the first request to the last answer, or to giving up */
	double window_seconds[LOAD_TENANTS_MAX];       /* in which window_results were answered */
	struct load_figures figures[LOAD_TENANTS_MAX]; /* of each tenant of the plan */
};

/*
 * Returns when everything is answered, or `drain` seconds after the last request was due.
 * *ret_outcome is the caller's to deinit also when an error is returned: then nothing was sent.
 */
int load_drive_run(const struct load_plan *plan, struct load_outcome *ret_outcome,
		   struct error *err);
void load_drive_deinit(struct load_outcome *outcome);
/* Whether an answer is missing, unreadable or, unless any_status, not what its kind should give. */
bool load_drive_failed(const struct load_plan *plan, const struct load_outcome *outcome);

#endif
