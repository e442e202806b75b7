/*
 * client_units: amounts as people write them.
 */
#include "client/client_units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

struct good {
	const char *text, *unit;
	uint64_t amount;
};

static void
test_good(void **state)
{
	static const struct good CASES[] = {
	    {"500ms", "ms", 500},
	    {"2s", "ms", 2000},
	    {"0.5s", "ms", 500},
	    {"1.5min", "ms", 90000},
	    {"1h", "ms", 3600000},
	    {"0.0001s", "ms", 1},
	    {"2S", "ms", 2000},
	    {"0ms", "ms", 0},
	    {"65536", "bytes", 65536},
	    {"64K", "bytes", 65536},
	    {"64k", "bytes", 65536},
	    {"1.5M", "bytes", 1572864},
	    {"2GiB", "bytes", 2147483648},
	    {"10B", "bytes", 10},
	    {"4", "threads", 4},
	    {"1e6", "opcodes", 1000000},
	    {"0", "calls", 0},
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct error err = ERROR_INIT;
		uint64_t amount = 77;

		assert_int_equal(client_units_parse(CASES[i].text, CASES[i].unit, &amount, &err),
				 0);
		assert_int_equal(amount, CASES[i].amount);
		assert_int_equal(err.code, 0);
	}
}

static void
test_bad(void **state)
{
	static const char *const CASES[][2] = {
	    {"", "ms"},        {"2", "ms"},        {"s", "ms"},     {"-2s", "ms"},
	    {"+2s", "ms"},     {" 2s", "ms"},      {"2 s", "ms"},   {"2sec", "ms"},
	    {"0x10s", "ms"},   {"infs", "ms"},     {"nan", "ms"},   {"2s ", "ms"},
	    {"64Q", "bytes"},  {"64KB2", "bytes"}, {"4x", "calls"}, {"", "threads"},
	    {"1e99", "calls"}, {"1e400", "calls"}, {".5s", "ms"},
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct error err = ERROR_INIT;
		uint64_t amount = 77;

		assert_true(client_units_parse(CASES[i][0], CASES[i][1], &amount, &err) < 0);
		assert_int_equal(amount, 77);
		assert_non_null(strchr(err.text, '\''));
	}
}

static void
test_shown(void **state)
{
	char text[CLIENT_UNITS_BYTES];

	assert_string_equal(client_units_time(0, text), "0 us");
	assert_string_equal(client_units_time(999, text), "999 us");
	assert_string_equal(client_units_time(1000, text), "1.0 ms");
	assert_string_equal(client_units_time(1500000, text), "1.50 s");
	assert_string_equal(client_units_size(1023, text), "1023 B");
	assert_string_equal(client_units_size(1536, text), "1.5 KiB");
	assert_string_equal(client_units_size(128 << 20, text), "128.0 MiB");
	assert_string_equal(client_units_size(3ull << 30, text), "3.00 GiB");
	assert_true(strlen(client_units_size(UINT64_MAX, text)) < CLIENT_UNITS_BYTES);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),
	    cmocka_unit_test(test_bad),
	    cmocka_unit_test(test_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
