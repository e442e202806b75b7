/*
 * A job's scratch directory, as the run of the job sees it. All of it does nothing in a job
 * without.
 */
#ifndef STINT_WORKER_PYTHON_SCRATCH_H
#define STINT_WORKER_PYTHON_SCRATCH_H

#include "protocol/pack.h"
#include "protocol/worker_abi.h"
#include "worker/python_failure.h"
#include "worker/python_job.h"

/* Before any code of the job: a file that would grow too large is an OSError, an output that would
 * is still the end. */
void python_scratch_begin(const struct worker_terms *terms);
/* TMPDIR. Runs code of the library: before anything counts. 0, or -1 with an exception. */
int python_scratch_set_environment(const struct worker_terms *terms);
/* The files that come along. 0, or -1 with the failure filled in. */
int python_scratch_write(const struct python_job *job, struct pack *result,
			 struct python_failure *ret_failure);
/*
 * After the job's code has ended: put the files it is asked for into the page, behind the place of
 * `result` as it is on return. Returns the bytes of their fields. More than may be is a failure,
 * unless there is one already.
 */
size_t python_scratch_collect(const struct python_job *job, const struct worker_terms *terms,
			      void *page_base, struct pack *result, struct python_failure *failure);

#endif
