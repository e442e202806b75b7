/*
 * The JSON checker: what RFC 8259 allows, what it does not, and where the fault is said to be.
 * Texts are put at the end of exact heap blocks, so that a sanitizer sees a read past them.
 */
#include "protocol/json_scan.h"
#include "tests/unit/cmocka_headers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_MAX_TEST ((size_t)1 << 26)

static int
scan(const char *text, size_t size, bool splice, struct error *err)
{
	struct json_bigs bigs = {NULL, 0, 0};
	char *copy = malloc(size > 0 ? size : 1);
	int r;

	assert_non_null(copy);
	memcpy(copy, text, size);
	if (splice) {
		r = json_scan_splice(copy, size, SIZE_MAX_TEST, err);
	} else {
		r = json_scan_request(copy, size, SIZE_MAX_TEST, &bigs, err);
		json_bigs_deinit(&bigs);
	}
	free(copy);
	return r;
}

static void
good_texts(void **state)
{
	static const char *const GOOD[] = {
	    "null",
	    " true ",
	    "false",
	    "0",
	    "-0",
	    "12e3",
	    "\"\"",
	    "[]",
	    "{}",
	    "[ ]",
	    "{ }",
	    "[[],{}]",
	    "[1,2 , 3]",
	    "{\"a\":1,\"b\":[{}],\"c\":{\"d\":null}}",
	    "\"\\u0000\\ud83d\\ude00\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
	    "\"\\uFFFF\\uffff\\uDBFF\\uDFFF\"",
	    "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \x7f\"",
	    "[\"]\",\"}\"]",
	    "\t[1]\t",
	    "\"12345678901234567890123456789012345\"",
	};

	for (size_t i = 0; i < sizeof(GOOD) / sizeof(GOOD[0]); i++) {
		for (int splice = 0; splice < 2; splice++) {
			struct error err = ERROR_INIT;

			if (scan(GOOD[i], strlen(GOOD[i]), splice != 0, &err) != 0)
				fail_msg("%s: %s", GOOD[i], err.text);
		}
	}
}

static const struct {
	const char *text;
	int at; /* byte that the error names */
	const char *reason;
} BAD[] = {
    {"", 0, "text ends too early"},
    {"  ", 2, "text ends too early"},
    {"nul", 0, "neither true"},
    {"nulll", 4, "something follows"},
    {"True", 0, "a value should stand here"},
    {"NaN", 0, "a value should stand here"},
    {"Infinity", 0, "a value should stand here"},
    {"-Infinity", 0, "a digit is missing"},
    {"'a'", 0, "a value should stand here"},
    {"[", 1, "text ends too early"},
    {"{", 1, "text ends too early"},
    {"]", 0, "a value should stand here"},
    {"[1", 2, "text ends too early"},
    {"[1,", 3, "text ends too early"},
    {"[1,]", 3, "a value should stand here"},
    {"[,1]", 1, "a value should stand here"},
    {"[1 2]", 3, "',' or ']' is missing"},
    {"[1}", 2, "',' or ']' is missing"},
    {"{\"a\":1]", 6, "',' or '}' is missing"},
    {"{]", 1, "a key should stand here"},
    {"[}", 1, "a value should stand here"},
    {"{\"a\"}", 4, "':' is missing"},
    {"{\"a\"", 4, "':' is missing"},
    {"{\"a\":}", 5, "a value should stand here"},
    {"{\"a\":1,}", 7, "a key should stand here"},
    {"{a:1}", 1, "a key should stand here"},
    {"{1:1}", 1, "a key should stand here"},
    {"{\"a\":1}{", 7, "something follows"},
    {"1 2", 2, "something follows"},
    {"// c\n1", 0, "a value should stand here"},
    {"\"abc", 4, "string does not end"},
    {"\"abc\\", 4, "string does not end"},
    {"\"abc\\\"", 6, "string does not end"},
    {"\"\\x41\"", 1, "unknown escape"},
    {"\"\\'\"", 1, "unknown escape"},
    {"\"\\u12\"", 1, "four hex digits"},
    {"\"\\u12", 1, "four hex digits"},
    {"\"\\u12g4\"", 1, "four hex digits"},
    {"\"\\ud800\"", 1, "lone surrogate"},
    {"\"\\udc00\"", 1, "lone surrogate"},
    {"\"\\ud800\\ud800\"", 1, "lone surrogate"},
    {"\"\\ud800\\n1234\"", 1, "lone surrogate"},
    {"\"\\ud800x\\udc00\"", 1, "lone surrogate"},
    {"\"\\ud800\\udc0", 1, "lone surrogate"},
    {"\"a\tb\"", 2, "control character"},
    {"\"a\nb\"", 2, "control character"},
    {"\"a\x1f\"", 2, "control character"},
    {"\"a\xff\"", 2, "invalid UTF-8"},
    {"\"\xc3\"", 1, "invalid UTF-8"},
    {"\"\xed\xa0\x80\"", 1, "invalid UTF-8"},
    {"\"\xc0\x80\"", 1, "invalid UTF-8"},
    {"\"1234567\xe2\x82", 8, "invalid UTF-8"},
    {"\xef\xbb\xbf{}", 0, "a value should stand here"},
    {"\x0c[]", 0, "a value should stand here"},
    {"01", 0, "leading zero"},
    {"[1.]", 1, "a digit is missing"},
    {"+1", 0, "a value should stand here"},
    {".5", 0, "a value should stand here"},
    {"0x10", 1, "something follows"},
    {"1e999", 0, "beyond the range"},
};

