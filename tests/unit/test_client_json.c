/*
 * client_json: finding members in an answer without losing a digit.
 */
#include "client/client_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static struct client_json
of(const char *text)
{
	return (struct client_json){text, strlen(text)};
}

static void
test_valid(void **state)
{
	static const char *const GOOD[] = {
	    "0",  "-1.5e+10", "100000000000000000000000000000000", "\"\\\"\"",
	    "[]", "{}",       " [1, {\"a\": null}, true, false] ", "\"\xc3\xa9\"",
	};
	static const char *const BAD[] = {
	    "",         " ",    "01", "1.",    "-",      "+1",  "1e",  "[1,]", "{\"a\"}",
	    "{\"a\":}", "[",    "\"", "\"\\",  "nul",    "tru", "1 2", "{,}",  "[1 2]",
	    "'x'",      "text", "]",  "{a:1}", "\"\n\"", "[}",  ".5",
	};

	for (size_t i = 0; i < sizeof(GOOD) / sizeof(GOOD[0]); i++)
		assert_true(client_json_valid(GOOD[i], strlen(GOOD[i])));
	for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++)
		assert_false(client_json_valid(BAD[i], strlen(BAD[i])));
}

static void
test_depth(void **state)
{
	char text[2 * 1000 + 1];

	memset(text, '[', 1000);
	memset(text + 1000, ']', 1000);
	assert_false(client_json_valid(text, 2000));
	assert_true(client_json_valid(text + 1000 - 50, 100));
}

static void
test_member(void **state)
{
	struct client_json object =
	    of("{ \"a\" : {\"b\":[1,\"}\"]}, \"value\":1000000000000000000000000000000, "
	       "\"c\":\"x\\\"y\" }");
	struct client_json value = client_json_member(object, "value");

	assert_int_equal(value.size, 31);
	assert_memory_equal(value.at, "1000000000000000000000000000000", 31);
	assert_true(
	    client_json_is(client_json_member(client_json_member(object, "a"), "b"), "[1,\"}\"]"));
	assert_int_equal(client_json_member(object, "b").size, 0);
	assert_int_equal(client_json_member(of("[1]"), "a").size, 0);
	assert_int_equal(client_json_member(of(""), "a").size, 0);
	assert_int_equal(client_json_member(of("{\"x\":"), "a").size, 0);
	assert_int_equal(client_json_member(of("{\"x"), "x").size, 0);
}

static void
test_number(void **state)
{
	assert_int_equal(client_json_number(of("0"), 9), 0);
	assert_int_equal(client_json_number(of("123"), 9), 123);
	assert_int_equal(client_json_number(of("null"), 9), 9);
	assert_int_equal(client_json_number(of("-1"), 9), 9);
	assert_int_equal(client_json_number(of("1.5"), 9), 9);
	assert_int_equal(client_json_number(of("99999999999999999999999"), 9), 9);
	assert_int_equal(client_json_number(of(""), 9), 9);
}

static void
test_bytes(void **state)
{
	size_t size = 0;
	char *bytes = client_json_bytes(of("\"a\\u0000\\u00e9\""), &size);

	assert_int_equal(size, 4);
	assert_memory_equal(bytes, "a\0\xc3\xa9", 5);
	free(bytes);
	bytes = client_json_bytes(of("{\"base64\":\"/wBhYg==\"}"), &size);
	assert_int_equal(size, 4);
	assert_memory_equal(bytes, "\xff\0ab", 5);
	free(bytes);
	assert_null(client_json_bytes(of("5"), &size));
	assert_null(client_json_bytes(of("{\"base64\":\"?\"}"), &size));
	assert_null(client_json_bytes(of(""), &size));
}

static void
test_base64(void **state)
{
	static const char *const CASES[][2] = {
	    {"", ""}, {"a", "YQ=="}, {"ab", "YWI="}, {"abc", "YWJj"}, {"\xff\xfe\xfd", "//79"},
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		char *text = client_json_base64(CASES[i][0], strlen(CASES[i][0]));

		assert_string_equal(text, CASES[i][1]);
		free(text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_valid),  cmocka_unit_test(test_depth),
	    cmocka_unit_test(test_member), cmocka_unit_test(test_number),
	    cmocka_unit_test(test_bytes),  cmocka_unit_test(test_base64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
