/*
 * GET /metrics over HTTP, for Prometheus: on a socket that the spawner bound and that only this
 * host reaches. One request for each connection, then it is closed.
 *
 * Bounded in every way: SCRAPE_CONNECTIONS_MAX at one time (one more takes the place of the one
 * that has been there longest), SCRAPE_TIME_MS for each of them, a request of
 * SCRAPE_REQUEST_BYTES_MAX, and the text is made at most once in SCRAPE_FRESH_MS.
 */
#ifndef STINT_DAEMON_SCRAPE_H
#define STINT_DAEMON_SCRAPE_H

#include "protocol/base_list.h"
#include "protocol/error.h"
#include "protocol/text_buffer.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#define SCRAPE_CONNECTIONS_MAX 16u
#define SCRAPE_TIME_MS         10000u
#define SCRAPE_FRESH_MS        100u

struct rpc;

struct scrape {
	uv_loop_t *loop; /* borrowed; NULL: not open */
	struct rpc *rpc; /* borrowed: whose metrics they are */
	uv_poll_t poll;
	uv_timer_t sweep;        /* runs while there are connections, or accepting is paused */
	int fd;                  /* owned: the listening socket */
	bool local;              /* TCP */
	bool paused;             /* accept failed: try again when the sweep comes */
	struct list open;        /* of connections, the oldest first */
	struct text_buffer text; /* of text_ms */
	uint64_t text_ms;        /* loop time; 0: none yet */
};

/* fd: a listening stream socket, owned from here on, also when this fails; -1: nothing is opened.
 * rpc->metrics is not NULL. */
int scrape_open(struct scrape *ret_scrape, uv_loop_t *loop, struct rpc *rpc, int fd,
		struct error *err);
/* Close everything; the loop must run until it is so. Harmless when it is not open. */
void scrape_close(struct scrape *scrape);

#endif
