/*
 * client_exit: every status of the protocol has its exit code.
 */
#include "client/client_exit.h"
#include "protocol/result.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void
test_table(void **state)
{
	assert_int_equal(client_exit_code("ok", 0, 0), 0);
	assert_int_equal(client_exit_code("runtime_error", 7, 0), 7);
	assert_int_equal(client_exit_code("runtime_error", 0, 0), 1);
	assert_int_equal(client_exit_code("runtime_error", 0, 9), 137);
	assert_int_equal(client_exit_code("recursion_limit", 1, 0), 1);
	assert_int_equal(client_exit_code("compile_error", 1, 0), 1);
	assert_int_equal(client_exit_code("cpu_limit", 0, 9), 124);
	assert_int_equal(client_exit_code("wall_limit", 0, 9), 124);
	assert_int_equal(client_exit_code("opcode_limit", 0, 0), 124);
	assert_int_equal(client_exit_code("memory_limit", 1, 0), 123);
	assert_int_equal(client_exit_code("output_limit", 0, 9), 122);
	assert_int_equal(client_exit_code("security_violation", 0, 31), 121);
	assert_int_equal(client_exit_code("cancelled", 0, 9), 125);
	assert_int_equal(client_exit_code("internal_error", 0, 0), 125);
}

/* What this client does not understand is never a success. */
static void
test_unknown(void **state)
{
	assert_int_equal(client_exit_code("", 0, 0), 125);
	assert_int_equal(client_exit_code("splendid", 0, 0), 125);
	assert_non_null(client_exit_reason("splendid"));
}

static void
test_every_status_is_known(void **state)
{
	for (int status = 0; status < STATUS_COUNT; status++) {
		const char *name = status_name((enum job_status)status);
		int code = client_exit_code(name, 42, 0);

		if (status == STATUS_CANCELLED || status == STATUS_INTERNAL_ERROR)
			assert_int_equal(code, 125);
		else
			assert_int_not_equal(code, 125);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_table),
	    cmocka_unit_test(test_unknown),
	    cmocka_unit_test(test_every_status_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
