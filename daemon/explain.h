/*
 * The `error` of a result: why the job did not end ok, in words for the person who sent it.
 */
#ifndef STINT_DAEMON_EXPLAIN_H
#define STINT_DAEMON_EXPLAIN_H

#include "daemon/verdict.h"
#include "protocol/limits.h"
#include "protocol/run_result.h"

/*
 * Make sure that every status but ok has an error. What the worker reported is kept where the job
 * ended by itself, and replaced where it was measured from outside. `detail` (may be NULL) is added
 * to an internal_error.
 */
void explain_result(struct run_result *result, const struct verdict_facts *facts,
		    const struct limits *limits, const char *detail);

#endif
