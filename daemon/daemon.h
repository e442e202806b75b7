/*
 * stintd as a whole: owns every stage, starts them in order, drains and stops them.
 */
#ifndef STINT_DAEMON_DAEMON_H
#define STINT_DAEMON_DAEMON_H

#include "protocol/config.h"
#include "protocol/error.h"

struct daemon_options {
	int listen_fd;  /* a listening Unix stream socket; taken over */
	int spawner_fd; /* the spawner's link; taken over */
	int state_fd;	/* the state directory; taken over; -1: no durable jobs */
	/* Each -1 when there is none; taken over. */
	int metrics_fd;		 /* a listening socket that metrics are served on */
	int usage_fd, usage_old_fd; /* files for usage records, both or none */
};

/*
 * Run until SIGTERM or SIGINT (all jobs end first; a second signal ends it at once) or until the
 * engine cannot go on. config is borrowed; the spawner may send another one. Returns 0 after a
 * drain, else a negative ERROR_* code with err filled.
 */
int daemon_run(const struct config *config, const struct daemon_options *options,
	       struct error *err);

#endif