static void
bad_texts_name_reason_and_byte(void **state)
{
	for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
		for (int splice = 0; splice < 2; splice++) {
			struct error err = ERROR_INIT;
			char where[32];
			int r = scan(BAD[i].text, strlen(BAD[i].text), splice != 0, &err);

			(void)snprintf(where, sizeof(where), "byte %d: ", BAD[i].at);
			if (r != ERROR_INVALID || strstr(err.text, BAD[i].reason) == NULL ||
			    strstr(err.text, where) == NULL)
				fail_msg("%s: %d %s", BAD[i].text, r, err.text);
		}
	}
}

static void
nul_bytes_are_refused_everywhere(void **state)
{
	struct error err = ERROR_INIT;

	assert_int_equal(scan("\"a\0b\"", 5, false, &err), ERROR_INVALID);
	assert_non_null(strstr(err.text, "byte 2: control"));
	assert_int_equal(scan("\"\\\0\"", 4, false, &err), ERROR_INVALID);
	assert_non_null(strstr(err.text, "unknown escape"));
	assert_int_equal(scan("[1\0]", 4, false, &err), ERROR_INVALID);
	assert_int_equal(scan("1\0", 2, false, &err), ERROR_INVALID);
}

/* Every prefix of a text with all tokens in it is refused, and none is read past. */
static void
every_truncation_is_refused(void **state)
{
	static const char TEXT[] =
	    "{\"k\\u00e9\xc3\xa9\":[true,false,null,-1.5e+3,\"\\ud83d\\ude00\"],\"x\":{}}";

	for (size_t size = 0; size < strlen(TEXT); size++) {
		struct error err = ERROR_INIT;

		if (scan(TEXT, size, false, &err) != ERROR_INVALID)
			fail_msg("%zu", size);
	}
	assert_int_equal(scan(TEXT, strlen(TEXT), false, NULL), 0);
}

/* Special bytes are found at every alignment of the eight-byte steps. */
static void
special_bytes_at_every_place(void **state)
{
	char text[64];

	for (unsigned at = 1; at < 40; at++) {
		for (unsigned c = 0; c < 256; c++) {
			struct error err = ERROR_INIT;
			bool good = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';

			memset(text, 'a', sizeof(text));
			text[0] = text[41] = '"';
			text[at] = (char)c;
			if ((scan(text, 42, false, &err) == 0) != good)
				fail_msg("%u at %u: %s", c, at, err.text);
		}
	}
}

static void
nesting_has_a_limit(void **state)
{
	char text[2 * JSON_DEPTH_MAX + 8];

	for (int objects = 0; objects < 2; objects++) {
		struct error err = ERROR_INIT;

		memset(text, '[', JSON_DEPTH_MAX);
		memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
		assert_int_equal(scan(text, 2 * JSON_DEPTH_MAX, objects != 0, &err), 0);
		memset(text, '[', JSON_DEPTH_MAX + 1);
		assert_int_equal(scan(text, JSON_DEPTH_MAX + 1, objects != 0, &err), ERROR_LIMIT);
		assert_non_null(strstr(err.text, "byte 32: nested deeper than 32"));
	}
}

