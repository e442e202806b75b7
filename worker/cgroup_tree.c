/*
 * Making and removing the service's control groups.
 *
 * Every call works on a name of one component (or a literal "a/b" of our own making) below a
 * descriptor that was opened at start, so no path is followed twice and none comes from outside.
 * Ownership is given last, when everything in a directory is made. Removal kills first, by
 * cgroup.kill where there is one and by the lists of members where not, then removes depth first
 * with a bounded wait.
 *
 * Called by spawner_main.c, spawner_daemon.c, spawner_zygote.c and the guardian. Fails with the
 * tree's name and the remedy in the error.
 */
#define _GNU_SOURCE
#include "worker/cgroup_tree.h"

#include "protocol/base_sys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CGROUP_TREE_DEPTH_MAX	  4 /* service, generation, leaf, and one to spare */
#define CGROUP_TREE_RETRY_MS	  2
#define CGROUP_TREE_PIDS_BYTES	  65536
#define CGROUP_TREE_CONTROL_BYTES 256

#define CGROUP_TREE_FOREACH(trees_, tree_) \
	for (size_t i_ = 0; i_ < (trees_)->count; i_++) \
		for (const struct cgroup_tree *tree_ = &(trees_)->trees[i_]; tree_; tree_ = NULL)

static int
cgroup_tree_open_dir(int dir_fd, const char *name)
{
	return openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Write `text` to dir/name. errno is set on failure. */
static int
cgroup_tree_write(int dir_fd, const char *name, const char *text)
{
	autoclose int fd = openat(dir_fd, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));

	return n == (ssize_t)strlen(text) ? 0 : -1;
}

/* Read dir/name, NUL terminated, as far as it fits; "" on failure. */
static void
cgroup_tree_read(int dir_fd, const char *name, char *ret, size_t size)
{
	autoclose int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd < 0 ? -1 : read(fd, ret, size - 1);

	ret[n > 0 ? n : 0] = '\0';
}

static const char *
cgroup_tree_members(const struct cgroup_tree *tree)
{
	return tree->roles & CGROUP_ROLE_V2 ? "cgroup.procs" : "tasks";
}

/* Hand each controller that a v2 tree is used for from `dir_fd` to its children. */
static int
cgroup_tree_delegate(const struct cgroup_tree *tree, int dir_fd)
{
	char have[CGROUP_TREE_CONTROL_BYTES];

	if (!tree->controllers)
		return 0;
	cgroup_tree_read(dir_fd, "cgroup.controllers", have, sizeof(have));
	/* Shares of CPU time are for later; accounting does without, so its absence is no fault. */
	if (cgroup_path_has_word(have, "cpu"))
		(void)cgroup_tree_write(dir_fd, "cgroup.subtree_control", "+cpu");
	if ((tree->roles & CGROUP_ROLE_MEMORY) &&
	    cgroup_tree_write(dir_fd, "cgroup.subtree_control", "+memory") < 0)
		return -1;
	if ((tree->roles & CGROUP_ROLE_PIDS) &&
	    cgroup_tree_write(dir_fd, "cgroup.subtree_control", "+pids") < 0)
		return -1;
	return 0;
}

static void
cgroup_tree_kill_at(int dir_fd, unsigned depth)
{
	char pids[CGROUP_TREE_PIDS_BYTES];
	struct dirent *entry;
	DIR *dir;
	int copy;

	if (cgroup_tree_write(dir_fd, "cgroup.kill", "1") == 0)
		return;
	cgroup_tree_read(dir_fd, "cgroup.procs", pids, sizeof(pids));
	for (char *rest = pids, *end; *rest; rest = *end ? end + 1 : end) {
		long pid = strtol(rest, &end, 10);

		if (end == rest)
			break;
		if (pid > 1 && *end == '\n' && pid != (long)getpid())
			(void)kill((pid_t)pid, SIGKILL);
	}
	copy = depth > 0 ? cgroup_tree_open_dir(dir_fd, ".") : -1;
	dir = copy >= 0 ? fdopendir(copy) : NULL;
	if (!dir) {
		base_close(&copy);
		return;
	}
	while ((entry = readdir(dir)) != NULL) {
		autoclose int child = -1;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		child = cgroup_tree_open_dir(dir_fd, entry->d_name);
		if (child >= 0)
			cgroup_tree_kill_at(child, depth - 1);
	}
	(void)closedir(dir);
}

