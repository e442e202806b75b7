/*
 * Killing and removing control groups, over plain directories that behave like groups: a group's
 * files go with it, and one that is not empty is busy. What the kernel does rarely (a group that
 * stays busy, cannot be opened or removed) is made to happen.
 */
#define _GNU_SOURCE
#include "protocol/base_sys.h"
#include "worker/cgroup_file.h"
#include "worker/cgroup_remove.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define KILLS_MAX 16
#define DEAD      2000000001 /* pids that no process can have */
#define ALIVE     2000000002
#define STRANGER  2000000003
#define DEEP      8

static struct {
	char top[64];
	struct cgroup_trees trees;
	pid_t killed[KILLS_MAX];
	unsigned kill_count, pauses;
	unsigned busy_pauses; /* after so many a busy group is not any more */
	const char *unopenable;
	unsigned unopenable_after; /* it can be opened so often */
} at;

int __real_unlinkat(int dir_fd, const char *name, int flags);
int __wrap_unlinkat(int dir_fd, const char *name, int flags);
int __wrap_kill(pid_t pid, int number);
int __wrap_nanosleep(const struct timespec *time, struct timespec *ret_left);
int __real_cgroup_file_open_dir(int dir_fd, const char *name);
int __wrap_cgroup_file_open_dir(int dir_fd, const char *name);

int
__wrap_unlinkat(int dir_fd, const char *name, int flags)
{
	static const char *const FILES[] = {"cgroup.procs", "cgroup.kill"};
	autoclose int fd = __real_cgroup_file_open_dir(dir_fd, name);
	struct cgroup_list list;
	bool below;

	assert_int_equal(flags, AT_REMOVEDIR);
	if (fd < 0)
		return __real_unlinkat(dir_fd, name, flags);
	cgroup_file_list(fd, &list);
	below = cgroup_file_next(&list) != NULL;
	cgroup_file_list_close(&list);
	errno = strstr(name, "forbidden") ? EPERM : EBUSY;
	if (below || errno == EPERM || (strstr(name, "busy") && at.pauses < at.busy_pauses))
		return -1;
	for (size_t i = 0; i < sizeof(FILES) / sizeof(FILES[0]); i++)
		(void)__real_unlinkat(fd, FILES[i], 0);
	return __real_unlinkat(dir_fd, name, flags);
}

int
__wrap_kill(pid_t pid, int number)
{
	if (number == 0) {
		errno = pid == STRANGER ? EPERM : ESRCH;
		return pid == ALIVE ? 0 : -1;
	}
	assert_int_equal(number, SIGKILL);
	assert_true(at.kill_count < KILLS_MAX);
	at.killed[at.kill_count++] = pid;
	return 0;
}

int
__wrap_nanosleep(const struct timespec *time, struct timespec *ret_left)
{
	(void)time;
	(void)ret_left;
	at.pauses++;
	return 0;
}

int
__wrap_cgroup_file_open_dir(int dir_fd, const char *name)
{
	if (at.unopenable && strcmp(at.unopenable, name) == 0 && at.unopenable_after-- == 0) {
		at.unopenable_after = 0;
		errno = EMFILE;
		return -1;
	}
	return __real_cgroup_file_open_dir(dir_fd, name);
}

