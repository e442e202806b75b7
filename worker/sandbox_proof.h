/*
 * Finding out whether a confinement holds, by trying what it must prevent: no layer is believed for
 * the return value of the call that put it up.
 */
#ifndef STINT_WORKER_SANDBOX_PROOF_H
#define STINT_WORKER_SANDBOX_PROOF_H

#include "worker/sandbox.h"

#include <stdbool.h>
#include <stdint.h>

#define SANDBOX_PROOF_STATUS_BYTES 4096 /* of /proc/<pid>/status */

/*
 * In the zygote, after the root has changed and before the filter, so that it is the mounts that
 * answer: nothing can be made in the tree, and no file of it can be mapped for execution.
 */
bool sandbox_proof_root(const char *stdlib);

/*
 * In a worker with all its filters: the layers that hold, bits of enum isolation_layer.
 * status_fd: its own /proc/<pid>/status, opened before the first step; outside_fd: the host's
 * /proc. No allocation.
 */
uint64_t sandbox_proof_worker(int status_fd, int outside_fd, const struct sandbox *sandbox,
			      const struct worker_terms *terms);

/* The part of it that the kernel says in that file: text is NUL terminated. Pure. */
uint64_t sandbox_proof_status(const char *text);

#endif
