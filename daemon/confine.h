/*
 * stintd's own confinement: what it keeps, should a client's bytes ever take it over. It can then
 * still speak on the sockets it has, make and remove workers' control groups, and ask the spawner
 * and the zygote for what they permit; no file, no program, no process, no socket of another kind.
 */
#ifndef STINT_DAEMON_CONFINE_H
#define STINT_DAEMON_CONFINE_H

#include "protocol/error.h"

#include <stdbool.h>
#include <sys/types.h>

/*
 * Confine the calling thread and all that it starts, for good: no_new_privs, not dumpable,
 * Landlock, seccomp. state_fd: a directory in which it may make, write and remove files; -1: none.
 * Once, early, with one thread. *ret_landlock: whether the kernel has Landlock; without it the
 * permissions of files are what is left. ERROR_SYSTEM: something failed, do not go on.
 */
int confine_process(int state_fd, bool *ret_landlock, struct error *err);

/* The filter that confine_process loads, of a process with this pid: a scmp_filter_ctx, to be
 * released. */
int confine_build(pid_t own_pid, void **ret_filter, struct error *err);

#endif
