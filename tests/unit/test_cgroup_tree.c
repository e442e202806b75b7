/*
 * Making, entering and leaving the service's groups, over plain directories: what is written, in
 * which order, and what is left when any of it is refused. Values go to a list instead of files, so
 * that v1 and v2 are both tried on any machine.
 */
#define _GNU_SOURCE
#include "protocol/base_sys.h"
#include "worker/cgroup_file.h"
#include "worker/cgroup_remove.h"
#include "worker/cgroup_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define COMPANION 4242
#define MEMORY    (UINT64_C(512) << 20)

static struct {
	char top[64];
	struct cgroup_trees trees;
	char log[4096];                   /* "group/file=value " ... */
	const char *refuse;               /* what of it is refused, */
	int refusal;                      /* with which errno, */
	unsigned refusals;                /* how often yet */
	bool flat;                        /* new groups do not count what is below them */
	unsigned changes, change_refused; /* of owner and mode; the one that is refused, from 1 */
} at;

int __wrap_cgroup_file_write(int dir_fd, const char *name, const char *text);
int __real_mkdirat(int dir_fd, const char *name, mode_t mode);
int __wrap_mkdirat(int dir_fd, const char *name, mode_t mode);
int __wrap_fchown(int fd, uid_t uid, gid_t gid);
int __wrap_fchmod(int fd, mode_t mode);
int __wrap_fchownat(int dir_fd, const char *name, uid_t uid, gid_t gid, int flags);
int __wrap_fchmodat(int dir_fd, const char *name, mode_t mode, int flags);
int __wrap_cgroup_remove_at(int parent_fd, const char *name);
void __wrap_cgroup_remove_stale(const struct cgroup_tree *tree);

int
__wrap_cgroup_file_write(int dir_fd, const char *name, const char *text)
{
	char link[32], path[PATH_MAX], line[PATH_MAX * 2];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", dir_fd);
	n = readlink(link, path, sizeof(path) - 1);
	assert_true(n > (ssize_t)strlen(at.top));
	path[n] = '\0';
	(void)snprintf(line, sizeof(line), "%s/%s=%s ", path + strlen(at.top) + 1, name, text);
	if (at.refuse && at.refusals > 0 && strstr(line, at.refuse)) {
		at.refusals--;
		errno = at.refusal;
		return -1;
	}
	assert_true(strlen(at.log) + strlen(line) < sizeof(at.log));
	(void)strcat(at.log, line);
	return 0;
}

int
__wrap_mkdirat(int dir_fd, const char *name, mode_t mode)
{
	char path[PATH_MAX];
	int rc = __real_mkdirat(dir_fd, name, mode);

	(void)snprintf(path, sizeof(path), "%s/tasks", name);
	if (rc == 0)
		base_close(&(int){openat(dir_fd, path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)});
	(void)snprintf(path, sizeof(path), "%s/memory.use_hierarchy", name);
	if (rc == 0 && at.flat) {
		autoclose int fd = openat(dir_fd, path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

		assert_int_equal(write(fd, "0\n", 2), 2);
	}
	return rc;
}

static int
change(void)
{
	errno = EROFS;
	return ++at.changes == at.change_refused ? -1 : 0;
}

int
__wrap_fchown(int fd, uid_t uid, gid_t gid)
{
	(void)fd;
	assert_int_equal(uid, 77);
	assert_true(gid == 88 || gid == CGROUP_TREE_OWN);
	return change();
}

int
__wrap_fchmod(int fd, mode_t mode)
{
	(void)fd;
	assert_int_equal(mode, 0750);
	return change();
}

int
__wrap_fchownat(int dir_fd, const char *name, uid_t uid, gid_t gid, int flags)
{
	(void)dir_fd;
	(void)flags;
	assert_string_equal(name, "cgroup.procs");
	assert_int_equal(uid, 0);
	assert_int_equal(gid, 88);
	return change();
}

int
__wrap_fchmodat(int dir_fd, const char *name, mode_t mode, int flags)
{
	(void)dir_fd;
	(void)flags;
	assert_string_equal(name, "cgroup.procs");
	assert_int_equal(mode, 0660);
	return change();
}

int
__wrap_cgroup_remove_at(int parent_fd, const char *name)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -rf /proc/%d/fd/%d/%s", (int)getpid(),
		       parent_fd, name);
	return system(command);
}

void
__wrap_cgroup_remove_stale(const struct cgroup_tree *tree)
{
	assert_true(tree->parent_fd >= 0);
}

static bool
is_there(const char *path)
{
	char full[PATH_MAX];

	(void)snprintf(full, sizeof(full), "%s/%s", at.top, path);
	return access(full, F_OK) == 0;
}