/* Remove parent/name and all below; *budget_ms is what may still be waited. errno on failure. */
static int
cgroup_tree_remove_at(int parent_fd, const char *name, unsigned depth, int *budget_ms)
{
	const struct timespec pause = { .tv_nsec = CGROUP_TREE_RETRY_MS * 1000000L };
	int fd = depth > 0 ? cgroup_tree_open_dir(parent_fd, name) : -1;
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (!dir)
		base_close(&fd);
	while (dir && (entry = readdir(dir)) != NULL)
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			(void)cgroup_tree_remove_at(dirfd(dir), entry->d_name, depth - 1, budget_ms);
	if (dir)
		(void)closedir(dir);
	while (unlinkat(parent_fd, name, AT_REMOVEDIR) < 0) {
		if (errno == ENOENT)
			break;
		if (errno != EBUSY || *budget_ms <= 0)
			return -1;
		(void)nanosleep(&pause, NULL);
		*budget_ms -= CGROUP_TREE_RETRY_MS;
	}
	return 0;
}

/*
 * Remove the groups of spawners that are gone. Two signs are needed: no process has the pid in the
 * name (unless it is our own: then the group is from a former life), and nobody is in `spawner`, which
 * also holds for a spawner of another pid namespace, whose number means nothing here.
 */
static void
cgroup_tree_sweep(const struct cgroup_tree *tree)
{
	pid_t self = getpid();
	int copy = cgroup_tree_open_dir(tree->parent_fd, ".");
	DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *entry;

	if (!dir) {
		base_close(&copy);
		return;
	}
	while ((entry = readdir(dir)) != NULL) {
		pid_t pid = cgroup_path_service_pid(entry->d_name);
		int budget_ms = CGROUP_TREE_REMOVE_WAIT_MS;
		char members[32];
		autoclose int fd = -1;

		if (pid <= 0 || (pid != self && (kill(pid, 0) == 0 || errno != ESRCH)))
			continue;
		fd = cgroup_tree_open_dir(tree->parent_fd, entry->d_name);
		if (fd < 0)
			continue;
		cgroup_tree_read(fd, CGROUP_TREE_SPAWNER "/cgroup.procs", members, sizeof(members));
		if (*members)
			continue;
		cgroup_tree_kill_at(fd, CGROUP_TREE_DEPTH_MAX);
		(void)cgroup_tree_remove_at(tree->parent_fd, entry->d_name, CGROUP_TREE_DEPTH_MAX,
					    &budget_ms);
	}
	(void)closedir(dir);
}

static int
cgroup_tree_set_memory(const struct cgroup_tree *tree, uint64_t memory_max)
{
	bool v2 = (tree->roles & CGROUP_ROLE_V2) != 0;
	char text[32];

	if ((tree->roles & CGROUP_ROLE_MEMORY) == 0)
		return 0;
	/* Kernels before 5.11 can be asked not to count children; then no maximum would hold. */
	cgroup_tree_read(tree->service_fd, "memory.use_hierarchy", text, sizeof(text));
	if (!v2 && *text == '0' &&
	    cgroup_tree_write(tree->service_fd, "memory.use_hierarchy", "1") < 0)
		return -1;
	if (memory_max == 0)
		return 0;
	(void)snprintf(text, sizeof(text), "%" PRIu64, memory_max);
	return cgroup_tree_write(tree->service_fd, v2 ? "memory.max" : "memory.limit_in_bytes", text);
}

