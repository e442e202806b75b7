/*
 * The files for usage records, when the configuration names one.
 */
#ifndef STINT_WORKER_SPAWNER_USAGE_H
#define STINT_WORKER_SPAWNER_USAGE_H

#include "protocol/config.h"
#include "protocol/error.h"

#include <sys/types.h>

struct spawner_usage {
	int fd;     /* owned: of usage_log, or -1 */
	int old_fd; /* owned: of the one named .1, or -1 */
};

/* Open both, made when they are missing; -1 each when usage_log is empty. `group` may read them. */
int spawner_usage_open(const struct config *config, gid_t group, struct spawner_usage *ret_usage,
		       struct error *err);
void spawner_usage_close(struct spawner_usage *usage);

#endif
