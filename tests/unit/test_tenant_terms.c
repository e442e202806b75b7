/*
 * A tenant's terms: defaults of the table, limits as given; what a name may be.
 */
#include "protocol/tenant_terms.h"
#include "tests/unit/cmocka_headers.h"

#include <string.h>

static void
terms_begin_with_the_defaults(void **state)
{
	struct limits low, high;
	struct tenant_terms terms;
	(void)state;
	limits_defaults(&low);
	limits_maxima(&high);
	low.cpu_ms = 77;
	high.threads = 3;
	tenant_terms_init(&terms, "acme", &low, &high);
	assert_string_equal(terms.name, "acme");
	assert_int_equal(tenant_number(&terms, weight), 1);
	assert_int_equal(tenant_number(&terms, jobs_per_minute), 0);
	assert_int_equal(terms.limits_default.cpu_ms, 77);
	assert_int_equal(terms.limits_max.threads, 3);
}

static void
only_plain_names_are_valid(void **state)
{
	char longest[TENANT_NAME_MAX + 2];
	(void)state;
	memset(longest, 'x', sizeof(longest));
	assert_true(tenant_name_valid(longest, TENANT_NAME_MAX));
	assert_false(tenant_name_valid(longest, TENANT_NAME_MAX + 1));
	assert_true(tenant_name_valid("a", 1));
	assert_true(tenant_name_valid("0.b_c-d", 7));
	assert_false(tenant_name_valid("", 0));
	assert_false(tenant_name_valid(".a", 2));
	assert_false(tenant_name_valid("-a", 2));
	assert_false(tenant_name_valid("Acme", 4));
	assert_false(tenant_name_valid("a b", 3));
	assert_false(tenant_name_valid("a\0b", 3));
	assert_false(tenant_name_valid("a\n", 2));
	assert_false(tenant_name_valid("a/b", 3));
	assert_false(tenant_name_valid("\xc3\xa4", 2));
}

static void
a_uid_has_a_valid_name(void **state)
{
	char name[TENANT_NAME_MAX + 1];
	(void)state;
	tenant_name_of_uid(0, name);
	assert_string_equal(name, "uid-0");
	tenant_name_of_uid((uid_t)4294967295u, name);
	assert_string_equal(name, "uid-4294967295");
	assert_true(tenant_name_valid(name, strlen(name)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(terms_begin_with_the_defaults),
	    cmocka_unit_test(only_plain_names_are_valid),
	    cmocka_unit_test(a_uid_has_a_valid_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
