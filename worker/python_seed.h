/*
 * A worker's own random numbers, at little cost.
 */
#ifndef STINT_WORKER_PYTHON_SEED_H
#define STINT_WORKER_PYTHON_SEED_H

#include "protocol/error.h"

/*
 * In the zygote, after the warm-up. The module random, when it is imported, has CPython call its
 * generator's seed() in each fork, which is Python code: 16 pages and some 20 us of each job. Take
 * that hook away where it is the one that is known; others stay. ERROR_SYSTEM: not CPython 3.11's.
 */
int python_seed_prepare(struct error *err);
/* In the worker, after PyOS_AfterFork_Child(): do what the hook did, without Python code. An error
 * is printed as CPython prints a hook's. */
void python_seed_after_fork(void);

#endif