static int
directory(const char *path)
{
	char full[PATH_MAX];

	(void)snprintf(full, sizeof(full), "%s/%s", at.top, path);
	if (mkdir(full, 0700) < 0)
		assert_int_equal(errno, EEXIST);
	return open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* One tree: r is its root, r/home where the process was, which is the parent too unless v1. */
static void
begin(bool v2)
{
	struct cgroup_tree *tree = &at.trees.trees[0];

	memset(&at, 0, sizeof(at));
	(void)snprintf(at.top, sizeof(at.top), "/tmp/stint-test-XXXXXX");
	assert_non_null(mkdtemp(at.top));
	(void)snprintf(at.trees.name, sizeof(at.trees.name), "stint-1");
	at.trees.count = 1;
	tree->roles = CGROUP_ROLE_MEMORY | (v2 ? CGROUP_ROLE_V2 | CGROUP_ROLE_WEIGHT : 0);
	tree->controllers = v2;
	(void)snprintf(tree->parent, sizeof(tree->parent), "/home");
	tree->root_fd = directory("r");
	tree->home_fd = directory("r/home");
	tree->parent_fd = directory(v2 ? "r/home" : "r");
	tree->service_fd = -1;
}

static void
finish(void)
{
	struct cgroup_tree *tree = &at.trees.trees[0];
	char command[96];

	base_close(&tree->root_fd);
	base_close(&tree->home_fd);
	base_close(&tree->parent_fd);
	base_close(&tree->service_fd);
	(void)snprintf(command, sizeof(command), "rm -r %s", at.top);
	assert_int_equal(system(command), 0);
}

static int
make(struct error *err)
{
	return cgroup_tree_open(&at.trees, COMPANION, MEMORY, err);
}

static void
refuse(const char *what, int sys, unsigned times)
{
	at.refuse = what;
	at.refusal = sys;
	at.refusals = times;
	*at.log = '\0';
}

#define V2_MADE                                                                                    \
	"r/home/stint-1/spawner/cgroup.procs=0 r/home/stint-1/spawner/cgroup.procs=4242 "          \
	"r/home/cgroup.subtree_control=+cpu r/home/cgroup.subtree_control=+memory "                \
	"r/home/stint-1/memory.max=536870912 r/home/stint-1/cgroup.subtree_control=+cpu "          \
	"r/home/stint-1/cgroup.subtree_control=+memory "

static void
v1_is_entered_by_its_tasks(void **state)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN), expected;
	char shares[48];

	(void)state;
	begin(false);
	assert_int_equal(make(NULL), 0);
	assert_string_equal(at.log, "r/stint-1/memory.limit_in_bytes=536870912 "
				    "r/stint-1/spawner/tasks=0 ");
	assert_int_equal(at.trees.trees[0].roles, CGROUP_ROLE_MEMORY);
	assert_true(is_there("r/stint-1/daemon"));
	finish();
	begin(false);
	at.trees.trees[0].roles = CGROUP_ROLE_CPU; /* has no memory to bound */
	assert_int_equal(make(NULL), 0);
	assert_string_equal(at.log, "r/stint-1/spawner/tasks=0 ");
	finish();
	begin(false);
	at.trees.trees[0].roles = CGROUP_ROLE_WEIGHT;
	assert_int_equal(make(NULL), 0);
	expected = cores < 4 ? cores * 1024 : 4096;
	for (int nice = getpriority(PRIO_PROCESS, 0); nice > 0; nice--)
		expected = expected * 4 / 5;
	(void)snprintf(shares, sizeof(shares), "r/stint-1/cpu.shares=%ld ", expected);
	assert_non_null(strstr(at.log, shares));
	assert_non_null(strstr(at.log, "r/stint-1/daemon/cpu.shares=10240 "));
	finish();
	for (unsigned refused = 0; refused < 2; refused++) {
		begin(false);
		at.flat = true; /* a maximum would not hold for what is below */
		refuse("use_hierarchy", EBUSY, refused);
		assert_int_equal(make(NULL) < 0, refused);
		if (!refused)
			assert_non_null(strstr(at.log, "r/stint-1/memory.use_hierarchy=1 "));
		finish();
	}
}

static void
v2_is_handed_down_after_it_was_left(void **state)
{
	(void)state;
	begin(true);
	assert_int_equal(make(NULL), 0);
	assert_string_equal(at.log, V2_MADE "r/home/stint-1/daemon/cpu.weight=1000 ");
	finish();
	begin(true);
	refuse("=+cpu", ENOENT, UINT_MAX); /* is wished for, not needed */
	assert_int_equal(cgroup_tree_open(&at.trees, COMPANION, 0, NULL), 0);
	assert_null(strstr(at.log, "memory.max"));
	assert_int_equal(at.trees.trees[0].roles & CGROUP_ROLE_WEIGHT, 0);
	finish();
}

