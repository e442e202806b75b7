/*
 * Numbers: grammar, the edges of int64_t and of a double.
 */
#include "protocol/json_scan_number.h"
#include "protocol/json_scan.h"
#include "tests/unit/cmocka_headers.h"

#include <stdlib.h>
#include <string.h>

static enum json_number
number(const char *text, size_t *ret_length)
{
	const char *reason = NULL;
	enum json_number kind =
	    json_scan_number((const uint8_t *)text, strlen(text), ret_length, &reason);

	if (kind == JSON_NUMBER_BAD)
		assert_non_null(reason);
	return kind;
}

static void
edges(void **state)
{
	static const struct {
		const char *text;
		enum json_number kind;
		size_t length;
	} CASES[] = {
	    {"0", JSON_NUMBER_PLAIN, 1},
	    {"-0", JSON_NUMBER_PLAIN, 2},
	    {"10,", JSON_NUMBER_PLAIN, 2},
	    {"9223372036854775807", JSON_NUMBER_PLAIN, 19},
	    {"9223372036854775808", JSON_NUMBER_BIG, 19},
	    {"-9223372036854775808", JSON_NUMBER_PLAIN, 20},
	    {"-9223372036854775809", JSON_NUMBER_BIG, 20},
	    {"10000000000000000000", JSON_NUMBER_BIG, 20},
	    {"0.5e-3]", JSON_NUMBER_PLAIN, 6},
	    {"1E5", JSON_NUMBER_PLAIN, 3},
	    {"1.7976931348623157e308", JSON_NUMBER_PLAIN, 22},
	    {"1.7976931348623159e308", JSON_NUMBER_BAD, 22},
	    {"-1e309", JSON_NUMBER_BAD, 6},
	    {"1e-9999", JSON_NUMBER_PLAIN, 7},
	    {"1e99999999999999999999", JSON_NUMBER_BAD, 22},
	    {"00", JSON_NUMBER_BAD, 2},
	    {"-01", JSON_NUMBER_BAD, 3},
	    {"-", JSON_NUMBER_BAD, 1},
	    {"1.", JSON_NUMBER_BAD, 1},
	    {"1.e5", JSON_NUMBER_BAD, 1},
	    {"1e", JSON_NUMBER_BAD, 1},
	    {"1e+", JSON_NUMBER_BAD, 1},
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		size_t length = 99;

		if (number(CASES[i].text, &length) != CASES[i].kind || length != CASES[i].length)
			fail_msg("%s: length %zu", CASES[i].text, length);
	}
}

/* Digits without an exponent can leave the range too; the text may be as long as it likes. */
static void
many_digits(void **state)
{
	size_t length, size = 1 << 20;
	char *text = malloc(size + 3);

	assert_non_null(text);
	memset(text, '9', size);
	memcpy(text + size, ".5", 3);
	assert_int_equal(number(text, &length), JSON_NUMBER_BAD);
	text[size] = '\0';
	assert_int_equal(number(text, &length), JSON_NUMBER_BIG);
	assert_int_equal(length, size);
	memcpy(text + 400, ".5", 3);
	assert_int_equal(number(text, &length), JSON_NUMBER_BAD);
	memcpy(text + 305, ".5", 3);
	assert_int_equal(number(text, &length), JSON_NUMBER_PLAIN);
	memset(text, '9', JSON_REAL_BYTES_MAX);
	memcpy(text, "0.", 2);
	text[JSON_REAL_BYTES_MAX] = '\0';
	assert_int_equal(number(text, &length), JSON_NUMBER_PLAIN);
	memcpy(text + JSON_REAL_BYTES_MAX, "1", 2);
	assert_int_equal(number(text, &length), JSON_NUMBER_BAD);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(edges),
	    cmocka_unit_test(many_digits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
