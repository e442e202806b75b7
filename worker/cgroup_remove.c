/*
 * Killing what is in a control group, and removing it depth first.
 *
 * The kill is cgroup.kill where there is one: the kernel then takes the whole subtree at once, also
 * what is being forked. Without it the lists of members are walked, which a fork can outrun: there
 * the death of the zygote, pid 1 of the workers' namespace, is what really ends them. The removal
 * waits for the kernel, a bounded time, and goes on with the rest when something stays.
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
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CGROUP_REMOVE_DEPTH_MAX  4 /* service, generation, leaf, and one to spare */
#define CGROUP_REMOVE_RETRY_MS   2
#define CGROUP_REMOVE_PIDS_BYTES 16384

static void
cgroup_remove_kill_at(int dir_fd, unsigned depth)
{
	char pids[CGROUP_REMOVE_PIDS_BYTES];
	const char *name;
	DIR *list;

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
	list = depth > 0 ? cgroup_file_list(dir_fd) : NULL;
	while ((name = cgroup_file_next(list)) != NULL) {
		autoclose int child = cgroup_file_open_dir(dir_fd, name);

		if (child >= 0)
			cgroup_remove_kill_at(child, depth - 1);
	}
	cgroup_file_list_close(&list);
}

/* *budget_ms is what may still be waited. */
static int
cgroup_remove_below(int parent_fd, const char *name, unsigned depth, int *budget_ms)
{
	const struct timespec pause = {.tv_nsec = CGROUP_REMOVE_RETRY_MS * 1000000L};
	autoclose int fd = depth > 0 ? cgroup_file_open_dir(parent_fd, name) : -1;
	DIR *list = cgroup_file_list(fd);
	const char *child;

	while ((child = cgroup_file_next(list)) != NULL)
		(void)cgroup_remove_below(fd, child, depth - 1, budget_ms);
	cgroup_file_list_close(&list);
	while (unlinkat(parent_fd, name, AT_REMOVEDIR) < 0) {
		if (errno == ENOENT)
			break;
		if (errno != EBUSY || *budget_ms <= 0)
			return -1;
		(void)nanosleep(&pause, NULL);
		*budget_ms -= CGROUP_REMOVE_RETRY_MS;
	}
	return 0;
}

int
cgroup_remove_at(int parent_fd, const char *name)
{
	int budget_ms = CGROUP_REMOVE_WAIT_MS;

	return cgroup_remove_below(parent_fd, name, CGROUP_REMOVE_DEPTH_MAX, &budget_ms);
}

/*
 * Two signs are needed for a group to be stale: no process has the pid in its name (unless it is
 * our own: then the group is from a former life), and nobody is in `spawner`, which also holds for
 * a spawner of another pid namespace, whose number means nothing here.
 */
void
cgroup_remove_stale(const struct cgroup_tree *tree)
{
	DIR *list = cgroup_file_list(tree->parent_fd);
	const char *name;

	while ((name = cgroup_file_next(list)) != NULL) {
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
cgroup_remove(const struct cgroup_trees *trees, const char *child, struct error *err)
{
	int budget_ms = CGROUP_REMOVE_WAIT_MS, rc = 0;

	for (size_t i = 0; i < trees->count; i++) {
		const struct cgroup_tree *tree = &trees->trees[i];

		if (child && tree->service_fd < 0)
			continue;
		if (cgroup_remove_below(child ? tree->service_fd : tree->parent_fd,
					child ? child : trees->name, CGROUP_REMOVE_DEPTH_MAX,
					&budget_ms) < 0)
			rc = error_errno(err, "cannot remove control group %s%s%s below %s",
					 trees->name, child ? "/" : "", child ? child : "",
					 tree->parent);
	}
	return rc;
}

void
cgroup_remove_children(const struct cgroup_trees *trees)
{
	/* A spawner that died early has its group in some trees only: each is looked at. */
	for (size_t i = 0; i < trees->count; i++) {
		DIR *list = cgroup_file_list(trees->trees[i].service_fd);
		const char *name;

		while ((name = cgroup_file_next(list)) != NULL) {
			if (strcmp(name, CGROUP_TREE_SPAWNER) == 0)
				continue;
			cgroup_remove_kill(trees, name);
			(void)cgroup_remove(trees, name, NULL);
		}
		cgroup_file_list_close(&list);
	}
}
