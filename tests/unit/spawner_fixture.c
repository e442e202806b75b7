/*
 * See the header. The stand-ins give real descriptors (of /dev/null), so that one which is not
 * closed shows.
 */
#define _GNU_SOURCE
#include "spawner_fixture.h"

#include "protocol/base_assert.h"
#include "protocol/base_sys.h"
#include "worker/cgroup_remove.h"
#include "worker/spawner_layers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define FDS_LOOKED_AT 256

static struct spawner_fixture the;

int __wrap_spawner_exec_start(const struct spawner_exec *plan, pid_t *ret_pid, int *ret_pidfd,
			      struct error *err);
void __wrap_spawner_exec_kill(int pidfd);
int __wrap_cgroup_tree_generation(const struct cgroup_trees *trees, uint64_t number, uid_t owner,
				  gid_t group, struct error *err);
int __wrap_cgroup_tree_directories(const struct cgroup_trees *trees, const char *path,
				   int ret_fds[CGROUP_DIRS_MAX], struct error *err);
int __wrap_cgroup_tree_entrance(const struct cgroup_trees *trees, const char *path, int *ret_into,
				int ret_tasks[CGROUP_DIRS_MAX], size_t *ret_count,
				struct error *err);
int __wrap_cgroup_remove(const struct cgroup_trees *trees, const char *child, unsigned steps_max,
			 struct error *err);
void __wrap_cgroup_remove_kill(const struct cgroup_trees *trees, const char *child);
void __wrap_cgroup_remove_children(const struct cgroup_trees *trees, bool daemon);
uint64_t __wrap_spawner_layers_find(const struct cgroup_trees *trees, const char *name, pid_t pid,
				    uint32_t map_base, uint32_t map_count);
bool __wrap_spawner_layers_wants_landlock(const struct config *config);
int __real_base_socketpair(int ret_fds[2], struct error *err);
int __wrap_base_socketpair(int ret_fds[2], struct error *err);
void __real_base_assert_fail(const char *expression, const char *file, int line,
			     const char *function) __attribute__((noreturn));
void __wrap_base_assert_fail(const char *expression, const char *file, int line,
			     const char *function) __attribute__((noreturn));

