/*
 * Finds the control group hierarchies of the machine that stint uses, through libcgroup: v1
 * (memory, pids, cpu, mounted apart or together, and cpuacct where nothing else accounts CPU time),
 * v2, or v1 beside a unified tree without controllers.
 */
#ifndef STINT_WORKER_CGROUP_FIND_H
#define STINT_WORKER_CGROUP_FIND_H

#include "protocol/error.h"
#include "protocol/message.h"
#include "worker/cgroup_path.h"

#include <stdbool.h>
#include <stddef.h>

/* One hierarchy. All descriptors are owned, O_DIRECTORY, or -1. */
struct cgroup_tree {
	uint32_t roles;   /* enum cgroup_role */
	bool controllers; /* v2, for a controller: subtree_control must be written */
	bool fallback;    /* the parent was not chosen by the user: its root will do as well */
	bool fell_back;   /* and had to */
	int root_fd;      /* the mount */
	int home_fd;      /* the group this process was in at the start */
	int parent_fd;    /* below it the service's group is made */
	int service_fd;   /* the service's group, by cgroup_tree_open */
	char parent[CGROUP_PATH_BYTES_MAX]; /* for messages */
};

struct cgroup_trees {
	struct cgroup_tree trees[CGROUP_DIRS_MAX];
	size_t count;
	char name[CGROUP_PATH_NAME_BYTES_MAX]; /* of the service's group, in each tree */
};

/*
 * Fill ret with every hierarchy needed, and the name that the service of this process will have;
 * each role but CGROUP_ROLE_KILL and CGROUP_ROLE_WEIGHT, which may be missing, belongs to exactly
 * one. `parent` is "auto" or the absolute path of an existing group, in each hierarchy. On error
 * ret holds nothing. ERROR_UNSUPPORTED names a controller that the machine lacks.
 */
int cgroup_find(const char *parent, struct cgroup_trees *ret_trees, struct error *err);
/*
 * What an ordinary user was given: the unified tree, when his own group in it (or `parent`) is his
 * to write, with the roles whose controllers it has. None is no error.
 */
int cgroup_find_delegated(const char *parent, struct cgroup_trees *ret_trees, struct error *err);
/* Close the descriptors of tree `index` and take it out; those behind it move up. */
void cgroup_find_drop(struct cgroup_trees *trees, size_t index);
/* Close every descriptor. Groups stay. */
void cgroup_find_close(struct cgroup_trees *trees);

#endif
