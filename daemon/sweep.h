/*
 * Leaves whose workers are gone and whose directories could not be removed yet: tries again.
 */
#ifndef STINT_DAEMON_SWEEP_H
#define STINT_DAEMON_SWEEP_H

#include "daemon/leaf.h"
#include "protocol/error.h"

#include <stddef.h>
#include <uv.h>

struct sweep;

int sweep_new(uv_loop_t *loop, struct sweep **ret_sweep, struct error *err);
void sweep_free(struct sweep **sweep);
/* Remove the leaf of `serial` now, or keep trying. root is borrowed until sweep_forget. */
void sweep_remove(struct sweep *sweep, const struct leaf_root *root, uint64_t serial,
		  uint32_t made);
/* The root goes away, and with it all its leaves: the spawner removes them. NULL: all roots. */
void sweep_forget(struct sweep *sweep, const struct leaf_root *root);
size_t sweep_count(const struct sweep *sweep);

#endif
