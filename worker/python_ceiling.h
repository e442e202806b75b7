/*
 * Limits that live inside the interpreter: the ceiling on the recursion limit, and the stack of the
 * threads that a job starts. Neither is a boundary: they keep an honest program from a crash.
 */
#ifndef STINT_WORKER_PYTHON_CEILING_H
#define STINT_WORKER_PYTHON_CEILING_H

#include "protocol/error.h"
#include "protocol/worker_abi.h"

/* In the zygote: put the ceiling under sys.setrecursionlimit. */
int python_ceiling_prepare(struct error *err);
/* In the worker, before tenant code. */
void python_ceiling_set(const struct worker_terms *terms);

#endif
