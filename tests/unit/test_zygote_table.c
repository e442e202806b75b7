/*
 * The zygote's table of children: serials rise, ids are unique, it holds WORKERS_MAX.
 */
#include "worker/zygote_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void
add(struct zygote_table *table, pid_t pid, uint64_t serial, uid_t uid)
{
	assert_true(zygote_table_allows(table, serial, uid));
	zygote_table_use(table, serial);
	zygote_table_add(table, pid, serial, uid, serial);
}

static void
test_leaves_are_of_one_worker(void **state)
{
	struct zygote_table table = {.count = 0};

	add(&table, 10, 5, 1);
	assert_true(zygote_table_has_leaf(&table, 5));
	assert_false(zygote_table_has_leaf(&table, 4));
	assert_false(zygote_table_has_leaf(&table, 0)); /* of free entries */
	zygote_table_use(&table, 6);
	zygote_table_remove(&table, zygote_table_find_pid(&table, 10));
	assert_false(zygote_table_has_leaf(&table, 5));
	zygote_table_add(&table, 11, 6, 1, 5);
	assert_true(zygote_table_has_leaf(&table, 5));
	assert_false(zygote_table_has_leaf(&table, 6));
}

static void
test_serials_rise(void **state)
{
	struct zygote_table table = {.count = 0};

	assert_false(zygote_table_allows(&table, 0, 1));
	add(&table, 10, 5, 1);
	assert_false(zygote_table_allows(&table, 5, 2));
	assert_false(zygote_table_allows(&table, 4, 2));
	assert_true(zygote_table_allows(&table, 6, 2));
	zygote_table_remove(&table, zygote_table_find_pid(&table, 10));
	assert_false(zygote_table_allows(&table, 5, 2));
	zygote_table_use(&table, 6); /* a fork that failed */
	assert_false(zygote_table_allows(&table, 6, 2));
}

static void
test_ids_are_unique_among_the_living(void **state)
{
	struct zygote_table table = {.count = 0};

	add(&table, 10, 1, 7);
	assert_false(zygote_table_allows(&table, 2, 7));
	zygote_table_remove(&table, zygote_table_find_serial(&table, 1));
	assert_true(zygote_table_allows(&table, 2, 7));
	assert_int_equal(table.count, 0);
}

static void
test_find(void **state)
{
	struct zygote_table table = {.count = 0};

	add(&table, 10, 1, 1);
	add(&table, 11, 2, 2);
	assert_int_equal(zygote_table_find_pid(&table, 11)->serial, 2);
	assert_int_equal(zygote_table_find_serial(&table, 1)->pid, 10);
	assert_null(zygote_table_find_pid(&table, 12));
	assert_null(zygote_table_find_pid(&table, 0)); /* a free entry is no child */
	assert_null(zygote_table_find_serial(&table, 0));
}

static void
test_full(void **state)
{
	struct zygote_table table = {.count = 0};

	for (unsigned i = 1; i <= WORKERS_MAX; i++) {
		assert_false(zygote_table_is_full(&table));
		add(&table, (pid_t)i, i, i);
	}
	assert_true(zygote_table_is_full(&table));
	zygote_table_remove(&table, zygote_table_find_pid(&table, 100));
	assert_false(zygote_table_is_full(&table));
	add(&table, 1000, 1000, 100);
	assert_int_equal(zygote_table_find_pid(&table, 1000)->uid, 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_leaves_are_of_one_worker),
	    cmocka_unit_test(test_serials_rise),
	    cmocka_unit_test(test_ids_are_unique_among_the_living),
	    cmocka_unit_test(test_find),
	    cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
