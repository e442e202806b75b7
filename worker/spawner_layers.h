/*
 * The layers of a generation that can be seen from outside only.
 */
#ifndef STINT_WORKER_SPAWNER_LAYERS_H
#define STINT_WORKER_SPAWNER_LAYERS_H

#include "protocol/config.h"
#include "worker/cgroup_find.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * What holds of a zygote that has just been exec'd and is not yet reaped, so that `pid` cannot mean
 * another: bits of enum isolation_layer, of ISOLATION_BY_SPAWNER. name: its generation's group.
 */
uint64_t spawner_layers_find(const struct cgroup_trees *trees, const char *name, pid_t pid,
			     uint32_t map_base, uint32_t map_count);

bool spawner_layers_has_landlock(void);
/* Whether workers shall enter Landlock: where the level insists on it, and wherever there is one.
 */
bool spawner_layers_wants_landlock(const struct config *config);

/* Whether an id map, as /proc shows it, is the one line "0 base count". Pure. */
bool spawner_layers_map(const char *text, uint32_t base, uint32_t count);

#endif
