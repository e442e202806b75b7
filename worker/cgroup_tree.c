/*
 * Making the service's control groups and their ways in.
 *
 * Every call works on a name of one component (or a literal "a/b" of our own making) below a
 * descriptor that was opened at start, so no path is followed twice and none comes from outside.
 * Ownership is given last, when everything in a directory is made.
 *
 * Called by spawner_main.c, spawner_daemon.c, spawner_zygote.c and the guardian. Fails with the
 * group's name and the remedy in the error.
 */
#define _GNU_SOURCE
#include "worker/cgroup_tree.h"

#include "protocol/base_log.h"
#include "protocol/base_sys.h"
#include "worker/cgroup_file.h"
#include "worker/cgroup_remove.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define CGROUP_TREE_SHARES       1024 /* of one process, in v1 */
#define CGROUP_TREE_SHARES_CORES 4
#define CGROUP_TREE_DAEMON_TIMES 10 /* as much as an ordinary group: see below */

static const char *
cgroup_tree_members(const struct cgroup_tree *tree)
{
	return tree->roles & CGROUP_ROLE_V2 ? "cgroup.procs" : "tasks";
}

/* Controllers that a v2 tree hands down. The absence of cpu is no fault. */
static const struct cgroup_tree_controller {
	const char *name, *on, *off;
	uint32_t role;
} CGROUP_TREE_CONTROLLERS[] = {
    {"cpu", "+cpu", "-cpu", CGROUP_ROLE_WEIGHT},
    {"memory", "+memory", "-memory", CGROUP_ROLE_MEMORY},
    {"pids", "+pids", "-pids", CGROUP_ROLE_PIDS},
};
#define CGROUP_TREE_CONTROLLER_COUNT                                                               \
	(sizeof(CGROUP_TREE_CONTROLLERS) / sizeof(CGROUP_TREE_CONTROLLERS[0]))

/* Hand each controller that a v2 tree is used for from `dir_fd` to its children; *roles loses those
 * that may be missing and are. */
static int
cgroup_tree_delegate(const struct cgroup_tree *tree, int dir_fd, uint32_t *roles)
{
	for (size_t i = 0; tree->controllers && i < CGROUP_TREE_CONTROLLER_COUNT; i++) {
		const struct cgroup_tree_controller *controller = &CGROUP_TREE_CONTROLLERS[i];

		if ((tree->roles & controller->role) == 0)
			continue;
		if (cgroup_file_write(dir_fd, "cgroup.subtree_control", controller->on) == 0)
			continue;
		if (controller->role & CGROUP_ROLES_ALL)
			return -1;
		*roles &= ~controller->role;
	}
	return 0;
}

/* Take them back from the children of `dir_fd`, as far as nobody uses them. */
static void
cgroup_tree_take_back(int dir_fd)
{
	for (size_t i = 0; i < CGROUP_TREE_CONTROLLER_COUNT; i++)
		(void)cgroup_file_write(dir_fd, "cgroup.subtree_control",
					CGROUP_TREE_CONTROLLERS[i].off);
}

/*
 * Move the process `pid` ("0": this one) to where it was started. A group that hands controllers
 * down takes none: with `last` they are taken back first, but only below a home that is ours to
 * share out, never from the root's children, which are other services. A scope that we left empty
 * is gone: then the root takes the process.
 */
static void
cgroup_tree_go_home(const struct cgroup_tree *tree, const char *pid, bool last)
{
	const char *members = cgroup_tree_members(tree);
	struct stat home, parent;

	if (cgroup_file_write(tree->home_fd, members, pid) == 0)
		return;
	if (errno == EBUSY && tree->controllers && last && !tree->fell_back &&
	    fstat(tree->home_fd, &home) == 0 && fstat(tree->parent_fd, &parent) == 0 &&
	    home.st_ino == parent.st_ino) {
		if (tree->service_fd >= 0)
			cgroup_tree_take_back(tree->service_fd);
		cgroup_tree_take_back(tree->parent_fd);
		if (cgroup_file_write(tree->home_fd, members, pid) == 0)
			return;
	}
	if (last)
		(void)cgroup_file_write(tree->root_fd, members, pid);
}