static void
whatever_is_refused_nothing_is_left(void **state)
{
	static const char *const WRITES[] = {"spawner/cgroup.procs=0", "=4242",
					     "home/cgroup.subtree_control=+memory", "memory.max",
					     "stint-1/cgroup.subtree_control=+memory"};

	(void)state;
	for (size_t i = 0; i < sizeof(WRITES) / sizeof(WRITES[0]); i++) {
		struct error err = ERROR_INIT;

		begin(true);
		refuse(WRITES[i], EBUSY, 1);
		assert_true(make(&err) < 0);
		assert_int_equal(err.sys, EBUSY);
		assert_non_null(strstr(err.text, "stint-1 below /home (remedy: "));
		assert_false(is_there("r/home/stint-1"));
		assert_non_null(strstr(at.log, "r/home/cgroup.procs=4242 r/home/cgroup.procs=0 "));
		finish();
	}
	begin(false);
	base_close(&(int){directory("r/stint-1")}); /* somebody else's */
	assert_true(make(NULL) < 0);
	finish();
	begin(false); /* a hierarchy that is for weights alone may be missing */
	at.trees.trees[1] = at.trees.trees[0];
	at.trees.trees[0].roles = CGROUP_ROLE_WEIGHT;
	at.trees.trees[0].root_fd = directory("r");
	at.trees.trees[0].home_fd = directory("r/home");
	at.trees.trees[0].parent_fd = directory("r/home");
	at.trees.count = 2;
	refuse("home/stint-1/spawner/tasks=0", EINVAL, 1);
	assert_int_equal(make(NULL), 0);
	assert_int_equal(at.trees.count, 1);
	assert_int_equal(at.trees.trees[0].roles, CGROUP_ROLE_MEMORY);
	assert_false(is_there("r/home/stint-1"));
	assert_true(is_there("r/stint-1/spawner"));
	finish();
}

static void
the_root_takes_what_a_found_parent_cannot(void **state)
{
	static const int WHY[] = {EBUSY, ENOENT, EACCES};

	(void)state;
	for (size_t i = 0; i < sizeof(WHY) / sizeof(WHY[0]); i++) {
		struct cgroup_tree *tree = &at.trees.trees[0];
		bool falls_back = WHY[i] != EACCES;

		begin(true);
		tree->fallback = true;
		refuse("home/cgroup.subtree_control=+memory", WHY[i], 1);
		assert_int_equal(make(NULL) == 0, falls_back);
		assert_int_equal(tree->fell_back, falls_back);
		assert_int_equal(is_there("r/stint-1/spawner"), falls_back);
		assert_false(is_there("r/home/stint-1"));
		finish();
	}
}

