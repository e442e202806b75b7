/*
 * stintd's end of a socket that carries struct message: reads with a uv_poll, hands each
 * well-formed message on, sends without waiting. Used by spawner_link and zygote_link, which know
 * the types.
 */
#ifndef STINT_DAEMON_MESSAGE_LINK_H
#define STINT_DAEMON_MESSAGE_LINK_H

#include "protocol/error.h"
#include "protocol/message.h"

#include <stddef.h>
#include <uv.h>

struct message_link;

struct message_link_callbacks {
	/* fds are the callee's, who sets those it keeps to -1; the rest is closed after the call. A
	 * negative return is a breach: `closed` follows with *err. */
	int (*message)(void *context, const struct message *message, int *fds, size_t fd_count,
		       struct error *err);
	/* End of file or breach; once, and nothing after it. */
	void (*closed)(void *context, const struct error *err);
	void *context;
};

/* fd is owned from here on, also on failure. fd_max: descriptors that a message may bring. */
int message_link_new(uv_loop_t *loop, int fd, size_t fd_max,
		     const struct message_link_callbacks *callbacks, struct message_link **ret_link,
		     struct error *err);
/* No callback after it; memory goes with the handle's close callback. */
void message_link_close(struct message_link **link);
/* Borrowed fds. ERROR_BUSY when the other side does not keep up. */
int message_link_send(struct message_link *link, const struct message *message, const int *fds,
		      size_t fd_count, struct error *err);
/* Borrowed; for the watchdog. */
int message_link_fd(const struct message_link *link);

#endif
