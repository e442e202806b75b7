/*
 * What the spawner needs of the machine, tried before anything is made.
 */
#ifndef STINT_WORKER_SPAWNER_PREFLIGHT_H
#define STINT_WORKER_SPAWNER_PREFLIGHT_H

#include "protocol/config.h"
#include "protocol/error.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Refuse at once, and by name, what would fail later in each generation: namespaces that cannot be
 * made, ids that do not exist here, and Landlock where the level insists on it. ERROR_UNSUPPORTED
 * or ERROR_PERMISSION, with the remedy. `rootless`: what an ordinary user can make.
 */
int spawner_preflight(const struct config *config, bool rootless, struct error *err);

/* What a failed clone of these namespaces means: sys is its errno. `limits`: a directory with the
 * files max_user_namespaces and so on, normally /proc/sys/user. Fills err. */
int spawner_preflight_explain(int sys, const char *limits, struct error *err);

/* Whether a line of an id map has all ids of the range inside. Pure. */
bool spawner_preflight_covers(const char *map, uint64_t base, uint64_t count);

#endif
