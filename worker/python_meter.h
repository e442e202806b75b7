/*
 * The meter of one job: begins to count, and ends the process where the budget ends.
 */
#ifndef STINT_WORKER_PYTHON_METER_H
#define STINT_WORKER_PYTHON_METER_H

#include "protocol/error.h"
#include "protocol/worker_abi.h"

#include <stdint.h>

#define PYTHON_METER_EXIT 1 /* exit code at the end of a budget */

/* In the zygote, when all is imported: check that all code is metered, and make the meter's id. */
int python_meter_prepare(uint64_t hash_seed, struct error *err);
/* 16 hex digits, static: a fingerprint of what counts depend on besides the job. */
const char *python_meter_id(void);
/* In the worker: count from 0 from here on, under the job's budget, rate and the page's stop flag.
 * All are borrowed until the process ends. */
void python_meter_begin(const struct worker_terms *terms, struct worker_page *page,
			void *page_base);

#endif
