/*
 * Charge placement: see the contract in the header.
 *
 * Ends of edges are joined into classes with a disjoint-set forest over 2 * count nodes: node 2b is
 * the entry of block b, node 2b+1 its exit. A class that holds the entry of a loop head, of an
 * exception handler, of the function or of a point after a suspension has the value 0. Any other gets
 * the largest cost + post among the blocks that it enters, of those in the deepest loop: the busiest
 * block then needs no charge at all.
 *
 * Values are found in one pass from the last block to the first: what a block leaves prepaid is known
 * then, unless its own exit belongs to a class that is still open (an if without else); such a block
 * makes no offer and pays for itself. Never recursive; called by meter_rewrite.c, and by its test.
 */
#include "worker/meter_place.h"

#include <stdlib.h>
#include <string.h>

struct place_class {
	uint32_t value;
	uint32_t depth;	 /* loop depth of the block that made the best offer */
	uint32_t open;	 /* entries of blocks not yet seen */
	bool zero;
	bool forced;	 /* a no_charge block fixed the value */
	bool offered;
};

struct place {
	struct meter_block *blocks; /* borrowed */
	size_t count;
	uint32_t *parent;	    /* owned: disjoint sets of 2 * count nodes */
	uint32_t *depth;	    /* owned: loop depth of each block */
	struct place_class *classes; /* owned: by root node */
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

static struct place_class *
place_entry(struct place *place, size_t block)
{
	return &place->classes[place_find(place, (uint32_t)(2 * block))];
}

static struct place_class *
place_exit(struct place *place, size_t block)
{
	return &place->classes[place_find(place, (uint32_t)(2 * block + 1))];
}

/* Join the two ends of every edge; find loop heads and loop depths by the order of the code. */
static void
place_join(struct place *place)
{
	for (size_t b = 0; b < place->count; b++) {
		for (int s = 0; s < 2; s++) {
			int32_t to = place->blocks[b].successors[s];
			if (to == METER_NO_BLOCK)
				continue;
			uint32_t from_root = place_find(place, (uint32_t)(2 * b + 1));
			uint32_t to_root = place_find(place, (uint32_t)(2 * to));
			place->parent[from_root] = to_root;
			if ((size_t)to <= b) { /* blocks to .. b are a loop */
				place->depth[to]++;
				place->depth[b + 1]--;
			}
		}
	}
	for (size_t b = 1; b <= place->count; b++)
		place->depth[b] += place->depth[b - 1];
}

/* Mark the classes that must be 0, and count the entries that each class waits for. */
static void
place_mark(struct place *place)
{
	for (size_t b = 0; b < place->count; b++) {
		place_entry(place, b)->open++;
		if (place->blocks[b].enters_unpaid)
			place_entry(place, b)->zero = true;
		for (int s = 0; s < 2; s++) {
			int32_t to = place->blocks[b].successors[s];
			if (to != METER_NO_BLOCK && (size_t)to <= b)
				place_entry(place, (size_t)to)->zero = true;
		}
	}
}

/* Block b offers its cost, and what it must leave prepaid, as the value of the class it is in. */
static void
place_offer(struct place *place, size_t b)
{
	struct place_class *entry = place_entry(place, b), *exit = place_exit(place, b);
	bool exit_known = exit->zero || exit->open == 0;

	entry->open--;
	if (entry->zero || entry->forced || entry == exit || !exit_known)
		return;
	uint32_t offer = place->blocks[b].cost + (exit->zero ? 0 : exit->value);
	if (place->blocks[b].no_charge) {
		entry->forced = true;
		entry->value = offer;
		return;
	}
	if (!entry->offered || place->depth[b] > entry->depth ||
	    (place->depth[b] == entry->depth && offer > entry->value)) {
		entry->offered = true;
		entry->depth = place->depth[b];
		entry->value = offer;
	}
}

bool
meter_place(struct meter_block *blocks, size_t count)
{
	struct place place = { .blocks = blocks, .count = count };
	bool done = false;

	if (count == 0)
		return true;
	place.parent = malloc(2 * count * sizeof *place.parent);
	place.depth = calloc(count + 1, sizeof *place.depth);
	place.classes = calloc(2 * count, sizeof *place.classes);
	if (place.parent == NULL || place.depth == NULL || place.classes == NULL)
		goto out;
	for (size_t node = 0; node < 2 * count; node++)
		place.parent[node] = (uint32_t)node;
	place_join(&place);
	place_mark(&place);
	for (size_t b = count; b-- > 0;)
		place_offer(&place, b);
	for (size_t b = 0; b < count; b++) {
		const struct place_class *entry = place_entry(&place, b);
		const struct place_class *exit = place_exit(&place, b);
		blocks[b].pre = entry->zero ? 0 : entry->value;
		blocks[b].post = exit->zero ? 0 : exit->value;
		blocks[b].charge = (int32_t)blocks[b].cost + (int32_t)blocks[b].post -
				   (int32_t)blocks[b].pre;
	}
	done = true;
out:
	free(place.parent);
	free(place.depth);
	free(place.classes);
	return done;
}