static void
the_guardian_finds_what_was_made_meanwhile(void **state)
{
	static const struct {
		const char *made;
		bool v2, found, fell_back;
	} ROWS[] = {
	    {"r/home/stint-1", true, true, false}, {"r/stint-1", true, true, true},
	    {"r/other", true, false, false},       {"r/stint-1", false, true, false},
	    {"r/other", false, false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct cgroup_tree *tree = &at.trees.trees[0];
		int found;

		begin(ROWS[i].v2);
		base_close(&(int){directory(ROWS[i].made)});
		cgroup_tree_reopen(&at.trees);
		assert_int_equal(tree->service_fd >= 0, ROWS[i].found);
		assert_int_equal(tree->fell_back, ROWS[i].fell_back);
		found = tree->service_fd;
		cgroup_tree_reopen(&at.trees); /* nothing is opened twice */
		assert_int_equal(tree->service_fd, found);
		finish();
	}
}

static void
home_is_gone_back_to(void **state)
{
	(void)state;
	begin(true);
	assert_int_equal(make(NULL), 0);
	refuse(NULL, 0, 0);
	cgroup_tree_leave(&at.trees, false); /* it must stay empty as long as it hands down */
	assert_string_equal(at.log, "");
	refuse("home/cgroup.procs", EBUSY, 1);
	cgroup_tree_leave(&at.trees, true);
	assert_string_equal(at.log, "r/home/stint-1/cgroup.subtree_control=-cpu "
				    "r/home/stint-1/cgroup.subtree_control=-memory "
				    "r/home/stint-1/cgroup.subtree_control=-pids "
				    "r/home/cgroup.subtree_control=-cpu "
				    "r/home/cgroup.subtree_control=-memory "
				    "r/home/cgroup.subtree_control=-pids r/home/cgroup.procs=0 ");
	/* A scope that was left empty is gone; and the root's children are not ours. */
	refuse("home/cgroup.procs", ENODEV, 1);
	cgroup_tree_leave(&at.trees, true);
	assert_string_equal(at.log, "r/cgroup.procs=0 ");
	at.trees.trees[0].fell_back = true;
	refuse("home/cgroup.procs", EBUSY, 1);
	cgroup_tree_leave(&at.trees, true);
	assert_string_equal(at.log, "r/cgroup.procs=0 ");
	finish();
	begin(false);
	refuse("home/tasks", ENODEV, 1);
	cgroup_tree_leave(&at.trees, false);
	assert_string_equal(at.log, ""); /* the guardian stays, for now */
	cgroup_tree_leave(&at.trees, false);
	assert_string_equal(at.log, "r/home/tasks=0 ");
	finish();
}

static int
generation(gid_t group, struct error *err)
{
	return cgroup_tree_generation(&at.trees, 3, 77, group, err);
}

static void
a_generation_is_given_away(void **state)
{
	static const char *const WRITES[] = {"gen-3/cgroup.subtree_control=+memory",
					     "cgroup.max.depth", "cgroup.max.descendants"};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		begin(true);
		assert_int_equal(make(NULL), 0);
		refuse(WRITES[i], EIO, 1);
		assert_true(generation(88, NULL) < 0);
		finish();
	}
	for (unsigned i = 1; i <= 5; i++) {
		begin(true);
		assert_int_equal(make(NULL), 0);
		at.change_refused = i;
		assert_int_equal(generation(88, NULL) < 0, i <= 4);
		assert_true(generation(88, NULL) < 0); /* it is there already */
		finish();
	}
	begin(true);
	assert_int_equal(make(NULL), 0);
	*at.log = '\0';
	assert_int_equal(generation(CGROUP_TREE_OWN, NULL), 0);
	assert_int_equal(at.changes, 2);
	assert_string_equal(at.log, "r/home/stint-1/gen-3/cgroup.subtree_control=+cpu "
				    "r/home/stint-1/gen-3/cgroup.subtree_control=+memory "
				    "r/home/stint-1/gen-3/cgroup.max.depth=1 "
				    "r/home/stint-1/gen-3/cgroup.max.descendants=2048 ");
	finish();
}

static void
ways_in_are_all_or_none(void **state)
{
	int fds[CGROUP_DIRS_MAX], tasks[CGROUP_DIRS_MAX], into = -1, before, after;
	size_t count = 9;

	(void)state;
	begin(false);
	assert_int_equal(make(NULL), 0);
	/* A second tree of the same place, as v2. */
	at.trees.trees[1] = at.trees.trees[0];
	at.trees.trees[1].roles = CGROUP_ROLE_V2;
	at.trees.count = 2;
	assert_int_equal(cgroup_tree_entrance(&at.trees, "daemon", &into, tasks, &count, NULL), 0);
	assert_int_equal(count, 1);
	assert_true(into >= 0 && tasks[0] >= 0);
	base_close(&into);
	base_close(&tasks[0]);
	assert_true(cgroup_tree_directories(&at.trees, "absent", fds, NULL) < 0);
	assert_true(cgroup_tree_entrance(&at.trees, "absent", &into, tasks, &count, NULL) < 0);
	assert_int_equal(unlinkat(at.trees.trees[0].service_fd, "daemon/tasks", 0), 0);
	assert_true(cgroup_tree_entrance(&at.trees, "daemon", &into, tasks, &count, NULL) < 0);
	assert_int_equal(into, -1);
	/* Only in the first of them: then not that one's either. */
	at.trees.trees[1].service_fd = at.trees.trees[0].root_fd;
	before = open("/dev/null", O_RDONLY | O_CLOEXEC);
	base_close(&(int){before});
	assert_true(cgroup_tree_directories(&at.trees, "daemon", fds, NULL) < 0);
	after = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(after, before);
	base_close(&after);
	at.trees.count = 1;
	finish();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(v1_is_entered_by_its_tasks),
	    cmocka_unit_test(v2_is_handed_down_after_it_was_left),
	    cmocka_unit_test(whatever_is_refused_nothing_is_left),
	    cmocka_unit_test(the_root_takes_what_a_found_parent_cannot),
	    cmocka_unit_test(the_guardian_finds_what_was_made_meanwhile),
	    cmocka_unit_test(home_is_gone_back_to),
	    cmocka_unit_test(a_generation_is_given_away),
	    cmocka_unit_test(ways_in_are_all_or_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
