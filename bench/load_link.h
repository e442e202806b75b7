/*
 * One connection of the generator: requests out, answers in.
 *
 * The daemon takes a client for the user that its process was when it called connect(); so one
 * process can be many users, when it is root: it changes its effective ids around that call.
 */
#ifndef STINT_BENCH_LOAD_LINK_H
#define STINT_BENCH_LOAD_LINK_H

#include "bench/load_answer.h"
#include "bench/load_kinds.h"
#include "protocol/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct load_link {
	uv_pipe_t pipe; /* its data is the link */
	struct load_lines lines;
	bool open;   /* usable; it never opens again */
	void *group; /* the caller's */
	/* Each answer, and once, with a text, that the daemon has closed it. */
	void (*answered)(struct load_link *link, const struct load_answer *answer);
	void (*gone)(struct load_link *link, const char *why);
};

/*
 * Connect, waiting at most some seconds for a place in the socket's backlog, as user `uid` with
 * the group of the same number and no others (-1: as who we are). The link must stay where it is
 * until load_link_close() and another turn of the loop. On failure nothing is to be closed.
 */
int load_link_open(struct load_link *link, uv_loop_t *loop, const char *path, long uid,
		   struct error *err);
/* Never blocks; what the socket does not take waits in memory. A failure comes as `gone`. */
void load_link_send(struct load_link *link, const struct load_kind *kind, uint64_t id);
/* May be called for a link that has gone. */
void load_link_close(struct load_link *link);

#endif