static int
null_fd(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* Whether this step is the one that fails, with its error. */
static int
step(enum spawner_fixture_step which, struct error *err)
{
	if (the.fail != which)
		return 0;
	the.failed = which;
	the.fail = FIXTURE_NONE;
	errno = the.fail_sys;
	return the.fail_sys ? error_errno(err, "step %d", which)
			    : error_set(err, ERROR_UNSUPPORTED, "step %d", which);
}

int
__wrap_spawner_exec_start(const struct spawner_exec *plan, pid_t *ret_pid, int *ret_pidfd,
			  struct error *err)
{
	int rc = step(FIXTURE_EXEC, err);

	the.plan = *plan;
	the.word_count = 0;
	for (size_t i = 0; plan->argv[i]; i++) {
		assert_true(i < FIXTURE_WORDS_MAX);
		(void)snprintf(the.words[i], sizeof(the.words[i]), "%s", plan->argv[i]);
		the.word_count++;
	}
	for (size_t i = 0; i < plan->fd_count; i++)
		assert_true(fcntl(plan->fds[i], F_GETFD) >= 0);
	if (rc < 0)
		return rc;
	*ret_pid = 4242;
	*ret_pidfd = null_fd();
	return 0;
}

void
__wrap_spawner_exec_kill(int pidfd)
{
	if (pidfd == the.spawner.daemon.pidfd)
		the.daemon_kills++;
	else
		the.zygote_kills++;
}

int
__wrap_cgroup_tree_generation(const struct cgroup_trees *trees, uint64_t number, uid_t owner,
			      gid_t group, struct error *err)
{
	(void)trees;
	(void)number;
	assert_int_equal(owner, FIXTURE_UID);
	the.group_owner = group;
	the.directories = 0;
	return step(FIXTURE_GROUPS, err);
}

int
__wrap_cgroup_tree_directories(const struct cgroup_trees *trees, const char *path,
			       int ret_fds[CGROUP_DIRS_MAX], struct error *err)
{
	bool again = the.directories++ > 0;
	int rc = step(again ? FIXTURE_DIRECTORIES_AGAIN : FIXTURE_DIRECTORIES, err);

	(void)path;
	for (size_t i = 0; rc == 0 && i < trees->count; i++)
		ret_fds[i] = null_fd();
	return rc;
}

int
__wrap_cgroup_tree_entrance(const struct cgroup_trees *trees, const char *path, int *ret_into,
			    int ret_tasks[CGROUP_DIRS_MAX], size_t *ret_count, struct error *err)
{
	int rc = step(FIXTURE_ENTRANCE, err);

	(void)trees;
	(void)path;
	if (rc < 0)
		return rc;
	*ret_into = null_fd();
	ret_tasks[0] = null_fd();
	*ret_count = 1;
	return 0;
}

int
__wrap_cgroup_remove(const struct cgroup_trees *trees, const char *child, unsigned steps_max,
		     struct error *err)
{
	(void)trees;
	assert_int_equal(strncmp(child, "gen-", 4), 0);
	assert_true(steps_max > 0);
	the.removed++;
	return step(FIXTURE_REMOVE, err);
}

void
__wrap_cgroup_remove_kill(const struct cgroup_trees *trees, const char *child)
{
	(void)trees;
	assert_int_equal(strncmp(child, "gen-", 4), 0);
	the.group_kills++;
}

void
__wrap_cgroup_remove_children(const struct cgroup_trees *trees, bool daemon)
{
	(void)trees;
	assert_false(daemon);
	the.removed_children++;
}

uint64_t
__wrap_spawner_layers_find(const struct cgroup_trees *trees, const char *name, pid_t pid,
			   uint32_t map_base, uint32_t map_count)
{
	(void)trees;
	(void)name;
	(void)map_base;
	(void)map_count;
	assert_int_equal(pid, 4242);
	return FIXTURE_LAYERS;
}

bool
__wrap_spawner_layers_wants_landlock(const struct config *config)
{
	(void)config;
	return the.landlock;
}

int
__wrap_base_socketpair(int ret_fds[2], struct error *err)
{
	int rc = step(FIXTURE_LINK, err);

	return rc < 0 ? rc : __real_base_socketpair(ret_fds, err);
}

void
__wrap_base_assert_fail(const char *expression, const char *file, int line, const char *function)
{
	if (the.aborts)
		longjmp(the.abort_to, 1);
	__real_base_assert_fail(expression, file, line, function);
}

struct spawner_fixture *
spawner_fixture_setup(void)
{
	static const char *const SETS[] = {"uid_base=1000000", "uid_count=1024"};
	struct spawner *spawner = &the.spawner;
	int link[2];

	memset(&the, 0, sizeof(the));
	config_init(&spawner->config);
	for (size_t i = 0; i < sizeof(SETS) / sizeof(SETS[0]); i++)
		assert_int_equal(config_set(&spawner->config, SETS[i], NULL), 0);
	assert_int_equal(__real_base_socketpair(link, NULL), 0);
	the.peer_fd = link[1];
	the.landlock = true;
	spawner->uid = FIXTURE_UID;
	spawner->gid = FIXTURE_UID;
	spawner->root = "/nowhere";
	spawner->config_fd = -1;
	spawner->stintd_fd = spawner->zygote_fd = -1;
	spawner->metrics.fd = spawner->usage.fd = spawner->usage.old_fd = -1;
	spawner->socket.fd = null_fd();
	(void)snprintf(spawner->socket.path, sizeof(spawner->socket.path), "/nowhere/s.sock");
	spawner->trees.count = FIXTURE_TREES;
	spawner->trees.trees[0].roles = CGROUP_ROLE_MEMORY;
	spawner->trees.trees[1].roles = CGROUP_ROLE_KILL | CGROUP_ROLE_V2;
	for (size_t i = 0; i < SPAWNER_GENERATIONS_MAX; i++)
		spawner->generations[i].pidfd = -1;
	spawner->daemon.state = SPAWNER_DAEMON_STARTING;
	spawner->daemon.link_fd = link[0];
	spawner->daemon.pidfd = null_fd();
	return &the;
}

void
spawner_fixture_teardown(struct spawner_fixture *fixture)
{
	struct spawner *spawner = &fixture->spawner;

	base_close(&fixture->peer_fd);
	base_close(&spawner->daemon.link_fd);
	base_close(&spawner->daemon.pidfd);
	base_close(&spawner->socket.fd);
	base_close(&spawner->config_fd);
	for (size_t i = 0; i < SPAWNER_GENERATIONS_MAX; i++)
		base_close(&spawner->generations[i].pidfd);
	config_deinit(&spawner->config);
}

const char *
spawner_fixture_argument(const struct spawner_fixture *fixture, const char *option)
{
	for (size_t i = 0; i + 1 < fixture->word_count; i++)
		if (strcmp(fixture->words[i], option) == 0)
			return fixture->words[i + 1];
	return "";
}

unsigned
spawner_fixture_open_fds(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < FDS_LOOKED_AT; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}
