/*
 * utf8_tail.c: what is held back is exactly the unfinished sequence that may still become right.
 */
#include "cmocka_headers.h"
#include "daemon/utf8_tail.h"

#include <string.h>

static size_t
open_bytes(const char *text)
{
	return utf8_tail_open_bytes((const uint8_t *)text, strlen(text));
}

static void
test_complete_or_wrong_is_not_held(void **state)
{
	(void)state;
	static const char *const WHOLE[] = {
	    "",
	    "a",
	    "abc",
	    "\xc3\xa9",
	    "x\xe2\x82\xac",
	    "\xf0\x9f\x90\x8d",
	    "\xed\x9f\xbf",
	    "\x80",
	    "\xbf\xbf\xbf\xbf",
	    "\xc0",
	    "\xc1",
	    "\xf5",
	    "\xff",
	    "\xe0\x80",
	    "\xe0\x9f",
	    "\xed\xa0",
	    "\xed\xbf",
	    "\xf0\x8f",
	    "\xf4\x90",
	    "\xf0\x80\x80",
	    "\xc3\xa9\x80",
	    "\xc3"
	    "a",
	    "\xe2\x82"
	    "a",
	};
	for (size_t i = 0; i < sizeof(WHOLE) / sizeof(WHOLE[0]); i++)
		assert_int_equal(open_bytes(WHOLE[i]), 0);
}

static void
test_unfinished_is_held(void **state)
{
	(void)state;
	assert_int_equal(open_bytes("a\xc3"), 1);
	assert_int_equal(open_bytes("a\xe2"), 1);
	assert_int_equal(open_bytes("a\xe2\x82"), 2);
	assert_int_equal(open_bytes("\xf0"), 1);
	assert_int_equal(open_bytes("\xf0\x9f"), 2);
	assert_int_equal(open_bytes("a\xf0\x9f\x90"), 3);
	assert_int_equal(open_bytes("\xe0\xa0"), 2);
	assert_int_equal(open_bytes("\xed\x9f"), 2);
	assert_int_equal(open_bytes("\xf4\x8f\xbf"), 3);
	assert_int_equal(open_bytes("\xff\xc3"), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_complete_or_wrong_is_not_held),
	    cmocka_unit_test(test_unfinished_is_held),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
