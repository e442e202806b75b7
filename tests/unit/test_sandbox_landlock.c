/*
 * Landlock alone, without mount namespace and filter: a child enters the rules and tries what they
 * are there to prevent. Without Landlock in the kernel the group is skipped, and says so.
 */
#define _GNU_SOURCE
#include "worker/sandbox_landlock.h"

#include "protocol/base_sys.h"
#include "worker/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

struct place {
	char path[64]; /* a directory with `job`, `scratch` and `secret` in it */
	int job, scratch;
	struct sandbox_landlock landlock;
};

static void
write_file(const char *directory, const char *name)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	autoclose int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	assert_true(fd >= 0);
	assert_int_equal(base_write_full(fd, "#!/bin/sh\n", 10, NULL), 0);
}

static int
open_directory(const struct place *place, const char *name)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", place->path, name);
	assert_int_equal(mkdir(path, 0755), 0);
	write_file(path, "file");
	autoclose int low = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = fcntl(low, F_DUPFD_CLOEXEC, 2 * SANDBOX_FD_FIRST_FREE); /* clear of a worker's own */
	assert_true(fd >= 0);
	return fd;
}

static int
set_up(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	assert_non_null(place);
	strcpy(place->path, "/tmp/test_landlock-XXXXXX");
	assert_non_null(mkdtemp(place->path));
	write_file(place->path, "secret");
	place->job = open_directory(place, "job");
	place->scratch = open_directory(place, "scratch");
	place->landlock.ruleset = -1;
	*state = place;
	return 0;
}

static int
tear_down(void **state)
{
	struct place *place = *state;
	char command[128];

	sandbox_landlock_close(&place->landlock);
	base_close(&place->job);
	base_close(&place->scratch);
	(void)snprintf(command, sizeof(command), "rm -r %s", place->path);
	assert_int_equal(system(command), 0);
	free(place);
	return 0;
}

/* What a child under the rules is to do; its exit code, or -1 - signal. */
static int
under_rules(const struct place *place, int ruleset, void (*body)(const struct place *))
{
	struct sandbox_landlock landlock = place->landlock;
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct sandbox sandbox = {.landlock = &landlock};

		if (ruleset >= 0 && dup2(ruleset, SANDBOX_FD_RULES) < 0)
			_exit(101);
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
			_exit(102);
		if (ruleset >= 0 && sandbox_landlock_enter(&sandbox) < 0)
			_exit(103);
		if (ruleset >= 0 && fcntl(SANDBOX_FD_RULES, F_GETFD) >= 0)
			_exit(104);
		body(place);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1 - WTERMSIG(status);
}

#define REFUSED(code, call, error)                                                                 \
	do {                                                                                       \
		errno = 0;                                                                         \
		if ((call) >= 0 || errno != (error))                                               \
			_exit(code);                                                               \
	} while (0)
#define GRANTED(code, call)                                                                        \
	do {                                                                                       \
		if ((call) < 0)                                                                    \
			_exit(code);                                                               \
	} while (0)

static int
open_below(const struct place *place, const char *name, int flags)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", place->path, name);
	return open(path, flags | O_CLOEXEC, 0600);
}

static int
run_below(const struct place *place, const char *name)
{
	char path[128], *const argv[] = {path, NULL}, *const none[] = {NULL};

	(void)snprintf(path, sizeof(path), "%s/%s", place->path, name);
	return execve(path, argv, none);
}