static void
put(const char *path, const char *text)
{
	char full[PATH_MAX];
	FILE *file;

	(void)snprintf(full, sizeof(full), "%s/%s", at.top, path);
	file = fopen(full, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* A group with these members. */
static void
group(const char *path, const char *members)
{
	char full[PATH_MAX];

	(void)snprintf(full, sizeof(full), "%s/%s", at.top, path);
	assert_int_equal(mkdir(full, 0700), 0);
	(void)snprintf(full, sizeof(full), "%s/cgroup.procs", path);
	put(full, members);
}

static bool
is_there(const char *path)
{
	char full[PATH_MAX];

	(void)snprintf(full, sizeof(full), "%s/%s", at.top, path);
	return access(full, F_OK) == 0;
}

/* The command that ended the members of a group, or "". */
static bool
was_killed_whole(const char *path)
{
	char full[PATH_MAX], text[8];

	(void)snprintf(full, sizeof(full), "%s/cgroup.kill", path);
	autoclose int fd = open(at.top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cgroup_file_read(fd, full, text, sizeof(text));
	return strcmp(text, "1") == 0;
}

/* Two trees with a service's group each: the first of v1, the second with cgroup.kill. */
static int
setup(void **state)
{
	(void)state;
	memset(&at, 0, sizeof(at));
	(void)snprintf(at.top, sizeof(at.top), "/tmp/stint-test-XXXXXX");
	assert_non_null(mkdtemp(at.top));
	group("a", "");
	group("b", "");
	group("a/stint-1", "");
	group("b/stint-1", "");
	put("b/stint-1/cgroup.kill", "");
	(void)snprintf(at.trees.name, sizeof(at.trees.name), "stint-1");
	at.trees.count = 2;
	for (size_t i = 0; i < 2; i++) {
		struct cgroup_tree *tree = &at.trees.trees[i];

		tree->roles = i ? CGROUP_ROLE_KILL | CGROUP_ROLE_V2 : CGROUP_ROLE_MEMORY;
		(void)snprintf(tree->parent, sizeof(tree->parent), "%s/%c", at.top, "ab"[i]);
		tree->parent_fd = open(tree->parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		tree->service_fd = __real_cgroup_file_open_dir(tree->parent_fd, "stint-1");
		assert_true(tree->service_fd >= 0);
	}
	return 0;
}

static int
teardown(void **state)
{
	char command[96];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		base_close(&at.trees.trees[i].parent_fd);
		base_close(&at.trees.trees[i].service_fd);
	}
	(void)snprintf(command, sizeof(command), "rm -r %s", at.top);
	return system(command);
}

/* Only the first tree, without cgroup.kill. */
static void
v1_alone(void)
{
	base_close(&at.trees.trees[1].parent_fd);
	base_close(&at.trees.trees[1].service_fd);
	at.trees.count = 1;
}

static void
one_tree_that_can_kill_is_enough(void **state)
{
	(void)state;
	group("a/stint-1/gen-1", "77\n");
	group("b/stint-1/gen-1", "77\n");
	put("b/stint-1/gen-1/cgroup.kill", "");
	cgroup_remove_kill(&at.trees, "gen-1");
	assert_true(was_killed_whole("b/stint-1/gen-1"));
	assert_int_equal(at.kill_count, 0);
	cgroup_remove_kill(&at.trees, "gen-2"); /* is not there */
	at.trees.trees[1].roles |= CGROUP_ROLE_CPU;
	at.trees.trees[0].roles |= CGROUP_ROLE_KILL;
	base_close(&at.trees.trees[0].service_fd); /* has no group of the service */
	cgroup_remove_kill(&at.trees, "gen-1");
	assert_int_equal(at.kill_count, 0);
}

static void
members_are_killed_one_by_one(void **state)
{
	char members[64], path[PATH_MAX] = "a/stint-1/gen-1", text[16];

	(void)state;
	v1_alone();
	/* Never ourselves, never what stands for all; nothing behind what is no list of pids. */
	(void)snprintf(members, sizeof(members), "0\n1\n%d\n101\n102\n", (int)getpid());
	group("a/stint-1/gen-1", members);
	group("a/stint-1/gen-1/x", "x\n103\n");
	group("a/stint-1/gen-1/y", "104 105\n");
	group("a/stint-1/gen-1/shut", "106\n");
	at.unopenable = "shut";
	cgroup_remove_kill(&at.trees, "gen-1");
	assert_int_equal(at.kill_count, 2);
	assert_int_equal(at.killed[0], 101);
	assert_int_equal(at.killed[1], 102);
	/* No deeper than the service, a generation, a leaf and one more can be. */
	at.kill_count = 0;
	for (int i = 0; i < DEEP; i++) {
		(void)strcat(path, "/d");
		(void)snprintf(text, sizeof(text), "%d\n", 200 + i);
		group(path, text);
	}
	cgroup_remove_kill(&at.trees, "gen-1");
	assert_int_equal(at.kill_count, 6);
	assert_int_equal(at.killed[5], 203);
}

static void
removes_all_below(void **state)
{
	char path[PATH_MAX] = "a/stint-1/gen-1";
	struct error err = ERROR_INIT;

	(void)state;
	group(path, "");
	for (int i = 0; i < DEEP; i++) {
		(void)strcat(path, "/.d");
		group(path, "");
	}
	group("a/stint-1/gen-1/w1", "");
	assert_int_equal(cgroup_remove(&at.trees, "gen-1", UINT_MAX, &err), 0);
	assert_false(is_there("a/stint-1/gen-1"));
	assert_int_equal(cgroup_remove(&at.trees, "gen-1", UINT_MAX, &err),
			 0); /* nor is it there */
	base_close(&at.trees.trees[0].service_fd);
	group("a/stint-1/gen-2", "");
	group("b/stint-1/gen-2", "");
	assert_int_equal(cgroup_remove(&at.trees, "gen-2", UINT_MAX, &err), 0);
	assert_true(is_there("a/stint-1/gen-2")); /* was never made by us */
	assert_false(is_there("b/stint-1/gen-2"));
	assert_int_equal(cgroup_remove(&at.trees, NULL, UINT_MAX, &err), 0);
	assert_false(is_there("a/stint-1") || is_there("b/stint-1"));
	assert_int_equal(at.pauses, 0);
}

static void
waits_for_the_kernel_but_not_for_ever(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	group("a/stint-1/busy", "");
	at.busy_pauses = 10;
	assert_int_equal(cgroup_remove(&at.trees, "busy", UINT_MAX, &err), 0);
	assert_int_equal(at.pauses, 10);
	assert_false(is_there("a/stint-1/busy"));
	group("a/stint-1/busy", "");
	at.pauses = 0;
	at.busy_pauses = UINT_MAX;
	at.unopenable = "busy"; /* no reason to wait longer, or less */
	assert_true(cgroup_remove(&at.trees, "busy", UINT_MAX, &err) < 0);
	assert_int_equal(err.sys, EBUSY);
	assert_int_equal(at.pauses, CGROUP_REMOVE_WAIT_MS / 2);
}

static void
says_what_stays(void **state)
{
	struct error err = ERROR_INIT;
	char text[PATH_MAX];

	(void)state;
	group("a/stint-1/gen-1", "");
	group("a/stint-1/gen-1/forbidden", "");
	assert_true(cgroup_remove(&at.trees, "gen-1", UINT_MAX, &err) < 0);
	(void)snprintf(text, sizeof(text), "cannot remove control group stint-1/gen-1 below %s",
		       at.trees.trees[0].parent);
	assert_non_null(strstr(err.text, text));
	assert_int_equal(err.sys, EPERM);
	err = (struct error)ERROR_INIT;
	assert_true(cgroup_remove(&at.trees, NULL, UINT_MAX, &err) < 0);
	(void)snprintf(text, sizeof(text), "cannot remove control group stint-1 below %s",
		       at.trees.trees[0].parent);
	assert_non_null(strstr(err.text, text));
	assert_false(is_there("b/stint-1")); /* the other tree's is no less removed */
	/* It can be looked into, but not gone into. */
	at.unopenable = "gen-1";
	at.unopenable_after = 1;
	assert_true(cgroup_remove(&at.trees, "gen-1", UINT_MAX, &err) < 0);
	assert_int_equal(err.sys, EMFILE);
	at.unopenable = "..";
	at.unopenable_after = 0;
	group("a/stint-1/gen-2", "");
	group("a/stint-1/gen-2/x", "");
	assert_true(cgroup_remove(&at.trees, "gen-2", UINT_MAX, &err) < 0);
	assert_int_equal(err.sys, EMFILE);
}

static void
steps_are_bounded(void **state)
{
	struct error err = ERROR_INIT;
	char path[64];

	(void)state;
	group("a/stint-1/gen-1", "");
	for (int i = 0; i < 10; i++) {
		(void)snprintf(path, sizeof(path), "a/stint-1/gen-1/w%d", i);
		group(path, "");
	}
	assert_true(cgroup_remove(&at.trees, "gen-1", 10, &err) < 0);
	assert_int_equal(err.sys, E2BIG);
	assert_int_equal(cgroup_remove(&at.trees, "gen-1", 10, &err), 0); /* what was left of it */
	assert_false(is_there("a/stint-1/gen-1"));
}

static void
only_what_is_stale_is_swept(void **state)
{
	static const struct {
		pid_t pid;
		const char *spawner; /* members of its group `spawner`; NULL: it has none */
		bool stays;
	} ROWS[] = {
	    {DEAD, "", false},       {DEAD - 1, NULL, false},
	    {DEAD - 2, "5\n", true}, /* one of another pid namespace */
	    {ALIVE, "", true},       {STRANGER, "", true},
	};
	char path[96], own[64];

	(void)state;
	group("a/other", "5\n");
	(void)snprintf(own, sizeof(own), "a/stint-%d", (int)getpid());
	group(own, "");
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		(void)snprintf(path, sizeof(path), "a/stint-%d", (int)ROWS[i].pid);
		group(path, ROWS[i].stays ? "8\n" : "9\n");
		(void)snprintf(path, sizeof(path), "a/stint-%d/spawner", (int)ROWS[i].pid);
		if (ROWS[i].spawner)
			group(path, ROWS[i].spawner);
	}
	group("a/stint-1999999900", "10\n");
	at.unopenable = "stint-1999999900";
	cgroup_remove_stale(&at.trees.trees[0]);
	assert_true(is_there("a/other") && is_there("a/stint-1999999900"));
	assert_false(is_there(own)); /* of a former life with our number */
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		(void)snprintf(path, sizeof(path), "a/stint-%d", (int)ROWS[i].pid);
		assert_int_equal(is_there(path), ROWS[i].stays);
	}
	assert_int_equal(at.kill_count, 2);
	assert_int_equal(at.killed[0], 9);
	assert_int_equal(at.killed[1], 9);
}

static void
children_are_removed_but_what_is_kept(void **state)
{
	(void)state;
	for (int daemon = 0; daemon < 2; daemon++) {
		group("a/stint-1/spawner", "");
		group("a/stint-1/daemon", "");
		group("a/stint-1/gen-1", "");
		group("b/stint-1/gen-2", "");
		cgroup_remove_children(&at.trees, daemon);
		assert_true(is_there("a/stint-1/spawner"));
		assert_int_equal(is_there("a/stint-1/daemon"), !daemon);
		assert_false(is_there("a/stint-1/gen-1") || is_there("b/stint-1/gen-2"));
		assert_int_equal(cgroup_remove(&at.trees, "spawner", UINT_MAX, NULL), 0);
		assert_int_equal(cgroup_remove(&at.trees, "daemon", UINT_MAX, NULL), 0);
	}
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(one_tree_that_can_kill_is_enough),
	    TEST(members_are_killed_one_by_one),
	    TEST(removes_all_below),
	    TEST(waits_for_the_kernel_but_not_for_ever),
	    TEST(says_what_stays),
	    TEST(steps_are_bounded),
	    TEST(only_what_is_stale_is_swept),
	    TEST(children_are_removed_but_what_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
