/* Connections are counted by tenant, and a tenant without any costs nothing. */
#include "cmocka_headers.h"
#include "daemon/share.h"

#include <stdio.h>

#define MANY 500

static void
counts_go_up_and_down(void **state)
{
	struct share_table table;
	(void)state;
	share_table_init(&table);
	assert_int_equal(share_count(&table, "a"), 0);
	struct share *first = share_enter(&table, "a"), *second = share_enter(&table, "a");
	struct share *other = share_enter(&table, "b"), *none = NULL;
	assert_ptr_equal(first, second);
	assert_int_equal(share_count(&table, "a"), 2);
	assert_int_equal(share_count(&table, "b"), 1);
	share_leave(&table, &first);
	assert_null(first);
	assert_int_equal(share_count(&table, "a"), 1);
	share_leave(&table, &none);
	share_leave(&table, &second);
	share_leave(&table, &other);
	assert_int_equal(share_count(&table, "a"), 0);
	assert_int_equal(table.names.count, 0);
	share_table_deinit(&table);
}

static void
many_tenants(void **state)
{
	struct share_table table;
	static struct share *shares[MANY];
	char name[20];
	(void)state;
	share_table_init(&table);
	for (unsigned i = 0; i < MANY; i++) {
		(void)snprintf(name, sizeof(name), "t%u", i);
		shares[i] = share_enter(&table, name);
	}
	for (unsigned i = 0; i < MANY; i++) {
		(void)snprintf(name, sizeof(name), "t%u", i);
		assert_int_equal(share_count(&table, name), 1);
		share_leave(&table, &shares[i]);
		assert_int_equal(share_count(&table, name), 0);
	}
	share_table_deinit(&table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(counts_go_up_and_down),
	    cmocka_unit_test(many_tenants),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
