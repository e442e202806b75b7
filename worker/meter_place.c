/*
 * Charge placement: see the contract in the header.
 *
 * The value of a class is the number of instructions on the shortest way from it to a point where
 * nothing may be prepaid: the end of the function, a suspension, an exception handler. It is the
 * largest value that needs no refund anywhere, and then a block has a charge only if it is not on
 * the shortest way on: an if without else has one, on the longer path; a loop has one for each
 * iteration, in its body; straight code has none but the first.
 *
 * Ends of edges are joined into classes with a disjoint-set forest over 2 * count nodes: node 2b is
 * the entry of block b, node 2b+1 its exit. Then Dijkstra's algorithm runs from the classes of
 * value 0 backwards. A loop without a way out has no such class: its first block is given 0. Never
 * recursive; called by meter_blocks.c, and by its test.
 */
#include "worker/meter_place.h"

#include <stdlib.h>
#include <string.h>

#define PLACE_UNKNOWN UINT32_MAX
#define PLACE_NOTHING UINT32_MAX

struct place_class {
	uint32_t value;   /* PLACE_UNKNOWN until reached */
	uint32_t leavers; /* first block whose exit is in this class, or PLACE_NOTHING */
	bool zero, reached, settled;
};

struct place_offer { /* in the heap: class by its root node, and a value for it */
	uint32_t value, root;
};

struct place {
	struct meter_block *blocks; /* borrowed */
	size_t count;
	uint32_t *parent;            /* owned: disjoint sets of 2 * count nodes */
	uint32_t *next_leaver;       /* owned: of each block, in its exit's class */
	struct place_class *classes; /* owned: by root node */
	struct place_offer *heap;    /* owned: at most 3 * count offers at a time */
	size_t heap_count;
};

static uint32_t
place_find(struct place *place, uint32_t node)
{
	while (place->parent[node] != node) {
		place->parent[node] = place->parent[place->parent[node]];
		node = place->parent[node];
	}
	return node;
}

static uint32_t
place_entry(struct place *place, size_t block)
{
	return place_find(place, (uint32_t)(2 * block));
}

static uint32_t
place_exit(struct place *place, size_t block)
{
	return place_find(place, (uint32_t)(2 * block + 1));
}

static void
place_push(struct place *place, uint32_t root, uint32_t value)
{
	size_t at = place->heap_count++;

	for (; at > 0 && place->heap[(at - 1) / 2].value > value; at = (at - 1) / 2)
		place->heap[at] = place->heap[(at - 1) / 2];
	place->heap[at] = (struct place_offer){value, root};
}

static struct place_offer
place_pop(struct place *place)
{
	struct place_offer top = place->heap[0], last = place->heap[--place->heap_count];
	size_t at = 0, child;

	while ((child = 2 * at + 1) < place->heap_count) {
		if (child + 1 < place->heap_count &&
		    place->heap[child + 1].value < place->heap[child].value)
			child++;
		if (place->heap[child].value >= last.value)
			break;
		place->heap[at] = place->heap[child];
		at = child;
	}
	place->heap[at] = last;
	return top;
}

/* Join the two ends of every edge; list the blocks by the class of their exit. */
static void
place_join(struct place *place)
{
	for (size_t b = 0; b < place->count; b++)
		for (int s = 0; s < 2; s++) {
			int32_t to = place->blocks[b].successors[s];
			if (to != METER_NO_BLOCK)
				place->parent[place_exit(place, b)] =
				    place_entry(place, (size_t)to);
		}
	for (size_t node = 0; node < 2 * place->count; node++)
		place->classes[node] =
		    (struct place_class){.value = PLACE_UNKNOWN, .leavers = PLACE_NOTHING};
	for (size_t b = 0; b < place->count; b++) {
		struct place_class *exit = &place->classes[place_exit(place, b)];
		place->next_leaver[b] = exit->leavers;
		exit->leavers = (uint32_t)b;
		if (place->blocks[b].enters_unpaid)
			place->classes[place_entry(place, b)].zero = true;
		if (place->blocks[b].successors[0] == METER_NO_BLOCK &&
		    place->blocks[b].successors[1] == METER_NO_BLOCK)
			exit->zero = true;
	}
}

/* Mark all from which `root`, a class of value 0, can be reached; each class is entered once. */
static void
place_reach(struct place *place, uint32_t root)
{
	if (place->classes[root].reached)
		return;
	place->classes[root].reached = true;
	place->heap[place->heap_count++].root = root;
	while (place->heap_count > 0) {
		root = place->heap[--place->heap_count].root;
		for (uint32_t b = place->classes[root].leavers; b != PLACE_NOTHING;
		     b = place->next_leaver[b]) {
			uint32_t entry = place_entry(place, b);

			if (place->classes[entry].reached)
				continue;
			place->classes[entry].reached = true;
			place->heap[place->heap_count++].root = entry;
		}
	}
}

/* A loop without a way out reaches no class of value 0: its first block becomes one, before any
 * value is found, since it is on the shortest way for all that lead into it. */
static void
place_sources(struct place *place)
{
	for (uint32_t node = 0; node < 2 * place->count; node++)
		if (place->classes[node].zero)
			place_reach(place, node);
	for (size_t b = 0; b < place->count; b++) {
		uint32_t root = place_entry(place, b);

		if (place->classes[root].reached)
			continue;
		place->classes[root].zero = true;
		place_reach(place, root);
	}
}

static void
place_values(struct place *place)
{
	for (uint32_t node = 0; node < 2 * place->count; node++)
		if (place->classes[node].zero) {
			place->classes[node].value = 0;
			place_push(place, node, 0);
		}
	while (place->heap_count > 0) {
		struct place_offer offer = place_pop(place);
		struct place_class *class = &place->classes[offer.root];
		if (class->settled)
			continue;
		class->settled = true;
		class->value = offer.value;
		for (uint32_t b = class->leavers; b != PLACE_NOTHING; b = place->next_leaver[b]) {
			uint32_t root = place_entry(place, b);
			struct place_class *entry = &place->classes[root];
			uint32_t value = offer.value + place->blocks[b].cost;
			if (entry->settled || value >= entry->value)
				continue;
			entry->value = value;
			place_push(place, root, value);
		}
	}
}

bool
meter_place(struct meter_block *blocks, size_t count)
{
	struct place place = {.blocks = blocks, .count = count};
	bool done = false;

	if (count == 0)
		return true;
	place.parent = malloc(2 * count * sizeof *place.parent);
	place.next_leaver = malloc(count * sizeof *place.next_leaver);
	place.classes = malloc(2 * count * sizeof *place.classes);
	place.heap = malloc((4 * count + 1) * sizeof *place.heap);
	if (place.parent == NULL || place.next_leaver == NULL || place.classes == NULL ||
	    place.heap == NULL)
		goto out;
	for (size_t node = 0; node < 2 * count; node++)
		place.parent[node] = (uint32_t)node;
	place_join(&place);
	place_sources(&place);
	place_values(&place);
	for (size_t b = 0; b < count; b++) {
		blocks[b].pre = place.classes[place_entry(&place, b)].value;
		blocks[b].post = place.classes[place_exit(&place, b)].value;
		blocks[b].charge = blocks[b].cost + blocks[b].post - blocks[b].pre;
	}
	done = true;
out:
	free(place.parent);
	free(place.next_leaver);
	free(place.classes);
	free(place.heap);
	return done;
}
