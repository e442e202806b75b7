/*
 * The way out: lines to clients, by session number. A line for a session that is gone is dropped.
 * Nothing here blocks; each turn of the loop writes what was put since the last one, in as few
 * system calls as the socket takes.
 */
#ifndef STINT_DAEMON_OUTBOX_H
#define STINT_DAEMON_OUTBOX_H

#include "daemon/hash_table.h"
#include "protocol/base_list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct outbox_chunk {
	struct link link;
	char *bytes; /* owned */
	size_t size, capacity;
};

/* One client's queue. Embedded in its connection, which owns the descriptor. */
struct outbox_channel {
	struct hash_link hash_link;
	struct link turn_link; /* in outbox->changed or ->waiting while something is to be done */
	struct list chunks;
	size_t head_offset; /* bytes of the first chunk that are sent */
	size_t pending;     /* bytes that wait */
	uint64_t session;   /* 0: not open */
	int fd;             /* borrowed from the connection; -1: not open */
	bool held;          /* it has much, and the outbox holds: wait for no room in the socket */
	bool overfull;      /* a line was refused: the connection must be closed */
	bool broken;        /* a write failed: the peer is gone */
	/* Once in the turn after something changed; queued bytes have been tried before, unless it
	 * is held. It may close the channel. */
	void (*turn)(struct outbox_channel *channel, void *context);
	void *context;
};

struct outbox {
	uv_prepare_t prepare; /* once per turn, before the loop waits */
	uv_idle_t idle;       /* while something is to be written: the loop does not wait */
	struct hash_table channels;
	struct list changed;
	struct list waiting; /* changed before and not written yet: the next turn's first */
	size_t pending;      /* of all channels */
	size_t most;         /* that it was since the heap was cut */
	size_t channel_max;  /* a channel with this much beside its longest line takes no more */
	size_t total_max;    /* above it the fullest channel is given up */
	bool holds;          /* who has much is not to be written to now */
	bool owes;           /* nothing was written since it held last */
};

int outbox_init(struct outbox *ret_outbox, uv_loop_t *loop, size_t channel_max, size_t total_max);
/* Other bounds from now on. */
void outbox_resize(struct outbox *outbox, size_t channel_max, size_t total_max);
/* Close the handles; all channels must be closed. The memory is free to go when the loop has run.
 */
void outbox_close(struct outbox *outbox);
void outbox_deinit(struct outbox *outbox);

/* session, fd, turn and context are the caller's to fill in before. */
void outbox_channel_open(struct outbox *outbox, struct outbox_channel *channel);
/* Drops what waits. Harmless when not open. */
void outbox_channel_close(struct outbox *outbox, struct outbox_channel *channel);
/* Have channel->turn called in the next turn. */
void outbox_channel_touch(struct outbox *outbox, struct outbox_channel *channel);

/* Queue one line, its LF included, for `session`. Takes over `line` (heap), also when it is
 * dropped. */
void outbox_put(struct outbox *outbox, uint64_t session, char *line, size_t size);
/* Write now what was put for who has little to get, for the rest of this turn may be long. */
void outbox_write_little(struct outbox *outbox);
/* Until it is told otherwise, who has more than little to get waits: nothing is written to him, all
 * else is done as ever. Between two holds there is one turn at least in which is written. */
void outbox_hold(struct outbox *outbox, bool holds);

#endif
