/*
 * Which workers with a scratch directory are wanted: one for each called job (queue.h) that
 * needs one, made for its sizes.
 */
#ifndef STINT_DAEMON_SCRATCH_H
#define STINT_DAEMON_SCRATCH_H

#include "daemon/worker.h"

#include <stdbool.h>

struct engine;
struct job;

/* Whether any such worker starts or is ready. */
bool scratch_exists(const struct engine *engine);
/* Give each called job that needs one a claim on one that fits; `claimed` of all of them
 * is set or cleared. The first job that got none, or NULL. Borrowed. */
struct job *scratch_demand(struct engine *engine);
/* A worker of that kind could not be made: the first job that waits for one has one try less. Plain
 * ones are nobody's in particular. */
void scratch_blame(struct engine *engine, struct worker_kind kind);

#endif
