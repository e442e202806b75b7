/*
 * Counts the bytes of results that are held, and keeps those in line that would be too many.
 *
 * Without it a few jobs that end together, each with output at its caps, take gigabytes: the bytes,
 * their copy, and the JSON text of them. Never reads a result and never starts work: finish.c does,
 * when it is told that there is a place. Cannot fail.
 */
#include "daemon/result_room.h"

#include "protocol/base_assert.h"

#include <string.h>

void
result_room_init(struct result_room *ret_room, uint64_t max_bytes)
{
	memset(ret_room, 0, sizeof(*ret_room));
	ret_room->max_bytes = max_bytes;
	list_init(&ret_room->waiting);
}

static bool
has_place(const struct result_room *room, uint64_t bytes)
{
	if (room->used_bytes == 0)
		return true;
	return room->used_bytes <= room->max_bytes && bytes <= room->max_bytes - room->used_bytes;
}

bool
result_room_enter(struct result_room *room, struct result_place *place, uint64_t bytes, bool held)
{
	place->bytes = bytes <= RESULT_ROOM_FREE_BYTES ? 0 : bytes;
	if (place->bytes == 0)
		return true;
	/* Behind those that wait already: a large one is not overtaken for ever. */
	if (held || room->waiting.count > 0 || !has_place(room, bytes)) {
		list_append(&room->waiting, &place->link);
		return false;
	}
	room->used_bytes += bytes;
	return true;
}

struct result_place *
result_room_next(struct result_room *room)
{
	struct link *first = list_first(&room->waiting);
	if (first == NULL)
		return NULL;
	struct result_place *place = list_item(first, struct result_place, link);
	if (!has_place(room, place->bytes))
		return NULL;
	list_remove(first);
	room->used_bytes += place->bytes;
	return place;
}

void
result_room_leave(struct result_room *room, uint64_t bytes)
{
	require(bytes <= room->used_bytes);
	room->used_bytes -= bytes;
}
