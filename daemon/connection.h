/*
 * One client connection, inwards: bytes to lines to calls; and the watch on its descriptor.
 *
 * Reading pauses while the client has too many requests in work, lets too many answers wait, or has
 * a large line being read off the loop. When the client ends its sending side only, what it asked
 * for is still answered; when it is gone, its jobs are cancelled at once.
 */
#ifndef STINT_DAEMON_CONNECTION_H
#define STINT_DAEMON_CONNECTION_H

#include "daemon/identity.h"
#include "daemon/inwork.h"
#include "daemon/line_buffer.h"
#include "daemon/outbox.h"
#include "daemon/share.h"
#include "protocol/base_list.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct rpc;
struct rpc_call;

/* Lines above this are read off the loop. */
#define CONNECTION_INLINE_BYTES_MAX 65536u
/* A line has this long to arrive, and one second more for each CONNECTION_LINE_RATE_BYTES of it. */
#define CONNECTION_LINE_WAIT_MAX_MS 60000u
#define CONNECTION_LINE_RATE_BYTES  65536u

/* What all connections share; borrowed by each, owned by the listener's owner. */
struct connection_host {
	uv_loop_t *loop;
	struct rpc *rpc;
	struct inwork *inwork;
	struct outbox *outbox;
	struct share_table shares;    /* of open connections */
	struct line_budget budget;
	size_t line_max;    /* request_bytes_max, of connections that open */
	size_t jobs_max;    /* connection_jobs_max */
	size_t backlog_max; /* reading pauses while more than this waits to be read */
	size_t uid_max;     /* connections of a tenant without a maximum of its own; 0: none */
	struct list open;   /* of struct connection: all that are not freed */
	/* A connection's memory is about to go. May be NULL. */
	void (*gone)(void *context);
	void *context;
};

struct connection {
	uint32_t magic;
	struct connection_host *host; /* borrowed */
	struct link link;             /* in host->open */
	uv_poll_t poll;
	int fd; /* owned */
	struct identity identity; /* owned; settled, and the same while a line is being read */
	struct share *share;      /* of its tenant; NULL: lost */
	struct inwork_client client; /* client.session is the session number */
	struct outbox_channel channel;
	struct line_buffer lines;
	uint64_t line_since_ms; /* loop time when the unfinished line began; 0: none */
	uint64_t line_bytes;    /* of it that have come */
	int watched;            /* events that the poll handle asks for now */
	bool at_end;            /* the client sends no more */
	bool parsing;           /* a line is being read off the loop */
	bool lost;              /* closed; freed when nothing refers to it */
	bool handle_closed;
	uv_work_t work;
	const uint8_t *work_line; /* borrowed from lines, which stand still meanwhile */
	size_t work_length;
	struct rpc_call *work_call; /* owned: what became of it */
};

/* Takes over fd, which is non-blocking, and *identity. session is unique and not 0. */
void connection_open(struct connection_host *host, int fd, uint64_t session,
		     struct identity *identity);
/* End it now: its jobs are cancelled, what waits to be written is dropped. */
void connection_close(struct connection *connection);
/* Read no more; answer what was asked, then close. */
void connection_finish(struct connection *connection);
/* Close it when its unfinished line has taken too long. now_ms is the loop's time. */
void connection_expire(struct connection *connection, uint64_t now_ms);

#endif
