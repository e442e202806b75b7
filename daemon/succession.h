/*
 * Generations one after another: the front one forks workers; the back one is its successor that
 * gets ready, or its predecessor whose last jobs run. At most these two exist. Owns the spawner
 * link.
 */
#ifndef STINT_DAEMON_SUCCESSION_H
#define STINT_DAEMON_SUCCESSION_H

#include "daemon/generation.h"
#include "daemon/recycle.h"
#include "protocol/base_clock.h"
#include "protocol/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct succession;

struct succession_callbacks {
	/* `generation` serves and is the front from now on: workers are forked by it. */
	void (*front)(void *context, struct generation *generation);
	void (*lost)(void *context, struct generation *generation, const char *why);
	void (*forked)(void *context, struct generation *generation,
		       const struct message_forked *about, int pidfd);
	void (*exited)(void *context, struct generation *generation,
		       const struct message_exited *about);
	void (*stopped)(void *context, struct generation *generation,
			const struct message_exited *about);
	void (*drain)(void *context);
	int (*config)(void *context, int fd, struct error *err); /* see spawner_link.h */
	void (*fatal)(void *context, const struct error *err);
	void *context;
};

/* Asks for generation 1 at once. spawner_fd is owned from here on, also on failure. */
int succession_new(uv_loop_t *loop, int spawner_fd, const struct clock *clock,
		   const struct recycle_limits *limits, enum isolation_level isolation,
		   const struct succession_callbacks *callbacks, struct succession **ret_succession,
		   struct error *err);
/* No callback after it. */
void succession_free(struct succession **succession);

/* From now on, also for the generation that serves. */
void succession_set_limits(struct succession *succession, const struct recycle_limits *limits);

/* The front, borrowed, never NULL; it may be in any state. */
struct generation *succession_front(const struct succession *succession);
/* That generation while it is live, or NULL. */
struct generation *succession_find(const struct succession *succession, uint64_t number);
/* The front's predecessor that serves, or is retiring; NULL when there is none. */
struct generation *succession_former(const struct succession *succession);

/* The generation was given a job. */
void succession_count_job(struct succession *succession, uint64_t number);
/* A worker of it became ready: its failures are forgotten. */
void succession_prove(struct succession *succession, uint64_t number);
/* A worker of it could not be started. When it never had one and its predecessor still serves, it
 * is given up, and the predecessor is the front again. */
void succession_doubt(struct succession *succession, uint64_t number);
/* Ask the spawner to stop the service; `drain` follows. Once. */
int succession_ask_drain(struct succession *succession, struct error *err);
/* Tell the spawner that stintd serves, and from then on every pulse_ms that it lives. */
int succession_announce(struct succession *succession, uint64_t pulse_ms, struct error *err);

#endif
