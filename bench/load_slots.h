/*
 * Requests without an answer, by id. An id is used again once it is free, so the table is as
 * large as the most that were in flight at one time.
 */
#ifndef STINT_BENCH_LOAD_SLOTS_H
#define STINT_BENCH_LOAD_SLOTS_H

#include <stddef.h>
#include <stdint.h>

struct load_slot {
	void *owner; /* the caller's; NULL: free */
	uint64_t due_ns;
	uint32_t kind;
	uint32_t next_free;
};

struct load_slots {
	struct load_slot *slots; /* owned */
	size_t count, used;
	uint32_t first_free; /* 0: none; else index + 1 */
};

/* All zero bytes is an empty table. */
void load_slots_deinit(struct load_slots *slots);
/* Returns the id, 1 or above; 0: no memory. `owner` is not NULL. */
uint64_t load_slots_take(struct load_slots *slots, void *owner, uint64_t due_ns, uint32_t kind);
/* The one with this id if it is in use, else NULL. Good until the next take. */
struct load_slot *load_slots_find(const struct load_slots *slots, uint64_t id);
void load_slots_free(struct load_slots *slots, struct load_slot *slot);

#endif
