/*
 * Base 64: the vectors of RFC 4648, all byte values, and every way to be not quite base 64.
 */
#include "protocol/base64.h"
#include "tests/unit/cmocka_headers.h"

#include <stdlib.h>
#include <string.h>

static void
known_vectors(void **state)
{
	static const char *const PAIRS[][2] = {
	    {"", ""},
	    {"f", "Zg=="},
	    {"fo", "Zm8="},
	    {"foo", "Zm9v"},
	    {"foob", "Zm9vYg=="},
	    {"fooba", "Zm9vYmE="},
	    {"foobar", "Zm9vYmFy"},
	};

	for (size_t i = 0; i < sizeof(PAIRS) / sizeof(PAIRS[0]); i++) {
		size_t size = strlen(PAIRS[i][0]), back_size = 99;
		uint8_t *back = NULL;
		char text[16];

		assert_int_equal(base64_encoded_size(size), strlen(PAIRS[i][1]));
		base64_encode(PAIRS[i][0], size, text);
		assert_memory_equal(text, PAIRS[i][1], strlen(PAIRS[i][1]));
		assert_int_equal(
		    base64_decode(PAIRS[i][1], strlen(PAIRS[i][1]), &back, &back_size, NULL), 0);
		assert_int_equal(back_size, size);
		assert_non_null(back);
		assert_memory_equal(back, PAIRS[i][0], size);
		free(back);
	}
}

static void
all_bytes_round_trip(void **state)
{
	uint8_t bytes[259], *back = NULL;
	char text[400];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7);
	for (size_t size = 0; size <= sizeof(bytes); size++) {
		size_t back_size = 0;

		base64_encode(bytes, size, text);
		assert_int_equal(
		    base64_decode(text, base64_encoded_size(size), &back, &back_size, NULL), 0);
		assert_int_equal(back_size, size);
		assert_memory_equal(back, bytes, size);
		free(back);
	}
}

static void
anything_else_is_refused(void **state)
{
	static const char *const BAD[] = {
	    "Z",    "Zg",    "Zg=",   "====",     "=",    "Z===",    "Zg==Zg==", "Zh==",
	    "Zm9=", "Zm9v ", "Zm9\n", "Zm9-Zm9_", "Zg=a", "\x80Zg=", "Z\xffg=",
	};

	for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
		struct error err = ERROR_INIT;
		uint8_t *bytes = NULL;
		size_t size = 99;

		if (base64_decode(BAD[i], strlen(BAD[i]), &bytes, &size, &err) != ERROR_INVALID)
			fail_msg("%s", BAD[i]);
		assert_null(bytes);
		assert_int_equal(size, 99);
		assert_memory_equal(err.text, "base64: ", 8);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(known_vectors),
	    cmocka_unit_test(all_bytes_round_trip),
	    cmocka_unit_test(anything_else_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
