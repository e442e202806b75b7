/*
 * The intrusive list: order, count, removal while walking.
 */
#include "protocol/base_list.h"
#include "tests/unit/cmocka_headers.h"

struct item {
	int number;
	struct link link;
};

static void
keeps_order_and_count(void **state)
{
	struct item items[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
	struct list list;
	int expected = 0;

	list_init(&list);
	assert_null(list_first(&list));
	for (int i = 0; i < 3; i++)
		list_append(&list, &items[i].link);
	assert_int_equal(list.count, 3);
	LIST_FOREACH (&list, at) {
		assert_int_equal(list_item(at, struct item, link)->number, expected++);
	}
	assert_int_equal(expected, 3);
	list_remove(&items[1].link);
	list_remove(&items[1].link); /* not in a list: nothing */
	assert_int_equal(list.count, 2);
	assert_ptr_equal(list_next(&list, &items[0].link), &items[2].link);
	assert_null(list_next(&list, &items[2].link));
}

static void
safe_walk_allows_removal(void **state)
{
	struct item items[4] = {{.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}};
	struct list list, other;

	list_init(&list);
	list_init(&other);
	for (int i = 0; i < 4; i++)
		list_append(&list, &items[i].link);
	LIST_FOREACH_SAFE (&list, at, next) {
		list_remove(at);
		list_append(&other, at);
	}
	assert_int_equal(list.count, 0);
	assert_int_equal(other.count, 4);
	assert_ptr_equal(items[2].link.owner, &other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keeps_order_and_count),
	    cmocka_unit_test(safe_walk_allows_removal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