static int
cgroup_tree_set_memory(const struct cgroup_tree *tree, uint64_t memory_max)
{
	bool v2 = (tree->roles & CGROUP_ROLE_V2) != 0;
	char text[32];

	if ((tree->roles & CGROUP_ROLE_MEMORY) == 0)
		return 0;
	/* Kernels before 5.11 can be asked not to count children; then no maximum would hold. */
	cgroup_file_read(tree->service_fd, "memory.use_hierarchy", text, sizeof(text));
	if (!v2 && *text == '0' &&
	    cgroup_file_write(tree->service_fd, "memory.use_hierarchy", "1") < 0)
		return -1;
	if (memory_max == 0)
		return 0;
	(void)snprintf(text, sizeof(text), "%" PRIu64, memory_max);
	return cgroup_file_write(tree->service_fd, v2 ? "memory.max" : "memory.limit_in_bytes",
				 text);
}

/*
 * v1: without it all jobs together would weigh as much as one process outside, and with it for all
 * cores one job as much as many: a group's weight is where its load is. So no more than four, and
 * less by the nice value that the operator gave, which counts inside a group only. In v2 it is for
 * whoever made the parent to say.
 */
static void
cgroup_tree_set_shares(const struct cgroup_tree *tree)
{
	long shares = sysconf(_SC_NPROCESSORS_ONLN);
	int nice_now = getpriority(PRIO_PROCESS, 0);
	char text[32];

	if ((tree->roles & CGROUP_ROLE_WEIGHT) == 0 || (tree->roles & CGROUP_ROLE_V2))
		return;
	shares = (shares < CGROUP_TREE_SHARES_CORES ? shares : CGROUP_TREE_SHARES_CORES) *
		 CGROUP_TREE_SHARES;
	for (int nice = 0; nice < nice_now; nice++) /* the kernel's step: a fifth less */
		shares = shares * 4 / 5;
	(void)snprintf(text, sizeof(text), "%ld", shares);
	(void)cgroup_file_write(tree->service_fd, "cpu.shares", text);
}

/*
 * stintd weighs more than all jobs together: what it does is little, and each job waits for it. The
 * scheduler makes who has just run wait for as long as that was worth by its weight, which with an
 * equal one is until the next tick. Not needed: without it jobs wait a little longer.
 */
static void
cgroup_tree_set_daemon_weight(const struct cgroup_tree *tree)
{
	bool v2 = (tree->roles & CGROUP_ROLE_V2) != 0;
	char text[32];

	if ((tree->roles & CGROUP_ROLE_WEIGHT) == 0)
		return;
	(void)snprintf(text, sizeof(text), "%d",
		       CGROUP_TREE_DAEMON_TIMES * (v2 ? 100 : CGROUP_TREE_SHARES));
	(void)cgroup_file_write(
	    tree->service_fd,
	    v2 ? CGROUP_TREE_DAEMON "/cpu.weight" : CGROUP_TREE_DAEMON "/cpu.shares", text);
}

/* Make <parent>/<name>/{spawner,daemon} in one tree and enter `spawner`. errno on failure. */
static int
cgroup_tree_make(struct cgroup_tree *tree, const char *name, pid_t companion, uint64_t memory_max)
{
	autoclose int spawner_fd = -1;
	char text[16];

	if (mkdirat(tree->parent_fd, name, 0755) < 0)
		return -1;
	tree->service_fd = cgroup_file_open_dir(tree->parent_fd, name);
	if (tree->service_fd < 0 ||
	    (!tree->controllers && cgroup_tree_set_memory(tree, memory_max) < 0) ||
	    mkdirat(tree->service_fd, CGROUP_TREE_SPAWNER, 0755) < 0 ||
	    mkdirat(tree->service_fd, CGROUP_TREE_DAEMON, 0755) < 0)
		return -1;
	spawner_fd = cgroup_file_open_dir(tree->service_fd, CGROUP_TREE_SPAWNER);
	if (spawner_fd < 0 || cgroup_file_write(spawner_fd, cgroup_tree_members(tree), "0") < 0)
		return -1;
	/* v2 hands controllers down only from a group without processes: after leaving it,
	 * therefore. */
	(void)snprintf(text, sizeof(text), "%d", (int)companion);
	if (tree->controllers && (cgroup_file_write(spawner_fd, "cgroup.procs", text) < 0 ||
				  cgroup_tree_delegate(tree, tree->parent_fd, &tree->roles) < 0 ||
				  cgroup_tree_set_memory(tree, memory_max) < 0 ||
				  cgroup_tree_delegate(tree, tree->service_fd, &tree->roles) < 0))
		return -1;
	cgroup_tree_set_shares(tree);
	cgroup_tree_set_daemon_weight(tree);
	if (faccessat(tree->service_fd, "cgroup.kill", W_OK, 0) == 0)
		tree->roles |= CGROUP_ROLE_KILL;
	return 0;
}

