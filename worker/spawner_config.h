/*
 * The configuration as stintd gets it: stintd is confined and can look up no account, so all names
 * of users and groups are numbers there, and the file and every --set are one text.
 */
#ifndef STINT_WORKER_SPAWNER_CONFIG_H
#define STINT_WORKER_SPAWNER_CONFIG_H

#include "protocol/config.h"
#include "protocol/error.h"

#include <stdbool.h>

/*
 * A memfd of it that nobody can change, for a stintd that starts or that runs: *ret_fd is the
 * caller's. `name` is the file's, for errors: an account or group that does not exist, one that is
 * in two tenants under two names. rootless: the user who runs the service is an operator too.
 */
int spawner_config_seal(const struct config *config, const char *name, bool rootless, int *ret_fd,
			struct error *err);

#endif
