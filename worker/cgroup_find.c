/*
 * Discovery of control group hierarchies.
 *
 * libcgroup says where each controller is mounted. Two things it does not say are read here: a
 * unified tree without any controller (beside v1 it still gives cgroup.kill and CLONE_INTO_CGROUP),
 * and this process's own group in a v2 tree. Each directory is opened once; from then on only
 * descriptors are used.
 *
 * Only here is libcgroup called, and only at start. Nothing is created or written. Called by
 * spawner_main.c; fails with an error that names what is missing and the remedy.
 */
#define _GNU_SOURCE
#include "worker/cgroup_find.h"

#include "protocol/base_sys.h"
#include "worker/cgroup_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libcgroup.h>
#include <linux/magic.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define CGROUP_FIND_OWN_BYTES_MAX 16384
#define CGROUP_FIND_LIST_BYTES    512

/* Controllers and what each is for. v2 accounts CPU time without a controller; where there is such
 * a tree, cpuacct would be one more hierarchy to make a group in, and to enter, for each job. */
static const struct cgroup_find_need {
	const char *controller;
	uint32_t role;
} CGROUP_FIND_NEEDS[] = {
    {"memory", CGROUP_ROLE_MEMORY},
    {"pids", CGROUP_ROLE_PIDS},
    {"cpuacct", CGROUP_ROLE_CPU},
    {"cpu", CGROUP_ROLE_WEIGHT}, /* its absence is no fault */
};
#define CGROUP_FIND_NEEDS_COUNT (sizeof(CGROUP_FIND_NEEDS) / sizeof(CGROUP_FIND_NEEDS[0]))