/* Undo cgroup_tree_make; keeps errno. */
static void
cgroup_tree_unmake(struct cgroup_tree *tree, const char *name, pid_t companion)
{
	int saved = errno;
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", (int)companion);
	if (tree->controllers)
		cgroup_tree_go_home(tree, text, true);
	cgroup_tree_go_home(tree, "0", true);
	base_close(&tree->service_fd);
	(void)cgroup_remove_at(tree->parent_fd, name);
	errno = saved;
}

int
cgroup_tree_open(struct cgroup_trees *trees, pid_t companion, uint64_t memory_max,
		 struct error *err)
{
	for (size_t i = 0; i < trees->count; i++) {
		struct cgroup_tree *tree = &trees->trees[i];
		int rc;

		cgroup_remove_stale(tree);
		rc = cgroup_tree_make(tree, trees->name, companion, memory_max);
		if (rc < 0 && tree->fallback && tree->controllers &&
		    (errno == EBUSY || errno == ENOENT)) {
			/* The group holds other processes (a login session), or has no controllers
			 * to hand down: the root has, and never minds. */
			int root_fd = fcntl(tree->root_fd, F_DUPFD_CLOEXEC, 3);

			cgroup_tree_unmake(tree, trees->name, companion);
			if (root_fd >= 0) {
				base_close(&tree->parent_fd);
				tree->parent_fd = root_fd;
				tree->fell_back = true;
				(void)snprintf(tree->parent, sizeof(tree->parent), "/");
				cgroup_remove_stale(tree);
				rc = cgroup_tree_make(tree, trees->name, companion, memory_max);
			}
		}
		if (rc == 0)
			continue;
		if (tree->roles == CGROUP_ROLE_WEIGHT) { /* v1, and nothing else is in it */
			log_warning("cgroup",
				    "no weights for jobs: cannot make control group %s in the "
				    "cpu hierarchy below %s: %s",
				    trees->name, tree->parent, strerror(errno));
			cgroup_tree_unmake(tree, trees->name, companion);
			cgroup_find_drop(trees, i--);
			continue;
		}
		rc = error_errno(err,
				 "cannot make control group %s below %s (remedy: run as a systemd "
				 "service with Delegate=yes, or set cgroup_parent)",
				 trees->name, tree->parent);
		for (size_t j = 0; j <= i; j++)
			cgroup_tree_unmake(&trees->trees[j], trees->name, companion);
		return rc;
	}
	return 0;
}

void
cgroup_tree_reopen(struct cgroup_trees *trees)
{
	for (size_t i = 0; i < trees->count; i++) {
		struct cgroup_tree *tree = &trees->trees[i];

		if (tree->service_fd >= 0)
			continue;
		tree->service_fd = cgroup_file_open_dir(tree->parent_fd, trees->name);
		if (tree->service_fd >= 0 || !tree->controllers)
			continue;
		tree->service_fd = cgroup_file_open_dir(tree->root_fd, trees->name);
		if (tree->service_fd >= 0) {
			(void)dup3(tree->root_fd, tree->parent_fd, O_CLOEXEC);
			tree->fell_back = true;
		}
	}
}

void
cgroup_tree_leave(const struct cgroup_trees *trees, bool last)
{
	for (size_t i = 0; i < trees->count; i++) {
		const struct cgroup_tree *tree = &trees->trees[i];
		/* Before the end the home of a v2 tree with controllers must stay empty: who moved
		 * there in the wrong moment would keep it from being shared out. */
		if (last || !tree->controllers)
			cgroup_tree_go_home(tree, "0", last);
	}
}

