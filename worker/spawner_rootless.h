/*
 * The service started by an ordinary user, for development: what differs from root's, in one place.
 * It is weaker, says so at the start, and is never chosen by itself: the setting isolation must be
 * development.
 */
#ifndef STINT_WORKER_SPAWNER_ROOTLESS_H
#define STINT_WORKER_SPAWNER_ROOTLESS_H

#include "protocol/error.h"
#include "worker/spawner.h"
#include "worker/spawner_exec.h"

#include <stdbool.h>
#include <sys/types.h>

/* Set spawner->rootless from who started it and the setting. ERROR_PERMISSION with the remedy for
 * an ordinary user who did not ask for it. */
int spawner_rootless_choose(struct spawner *spawner, struct error *err);

/* stintd runs as the user himself. Cannot fail; returns 0. */
int spawner_rootless_account(uid_t *ret_uid, gid_t *ret_gid, bool *ret_fallback);

/*
 * Enter a user namespace in which the user is himself and may mount; warn of what lacks. Once,
 * before spawner_root_make, from the only thread. On error end the process.
 */
int spawner_rootless_enter(const struct spawner *spawner, struct error *err);

/* The zygote's ids: one, which is the user's. */
void spawner_rootless_plan(const struct spawner *spawner, struct spawner_exec *plan);

/* What it means that the kernel refused namespaces to an ordinary user; sys: EPERM or EACCES. */
int spawner_rootless_forbidden(int sys, struct error *err);

#endif
