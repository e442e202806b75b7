/*
 * stintd: started as an unprivileged process, watched, drained, started again.
 */
#ifndef STINT_WORKER_SPAWNER_DAEMON_H
#define STINT_WORKER_SPAWNER_DAEMON_H

#include "protocol/error.h"
#include "worker/spawner.h"

/* Account that stintd runs as: the setting `user`, or its fallback (*ret_fallback). Never uid 0. */
int spawner_daemon_account(const struct config *config, uid_t *ret_uid, gid_t *ret_gid,
			   bool *ret_fallback, struct error *err);
/* Start it; state becomes STARTING. On error it stays DOWN. */
int spawner_daemon_start(struct spawner *spawner, struct error *err);
/* Ask it to finish (once) and set the time when patience ends. */
void spawner_daemon_drain(struct spawner *spawner, uint64_t now_ns);
/* It broke a rule: log why and kill it. Its end shows on its pidfd. */
void spawner_daemon_condemn(struct spawner *spawner, const char *reason);
/*
 * It is reaped, or could not be started: close its link, end every generation, plan the restart.
 * False: give up, the service has never worked.
 */
bool spawner_daemon_ended(struct spawner *spawner, uint64_t now_ns);

#endif
