/*
 * The end of a job, as CPython ends a program.
 */
#ifndef STINT_WORKER_PYTHON_END_H
#define STINT_WORKER_PYTHON_END_H

#include "protocol/error.h"

/* In the zygote, after the warm-up: remember what is imported. */
int python_end_prepare(struct error *err);

/*
 * Join threads, run atexit callbacks, flush, clear __main__ and the job's modules (finalisers run;
 * left out where nobody could tell, see python_plain.h), flush again. Runs tenant code and may
 * never return. Returns 0, or -1 when a flush failed: CPython then exits with
 * PYTHON_OUTPUT_EXIT_FLUSH.
 */
int python_end(void);

#endif