static int
cgroup_find_open(int dir_fd, const char *path, int *ret_fd, struct error *err)
{
	int fd = openat(dir_fd, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return error_errno(err, "cannot open control group %s", path);
	*ret_fd = fd;
	return 0;
}

/* Fill one tree from its mount; `controller` is any of it, or "" for v2. */
static int
cgroup_find_tree(const char *mount, const char *controller, const char *parent, const char *own,
		 struct cgroup_tree *ret_tree, struct error *err)
{
	char home[CGROUP_PATH_BYTES_MAX];
	struct cgroup_tree tree = {.root_fd = -1, .home_fd = -1, .parent_fd = -1, .service_fd = -1};
	struct statfs fs;
	int rc = cgroup_find_open(AT_FDCWD, mount, &tree.root_fd, err);

	if (rc < 0)
		return rc;
	if (fstatfs(tree.root_fd, &fs) < 0) {
		rc = error_errno(err, "cannot look at %s", mount);
		goto fail;
	}
	if (fs.f_type == CGROUP2_SUPER_MAGIC) {
		tree.roles = CGROUP_ROLE_V2;
		controller = "";
	}
	rc = cgroup_path_own(own, controller, home, sizeof(home), err);
	if (rc < 0)
		goto fail;
	tree.fallback = strcmp(parent, "auto") == 0;
	(void)snprintf(tree.parent, sizeof(tree.parent), "%s", tree.fallback ? home : parent);
	rc = cgroup_find_open(tree.root_fd, home + 1, &tree.home_fd, err);
	if (rc == 0)
		rc = cgroup_find_open(tree.root_fd, tree.parent + 1, &tree.parent_fd, err);
	if (rc < 0) {
		error_wrap(err, "%s (remedy: set cgroup_parent to a group that exists)", mount);
		goto fail;
	}
	*ret_tree = tree;
	return 0;
fail:
	base_close(&tree.parent_fd);
	base_close(&tree.home_fd);
	base_close(&tree.root_fd);
	return rc;
}

/* The tree mounted at `mount`, added when it is new: two mounts of one hierarchy are one tree. */
static int
cgroup_find_add(struct cgroup_trees *trees, const char *mount, const char *controller,
		const char *parent, const char *own, struct cgroup_tree **ret_tree,
		struct error *err)
{
	struct cgroup_tree tree;
	struct stat new, old;
	int rc = cgroup_find_tree(mount, controller, parent, own, &tree, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < trees->count; i++) {
		if (fstat(tree.root_fd, &new) < 0 || fstat(trees->trees[i].root_fd, &old) < 0 ||
		    new.st_dev != old.st_dev)
			continue;
		base_close(&tree.parent_fd);
		base_close(&tree.home_fd);
		base_close(&tree.root_fd);
		*ret_tree = &trees->trees[i];
		return 0;
	}
	if (trees->count == CGROUP_DIRS_MAX)
		return error_set(err, ERROR_LIMIT, "more than %d control group hierarchies",
				 CGROUP_DIRS_MAX);
	trees->trees[trees->count] = tree;
	*ret_tree = &trees->trees[trees->count++];
	return 0;
}

static uint32_t
cgroup_find_roles(const struct cgroup_trees *trees)
{
	uint32_t roles = 0;

	for (size_t i = 0; i < trees->count; i++)
		roles |= trees->trees[i].roles;
	return roles;
}

/* Those of the roles that no tree has yet. */
static int
cgroup_find_controllers(struct cgroup_trees *trees, uint32_t roles, const char *parent,
			const char *own, struct error *err)
{
	for (size_t i = 0; i < CGROUP_FIND_NEEDS_COUNT; i++) {
		const struct cgroup_find_need *need = &CGROUP_FIND_NEEDS[i];
		bool optional = (need->role & CGROUP_ROLES_ALL) == 0;
		struct error unseen = ERROR_INIT;
		struct cgroup_tree *tree;
		char *mount = NULL;
		int rc;

		if ((need->role & roles & ~cgroup_find_roles(trees)) == 0)
			continue;
		if (cgroup_get_subsys_mount_point(need->controller, &mount) != 0)
			continue;
		rc = cgroup_find_add(trees, mount, need->controller, parent, own, &tree,
				     optional ? &unseen : err);
		free(mount);
		if (rc < 0 && optional)
			continue;
		if (rc < 0)
			return rc;
		tree->roles |= need->role;
		tree->controllers = (tree->roles & CGROUP_ROLE_V2) != 0;
	}
	return 0;
}

/* The unified tree, when there is one. It accounts CPU time. */
static int
cgroup_find_unified(struct cgroup_trees *trees, const char *parent, const char *own,
		    struct error *err)
{
	char line[2 * CGROUP_PATH_BYTES_MAX];
	struct mntent entry;
	struct cgroup_tree *tree = NULL;
	int rc = 0;
	FILE *mounts = setmntent("/proc/self/mounts", "re");

	if (!mounts)
		return error_errno(err, "cannot read /proc/self/mounts (is /proc mounted?)");
	while (!tree && rc == 0 && getmntent_r(mounts, &entry, line, sizeof(line)))
		if (strcmp(entry.mnt_type, "cgroup2") == 0)
			rc = cgroup_find_add(trees, entry.mnt_dir, "", parent, own, &tree, err);
	(void)endmntent(mounts);
	if (rc == 0 && tree)
		tree->roles |= CGROUP_ROLE_CPU;
	return rc;
}

static int
cgroup_find_own(char *ret, size_t size, struct error *err)
{
	autoclose int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
	size_t filled = 0;
	ssize_t n = 1;

	while (fd >= 0 && filled < size - 1 && n > 0) {
		n = read(fd, ret + filled, size - 1 - filled);
		if (n > 0)
			filled += (size_t)n;
	}
	if (fd < 0 || n < 0)
		return error_errno(err, "cannot read /proc/self/cgroup (is /proc mounted?)");
	ret[filled] = '\0';
	return 0;
}

int
cgroup_find(const char *parent, struct cgroup_trees *ret_trees, struct error *err)
{
	char own[CGROUP_FIND_OWN_BYTES_MAX];
	struct cgroup_trees trees = {.count = 0};
	uint32_t have = 0;
	int rc;

	if (strcmp(parent, "auto") != 0 && *parent != '/')
		return error_set(err, ERROR_INVALID,
				 "cgroup_parent: \"%s\" is neither auto nor a path from /", parent);
	rc = cgroup_init();
	if (rc != 0)
		return error_set(err, ERROR_UNSUPPORTED,
				 "no control groups: %s (remedy: mount cgroup2 on /sys/fs/cgroup)",
				 cgroup_strerror(rc));
	rc = cgroup_find_own(own, sizeof(own), err);
	if (rc == 0)
		rc = cgroup_find_controllers(&trees, CGROUP_ROLE_MEMORY | CGROUP_ROLE_PIDS, parent,
					     own, err);
	if (rc == 0)
		rc = cgroup_find_unified(&trees, parent, own, err);
	if (rc == 0)
		rc = cgroup_find_controllers(&trees, CGROUP_ROLE_CPU | CGROUP_ROLE_WEIGHT, parent,
					     own, err);
	have = cgroup_find_roles(&trees);
	for (size_t i = 0; rc == 0 && i < CGROUP_FIND_NEEDS_COUNT; i++)
		if ((CGROUP_FIND_NEEDS[i].role & CGROUP_ROLES_ALL & ~have) != 0)
			rc = error_set(
			    err, ERROR_UNSUPPORTED,
			    "control group controller %s is missing (remedy: enable it on "
			    "the kernel's command line, or mount it)",
			    CGROUP_FIND_NEEDS[i].controller);
	if (rc < 0) {
		cgroup_find_close(&trees);
		return rc;
	}
	cgroup_path_service(getpid(), trees.name);
	*ret_trees = trees;
	return 0;
}

/* Whether the user may make groups in that tree and move himself there. */
static bool
cgroup_find_is_given(const struct cgroup_tree *tree)
{
	return (tree->roles & CGROUP_ROLE_V2) != 0 &&
	       faccessat(tree->parent_fd, ".", W_OK, 0) == 0 &&
	       faccessat(tree->parent_fd, "cgroup.procs", W_OK, 0) == 0 &&
	       faccessat(tree->home_fd, "cgroup.procs", W_OK, 0) == 0;
}

int
cgroup_find_delegated(const char *parent, struct cgroup_trees *ret_trees, struct error *err)
{
	char own[CGROUP_FIND_OWN_BYTES_MAX], list[CGROUP_FIND_LIST_BYTES];
	struct cgroup_trees all = {.count = 0}, given = {.count = 0};
	int rc = cgroup_find_own(own, sizeof(own), err);

	if (rc == 0)
		rc = cgroup_find_unified(&all, parent, own, err);
	if (rc == 0 && all.count == 1 && cgroup_find_is_given(&all.trees[0])) {
		struct cgroup_tree *tree = &all.trees[0];

		cgroup_file_read(tree->parent_fd, "cgroup.controllers", list, sizeof(list));
		for (size_t i = 0; i < CGROUP_FIND_NEEDS_COUNT; i++)
			if (cgroup_path_has_word(list, CGROUP_FIND_NEEDS[i].controller))
				tree->roles |= CGROUP_FIND_NEEDS[i].role;
		tree->controllers = (tree->roles & (CGROUP_ROLE_MEMORY | CGROUP_ROLE_PIDS)) != 0;
		tree->fallback = false;
		cgroup_path_service(getpid(), all.name);
		given = all;
	} else {
		cgroup_find_close(&all);
	}
	/* What is not there was not given; a group that was named is asked for. */
	if (rc < 0 && strcmp(parent, "auto") != 0)
		return rc;
	*ret_trees = given;
	return 0;
}

void
cgroup_find_drop(struct cgroup_trees *trees, size_t index)
{
	struct cgroup_tree *tree = &trees->trees[index];

	base_close(&tree->service_fd);
	base_close(&tree->parent_fd);
	base_close(&tree->home_fd);
	base_close(&tree->root_fd);
	trees->count--;
	memmove(tree, tree + 1, (trees->count - index) * sizeof(*tree));
}

void
cgroup_find_close(struct cgroup_trees *trees)
{
	while (trees->count > 0)
		cgroup_find_drop(trees, trees->count - 1);
}
