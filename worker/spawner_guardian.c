/*
 * Theory of operation: only the spawner holds the write end of a pipe, close-on-exec. The guardian
 * blocks in a read of the other end. A byte means "orderly end, go"; end of file without a byte
 * means that the spawner died, by whatever: then the guardian kills what is in the service's
 * control groups, removes them, and removes the socket. The kernel has sent SIGKILL to stintd and
 * to the zygotes at the same moment (parent-death signals); the guardian does not rely on it.
 *
 * It is forked before the groups are made, so that there is no moment without it, and stays out of
 * them where the kernel allows it, so that it does not stand in its own way. It takes a session of
 * its own, so that a signal to the spawner's group misses it; signals that end the spawner are
 * blocked by inheritance.
 *
 * It is forked but not exec'd: single-threaded before and after. Called by spawner_main.c.
 */
#define _GNU_SOURCE
#include "worker/spawner_guardian.h"

#include "protocol/base_assert.h"
#include "protocol/base_log.h"
#include "protocol/base_sys.h"
#include "worker/cgroup_remove.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Standard error, the pipe, the sockets' directories, four descriptors for each tree. */
#define SPAWNER_GUARDIAN_KEEP_MAX (4 + 4 * CGROUP_DIRS_MAX)

/* Close all but keep[0 .. count). */
static void
spawner_guardian_close(int *keep, size_t count)
{
	unsigned from = 0;

	for (size_t i = 1; i < count; i++)
		for (size_t j = i; j > 0 && keep[j - 1] > keep[j]; j--) {
			int swapped = keep[j];

			keep[j] = keep[j - 1];
			keep[j - 1] = swapped;
		}
	for (size_t i = 0; i < count; i++) {
		if (keep[i] < 0)
			continue;
		if ((unsigned)keep[i] > from)
			(void)close_range(from, (unsigned)keep[i] - 1, 0);
		from = (unsigned)keep[i] + 1;
	}
	(void)close_range(from, ~0u, 0);
}

static __attribute__((noreturn)) void
spawner_guardian_run(struct spawner *spawner, int pipe_fd)
{
	int keep[SPAWNER_GUARDIAN_KEEP_MAX] = {STDERR_FILENO, pipe_fd, spawner->socket.dir_fd,
					       spawner->metrics.dir_fd};
	struct cgroup_trees *trees = &spawner->trees;
	struct error err = ERROR_INIT;
	size_t count = 4;
	ssize_t n;
	char byte;

	for (size_t i = 0; i < trees->count; i++) {
		keep[count++] = trees->trees[i].root_fd;
		keep[count++] = trees->trees[i].home_fd;
		keep[count++] = trees->trees[i].parent_fd;
		keep[count++] = trees->trees[i].service_fd;
	}
	spawner_guardian_close(keep, count);
	(void)prctl(PR_SET_NAME, "stint-guardian", 0, 0, 0);
	(void)setsid();
	cgroup_tree_leave(trees, false);
	do
		n = read(pipe_fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		_exit(0);
	if (n < 0) { /* says nothing of the spawner, which will start another guardian */
		log_error("guardian", "read: %s", strerror(errno));
		_exit(1);
	}
	log_error("guardian", "the spawner died: removing what it left");
	cgroup_tree_reopen(trees);
	cgroup_remove_children(trees, true);
	spawner_socket_unlink(&spawner->socket);
	spawner_socket_unlink(&spawner->metrics);
	cgroup_tree_leave(trees, true);
	if (cgroup_remove(trees, NULL, UINT_MAX, &err) < 0) {
		log_error("guardian", "%s", err.text);
		_exit(1);
	}
	_exit(0);
}

int
spawner_guardian_start(struct spawner *spawner, struct error *err)
{
	int pipe_fds[2];
	pid_t pid;

	require(spawner->guardian_fd < 0 && spawner->guardian_pidfd < 0);
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return error_errno(err, "cannot make the guardian's pipe");
	pid = fork();
	if (pid == 0)
		spawner_guardian_run(spawner, pipe_fds[0]);
	base_close(&pipe_fds[0]);
	if (pid < 0) {
		base_close(&pipe_fds[1]);
		return error_errno(err, "cannot fork the guardian");
	}
	spawner->guardian_pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (spawner->guardian_pidfd < 0) {
		/* Without a way to notice its death it would be a false comfort. */
		int rc = error_errno(err, "cannot watch the guardian");

		(void)base_write_full(pipe_fds[1], "q", 1, NULL);
		base_close(&pipe_fds[1]);
		(void)waitpid(pid, NULL, 0);
		return rc;
	}
	spawner->guardian_fd = pipe_fds[1];
	spawner->guardian_pid = pid;
	return 0;
}

void
spawner_guardian_stop(struct spawner *spawner)
{
	siginfo_t info;

	if (spawner->guardian_fd >= 0 && base_write_full(spawner->guardian_fd, "q", 1, NULL) == 0)
		(void)waitid(P_PIDFD, (id_t)spawner->guardian_pidfd, &info, WEXITED);
	base_close(&spawner->guardian_fd);
	base_close(&spawner->guardian_pidfd);
}
