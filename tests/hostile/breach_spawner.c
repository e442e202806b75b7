/*
 * Layers that the spawner makes, left out by words in its program's name, behind "spawner_breach":
 * net, ipc, uts (namespaces of the zygote), writable (the tree stays as it was mounted).
 */
#define _GNU_SOURCE
#include "worker/spawner_exec.h"

#include <limits.h>
#include <linux/mount.h>
#include <sched.h>
#include <string.h>
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

int __real_spawner_exec_start(const struct spawner_exec *plan, pid_t *ret_pid, int *ret_pidfd,
			      struct error *err);
int __wrap_spawner_exec_start(const struct spawner_exec *plan, pid_t *ret_pid, int *ret_pidfd,
			      struct error *err);
int
__wrap_spawner_exec_start(const struct spawner_exec *plan, pid_t *ret_pid, int *ret_pidfd,
			  struct error *err)
{
	struct spawner_exec changed = *plan;

	if (has("-net"))
		changed.namespaces &= ~(uint64_t)CLONE_NEWNET;
	if (has("-ipc"))
		changed.namespaces &= ~(uint64_t)CLONE_NEWIPC;
	if (has("-uts"))
		changed.namespaces &= ~(uint64_t)CLONE_NEWUTS;
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
