/*
 * The listening socket: takes connections, up to connections_max, notes who the peer is, and looks
 * now and then for lines that take too long to arrive.
 */
#ifndef STINT_DAEMON_LISTENER_H
#define STINT_DAEMON_LISTENER_H

#include "daemon/connection.h"
#include "protocol/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* Descriptors of stintd for each worker, its control group's files included. */
#define LISTENER_WORKER_DESCRIPTORS 17u

struct listener {
	struct connection_host *host; /* borrowed from the daemon */
	uv_poll_t poll;
	uv_timer_t sweep; /* old lines */
	uv_timer_t pause; /* no accept until it fires: the machine is out of descriptors */
	int fd;           /* owned: the listening socket */
	int spare_fd;     /* owned: given up for a moment when there is no other descriptor */
	int fd_max;       /* the first descriptor that is not for clients */
	size_t connections_max;
	uint64_t last_session;
	bool closed;
};

/* fd: a listening stream socket, owned by the listener from here on, also when this fails. */
int listener_open(struct listener *ret_listener, struct connection_host *host, int fd,
		  size_t connections_max, struct error *err);
/* Accept no more; open connections stay. Harmless when repeated. */
void listener_stop(struct listener *listener);
/* Close every handle of the listener and every connection. */
void listener_close(struct listener *listener);

#endif
