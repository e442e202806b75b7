/*
 * An array with a list of the free places.
 *
 * Ids come back from the daemon, so they are checked. Grows by doubling; says so when it cannot.
 * Called by load_drive.c and its unit test.
 */
#include "bench/load_slots.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS_FIRST 256

void
load_slots_deinit(struct load_slots *slots)
{
	free(slots->slots);
	memset(slots, 0, sizeof(*slots));
}

static int
grow(struct load_slots *slots)
{
	size_t count = slots->count ? slots->count * 2 : SLOTS_FIRST;
	struct load_slot *larger = realloc(slots->slots, count * sizeof(*larger));

	if (larger == NULL)
		return -1;
	for (size_t i = count; i-- > slots->count;) {
		larger[i].owner = NULL;
		larger[i].next_free = slots->first_free;
		slots->first_free = (uint32_t)i + 1;
	}
	slots->slots = larger;
	slots->count = count;
	return 0;
}

uint64_t
load_slots_take(struct load_slots *slots, void *owner, uint64_t due_ns, uint32_t kind)
{
	uint32_t id;

	if (slots->first_free == 0 && grow(slots) < 0)
		return 0;
	id = slots->first_free;
	slots->first_free = slots->slots[id - 1].next_free;
	slots->slots[id - 1].owner = owner;
	slots->slots[id - 1].due_ns = due_ns;
	slots->slots[id - 1].kind = kind;
	slots->used++;
	return id;
}

struct load_slot *
load_slots_find(const struct load_slots *slots, uint64_t id)
{
	if (id == 0 || id > slots->count || slots->slots[id - 1].owner == NULL)
		return NULL;
	return &slots->slots[id - 1];
}

void
load_slots_free(struct load_slots *slots, struct load_slot *slot)
{
	slot->owner = NULL;
	slot->next_free = slots->first_free;
	slots->first_free = (uint32_t)(slot - slots->slots) + 1;
	slots->used--;
}
