/*
 * One fork: a worker is born in its leaf, and the zygote gets its pidfd.
 */
#ifndef STINT_WORKER_ZYGOTE_FORK_H
#define STINT_WORKER_ZYGOTE_FORK_H

#include "protocol/error.h"
#include "worker/sandbox.h"

#include <stdint.h>
#include <sys/types.h>

/* What every fork of this zygote has in common. */
struct zygote_fork {
	int dirs[CGROUP_DIRS_MAX];       /* cgroup directories of the generation, open; borrowed */
	uint32_t roles[CGROUP_DIRS_MAX]; /* enum cgroup_role of each */
	unsigned dir_count;
	pid_t *tid; /* borrowed: where the C library keeps the main thread's id */
};

/* Find that place, by the kernel's record of it. Before the filter. */
int zygote_fork_init(struct zygote_fork *fork, struct error *err);

/*
 * Make the worker that `sandbox` says; it goes its own way in life(), which does not come back.
 * Opens the leaf "w<leaf>" in each directory. Returns the pid, and an owned pidfd, or -errno. The
 * descriptors in `sandbox` remain the caller's.
 */
pid_t zygote_fork_make(const struct zygote_fork *fork, struct sandbox *sandbox,
		       void (*life)(struct sandbox *sandbox), int *ret_pidfd);

#endif
