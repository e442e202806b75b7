/*
 * Another configuration for a service that runs: all of it or nothing.
 */
#ifndef STINT_WORKER_SPAWNER_RELOAD_H
#define STINT_WORKER_SPAWNER_RELOAD_H

#include "worker/spawner.h"
#include "worker/spawner_options.h"

/*
 * Read it anew from where the command line says, as at the start. On any fault, or when a setting
 * has changed that the running service cannot change, one line of the log says which, and nothing
 * changes. Else the stintd that runs, if there is one, and every later one have it.
 */
void spawner_reload(struct spawner *spawner, const struct spawner_options *options);

#endif