/* A worker of the usual class: reading below its root, nothing else. */
static void
try_as_worker(const struct place *place)
{
	int fd, pair[2];

	GRANTED(1, fd = open_below(place, "job/file", O_RDONLY));
	GRANTED(2, open_below(place, "job", O_RDONLY | O_DIRECTORY));
	REFUSED(3, open_below(place, "secret", O_RDONLY), EACCES);
	REFUSED(4, open_below(place, "job/../secret", O_RDONLY), EACCES);
	REFUSED(5, openat(place->job, "../secret", O_RDONLY), EACCES);
	REFUSED(6, open("/etc/passwd", O_RDONLY), EACCES);
	REFUSED(7, open_below(place, "job/file", O_WRONLY), EACCES);
	REFUSED(8, open_below(place, "job/new", O_WRONLY | O_CREAT), EACCES);
	REFUSED(9, mkdirat(place->job, "new", 0700), EACCES);
	REFUSED(10, unlinkat(place->job, "file", 0), EACCES);
	REFUSED(11, renameat(place->job, "file", place->job, "other"), EACCES);
	REFUSED(12, mkfifoat(place->job, "fifo", 0600), EACCES);
	REFUSED(13, symlinkat("file", place->job, "link"), EACCES);
	REFUSED(14, linkat(place->job, "file", place->scratch, "link", 0), EACCES);
	REFUSED(15, run_below(place, "job/file"), EACCES);
	/* what a worker has and keeps using */
	GRANTED(20, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	GRANTED(21, fd = memfd_create("page", MFD_CLOEXEC));
	GRANTED(22, ftruncate(fd, 4096));
	if (mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED)
		_exit(23);
	GRANTED(24, kill(getpid(), 0));
}

static void
try_outside(const struct place *place)
{
	REFUSED(30, kill(getppid(), 0), EPERM);
}

static void
try_sockets(const struct place *place)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	const char *at = strrchr(place->path, '/') + 1;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(name.sun_path + 1, at, strlen(at));
	REFUSED(40, connect(fd, (struct sockaddr *)&name, sizeof(name)), EPERM);
}

/* A class with a tree of its own to write to. */
static void
try_with_scratch(const struct place *place)
{
	int fd;

	GRANTED(50, fd = open_below(place, "scratch/new", O_RDWR | O_CREAT));
	GRANTED(51, ftruncate(fd, 100));
	GRANTED(52, mkdirat(place->scratch, "inner", 0700));
	GRANTED(53, renameat(place->scratch, "new", place->scratch, "inner/new"));
	GRANTED(54, unlinkat(place->scratch, "inner/new", 0));
	GRANTED(55, unlinkat(place->scratch, "inner", AT_REMOVEDIR));
	GRANTED(56, open_below(place, "job/file", O_RDONLY));
	REFUSED(57, open_below(place, "job/new", O_WRONLY | O_CREAT), EACCES);
	REFUSED(58, open_below(place, "secret", O_RDONLY), EACCES);
	REFUSED(59, run_below(place, "scratch/file"), EACCES);
	REFUSED(60, mkfifoat(place->scratch, "fifo", 0600), EACCES);
	REFUSED(61, symlinkat("/etc", place->scratch, "link"), EACCES);
}

static int
rules(struct place *place, size_t count)
{
	const struct sandbox_landlock_tree trees[] = {{place->job, false}, {place->scratch, true}};
	int ruleset = sandbox_landlock_rules(&place->landlock, trees, count);

	assert_true(ruleset >= 0);
	assert_true(fcntl(ruleset, F_GETFD) & FD_CLOEXEC);
	return ruleset;
}

static void
test_reading_only(void **state)
{
	struct place *place = *state;
	int ruleset;

	if (sandbox_landlock_abi() == 0)
		skip();
	assert_int_equal(sandbox_landlock_open(&place->landlock, NULL), 0);
	ruleset = rules(place, 1);
	assert_int_equal(under_rules(place, -1, try_as_worker), 3); /* the attempts do work */
	assert_int_equal(under_rules(place, ruleset, try_as_worker), 0);
	if (place->landlock.scoped) {
		assert_int_equal(under_rules(place, -1, try_outside), 30);
		assert_int_equal(under_rules(place, ruleset, try_outside), 0);
	}
	base_close(&ruleset);
}

static void
test_abstract_sockets(void **state)
{
	struct place *place = *state;
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	const char *at = strrchr(place->path, '/') + 1;
	int ruleset, fd;

	if (sandbox_landlock_abi() < 6)
		skip();
	assert_int_equal(sandbox_landlock_open(&place->landlock, NULL), 0);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	memcpy(name.sun_path + 1, at, strlen(at));
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(listen(fd, 1), 0);
	ruleset = rules(place, 1);
	assert_int_equal(under_rules(place, -1, try_sockets), 40);
	assert_int_equal(under_rules(place, ruleset, try_sockets), 0);
	base_close(&ruleset);
	base_close(&fd);
}

static void
test_scratch(void **state)
{
	struct place *place = *state;
	int ruleset;

	if (sandbox_landlock_abi() < 3) /* truncate */
		skip();
	assert_int_equal(sandbox_landlock_open(&place->landlock, NULL), 0);
	ruleset = rules(place, 2);
	assert_int_equal(under_rules(place, ruleset, try_with_scratch), 0);
	base_close(&ruleset);
	ruleset = rules(place, 1);
	assert_int_equal(under_rules(place, ruleset, try_with_scratch), 50);
	base_close(&ruleset);
}

