/*
 * Birth of stintd and of a zygote: one clone, a fixed row of set-up steps in the child, one exec.
 * The parent returns when the exec has happened or a step has failed; a failed step names itself.
 */
#ifndef STINT_WORKER_SPAWNER_EXEC_H
#define STINT_WORKER_SPAWNER_EXEC_H

#include "protocol/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SPAWNER_EXEC_FDS_MAX     16
#define SPAWNER_EXEC_FIRST_FD    3
#define SPAWNER_EXEC_TIMEOUT_S   10
#define SPAWNER_EXEC_EXIT_FAILED 127

/* Everything is borrowed for the call. */
struct spawner_exec {
	const char *const *argv; /* NULL at its end */
	int program_fd;          /* O_PATH */
	const int *fds;          /* become 3, 4, ... of the program; all others are closed */
	size_t fd_count;
	const int *tasks; /* v1: the child writes "0" to each */
	size_t task_count;
	int cgroup_fd;       /* v2 directory to be born into, or -1 */
	uint64_t namespaces; /* CLONE_NEW* bits */
	/* Ids of a new user namespace: map_inside .. + map_count - 1 are map_base (for groups
	 * map_gid_base) and on outside. */
	uint32_t map_inside, map_base, map_gid_base, map_count;
	uid_t uid;
	gid_t gid;
	const gid_t *groups;
	size_t group_count;
	bool no_new_privs;
	bool keep_groups;       /* rootless: the kernel refuses to change them */
	bool keep_capabilities; /* of its user namespace, although uid is not 0 there */
	bool files_max;         /* raise RLIMIT_NOFILE as far as allowed */
	uint64_t stack_bytes;   /* RLIMIT_STACK, or 0: as it is */
};

/* On success both are the caller's: the child is to be reaped through ret_pidfd. */
int spawner_exec_start(const struct spawner_exec *plan, pid_t *ret_pid, int *ret_pidfd,
		       struct error *err);
/* Kill (no error when it is dead) and, for reap, wait until it has ended. */
void spawner_exec_kill(int pidfd);
/* Reap without waiting. True when it has ended; ret_status is as of waitpid. Closes *pidfd then. */
bool spawner_exec_reap(int *pidfd, int *ret_status);

#endif
