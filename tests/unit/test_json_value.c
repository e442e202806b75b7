/*
 * Trees: values come back as they went in, big integers among them; what jansson would hide or show
 * too much of is refused in our words.
 */
#include "protocol/json_value.h"
#include "tests/unit/cmocka_headers.h"

#include <string.h>

static struct json_marks marks;

static int
group_setup(void **state)
{
	return json_marks_init(&marks, NULL);
}

/* Parse and write; the result must be `expected`. */
static void
assert_round(const char *text, const char *expected)
{
	struct error err = ERROR_INIT;
	struct text_buffer buffer;
	json_t *value = NULL;

	if (json_value_parse(&marks, text, strlen(text), 1 << 20, &value, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	text_buffer_init(&buffer, 1 << 20);
	json_value_write(&marks, value, &buffer);
	assert_false(buffer.failed);
	text_buffer_put(&buffer, "", 1);
	assert_string_equal(buffer.bytes, expected);
	text_buffer_deinit(&buffer);
	json_decref(value);
}

static void
values_round_trip(void **state)
{
	assert_round("null", "null");
	assert_round("[ true , false ]", "[true,false]");
	assert_round("{}", "{}");
	assert_round("{\"b\":1,\"a\":{\"x\":[]}}", "{\"b\":1,\"a\":{\"x\":[]}}");
	assert_round("\"a\\u0000\\n\\u00e9\\/\"", "\"a\\u0000\\n\xc3\xa9/\"");
	assert_round("\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\"");
	assert_round("-9223372036854775808", "-9223372036854775808");
	assert_round("-0", "0");
}

static void
integers_of_any_size_round_trip(void **state)
{
	assert_round("9223372036854775808", "9223372036854775808");
	assert_round("[-123456789012345678901234567890,1,99999999999999999999]",
		     "[-123456789012345678901234567890,1,99999999999999999999]");
	assert_round("{\"a\":18446744073709551616}", "{\"a\":18446744073709551616}");
}

static void
reals_keep_value_and_kind(void **state)
{
	assert_round("1.0", "1.0");
	assert_round("1e5", "100000.0");
	assert_round("1e300", "1e+300");
	assert_round("-0.0", "-0.0");
	assert_round("0.1", "0.1");
	assert_round("0.30000000000000004", "0.30000000000000004");
	assert_round("5e-324", "4.94065645841247e-324");
	assert_round("1.7976931348623157e308", "1.7976931348623157e+308");
	assert_round("123456789012345680.0", "1.2345678901234568e+17");
}

static void
assert_bad(const char *text, size_t size, int code, const char *reason)
{
	struct error err = ERROR_INIT;
	json_t *value = NULL;

	assert_int_equal(json_value_parse(&marks, text, size, 1000, &value, &err), code);
	assert_null(value);
	if (strstr(err.text, reason) == NULL)
		fail_msg("%s: %s", text, err.text);
	assert_null(strstr(err.text, marks.mark));
}

static void
bad_texts_are_refused_without_the_mark(void **state)
{
	static const char TWICE[] = "{\"a\":99999999999999999999,\"a\":99999999999999999999}";
	static const char NUL_KEY[] = "{\"a\\u0000b\":99999999999999999999}";

	assert_bad("[1", 2, ERROR_INVALID, "too early");
	assert_bad(TWICE, strlen(TWICE), ERROR_INVALID, "a key stands twice");
	assert_bad("{\"a\":{\"\\u0062\":1,\"b\":2}}", 24, ERROR_INVALID, "a key stands twice");
	assert_bad(NUL_KEY, strlen(NUL_KEY), ERROR_INVALID, "NUL");
	assert_bad("", 0, ERROR_INVALID, "too early");
}

static void
marked_strings_are_not_strings(void **state)
{
	struct error err = ERROR_INIT;
	json_t *value = NULL;
	const char *bytes = NULL;
	size_t size = 0;

	assert_int_equal(json_value_parse(&marks, "-99999999999999999999", 21, 100, &value, &err),
			 0);
	assert_false(json_value_string(&marks, value, &bytes, &size));
	assert_true(json_value_big(&marks, value, &bytes, &size));
	assert_int_equal(size, 21);
	assert_memory_equal(bytes, "-99999999999999999999", 21);
	assert_string_equal(json_value_kind(&marks, value), "an integer");
	json_decref(value);
}

static void
strings_are_strings(void **state)
{
	json_t *value = json_stringn("a\0b", 3), *forged;
	char text[JSON_MARK_CHARS + 3];
	const char *bytes = NULL;
	size_t size = 0;

	assert_true(json_value_string(&marks, value, &bytes, &size));
	assert_int_equal(size, 3);
	assert_memory_equal(bytes, "a\0b", 3);
	assert_false(json_value_big(&marks, value, &bytes, &size));
	json_decref(value);
	/* The mark alone, or with anything but digits behind it, is text like any other. */
	memcpy(text, marks.mark, JSON_MARK_CHARS);
	memcpy(text + JSON_MARK_CHARS, "1x", 3);
	for (size_t extra = 0; extra < 3; extra++) {
		forged = json_stringn(text, JSON_MARK_CHARS + extra);
		assert_int_equal(json_value_big(&marks, forged, &bytes, &size), extra == 1);
		json_decref(forged);
	}
	memcpy(text + JSON_MARK_CHARS, "-", 2);
	forged = json_string(text);
	assert_false(json_value_big(&marks, forged, &bytes, &size));
	json_decref(forged);
	value = json_integer(1);
	assert_false(json_value_string(&marks, value, &bytes, &size));
	json_decref(value);
}

static void
marks_differ_each_time(void **state)
{
	struct json_marks other;

	assert_int_equal(json_marks_init(&other, NULL), 0);
	assert_int_equal(strlen(other.mark), JSON_MARK_CHARS);
	assert_string_not_equal(other.mark, marks.mark);
}

static void
kinds_have_names(void **state)
{
	static const struct {
		const char *text, *kind;
	} CASES[] = {
	    {"null", "null"},     {"true", "a boolean"}, {"1", "an integer"}, {"1.5", "a number"},
	    {"\"\"", "a string"}, {"[]", "an array"},    {"{}", "an object"},
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		json_t *value = json_loads(CASES[i].text, JSON_DECODE_ANY, NULL);

		assert_string_equal(json_value_kind(&marks, value), CASES[i].kind);
		json_decref(value);
	}
}

static void
writing_stops_at_the_maximum(void **state)
{
	json_t *value = json_loads("[[1,2,3],{\"a\":\"bcdefghij\"}]", 0, NULL);
	struct text_buffer buffer;

	for (size_t max = 0; max < 29; max++) {
		text_buffer_init(&buffer, max);
		json_value_write(&marks, value, &buffer);
		assert_int_equal(buffer.failed, max < 27);
		assert_true(buffer.size <= max);
		text_buffer_deinit(&buffer);
	}
	json_decref(value);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(values_round_trip),
	    cmocka_unit_test(integers_of_any_size_round_trip),
	    cmocka_unit_test(reals_keep_value_and_kind),
	    cmocka_unit_test(bad_texts_are_refused_without_the_mark),
	    cmocka_unit_test(marked_strings_are_not_strings),
	    cmocka_unit_test(strings_are_strings),
	    cmocka_unit_test(marks_differ_each_time),
	    cmocka_unit_test(kinds_have_names),
	    cmocka_unit_test(writing_stops_at_the_maximum),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