static void
deep_hostile_nesting_is_cheap(void **state)
{
	size_t size = 1 << 20;
	char *text = malloc(size);
	struct error err = ERROR_INIT;

	assert_non_null(text);
	memset(text, '[', size);
	assert_int_equal(scan(text, size, true, &err), ERROR_LIMIT);
	free(text);
}

static void
size_and_values_have_limits(void **state)
{
	struct json_bigs bigs = {NULL, 7, 7};
	struct error err = ERROR_INIT;
	size_t count = JSON_VALUES_MAX, size = 2 * count + 1;
	char *text = malloc(size);

	assert_int_equal(json_scan_request("[1]", 3, 2, &bigs, &err), ERROR_LIMIT);
	assert_string_equal(err.text, "JSON: 3 bytes, at most 2");
	assert_int_equal(bigs.count, 7);
	assert_int_equal(json_scan_splice("[1]", 3, 3, &err), 0);
	assert_non_null(text);
	/* One array and JSON_VALUES_MAX numbers: one too many for a tree, not for a splice. */
	for (size_t i = 0; i < count; i++) {
		text[2 * i] = ',';
		text[2 * i + 1] = '0';
	}
	text[0] = '[';
	text[size - 1] = ']';
	assert_int_equal(scan(text, size, false, &err), ERROR_LIMIT);
	assert_non_null(strstr(err.text, "more than 2000000 values"));
	assert_int_equal(scan(text, size, true, &err), 0);
	free(text);
}

static void
splice_refuses_line_ends(void **state)
{
	struct error err = ERROR_INIT;

	assert_int_equal(scan("[1,\n2]", 6, true, &err), ERROR_INVALID);
	assert_string_equal(err.text, "JSON, byte 3: line end");
	assert_int_equal(scan("{\"a\"\r:2}", 8, true, &err), ERROR_INVALID);
	assert_int_equal(scan("1\n", 2, true, &err), ERROR_INVALID);
	assert_int_equal(scan("[1,\r\n2]\n", 8, false, &err), 0);
}

static void
big_integers_are_collected(void **state)
{
	static const char TEXT[] = "[9223372036854775807,9223372036854775808,"
				   "-9223372036854775808,-9223372036854775809,"
				   "{\"99999999999999999999\":123456789012345678901234567890},"
				   "1e30,12345678901234567890.5]";
	struct json_bigs bigs;
	struct error err = ERROR_INIT;

	assert_int_equal(json_scan_request(TEXT, strlen(TEXT), 1000, &bigs, &err), 0);
	assert_int_equal(bigs.count, 3);
	assert_memory_equal(TEXT + bigs.items[0].offset, "9223372036854775808,", 20);
	assert_int_equal(bigs.items[0].length, 19);
	assert_memory_equal(TEXT + bigs.items[1].offset, "-9223372036854775809,", 21);
	assert_int_equal(bigs.items[1].length, 20);
	assert_memory_equal(TEXT + bigs.items[2].offset, "123456789012345678901234567890}", 31);
	assert_int_equal(bigs.items[2].length, 30);
	json_bigs_deinit(&bigs);
	/* Freed, not given out, when the text is bad behind them. */
	bigs.count = 5;
	assert_int_equal(json_scan_request("[99999999999999999999,x]", 24, 1000, &bigs, &err),
			 ERROR_INVALID);
	assert_int_equal(bigs.count, 5);
}

static void
objects_are_told_from_the_rest(void **state)
{
	assert_true(json_scan_is_object(" \t{}", 4));
	assert_false(json_scan_is_object("[{}]", 4));
	assert_false(json_scan_is_object("  ", 2));
	assert_false(json_scan_is_object("", 0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(good_texts),
	    cmocka_unit_test(bad_texts_name_reason_and_byte),
	    cmocka_unit_test(nul_bytes_are_refused_everywhere),
	    cmocka_unit_test(every_truncation_is_refused),
	    cmocka_unit_test(special_bytes_at_every_place),
	    cmocka_unit_test(nesting_has_a_limit),
	    cmocka_unit_test(deep_hostile_nesting_is_cheap),
	    cmocka_unit_test(size_and_values_have_limits),
	    cmocka_unit_test(splice_refuses_line_ends),
	    cmocka_unit_test(big_integers_are_collected),
	    cmocka_unit_test(objects_are_told_from_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
