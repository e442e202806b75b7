/*
 * Landlock for workers: files by path for reading only, nothing executable, no network, nothing
 * outside the worker that could be signalled or reached by an abstract socket. It holds even where
 * the mount tree or the filter has a hole.
 */
#ifndef STINT_WORKER_SANDBOX_LANDLOCK_H
#define STINT_WORKER_SANDBOX_LANDLOCK_H

#include "protocol/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sandbox;

/* What the running kernel can restrict, and the rules of ordinary workers. Filled by the zygote. */
struct sandbox_landlock {
	uint64_t fs, net, scoped; /* every right that the kernel knows: all of them are handled */
	uint32_t flags;           /* of landlock_restrict_self */
	int ruleset;              /* owned: read below "/", nothing else; -1: switched off */
};

/* A directory and what is below it. */
struct sandbox_landlock_tree {
	int fd;        /* borrowed; any open of a directory */
	bool writable; /* files and directories may be made, changed, moved and removed, too */
};

/* The interface version of the running kernel; 0: it has no Landlock, or it is not switched on. */
int sandbox_landlock_abi(void);

/*
 * Zygote, in its final root and before its filter: find out what there is and make the rules of
 * "/". ERROR_UNSUPPORTED with the remedy when the kernel has none.
 */
int sandbox_landlock_open(struct sandbox_landlock *ret_landlock, struct error *err);
void sandbox_landlock_close(struct sandbox_landlock *landlock);

/*
 * A ruleset that handles all rights and allows those trees. No allocation, fit for a worker under
 * the wide filter: for a class of workers whose trees are known after the fork only. Returns the
 * descriptor (close-on-exec) or -errno.
 */
int sandbox_landlock_rules(const struct sandbox_landlock *landlock,
			   const struct sandbox_landlock_tree *trees, size_t count);

/* The step: put this process under the ruleset and close it. Needs no_new_privs. 0 or -errno. */
int sandbox_landlock_enter(struct sandbox *sandbox);

#endif
