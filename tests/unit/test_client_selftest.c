/*
 * What counts as held: the status, and for a job that ran to its end its output too.
 */
#include "client/client_selftest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static bool
holds(const char *status, const char *out, const char *result)
{
	const struct client_selftest test = {"name", status, out, "shows", "source"};

	return client_selftest_holds(&test, (struct client_json){result, strlen(result)});
}

static void
test_status_and_output(void **state)
{
	(void)state;
	assert_true(holds("ok", "OK\n", "{\"status\":\"ok\",\"stdout\":\"OK\\n\"}"));
	assert_false(holds("ok", "OK\n", "{\"status\":\"ok\",\"stdout\":\"not refused\\n\"}"));
	assert_false(holds("ok", "OK\n", "{\"status\":\"ok\",\"stdout\":\"OK\\nmore\"}"));
	assert_false(holds("ok", "OK\n", "{\"status\":\"runtime_error\",\"stdout\":\"OK\\n\"}"));
}

static void
test_a_limits_output_is_not_compared(void **state)
{
	(void)state;
	assert_true(holds("output_limit", "", "{\"status\":\"output_limit\",\"stdout\":\"xxx\"}"));
	assert_false(holds("cpu_limit", "", "{\"status\":\"ok\",\"stdout\":\"\"}"));
}

static void
test_what_is_missing_does_not_hold(void **state)
{
	(void)state;
	assert_false(holds("ok", "OK\n", "{\"status\":\"ok\"}"));
	assert_false(holds("ok", "OK\n", "{}"));
	assert_false(holds("cpu_limit", "", "{\"status\":null}"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_status_and_output),
	    cmocka_unit_test(test_a_limits_output_is_not_compared),
	    cmocka_unit_test(test_what_is_missing_does_not_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
