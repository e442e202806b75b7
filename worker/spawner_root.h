/*
 * The read-only tree that becomes the root of every zygote, mounted in a mount namespace of the
 * spawner's own, so that the host's mounts stay as they are and nothing is left to clean up.
 */
#ifndef STINT_WORKER_SPAWNER_ROOT_H
#define STINT_WORKER_SPAWNER_ROOT_H

#include "protocol/error.h"

#include <stdbool.h>
#include <stddef.h>

#ifndef SPAWNER_ROOT_STDLIB
#define SPAWNER_ROOT_STDLIB "/usr/lib/python3.11"
#endif
#define SPAWNER_ROOT_ZONEINFO "/usr/share/zoneinfo"

/*
 * Leave the host's mount namespace and build the tree; ret_path (static) is where. `keep` are
 * absolute paths that must not be covered by it. `rootless`: the caller is in a user namespace of
 * its own, where the times of access of the host's mounts are locked. On error the process is left
 * in the new namespace: end it.
 */
int spawner_root_make(const char *const *keep, size_t keep_count, bool rootless,
		      const char **ret_path, struct error *err);

#endif
