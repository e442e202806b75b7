/*
 * stintd's end of the spawner link: start and end generations, hear what became of them.
 */
#ifndef STINT_DAEMON_SPAWNER_LINK_H
#define STINT_DAEMON_SPAWNER_LINK_H

#include "protocol/error.h"
#include "protocol/message.h"

#include <uv.h>

struct spawner_link;

struct spawner_link_callbacks {
	/* fds[0]: the zygote link, then about->dir_count directories; the callee sets what it keeps
	 * to -1. None when about->error is not 0. */
	void (*started)(void *context, const struct message_generation *about, int *fds);
	void (*ended)(void *context, const struct message_generation *about);
	void (*drain)(void *context);
	/* The configuration was read again: fd, borrowed for the call, is a memory file that nobody
	 * can change. A negative return is a breach: `closed` follows with *err. */
	int (*config)(void *context, int fd, struct error *err);
	/* The link is lost or the spawner broke its rules. Once, last. */
	void (*closed)(void *context, const struct error *err);
	void *context;
};

/* fd is owned from here on, also on failure. */
int spawner_link_new(uv_loop_t *loop, int fd, const struct spawner_link_callbacks *callbacks,
		     struct spawner_link **ret_link, struct error *err);
void spawner_link_close(struct spawner_link **link);
int spawner_link_start_generation(struct spawner_link *link, uint64_t number, struct error *err);
int spawner_link_end_generation(struct spawner_link *link, uint64_t number, struct error *err);
int spawner_link_daemon_ready(struct spawner_link *link, struct error *err);
/* Once. `drain` is called when it stops. */
int spawner_link_daemon_drain(struct spawner_link *link, struct error *err);
int spawner_link_daemon_alive(struct spawner_link *link, struct error *err);

#endif
