/*
 * A binary heap in an array. The keys stand in the array, so that finding a place touches no item;
 * each item knows its place, so that it can leave from anywhere. Gives memory back when it has
 * become much too large. Called by pick.c. Cannot fail.
 */
#include "daemon/heap.h"

#include "protocol/base_assert.h"

#include <stdlib.h>
#include <string.h>

#define HEAP_ROOM_MIN 16u

void
heap_init(struct heap *ret_heap)
{
	memset(ret_heap, 0, sizeof(*ret_heap));
}

void
heap_deinit(struct heap *heap)
{
	require(heap->count == 0);
	free(heap->slots);
	heap_init(heap);
}

static void
heap_set_room(struct heap *heap, size_t room)
{
	struct heap_slot *slots = realloc(heap->slots, room * sizeof(*slots));
	require(slots);
	heap->slots = slots;
	heap->room = room;
}

static bool
heap_before(const struct heap_slot *a, const struct heap_slot *b)
{
	return a->major < b->major || (a->major == b->major && a->minor < b->minor);
}

static void
heap_set(struct heap *heap, size_t index, struct heap_slot slot)
{
	heap->slots[index] = slot;
	slot.node->place = index + 1;
}

/* Find the place of a slot, from an empty one towards the first. */
static void
heap_rise(struct heap *heap, size_t index, struct heap_slot slot)
{
	while (index > 0) {
		size_t above = (index - 1) / 2;
		if (!heap_before(&slot, &heap->slots[above]))
			break;
		heap_set(heap, index, heap->slots[above]);
		index = above;
	}
	heap_set(heap, index, slot);
}

static void
heap_sink(struct heap *heap, size_t index, struct heap_slot slot)
{
	for (;;) {
		size_t below = 2 * index + 1;
		if (below >= heap->count)
			break;
		if (below + 1 < heap->count &&
		    heap_before(&heap->slots[below + 1], &heap->slots[below]))
			below++;
		if (!heap_before(&heap->slots[below], &slot))
			break;
		heap_set(heap, index, heap->slots[below]);
		index = below;
	}
	heap_set(heap, index, slot);
}

void
heap_put(struct heap *heap, struct heap_node *node, uint64_t major, uint64_t minor)
{
	require(node->place == 0);
	if (heap->count == heap->room)
		heap_set_room(heap, heap->room > 0 ? 2 * heap->room : HEAP_ROOM_MIN);
	heap->count++;
	heap_rise(heap, heap->count - 1, (struct heap_slot){major, minor, node});
}

struct heap_node *
heap_first(const struct heap *heap)
{
	return heap->count > 0 ? heap->slots[0].node : NULL;
}

void
heap_remove(struct heap *heap, struct heap_node *node)
{
	if (node->place == 0)
		return;
	size_t index = node->place - 1;
	require(index < heap->count && heap->slots[index].node == node);
	node->place = 0;
	struct heap_slot last = heap->slots[--heap->count];
	if (last.node != node) {
		if (index > 0 && heap_before(&last, &heap->slots[(index - 1) / 2]))
			heap_rise(heap, index, last);
		else
			heap_sink(heap, index, last);
	}
	if (heap->room > HEAP_ROOM_MIN && heap->count < heap->room / 4)
		heap_set_room(heap, heap->room / 2);
}

static size_t
heap_count_before(const struct heap *heap, const struct heap_slot *slot, size_t index,
		  size_t *looks)
{
	if (index >= heap->count || *looks == 0)
		return 0;
	(*looks)--;
	if (!heap_before(&heap->slots[index], slot))
		return 0; /* nor is anything below it */
	return 1 + heap_count_before(heap, slot, 2 * index + 1, looks) +
	       heap_count_before(heap, slot, 2 * index + 2, looks);
}

size_t
heap_rank(const struct heap *heap, const struct heap_node *node, size_t looks)
{
	require(node->place > 0 && node->place <= heap->count);
	return 1 + heap_count_before(heap, &heap->slots[node->place - 1], 0, &looks);
}