/* Make <parent>/<name>/{spawner,daemon} in one tree and enter `spawner`. errno on failure. */
static int
cgroup_tree_make(struct cgroup_tree *tree, const char *name, pid_t companion, uint64_t memory_max)
{
	autoclose int spawner_fd = -1;
	char text[16];

	if (mkdirat(tree->parent_fd, name, 0755) < 0)
		return -1;
	tree->service_fd = cgroup_tree_open_dir(tree->parent_fd, name);
	if (tree->service_fd < 0 || (!tree->controllers && cgroup_tree_set_memory(tree, memory_max) < 0) ||
	    mkdirat(tree->service_fd, CGROUP_TREE_SPAWNER, 0755) < 0 ||
	    mkdirat(tree->service_fd, CGROUP_TREE_DAEMON, 0755) < 0)
		return -1;
	spawner_fd = cgroup_tree_open_dir(tree->service_fd, CGROUP_TREE_SPAWNER);
	if (spawner_fd < 0 || cgroup_tree_write(spawner_fd, cgroup_tree_members(tree), "0") < 0)
		return -1;
	/* v2 hands controllers down only from a group without processes: after leaving it, therefore. */
	(void)snprintf(text, sizeof(text), "%d", (int)companion);
	if (tree->controllers && (cgroup_tree_write(spawner_fd, "cgroup.procs", text) < 0 ||
				  cgroup_tree_delegate(tree, tree->parent_fd) < 0 ||
				  cgroup_tree_set_memory(tree, memory_max) < 0 ||
				  cgroup_tree_delegate(tree, tree->service_fd) < 0))
		return -1;
	if (faccessat(tree->service_fd, "cgroup.kill", W_OK, 0) == 0)
		tree->roles |= CGROUP_ROLE_KILL;
	return 0;
}

/* Undo cgroup_tree_make; keeps errno. */
static void
cgroup_tree_unmake(struct cgroup_tree *tree, const char *name, pid_t companion)
{
	int saved = errno, budget_ms = CGROUP_TREE_REMOVE_WAIT_MS;
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", (int)companion);
	if (tree->controllers)
		(void)cgroup_tree_write(tree->home_fd, "cgroup.procs", text);
	(void)cgroup_tree_write(tree->home_fd, cgroup_tree_members(tree), "0");
	base_close(&tree->service_fd);
	(void)cgroup_tree_remove_at(tree->parent_fd, name, CGROUP_TREE_DEPTH_MAX, &budget_ms);
	errno = saved;
}

