/*
 * A zygote that leaves out one layer: the real program, with one function of the confinement made
 * to do nothing. Which one is told by its name, "without-LAYER". For the test
 * that such a zygote is found out before a job; test code only, never installed.
 */
#define _GNU_SOURCE
#include "worker/sandbox.h"
#include "worker/sandbox_fs.h"
#include "worker/seccomp_wide.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char zygote_weak_name[256]; /* written once, before main */

static __attribute__((constructor)) void
zygote_weak_start(void)
{
	char path[256];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
	const char *slash;

	path[length > 0 ? length : 0] = '\0';
	slash = strrchr(path, '/');
	(void)snprintf(zygote_weak_name, sizeof(zygote_weak_name), "%s", slash ? slash + 1 : path);
}

static bool
without(const char *layer)
{
	return strncmp(zygote_weak_name, "without-", 8) == 0 &&
	       strcmp(zygote_weak_name + 8, layer) == 0;
}

int __real_sandbox_ids_take(struct sandbox *sandbox);
int __wrap_sandbox_ids_take(struct sandbox *sandbox);
int
__wrap_sandbox_ids_take(struct sandbox *sandbox)
{
	return without("no_capabilities") ? 0 : __real_sandbox_ids_take(sandbox);
}

int __real_sandbox_limits_lower(const struct sandbox *sandbox, const struct worker_terms *terms);
int __wrap_sandbox_limits_lower(const struct sandbox *sandbox, const struct worker_terms *terms);
int
__wrap_sandbox_limits_lower(const struct sandbox *sandbox, const struct worker_terms *terms)
{
	return without("rlimits") ? 0 : __real_sandbox_limits_lower(sandbox, terms);
}

int __real_sandbox_landlock_enter(struct sandbox *sandbox);
int __wrap_sandbox_landlock_enter(struct sandbox *sandbox);
int
__wrap_sandbox_landlock_enter(struct sandbox *sandbox)
{
	if (!without("landlock"))
		return __real_sandbox_landlock_enter(sandbox);
	return close(SANDBOX_FD_RULES);
}

int __real_sandbox_fs_enter(const char *root, int proc_fd, struct error *err);
int __wrap_sandbox_fs_enter(const char *root, int proc_fd, struct error *err);
int
__wrap_sandbox_fs_enter(const char *root, int proc_fd, struct error *err)
{
	return without("read_only_root") ? 0 : __real_sandbox_fs_enter(root, proc_fd, err);
}

/* The first time for the wide filter, in the zygote; then, in a worker, for the narrow one. */
int __real_seccomp_wide_install(struct sock_filter *instructions, size_t count, struct error *err);
int __wrap_seccomp_wide_install(struct sock_filter *instructions, size_t count, struct error *err);
int
__wrap_seccomp_wide_install(struct sock_filter *instructions, size_t count, struct error *err)
{
	if (without(getpid() == 1 ? "seccomp" : "seccomp_job"))
		return 0;
	return __real_seccomp_wide_install(instructions, count, err);
}
