/*
 * Emptying and removing control groups of the service, and those that dead spawners left.
 */
#ifndef STINT_WORKER_CGROUP_REMOVE_H
#define STINT_WORKER_CGROUP_REMOVE_H

#include "protocol/error.h"
#include "worker/cgroup_find.h"

#include <stdbool.h>

#define CGROUP_REMOVE_WAIT_MS 2000 /* for the kernel to finish with what was killed */

/* Kill everything in `child` of the service's group; when it is not there: nothing. */
void cgroup_remove_kill(const struct cgroup_trees *trees, const char *child);
/* Remove `child` with all below it, or the service's group itself for NULL; bounded wait. A tree of
 * which that takes more than steps_max steps is left half removed: err->sys is E2BIG. */
int cgroup_remove(const struct cgroup_trees *trees, const char *child, unsigned steps_max,
		  struct error *err);
/* Kill and remove all children of the service's group but `spawner`, and `daemon` if so said. */
void cgroup_remove_children(const struct cgroup_trees *trees, bool daemon);
/* Remove the groups below the tree's parent that belonged to spawners which are gone. */
void cgroup_remove_stale(const struct cgroup_tree *tree);
/* Remove parent/name with all below it; bounded wait. 0, or -1 with errno. */
int cgroup_remove_at(int parent_fd, const char *name);

#endif