int
cgroup_tree_open(struct cgroup_trees *trees, pid_t companion, uint64_t memory_max,
		 struct error *err)
{
	for (size_t i = 0; i < trees->count; i++) {
		struct cgroup_tree *tree = &trees->trees[i];
		int rc;

		cgroup_tree_sweep(tree);
		rc = cgroup_tree_make(tree, trees->name, companion, memory_max);
		if (rc < 0 && tree->controllers && errno == EBUSY) {
			/* The group holds other processes (a login session): its root never minds. */
			int root_fd = fcntl(tree->root_fd, F_DUPFD_CLOEXEC, 3);

			cgroup_tree_unmake(tree, trees->name, companion);
			if (root_fd >= 0) {
				base_close(&tree->parent_fd);
				tree->parent_fd = root_fd;
				(void)snprintf(tree->parent, sizeof(tree->parent), "/");
				cgroup_tree_sweep(tree);
				rc = cgroup_tree_make(tree, trees->name, companion, memory_max);
			}
		}
		if (rc == 0)
			continue;
		rc = error_errno(err, "cannot make control group %s below %s (remedy: run as a systemd "
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
		tree->service_fd = cgroup_tree_open_dir(tree->parent_fd, trees->name);
		if (tree->service_fd >= 0 || !tree->controllers)
			continue;
		tree->service_fd = cgroup_tree_open_dir(tree->root_fd, trees->name);
		if (tree->service_fd >= 0)
			(void)dup3(tree->root_fd, tree->parent_fd, O_CLOEXEC);
	}
}

void
cgroup_tree_leave(const struct cgroup_trees *trees, bool last)
{
	CGROUP_TREE_FOREACH(trees, tree) {
		static const char NONE[] = "-cpu -memory -pids";

		if (cgroup_tree_write(tree->home_fd, cgroup_tree_members(tree), "0") == 0 ||
		    !tree->controllers || !last)
			continue;
		(void)cgroup_tree_write(tree->service_fd, "cgroup.subtree_control", NONE);
		(void)cgroup_tree_write(tree->parent_fd, "cgroup.subtree_control", NONE);
		(void)cgroup_tree_write(tree->home_fd, cgroup_tree_members(tree), "0");
	}
}

void
cgroup_tree_kill(const struct cgroup_trees *trees, const char *child)
{
	bool kills = false;

	/* The same processes are in all trees: one that can kill is enough. */
	CGROUP_TREE_FOREACH(trees, tree)
		kills = kills || (tree->roles & CGROUP_ROLE_KILL);
	CGROUP_TREE_FOREACH(trees, tree) {
		autoclose int fd = -1;

		if (kills && (tree->roles & CGROUP_ROLE_KILL) == 0)
			continue;
		fd = cgroup_tree_open_dir(tree->service_fd, child);
		if (fd >= 0)
			cgroup_tree_kill_at(fd, CGROUP_TREE_DEPTH_MAX);
	}
}

void
cgroup_tree_kill_all(const struct cgroup_trees *trees)
{
	int copy = trees->count ? cgroup_tree_open_dir(trees->trees[0].service_fd, ".") : -1;
	DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *entry;

	if (!dir) {
		base_close(&copy);
		return;
	}
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.' &&
		    strcmp(entry->d_name, CGROUP_TREE_SPAWNER) != 0)
			cgroup_tree_kill(trees, entry->d_name);
	(void)closedir(dir);
}

int
cgroup_tree_remove(const struct cgroup_trees *trees, const char *child, struct error *err)
{
	int budget_ms = CGROUP_TREE_REMOVE_WAIT_MS, rc = 0;

	CGROUP_TREE_FOREACH(trees, tree) {
		int dir_fd = child ? tree->service_fd : tree->parent_fd;

		if (cgroup_tree_remove_at(dir_fd, child ? child : trees->name, CGROUP_TREE_DEPTH_MAX,
					  &budget_ms) < 0)
			rc = error_errno(err, "cannot remove control group %s%s%s below %s", trees->name,
					 child ? "/" : "", child ? child : "", tree->parent);
	}
	return rc;
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
	CGROUP_TREE_FOREACH(trees, tree) {
		autoclose int fd = -1;

		if (mkdirat(tree->service_fd, name, 0750) == 0)
			fd = cgroup_tree_open_dir(tree->service_fd, name);
		if (fd < 0 || cgroup_tree_delegate(tree, fd) < 0 || mkdirat(fd, "zygote", 0755) < 0)
			return error_errno(err, "cannot make control group %s of %s", name, tree->parent);
		/* The kernel asks for the right to write here, the common ancestor of the zygote's own
		 * group and a leaf, when the zygote gives birth into the leaf. */
		if ((tree->roles & CGROUP_ROLE_V2) &&
		    (fchownat(fd, "cgroup.procs", 0, group, AT_SYMLINK_NOFOLLOW) < 0 ||
		     fchmodat(fd, "cgroup.procs", 0660, 0) < 0))
			return error_errno(err, "cannot give away cgroup.procs of %s", name);
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

	CGROUP_TREE_FOREACH(trees, tree) {
		if (rc < 0)
			break;
		fds[count] = cgroup_tree_open_dir(tree->service_fd, path);
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
