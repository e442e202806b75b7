/*
 * The narrow filter: what a worker puts on top of the wide one when it has its terms and before it
 * reads a tenant byte. It takes away the calls of the set-up, what this job was not granted, and
 * every signal or question to another process. It is made without heap and without libseccomp.
 */
#ifndef STINT_WORKER_SECCOMP_NARROW_H
#define STINT_WORKER_SECCOMP_NARROW_H

#include <linux/filter.h>
#include <stddef.h>
#include <sys/types.h>

#define SECCOMP_NARROW_MAX 128

enum seccomp_narrow_grant {
	SECCOMP_NARROW_ASYNCIO = 1u << 0,
	SECCOMP_NARROW_THREADS = 1u << 1,
	SECCOMP_NARROW_SCRATCH = 1u << 2,
	/* Grants nothing: the wide filter has the call that pins a worker; this takes it away. */
	SECCOMP_NARROW_PINNING = 1u << 3,
};

struct seccomp_narrow {
	struct sock_filter instructions[SECCOMP_NARROW_MAX];
	size_t count;
};

/* own_pid: the worker's, in its pid namespace; grants: bits of enum seccomp_narrow_grant. */
void seccomp_narrow_build(pid_t own_pid, unsigned grants, struct seccomp_narrow *ret_narrow);

/* The same for the machine of those rows (seccomp_narrow_rows.h), which need not be the running
 * one. */
struct seccomp_narrow_machine;
void seccomp_narrow_build_for(const struct seccomp_narrow_machine *machine, pid_t own_pid,
			      unsigned grants, struct seccomp_narrow *ret_narrow);

#endif
