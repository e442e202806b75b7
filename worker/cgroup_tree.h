/*
 * The service's control groups, made and entered through open descriptors:
 *
 *   <parent>/stint-<pid>/            root's
 *           spawner, daemon          root's
 *           gen-<n>/                 owner: stintd; group: gid 0 of the generation's user namespace
 *                   zygote           root's
 *
 * What is below gen-<n> besides zygote is made by stintd (leaves) and removed by it or by
 * cgroup_remove.
 */
#ifndef STINT_WORKER_CGROUP_TREE_H
#define STINT_WORKER_CGROUP_TREE_H

#include "protocol/error.h"
#include "worker/cgroup_find.h"

#include <stdint.h>
#include <sys/types.h>

#define CGROUP_TREE_LEAVES_MAX       "2048" /* of one generation; v2 and the unified tree */
#define CGROUP_TREE_SPAWNER          "spawner"
#define CGROUP_TREE_DAEMON           "daemon"
#define CGROUP_TREE_GENERATION_BYTES 32

/*
 * Make the service's group with `spawner` and `daemon`, put the calling process into `spawner` (and
 * `companion`, a process that must not stay where a v2 tree allows none), hand the controllers down
 * (v2) and set the memory maximum (0: none). Groups that dead spawners left below the same parent
 * are removed first. On error nothing stays but what could not be undone, which the next sweep
 * takes.
 */
int cgroup_tree_open(struct cgroup_trees *trees, pid_t companion, uint64_t memory_max,
		     struct error *err);
/* Find the service's group that another process made meanwhile, or whatever there is of it. */
void cgroup_tree_reopen(struct cgroup_trees *trees);
/*
 * Move the calling process back to where it was started. A v2 group that hands controllers down
 * takes no process: such a tree is left only when it is the `last` time and nobody needs the
 * controllers any more.
 */
void cgroup_tree_leave(const struct cgroup_trees *trees, bool last);
/* Make gen-<number>/zygote in each tree. The owner may make leaves in it; the group may search it.
 */
int cgroup_tree_generation(const struct cgroup_trees *trees, uint64_t number, uid_t owner,
			   gid_t group, struct error *err);
#define CGROUP_TREE_OWN ((gid_t)-1) /* as the group: all stays the caller's own (rootless) */
void cgroup_tree_generation_name(uint64_t number, char ret[CGROUP_TREE_GENERATION_BYTES]);

/*
 * Ways into `path` (below the service's group) for a process about to be born: ret_into is its v2
 * directory for CLONE_INTO_CGROUP, or -1; ret_tasks[0 .. *ret_count) are v1 `tasks` files to write
 * "0" to. All are the caller's to close.
 */
int cgroup_tree_entrance(const struct cgroup_trees *trees, const char *path, int *ret_into,
			 int ret_tasks[CGROUP_DIRS_MAX], size_t *ret_count, struct error *err);
/* One fresh descriptor of directory `path` per tree, in tree order. */
int cgroup_tree_directories(const struct cgroup_trees *trees, const char *path,
			    int ret_fds[CGROUP_DIRS_MAX], struct error *err);

#endif
