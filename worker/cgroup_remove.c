/*
 * Killing what is in a control group, and removing it depth first.
 *
 * The kill is cgroup.kill where there is one: the kernel then takes the whole subtree at once, also
 * what is being forked. Without it the lists of members are walked, which a fork can outrun: there
 * the death of the zygote, pid 1 of the workers' namespace, is what really ends them. The removal
 * waits for the kernel, a bounded time, and stops at what stays. It allocates nothing, since the
 * guardian runs it after a fork.
 *
 * Called by spawner_zygote.c, spawner_main.c, the guardian and cgroup_tree.c. Works only below
 * descriptors that are open, on names of groups that it found there or made. Fails with the name of
 * what could not be removed.
 */
#define _GNU_SOURCE
#include "worker/cgroup_remove.h"

#include "protocol/base_sys.h"
#include "worker/cgroup_file.h"
#include "worker/cgroup_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CGROUP_REMOVE_DEPTH_MAX                                                                    \
	4 /* of killing without cgroup.kill: service, generation, leaf, one more */
#define CGROUP_REMOVE_NAME_BYTES 256
#define CGROUP_REMOVE_RETRY_MS   2
#define CGROUP_REMOVE_PIDS_BYTES 16384

static void
cgroup_remove_kill_at(int dir_fd, unsigned depth)
{
	char pids[CGROUP_REMOVE_PIDS_BYTES];
	struct cgroup_list list;
	const char *name;

	if (cgroup_file_write(dir_fd, "cgroup.kill", "1") == 0)
		return;
	cgroup_file_read(dir_fd, "cgroup.procs", pids, sizeof(pids));
	for (char *rest = pids, *end; *rest; rest = end + 1) {
		long pid = strtol(rest, &end, 10);

		if (end == rest || *end != '\n')
			break;
		if (pid > 1 && pid != (long)getpid())
			(void)kill((pid_t)pid, SIGKILL);
	}
	cgroup_file_list(depth > 0 ? dir_fd : -1, &list);
	while ((name = cgroup_file_next(&list)) != NULL) {
		autoclose int child = cgroup_file_open_dir(dir_fd, name);

		if (child >= 0)
			cgroup_remove_kill_at(child, depth - 1);
	}
	cgroup_file_list_close(&list);
}

/* The first group below dir_fd. False: none. */
static bool
cgroup_remove_first(int dir_fd, char ret_name[CGROUP_REMOVE_NAME_BYTES])
{
	struct cgroup_list list;
	const char *name;

	cgroup_file_list(dir_fd, &list);
	name = cgroup_file_next(&list);
	if (name)
		(void)snprintf(ret_name, CGROUP_REMOVE_NAME_BYTES, "%s", name);
	cgroup_file_list_close(&list);
	return name != NULL;
}

/* Remove the group when nothing is in it; wait while only the kernel is busy with it. 1: it has
 * groups below it. *budget_ms is what may still be waited. */
static int
cgroup_remove_one(int parent_fd, const char *name, int *budget_ms)
{
	const struct timespec pause = {.tv_nsec = CGROUP_REMOVE_RETRY_MS * 1000000L};
	char below[CGROUP_REMOVE_NAME_BYTES];

	while (unlinkat(parent_fd, name, AT_REMOVEDIR) < 0) {
		autoclose int fd = -1;

		if (errno == ENOENT)
			return 0;
		if (errno != EBUSY)
			return -1;
		fd = cgroup_file_open_dir(parent_fd, name);
		if (fd >= 0 && cgroup_remove_first(fd, below))
			return 1;
		if (*budget_ms <= 0) {
			errno = EBUSY;
			return -1;
		}
		(void)nanosleep(&pause, NULL);
		*budget_ms -= CGROUP_REMOVE_RETRY_MS;
	}
	return 0;
}

/*
 * Remove parent/name and all below it: down into the first group until one has none below it, which
 * is removed, and up by "..", which is safe since no group can be moved to another parent. Needs
 * one descriptor and no stack, however deep a stintd in wrong hands has nested; the number of steps
 * is bounded, since such a one could go on making groups.
 */
