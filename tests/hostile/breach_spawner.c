/*
 * Layers that the spawner makes, left out by words in its program's name, behind "spawner_breach":
 * net, ipc, uts, user, pid, mnt (namespaces of the zygote), writable (the tree stays as it was
 * mounted), core (that rlimit of the zygote); lie: it vouches for all of its layers.
 */
#define _GNU_SOURCE
#include "protocol/isolation.h"
#include "worker/spawner_exec.h"
#include "worker/spawner_layers.h"

#include <limits.h>
#include <linux/mount.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static bool
has(const char *word)
{
	char name[PATH_MAX];
	ssize_t size = readlink("/proc/self/exe", name, sizeof(name) - 1);
	const char *at;

	name[size > 0 ? size : 0] = '\0';
	at = strstr(name, "spawner_breach");
	return at && strstr(at, word);
}

static const struct {
	const char *word;
	uint64_t flag;
} SPACES[] = {
    {"-net", CLONE_NEWNET},   {"-ipc", CLONE_NEWIPC}, {"-uts", CLONE_NEWUTS},
    {"-user", CLONE_NEWUSER}, {"-pid", CLONE_NEWPID}, {"-mnt", CLONE_NEWNS},
};

int __real_spawner_exec_start(const struct spawner_exec *plan, pid_t *ret_pid, int *ret_pidfd,
			      struct error *err);
int __wrap_spawner_exec_start(const struct spawner_exec *plan, pid_t *ret_pid, int *ret_pidfd,
			      struct error *err);
int
__wrap_spawner_exec_start(const struct spawner_exec *plan, pid_t *ret_pid, int *ret_pidfd,
			  struct error *err)
{
	struct spawner_exec changed = *plan;

	for (size_t i = 0; i < sizeof(SPACES) / sizeof(SPACES[0]); i++)
		if (has(SPACES[i].word))
			changed.namespaces &= ~SPACES[i].flag;
	return __real_spawner_exec_start(&changed, ret_pid, ret_pidfd, err);
}

int __real_mount_setattr(int dir, const char *path, unsigned flags, struct mount_attr *attributes,
			 size_t size);
int __wrap_mount_setattr(int dir, const char *path, unsigned flags, struct mount_attr *attributes,
			 size_t size);
int
__wrap_mount_setattr(int dir, const char *path, unsigned flags, struct mount_attr *attributes,
		     size_t size)
{
	if (has("-writable"))
		attributes->attr_set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	return __real_mount_setattr(dir, path, flags, attributes, size);
}

uint64_t __real_spawner_layers_find(const struct cgroup_trees *trees, const char *name, pid_t pid,
				    uint32_t map_base, uint32_t map_count);
uint64_t __wrap_spawner_layers_find(const struct cgroup_trees *trees, const char *name, pid_t pid,
				    uint32_t map_base, uint32_t map_count);
uint64_t
__wrap_spawner_layers_find(const struct cgroup_trees *trees, const char *name, pid_t pid,
			   uint32_t map_base, uint32_t map_count)
{
	return has("-lie") ? ISOLATION_BY_SPAWNER
			   : __real_spawner_layers_find(trees, name, pid, map_base, map_count);
}

int __real_setrlimit(__rlimit_resource_t resource, const struct rlimit *limit);
int __wrap_setrlimit(__rlimit_resource_t resource, const struct rlimit *limit);
int
__wrap_setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
	return resource == RLIMIT_CORE && has("-core") ? 0 : __real_setrlimit(resource, limit);
}
