/*
 * Charge placement: see the contract in the header.
 *
 * The value of a class is the number of instructions on the shortest way from it to a point where
 * nothing may be prepaid: the end of the function, a suspension, an exception handler. It is the
 * largest value that needs no refund anywhere, and then a block has a charge only if it is not on
 * the shortest way on: an if without else has one, on the longer path; a loop has one for each
 * iteration, in its body; straight code has none but the first.
 *
 * Then charges are put off where that saves some: a test that passes its whole cost on to what
 * follows it charges nothing, so of a chain of elif only the branch that is taken charges. Less is
 * prepaid then, never less than nothing. Which of two blocks runs more often is guessed: a loop
 * turns PLACE_TURNS times, else both ways of a branch are as likely.
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
#define PLACE_TURNS   8

struct place_class {
	uint32_t value;    /* PLACE_UNKNOWN until reached */
	uint32_t leavers;  /* first block whose exit is in this class, or PLACE_NOTHING */
	uint32_t enterers; /* first block whose entry is in this class, or PLACE_NOTHING */
	bool zero, reached, settled, deferred;
};

struct place_offer { /* in the heap: class by its root node, and a value for it */
	uint32_t value, root;
};

struct place {
	struct meter_block *blocks; /* borrowed */
	size_t count;
	uint32_t *parent;            /* owned: disjoint sets of 2 * count nodes */
	uint32_t *next_leaver;       /* owned: of each block, in its exit's class */
	uint32_t *next_enterer;      /* owned: of each block, in its entry's class */
	uint32_t *depth;             /* owned: loops around each block */
	double *often;               /* owned: how often each block runs, guessed */
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
		place->classes[node] = (struct place_class){
		    .value = PLACE_UNKNOWN, .leavers = PLACE_NOTHING, .enterers = PLACE_NOTHING};
	for (size_t b = 0; b < place->count; b++) {
		struct place_class *exit = &place->classes[place_exit(place, b)];
		place->next_leaver[b] = exit->leavers;
		exit->leavers = (uint32_t)b;
		struct place_class *entry = &place->classes[place_entry(place, b)];
		place->next_enterer[b] = entry->enterers;
		entry->enterers = (uint32_t)b;
		if (place->blocks[b].enters_unpaid)
			entry->zero = true;
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

/* The blocks between the target of a jump backward and the jump are taken for a loop. */
static void
place_depths(struct place *place)
{
	uint32_t depth = 0;

	memset(place->depth, 0, (place->count + 1) * sizeof *place->depth);
	for (size_t b = 0; b < place->count; b++)
		for (int s = 0; s < 2; s++) {
			int32_t to = place->blocks[b].successors[s];
			if (to == METER_NO_BLOCK || (size_t)to > b)
				continue;
			place->depth[to]++;
			place->depth[b + 1]--; /* modulo 2^32; the sums are not negative */
		}
	for (size_t b = 0; b < place->count; b++)
		place->depth[b] = depth += place->depth[b];
}

/* Along the edges that go forward, in the order of the code. */
static void
place_frequencies(struct place *place)
{
	for (size_t b = 0; b < place->count; b++)
		place->often[b] = b == 0 || place->blocks[b].enters_unpaid ? 1 : 0;
	for (size_t b = 0; b < place->count; b++) {
		const int32_t *to = place->blocks[b].successors;
		bool both = to[0] != METER_NO_BLOCK && to[1] != METER_NO_BLOCK;

		if (b > 0 && place->depth[b] > place->depth[b - 1])
			place->often[b] *= PLACE_TURNS;
		for (int s = 0; s < 2; s++) {
			if (to[s] == METER_NO_BLOCK || (size_t)to[s] <= b)
				continue;
			bool leaves = place->depth[to[s]] < place->depth[b];
			double share = leaves ? 1.0 / PLACE_TURNS : both ? 0.5 : 1;
			place->often[to[s]] += place->often[b] * share;
		}
	}
}

/* By how much the value of a class can be lowered so that charges vanish; 0: not to any good. */
static uint32_t
place_delay(struct place *place, uint32_t root)
{
	const struct place_class *class = &place->classes[root];
	uint32_t delay = class->value;
	double gain = 0;

	if (class->zero)
		return 0;
	for (uint32_t b = class->leavers; b != PLACE_NOTHING; b = place->next_leaver[b])
		if (place_entry(place, b) != root && place->blocks[b].charge < delay)
			delay = place->blocks[b].charge;
	for (uint32_t b = class->leavers; b != PLACE_NOTHING; b = place->next_leaver[b])
		if (place_entry(place, b) != root && place->blocks[b].charge == delay)
			gain += place->often[b];
	for (uint32_t b = class->enterers; b != PLACE_NOTHING; b = place->next_enterer[b]) {
		if (place_exit(place, b) == root)
			continue;
		if (place->blocks[b].no_charge)
			return 0;
		if (place->blocks[b].charge == 0)
			gain -= place->often[b];
	}
	return gain > 0 ? delay : 0;
}

/* Each class once, in the order in which the code leaves into them. */
static void
place_defer(struct place *place)
{
	place_depths(place);
	place_frequencies(place);
	for (size_t at = 0; at < place->count; at++) {
		uint32_t root = place_exit(place, at);
		struct place_class *class = &place->classes[root];

		if (class->deferred)
			continue;
		class->deferred = true;
		uint32_t delay = place_delay(place, root);
		if (delay == 0)
			continue;
		class->value -= delay;
		for (uint32_t b = class->leavers; b != PLACE_NOTHING; b = place->next_leaver[b])
			place->blocks[b].charge -= delay;
		for (uint32_t b = class->enterers; b != PLACE_NOTHING; b = place->next_enterer[b])
			place->blocks[b].charge += delay;
	}
}

static void
place_charges(struct place *place)
{
	for (size_t b = 0; b < place->count; b++) {
		struct meter_block *block = &place->blocks[b];

		block->pre = place->classes[place_entry(place, b)].value;
		block->post = place->classes[place_exit(place, b)].value;
		block->charge = block->cost + block->post - block->pre;
	}
}

static bool
place_new(struct place *place)
{
	size_t count = place->count;

	place->parent = malloc(2 * count * sizeof *place->parent);
	place->next_leaver = malloc(count * sizeof *place->next_leaver);
	place->next_enterer = malloc(count * sizeof *place->next_enterer);
	place->classes = malloc(2 * count * sizeof *place->classes);
	place->heap = malloc((4 * count + 1) * sizeof *place->heap);
	place->depth = malloc((count + 1) * sizeof *place->depth);
	place->often = malloc(count * sizeof *place->often);
	return place->parent != NULL && place->next_leaver != NULL && place->next_enterer != NULL &&
	       place->classes != NULL && place->heap != NULL && place->depth != NULL &&
	       place->often != NULL;
}

static void
place_free(struct place *place)
{
	free(place->parent);
	free(place->next_leaver);
	free(place->next_enterer);
	free(place->classes);
	free(place->heap);
	free(place->depth);
	free(place->often);
}

bool
meter_place(struct meter_block *blocks, size_t count)
{
	struct place place = {.blocks = blocks, .count = count};

	if (count == 0)
		return true;
	bool done = place_new(&place);
	if (done) {
		for (size_t node = 0; node < 2 * count; node++)
			place.parent[node] = (uint32_t)node;
		place_join(&place);
		place_sources(&place);
		place_values(&place);
		place_charges(&place);
		place_defer(&place);
		place_charges(&place);
	}
	place_free(&place);
	return done;
}