static int
cgroup_remove_below(int parent_fd, const char *name, int *budget_ms, unsigned steps_max)
{
	char below[CGROUP_REMOVE_NAME_BYTES];
	autoclose int at = -1;
	size_t depth = 0;

	for (unsigned steps = 0; steps < steps_max; steps++) {
		const char *next = depth == 0 ? name : below;
		int here = depth == 0 ? parent_fd : at, to = -1, rc = 0;

		if (depth > 0 && !cgroup_remove_first(at, below)) {
			to = cgroup_file_open_dir(at, "..");
			depth--;
		} else {
			rc = cgroup_remove_one(here, next, budget_ms);
			if (rc <= 0 && (rc < 0 || depth == 0))
				return rc;
			if (rc == 0)
				continue;
			to = cgroup_file_open_dir(here, next);
			depth++;
		}
		if (to < 0)
			return -1;
		base_close(&at);
		at = to;
	}
	errno = E2BIG;
	return -1;
}

int
cgroup_remove_at(int parent_fd, const char *name)
{
	int budget_ms = CGROUP_REMOVE_WAIT_MS;

	return cgroup_remove_below(parent_fd, name, &budget_ms, UINT_MAX);
}

/*
 * Two signs are needed for a group to be stale: no process has the pid in its name (unless it is
 * our own: then the group is from a former life), and nobody is in `spawner`, which also holds for
 * a spawner of another pid namespace, whose number means nothing here.
 */
void
cgroup_remove_stale(const struct cgroup_tree *tree)
{
	struct cgroup_list list;
	const char *name;

	cgroup_file_list(tree->parent_fd, &list);
	while ((name = cgroup_file_next(&list)) != NULL) {
		pid_t pid = cgroup_path_service_pid(name);
		char members[32];
		autoclose int fd = -1;

		if (pid <= 0 || (pid != getpid() && (kill(pid, 0) == 0 || errno != ESRCH)))
			continue;
		fd = cgroup_file_open_dir(tree->parent_fd, name);
		if (fd < 0)
			continue;
		cgroup_file_read(fd, CGROUP_TREE_SPAWNER "/cgroup.procs", members, sizeof(members));
		if (*members)
			continue;
		cgroup_remove_kill_at(fd, CGROUP_REMOVE_DEPTH_MAX);
		(void)cgroup_remove_at(tree->parent_fd, name);
	}
	cgroup_file_list_close(&list);
}

void
cgroup_remove_kill(const struct cgroup_trees *trees, const char *child)
{
	bool kills = false;

	/* The same processes are in all trees: one that can kill is enough. */
	for (size_t i = 0; i < trees->count; i++)
		kills = kills || (trees->trees[i].roles & CGROUP_ROLE_KILL);
	for (size_t i = 0; i < trees->count; i++) {
		const struct cgroup_tree *tree = &trees->trees[i];
		autoclose int fd = -1;

		if (tree->service_fd < 0 || (kills && (tree->roles & CGROUP_ROLE_KILL) == 0))
			continue;
		fd = cgroup_file_open_dir(tree->service_fd, child);
		if (fd >= 0)
			cgroup_remove_kill_at(fd, CGROUP_REMOVE_DEPTH_MAX);
	}
}

int
cgroup_remove(const struct cgroup_trees *trees, const char *child, unsigned steps_max,
	      struct error *err)
{
	int budget_ms = CGROUP_REMOVE_WAIT_MS, rc = 0;

	for (size_t i = 0; i < trees->count; i++) {
		const struct cgroup_tree *tree = &trees->trees[i];

		if (child && tree->service_fd < 0)
			continue;
		if (cgroup_remove_below(child ? tree->service_fd : tree->parent_fd,
					child ? child : trees->name, &budget_ms, steps_max) < 0)
			rc = error_errno(err, "cannot remove control group %s%s%s below %s",
					 trees->name, child ? "/" : "", child ? child : "",
					 tree->parent);
	}
	return rc;
}

void
cgroup_remove_children(const struct cgroup_trees *trees, bool daemon)
{
	/* A spawner that died early has its group in some trees only: each is looked at. */
	for (size_t i = 0; i < trees->count; i++) {
		struct cgroup_list list;
		const char *name;

		cgroup_file_list(trees->trees[i].service_fd, &list);
		while ((name = cgroup_file_next(&list)) != NULL) {
			if (strcmp(name, CGROUP_TREE_SPAWNER) == 0 ||
			    (!daemon && strcmp(name, CGROUP_TREE_DAEMON) == 0))
				continue;
			cgroup_remove_kill(trees, name);
			(void)cgroup_remove(trees, name, UINT_MAX, NULL);
		}
		cgroup_file_list_close(&list);
	}
}
