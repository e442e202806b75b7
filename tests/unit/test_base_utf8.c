/*
 * UTF-8: every code point's encoding is taken, every ill-formed family is refused where it starts.
 */
#include "protocol/base_utf8.h"
#include "tests/unit/cmocka_headers.h"

#include <string.h>

static size_t
encode(uint32_t c, uint8_t *ret)
{
	if (c < 0x80) {
		ret[0] = (uint8_t)c;
		return 1;
	}
	if (c < 0x800) {
		ret[0] = (uint8_t)(0xc0 | c >> 6);
		ret[1] = (uint8_t)(0x80 | (c & 63));
		return 2;
	}
	if (c < 0x10000) {
		ret[0] = (uint8_t)(0xe0 | c >> 12);
		ret[1] = (uint8_t)(0x80 | (c >> 6 & 63));
		ret[2] = (uint8_t)(0x80 | (c & 63));
		return 3;
	}
	ret[0] = (uint8_t)(0xf0 | c >> 18);
	ret[1] = (uint8_t)(0x80 | (c >> 12 & 63));
	ret[2] = (uint8_t)(0x80 | (c >> 6 & 63));
	ret[3] = (uint8_t)(0x80 | (c & 63));
	return 4;
}

static void
every_code_point_but_surrogates(void **state)
{
	uint8_t bytes[4];

	for (uint32_t c = 0; c <= 0x10ffff; c++) {
		size_t length = encode(c, bytes);
		bool good = c < 0xd800 || c > 0xdfff;

		if (base_utf8_valid(bytes, length) != good)
			fail_msg("U+%04X", c);
		/* Cut short it is not valid, and nothing past the size is read. */
		if (length > 1 && base_utf8_prefix(bytes, length - 1) != 0)
			fail_msg("U+%04X cut", c);
	}
}

static void
ill_formed_sequences(void **state)
{
	static const char *const BAD[] = {
	    "\x80",
	    "\xbf",
	    "\xc0\x80",
	    "\xc1\xbf",
	    "\xe0\x80\x80",
	    "\xe0\x9f\xbf",
	    "\xed\xa0\x80",
	    "\xed\xbf\xbf",
	    "\xf0\x80\x80\x80",
	    "\xf0\x8f\xbf\xbf",
	    "\xf4\x90\x80\x80",
	    "\xf5\x80\x80\x80",
	    "\xff",
	    "\xfe",
	    "\xc3(",
	    "\xe2\x82(",
	    "\xf0\x9f\x98(",
	};

	for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
		char text[64];

		/* At every alignment against the eight-byte steps. */
		for (size_t before = 0; before < 20; before++) {
			size_t size = strlen(BAD[i]);

			memset(text, 'a', sizeof(text));
			memcpy(text + before, BAD[i], size);
			assert_int_equal(base_utf8_prefix(text, 40), before);
		}
	}
}

static void
nul_and_nothing_are_valid(void **state)
{
	assert_true(base_utf8_valid("", 0));
	assert_true(base_utf8_valid("\0a\0", 3));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_code_point_but_surrogates),
	    cmocka_unit_test(ill_formed_sequences),
	    cmocka_unit_test(nul_and_nothing_are_valid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
