/*
 * struct error: codes, texts that are too long, control characters, wrapping, NULL.
 */
#include "protocol/error.h"
#include "tests/unit/cmocka_headers.h"

#include <errno.h>
#include <string.h>

static void
sets_code_and_text(void **state)
{
	struct error err = ERROR_INIT;

	assert_int_equal(error_set(&err, ERROR_LIMIT, "%s is %d", "it", 7), ERROR_LIMIT);
	assert_int_equal(err.code, ERROR_LIMIT);
	assert_int_equal(err.sys, 0);
	assert_string_equal(err.text, "it is 7");
}

static void
errno_is_kept_and_named(void **state)
{
	struct error err = ERROR_INIT;

	errno = ENOENT;
	assert_int_equal(error_errno(&err, "open %s", "/x"), ERROR_SYSTEM);
	assert_int_equal(err.sys, ENOENT);
	assert_int_equal(errno, ENOENT);
	assert_string_equal(err.text, "open /x: No such file or directory");
	errno = 9999;
	(void)error_errno(&err, "odd");
	assert_string_equal(err.text, "odd: errno 9999");
}

static void
null_error_still_gives_the_code(void **state)
{
	assert_int_equal(error_set(NULL, ERROR_BUSY, "x"), ERROR_BUSY);
	assert_int_equal(error_errno(NULL, "x"), ERROR_SYSTEM);
	assert_true(error_wrap(NULL, "x") < 0);
}

static void
long_texts_are_cut_between_characters(void **state)
{
	struct error err = ERROR_INIT;
	char text[2 * ERROR_TEXT_BYTES + 1] = "";

	/* One ASCII byte and then two-byte characters: the cut falls into one of them. */
	for (size_t i = 0; i < ERROR_TEXT_BYTES; i++)
		memcpy(text + 2 * i, "\xc3\xa9", 2);
	text[2 * ERROR_TEXT_BYTES] = '\0';
	(void)error_set(&err, ERROR_INVALID, "%s", text);
	assert_int_equal(strlen(err.text), ERROR_TEXT_BYTES - 2);
	(void)error_set(&err, ERROR_INVALID, "a%s", text);
	assert_int_equal(strlen(err.text), ERROR_TEXT_BYTES - 1);
}

static void
control_characters_do_not_break_the_line(void **state)
{
	struct error err = ERROR_INIT;

	(void)error_set(&err, ERROR_INVALID, "a\nb\rc\x1b[1m\x7f");
	assert_string_equal(err.text, "a?b?c?[1m?");
}

static void
wrap_prefixes_and_keeps_the_code(void **state)
{
	struct error err = ERROR_INIT;
	char text[ERROR_TEXT_BYTES];

	(void)error_set(&err, ERROR_NOT_FOUND, "inner");
	assert_int_equal(error_wrap(&err, "outer %d", 1), ERROR_NOT_FOUND);
	assert_string_equal(err.text, "outer 1: inner");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(error_wrap(&err, "%s", text), ERROR_NOT_FOUND);
	assert_string_equal(err.text, text);
	(void)error_set(&err, ERROR_NOT_FOUND, "%s", text);
	(void)error_wrap(&err, "p");
	assert_int_equal(strlen(err.text), ERROR_TEXT_BYTES - 1);
	assert_memory_equal(err.text, "p: xxx", 6);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sets_code_and_text),
	    cmocka_unit_test(errno_is_kept_and_named),
	    cmocka_unit_test(null_error_still_gives_the_code),
	    cmocka_unit_test(long_texts_are_cut_between_characters),
	    cmocka_unit_test(control_characters_do_not_break_the_line),
	    cmocka_unit_test(wrap_prefixes_and_keeps_the_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