static void
try_own_directory(const struct place *place)
{
	char path[128];
	struct sandbox sandbox = {.landlock = &place->landlock, .writable = path};

	(void)snprintf(path, sizeof(path), "%s/scratch", place->path);
	if (sandbox_landlock_enter(&sandbox) < 0 || fcntl(SANDBOX_FD_RULES, F_GETFD) >= 0)
		_exit(70);
	GRANTED(71, open_below(place, "scratch/new", O_RDWR | O_CREAT));
	GRANTED(72, open_below(place, "secret", O_RDONLY)); /* its root is the test's own */
	REFUSED(73, open_below(place, "job/file", O_WRONLY), EACCES);
	REFUSED(74, run_below(place, "scratch/file"), EACCES);
	REFUSED(75, renameat(place->scratch, "new", place->job, "new"), EACCES);
	(void)strcpy(path, "/nowhere");
	if (sandbox_landlock_enter(&sandbox) != -ENOENT)
		_exit(76);
}

/* As the step does it for a worker whose directory is known after the fork only. */
static void
test_own_directory(void **state)
{
	struct place *place = *state;

	if (sandbox_landlock_abi() < 3)
		skip();
	assert_int_equal(sandbox_landlock_open(&place->landlock, NULL), 0);
	assert_int_equal(under_rules(place, -1, try_own_directory), 0);
}

/* Every right of the version is handled: rows are of the kernel's documentation. */
static void
test_rights_of_the_version(void **state)
{
	static const struct {
		int abi;
		uint64_t fs, net, scoped;
	} VERSIONS[] = {
	    {1, 0x1fff, 0, 0}, {2, 0x3fff, 0, 0}, {3, 0x7fff, 0, 0},
	    {4, 0x7fff, 3, 0}, {5, 0xffff, 3, 0}, {6, 0xffff, 3, 3},
	};
	struct place *place = *state;
	int abi = sandbox_landlock_abi();

	if (abi == 0)
		skip();
	assert_int_equal(sandbox_landlock_open(&place->landlock, NULL), 0);
	for (size_t i = 0; i < sizeof(VERSIONS) / sizeof(VERSIONS[0]); i++) {
		if (VERSIONS[i].abi > abi)
			continue;
		assert_int_equal(place->landlock.fs & VERSIONS[i].fs, VERSIONS[i].fs);
		assert_int_equal(place->landlock.net & VERSIONS[i].net, VERSIONS[i].net);
		assert_int_equal(place->landlock.scoped & VERSIONS[i].scoped, VERSIONS[i].scoped);
		if (VERSIONS[i].abi == abi) {
			assert_int_equal(place->landlock.fs, VERSIONS[i].fs);
			assert_int_equal(place->landlock.net, VERSIONS[i].net);
			assert_int_equal(place->landlock.scoped, VERSIONS[i].scoped);
		}
	}
}

/* Without rules, or with a descriptor that is none, the step fails. */
static void
test_failing_step(void **state)
{
	struct sandbox_landlock landlock = {.ruleset = -1};
	struct sandbox sandbox = {.landlock = NULL};
	const struct sandbox_landlock_tree bad = {-1, false};
	int status;
	pid_t pid;

	assert_int_equal(sandbox_landlock_enter(&sandbox), 0); /* switched off */
	if (sandbox_landlock_abi() == 0)
		skip();
	assert_int_equal(sandbox_landlock_open(&landlock, NULL), 0);
	assert_true(sandbox_landlock_rules(&landlock, &bad, 1) < 0);
	pid = fork();
	if (pid == 0) {
		sandbox.landlock = &landlock;
		(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		(void)close(SANDBOX_FD_RULES);
		if (sandbox_landlock_enter(&sandbox) != -EBADF)
			_exit(1);
		(void)dup2(STDIN_FILENO, SANDBOX_FD_RULES);
		_exit(sandbox_landlock_enter(&sandbox) < 0 ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	sandbox_landlock_close(&landlock);
	assert_int_equal(landlock.ruleset, -1);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(test_reading_only),  TEST(test_abstract_sockets),      TEST(test_scratch),
	    TEST(test_own_directory), TEST(test_rights_of_the_version), TEST(test_failing_step),
	};

	if (sandbox_landlock_abi() == 0)
		print_message("this kernel has no Landlock: nothing is shown here\n");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
