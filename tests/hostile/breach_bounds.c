/*
 * The bounds on what a job may use, left out one at a time, as breach_layers.c does with whole
 * layers: a controller's group that the worker does not enter, an rlimit that is not set.
 *
 *   memory, cpu, pids, kill   stays in the zygote's group of that hierarchy
 *   nproc, nofile, fsize, core, data, cputime, stack, memlock, msgqueue, sigpending   that rlimit
 *
 * An rlimit that is left out reads as set once, for the step that checks it; whoever asks then is
 * told the truth.
 */
#define _GNU_SOURCE
#include "protocol/message.h"
#include "tests/hostile/breach.h"
#include "worker/sandbox.h"
#include "worker/zygote_fork.h"

#include <linux/sched.h>
#include <sched.h>
#include <sys/resource.h>

static const struct {
	uint32_t role;
	const char *word;
} GROUPS[] = {
    {CGROUP_ROLE_MEMORY, "memory"},
    {CGROUP_ROLE_CPU, "cpu"},
    {CGROUP_ROLE_PIDS, "pids"},
    {CGROUP_ROLE_KILL, "kill"},
};

static const struct {
	int resource;
	const char *word;
} RESOURCES[] = {
    {RLIMIT_NPROC, "nproc"},       {RLIMIT_NOFILE, "nofile"},
    {RLIMIT_FSIZE, "fsize"},       {RLIMIT_CORE, "core"},
    {RLIMIT_DATA, "data"},         {RLIMIT_CPU, "cputime"},
    {RLIMIT_STACK, "stack"},       {RLIMIT_MEMLOCK, "memlock"},
    {RLIMIT_MSGQUEUE, "msgqueue"}, {RLIMIT_SIGPENDING, "sigpending"},
};

/* Of the zygote, as of its last fork: the workers inherit it. */
static const struct zygote_fork *forked;

/* What the last setrlimit was for; -1: nothing is pretended. */
static int pretended = -1;
static struct rlimit pretended_limit;

static bool
is_left_out(uint32_t roles)
{
	for (size_t i = 0; i < sizeof(GROUPS) / sizeof(GROUPS[0]); i++)
		if ((roles & GROUPS[i].role) && breach_has(GROUPS[i].word))
			return true;
	return false;
}

pid_t __real_zygote_fork_make(const struct zygote_fork *fork, struct sandbox *sandbox,
			      void (*life)(struct sandbox *), int *ret_pidfd);
pid_t __wrap_zygote_fork_make(const struct zygote_fork *fork, struct sandbox *sandbox,
			      void (*life)(struct sandbox *), int *ret_pidfd);
pid_t
__wrap_zygote_fork_make(const struct zygote_fork *fork, struct sandbox *sandbox,
			void (*life)(struct sandbox *), int *ret_pidfd)
{
	forked = fork;
	return __real_zygote_fork_make(fork, sandbox, life, ret_pidfd);
}

/* `tasks` are those of the v1 directories, in their order. */
void
breach_leave_groups(struct sandbox *sandbox)
{
	size_t at = 0, kept = 0;

	for (unsigned i = 0; forked && i < forked->dir_count && at < sandbox->tasks_count; i++) {
		if (forked->roles[i] & CGROUP_ROLE_V2)
			continue;
		if (!is_left_out(forked->roles[i]))
			sandbox->tasks[kept++] = sandbox->tasks[at];
		at++;
	}
	sandbox->tasks_count = kept;
}

void
breach_stay_at_birth(struct clone_args *args)
{
	for (unsigned i = 0; forked && i < forked->dir_count; i++)
		if ((forked->roles[i] & CGROUP_ROLE_V2) && is_left_out(forked->roles[i]))
			args->flags &= ~(uint64_t)CLONE_INTO_CGROUP;
}

int __real_setrlimit(__rlimit_resource_t resource, const struct rlimit *limit);
int __wrap_setrlimit(__rlimit_resource_t resource, const struct rlimit *limit);
int
__wrap_setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
	for (size_t i = 0; i < sizeof(RESOURCES) / sizeof(RESOURCES[0]); i++)
		if (RESOURCES[i].resource == (int)resource && breach_has(RESOURCES[i].word)) {
			pretended = (int)resource;
			pretended_limit = *limit;
			return 0;
		}
	return __real_setrlimit(resource, limit);
}

int __real_getrlimit(__rlimit_resource_t resource, struct rlimit *ret_limit);
int __wrap_getrlimit(__rlimit_resource_t resource, struct rlimit *ret_limit);
int
__wrap_getrlimit(__rlimit_resource_t resource, struct rlimit *ret_limit)
{
	if (pretended != (int)resource)
		return __real_getrlimit(resource, ret_limit);
	pretended = -1;
	*ret_limit = pretended_limit;
	return 0;
}
