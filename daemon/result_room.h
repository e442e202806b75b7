/*
 * How many bytes of results stintd holds at one time: from the moment a dead worker's output is
 * read until the answer's line is in the outbox. What does not fit waits where it is cheap, in the
 * worker's own memory files, first come first served. A result that is larger than the whole room
 * goes alone.
 */
#ifndef STINT_DAEMON_RESULT_ROOM_H
#define STINT_DAEMON_RESULT_ROOM_H

#include "protocol/base_list.h"

#include <stdbool.h>
#include <stdint.h>

/* Results up to this are answered at once: they are not counted and never wait. */
#define RESULT_ROOM_FREE_BYTES 65536u

struct result_room {
	uint64_t used_bytes, max_bytes;
	struct list waiting; /* of struct result_place */
};

/* One result's place; embedded in what waits for it. */
struct result_place {
	struct link link;
	uint64_t bytes; /* counted: 0 for a small result */
};

void result_room_init(struct result_room *ret_room, uint64_t max_bytes);
/* True: it has its place. False: it waits in line; with `held`, whatever room there is, unless it
 * is small. */
bool result_room_enter(struct result_room *room, struct result_place *place, uint64_t bytes,
		       bool held);
/* The next of those that wait which has its place now, or NULL. */
struct result_place *result_room_next(struct result_room *room);
/* A result of that many counted bytes is gone. */
void result_room_leave(struct result_room *room, uint64_t bytes);

#endif
