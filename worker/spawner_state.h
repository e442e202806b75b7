/*
 * The directory in which stintd keeps durable jobs: made, checked and locked here, since stintd has
 * no right to and follows no path.
 */
#ifndef STINT_WORKER_SPAWNER_STATE_H
#define STINT_WORKER_SPAWNER_STATE_H

#include "protocol/config.h"
#include "protocol/error.h"

#include <sys/types.h>

#define SPAWNER_STATE_AUTO    "/var/lib/stint"
#define SPAWNER_STATE_LOCK_MS 5000 /* for an earlier service to end */

/*
 * Open the setting state_dir for stintd's account; *ret_fd is locked, close-on-exec, the caller's.
 * -1: no durable jobs, because the setting is empty, or is "auto" and there can be none here (which
 * is logged). An error names the path and the remedy.
 */
int spawner_state_open(const struct config *config, uid_t uid, gid_t gid, int *ret_fd,
		       struct error *err);

#endif