void
cgroup_tree_generation_name(uint64_t number, char ret[CGROUP_TREE_GENERATION_BYTES])
{
	(void)snprintf(ret, CGROUP_TREE_GENERATION_BYTES, "gen-%" PRIu64, number);
}

int
cgroup_tree_generation(const struct cgroup_trees *trees, uint64_t number, uid_t owner, gid_t group,
		       struct error *err)
{
	char name[CGROUP_TREE_GENERATION_BYTES];

	cgroup_tree_generation_name(number, name);
	for (size_t i = 0; i < trees->count; i++) {
		const struct cgroup_tree *tree = &trees->trees[i];
		uint32_t roles = tree->roles;
		autoclose int fd = -1;

		if (mkdirat(tree->service_fd, name, 0750) == 0)
			fd = cgroup_file_open_dir(tree->service_fd, name);
		if (fd < 0 || cgroup_tree_delegate(tree, fd, &roles) < 0 ||
		    mkdirat(fd, "zygote", 0755) < 0)
			return error_errno(err, "cannot make control group %s of %s", name,
					   tree->parent);
		/* The kernel asks for the right to write here, the common ancestor of the zygote's
		 * own group and a leaf, when the zygote gives birth into the leaf. */
		if ((tree->roles & CGROUP_ROLE_V2) && group != CGROUP_TREE_OWN &&
		    (fchownat(fd, "cgroup.procs", 0, group, AT_SYMLINK_NOFOLLOW) < 0 ||
		     fchmodat(fd, "cgroup.procs", 0660, 0) < 0))
			return error_errno(err, "cannot give away cgroup.procs of %s", name);
		/* Leaves, and nothing below them. v1 has no such maximum: see cgroup_remove.c. */
		if ((tree->roles & CGROUP_ROLE_V2) &&
		    (cgroup_file_write(fd, "cgroup.max.depth", "1") < 0 ||
		     cgroup_file_write(fd, "cgroup.max.descendants", CGROUP_TREE_LEAVES_MAX) < 0))
			return error_errno(err, "cannot limit control group %s", name);
		if (fchmod(fd, 0750) < 0 || fchown(fd, owner, group) < 0)
			return error_errno(err, "cannot give away control group %s", name);
	}
	return 0;
}

int
cgroup_tree_directories(const struct cgroup_trees *trees, const char *path,
			int ret_fds[CGROUP_DIRS_MAX], struct error *err)
{
	int fds[CGROUP_DIRS_MAX], rc = 0;
	size_t count = 0;

	for (size_t i = 0; i < trees->count; i++) {
		const struct cgroup_tree *tree = &trees->trees[i];
		if (rc < 0)
			break;
		fds[count] = cgroup_file_open_dir(tree->service_fd, path);
		if (fds[count] < 0)
			rc = error_errno(err, "cannot open control group %s", path);
		else
			count++;
	}
	for (size_t i = 0; i < count; i++)
		if (rc < 0)
			base_close(&fds[i]);
		else
			ret_fds[i] = fds[i];
	return rc;
}

int
cgroup_tree_entrance(const struct cgroup_trees *trees, const char *path, int *ret_into,
		     int ret_tasks[CGROUP_DIRS_MAX], size_t *ret_count, struct error *err)
{
	int dirs[CGROUP_DIRS_MAX], into = -1, rc;
	size_t count = 0;

	rc = cgroup_tree_directories(trees, path, dirs, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < trees->count; i++) {
		if (trees->trees[i].roles & CGROUP_ROLE_V2) {
			into = dirs[i];
			continue;
		}
		ret_tasks[count] = openat(dirs[i], "tasks", O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
		if (ret_tasks[count] < 0)
			rc = error_errno(err, "cannot open tasks of control group %s", path);
		else
			count++;
		base_close(&dirs[i]);
	}
	if (rc < 0) {
		while (count > 0)
			base_close(&ret_tasks[--count]);
		base_close(&into);
		return rc;
	}
	*ret_into = into;
	*ret_count = count;
	return 0;
}
