/*
 * The guardian: a fork of the spawner that waits for the spawner's death and cleans up after it.
 */
#ifndef STINT_WORKER_SPAWNER_GUARDIAN_H
#define STINT_WORKER_SPAWNER_GUARDIAN_H

#include "protocol/error.h"
#include "worker/spawner.h"

/* Fork it; fills the guardian_ fields. The hierarchies must be found and the socket made. */
int spawner_guardian_start(struct spawner *spawner, struct error *err);
/* Orderly end: it goes without touching anything. Waits for it. */
void spawner_guardian_stop(struct spawner *spawner);

#endif
