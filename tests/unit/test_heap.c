/* The heap: order, removal from anywhere, ranks, and its memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "daemon/heap.h"

#define ITEMS 1000u

struct item {
	uint64_t major, minor;
	struct heap_node node;
};

static struct item *
make_items(void)
{
	struct item *items = calloc(ITEMS, sizeof(*items));
	uint32_t seed = 1;
	assert_non_null(items);
	for (unsigned i = 0; i < ITEMS; i++) {
		seed = seed * 1664525 + 1013904223;
		items[i].major = seed >> 25;
		items[i].minor = i;
	}
	return items;
}

static bool
is_before(const struct item *a, const struct item *b)
{
	return a->major < b->major || (a->major == b->major && a->minor < b->minor);
}

static void
test_gives_them_in_order(void **state)
{
	struct item *items = make_items(), *last = NULL;
	struct heap heap;
	struct heap_node *first;
	unsigned count = 0;
	(void)state;
	heap_init(&heap);
	assert_null(heap_first(&heap));
	for (unsigned i = 0; i < ITEMS; i++)
		heap_put(&heap, &items[i].node, items[i].major, items[i].minor);
	assert_true(heap.room >= ITEMS);
	while ((first = heap_first(&heap)) != NULL) {
		struct item *item = heap_item(first, struct item, node);
		assert_true(!last || is_before(last, item));
		heap_remove(&heap, first);
		assert_int_equal(item->node.place, 0);
		last = item;
		count++;
	}
	assert_int_equal(count, ITEMS);
	assert_true(heap.room < ITEMS); /* memory went back */
	heap_deinit(&heap);
	free(items);
}

static void
test_leave_from_anywhere(void **state)
{
	struct item *items = make_items();
	struct heap heap;
	(void)state;
	heap_init(&heap);
	for (unsigned i = 0; i < ITEMS; i++)
		heap_put(&heap, &items[i].node, items[i].major, items[i].minor);
	for (unsigned i = 0; i < ITEMS; i++) {
		heap_remove(&heap, &items[i * 7 % ITEMS].node);
		heap_remove(&heap, &items[i * 7 % ITEMS].node); /* harmless */
		for (size_t at = 1; at < heap.count; at++) {
			struct heap_node *above = heap.slots[(at - 1) / 2].node;
			assert_true(is_before(heap_item(above, struct item, node),
					      heap_item(heap.slots[at].node, struct item, node)));
		}
	}
	assert_int_equal(heap.count, 0);
	heap_deinit(&heap);
	free(items);
}

static void
test_rank(void **state)
{
	struct item *items = make_items();
	struct heap heap;
	(void)state;
	heap_init(&heap);
	for (unsigned i = 0; i < ITEMS; i++)
		heap_put(&heap, &items[i].node, items[i].major, items[i].minor);
	for (unsigned i = 0; i < ITEMS; i += 37) {
		size_t rank = 1;
		for (unsigned other = 0; other < ITEMS; other++)
			rank += is_before(&items[other], &items[i]);
		assert_int_equal(heap_rank(&heap, &items[i].node, SIZE_MAX), rank);
		assert_true(heap_rank(&heap, &items[i].node, 10) <= 11);
	}
	for (unsigned i = 0; i < ITEMS; i++)
		heap_remove(&heap, &items[i].node);
	heap_deinit(&heap);
	free(items);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_gives_them_in_order),
	    cmocka_unit_test(test_leave_from_anywhere),
	    cmocka_unit_test(test_rank),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
