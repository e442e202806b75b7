/*
 * Forks one worker with a raw clone3.
 *
 * fork() of the C library can neither put the child into a v2 cgroup at its birth nor give a pidfd.
 * What it does besides is done here: the child's thread id goes where the library keeps it, the
 * list of robust mutexes is told to the kernel again, and the interpreter's hooks run on both
 * sides. There is one thread, so no lock can be held by another. v1 has no entry at birth: the
 * child itself writes to the `tasks` files that are opened here, since a v1 kernel compares the
 * opener with the process that moves. Called by zygote_loop.c. Fails by -errno, which stintd is
 * told; nothing is left open then.
 */
#define _GNU_SOURCE
#include "worker/zygote_fork.h"

#include "protocol/base_sys.h"
#include "worker/python_host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LEAF_PATH_BYTES 40 /* "w", 20 digits, "/tasks" */

int
zygote_fork_init(struct zygote_fork *fork, struct error *err)
{
	pid_t *tid = NULL;

	if (prctl(PR_GET_TID_ADDRESS, &tid, 0, 0, 0) < 0)
		return error_errno(err, "fork: PR_GET_TID_ADDRESS (needs a kernel with "
					"CONFIG_CHECKPOINT_RESTORE)");
	if (!tid || *tid != (pid_t)syscall(SYS_gettid))
		return error_set(err, ERROR_UNSUPPORTED,
				 "fork: the C library does not keep the thread's id where it says");
	fork->tid = tid;
	return 0;
}

static void
close_leaves(struct sandbox *sandbox, int *leaf)
{
	for (size_t i = 0; i < sandbox->tasks_count; i++)
		base_close(&sandbox->tasks[i]);
	sandbox->tasks_count = 0;
	base_close(leaf);
}

/* v1: `tasks` of the leaf, for the child's write. v2: the leaf itself, for clone3. */
static int
open_leaves(const struct zygote_fork *fork, struct sandbox *sandbox, int *ret_leaf)
{
	char path[LEAF_PATH_BYTES];
	int leaf = -1;

	sandbox->tasks_count = 0;
	for (unsigned i = 0; i < fork->dir_count; i++) {
		bool v2 = fork->roles[i] & CGROUP_ROLE_V2;
		int fd;

		(void)snprintf(path, sizeof(path), CGROUP_LEAF_FORMAT "%s",
			       (unsigned long long)sandbox->leaf, v2 ? "" : "/tasks");
		fd = openat(fork->dirs[i], path,
			    O_CLOEXEC | O_NOFOLLOW | (v2 ? O_RDONLY | O_DIRECTORY : O_WRONLY));
		if (fd < 0) {
			int error = errno;

			close_leaves(sandbox, &leaf);
			return -error;
		}
		if (v2) {
			base_close(&leaf);
			leaf = fd;
		} else {
			sandbox->tasks[sandbox->tasks_count++] = fd;
		}
	}
	*ret_leaf = leaf;
	return 0;
}

pid_t
zygote_fork_make(const struct zygote_fork *fork, struct sandbox *sandbox,
		 void (*life)(struct sandbox *sandbox), int *ret_pidfd)
{
	struct clone_args args = {.exit_signal = SIGCHLD};
	int leaf = -1, pidfd = -1, error;
	long pid;

	error = open_leaves(fork, sandbox, &leaf);
	if (error < 0)
		return error;
	args.flags = CLONE_PIDFD | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
	args.pidfd = (uint64_t)(uintptr_t)&pidfd;
	args.child_tid = (uint64_t)(uintptr_t)fork->tid;
	if (leaf >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)leaf;
	}
	/* Plain workers do not pay for a mount namespace: nothing in theirs can change. */
	if (sandbox->scratch_bytes > 0)
		args.flags |= CLONE_NEWNS;
	python_host_before_fork();
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0) {
		life(sandbox);
		_exit(WORKER_EXIT_SETUP); /* it does not return */
	}
	error = pid < 0 ? -errno : 0;
	python_host_after_fork_parent();
	close_leaves(sandbox, &leaf);
	if (error < 0)
		return error;
	*ret_pidfd = pidfd;
	return (pid_t)pid;
}
