/*
 * A heap of what embeds a struct heap_node: the least of many by a pair of numbers, in a time that
 * grows with the logarithm of their count. Owns its memory, not its items. Lack of memory ends the
 * process.
 */
#ifndef STINT_DAEMON_HEAP_H
#define STINT_DAEMON_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
	size_t place; /* 0: in no heap; zero a new one */
};

struct heap_slot {
	uint64_t major, minor;  /* the key: compared in this order */
	struct heap_node *node; /* borrowed */
};

struct heap {
	struct heap_slot *slots; /* owned */
	size_t count, room;
};

#define heap_item(node_pointer, type, member)                                                      \
	((type *)(void *)((char *)(node_pointer)-offsetof(type, member)))

void heap_init(struct heap *ret_heap);
/* It must be empty. */
void heap_deinit(struct heap *heap);
void heap_put(struct heap *heap, struct heap_node *node, uint64_t major, uint64_t minor);
/* The least, or NULL; it stays. */
struct heap_node *heap_first(const struct heap *heap);
/* Harmless for one that is in no heap. */
void heap_remove(struct heap *heap, struct heap_node *node);
/* How many come before it, and 1: 1 is the first. At most `looks` items are looked at; where these
 * do not do, 1 more than was counted by then. */
size_t heap_rank(const struct heap *heap, const struct heap_node *node, size_t looks);

#endif
