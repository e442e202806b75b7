/*
 * Names of scratch files: what is one, and what is none and why.
 */
#include "protocol/file_name.h"
#include "tests/unit/cmocka_headers.h"

#include <string.h>

static void
names_that_are_good(void **state)
{
	static const char *const GOOD[] = {"a",
					   "a/b",
					   "...",
					   ".a",
					   "a..",
					   "..a/b.",
					   " ",
					   "a\\b",
					   "*",
					   "a\n\x7f",
					   "\xc3\xa9/\xf0\x9f\x98\x80",
					   "-rf",
					   "a/.../b"};

	for (size_t i = 0; i < sizeof(GOOD) / sizeof(GOOD[0]); i++)
		if (file_name_fault(GOOD[i], strlen(GOOD[i])) != NULL)
			fail_msg("%s", GOOD[i]);
}

static void
names_that_are_none(void **state)
{
	static const struct {
		const char *name;
		size_t size;
		const char *fault;
	} BAD[] = {
	    {"", 0, "is empty"},
	    {"/", 1, "is not relative"},
	    {"/a", 2, "is not relative"},
	    {".", 1, "\"..\""},
	    {"..", 2, "\"..\""},
	    {"a/..", 4, "\"..\""},
	    {"../a", 4, "\"..\""},
	    {"a/./b", 5, "\"..\""},
	    {"a//b", 4, "empty component"},
	    {"a/", 2, "empty component"},
	    {"a\0b", 3, "NUL"},
	    {"\xff", 1, "UTF-8"},
	    {"\xed\xa0\x80", 3, "UTF-8"},
	    {"\xc0\xae\xc0\xae", 4, "UTF-8"},
	};

	for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
		const char *fault = file_name_fault(BAD[i].name, BAD[i].size);

		if (fault == NULL || strstr(fault, BAD[i].fault) == NULL)
			fail_msg("%s: %s", BAD[i].name, fault ? fault : "good");
	}
}

static void
names_have_a_length(void **state)
{
	char name[257];

	memset(name, 'x', sizeof(name));
	assert_null(file_name_fault(name, 255));
	assert_non_null(file_name_fault(name, 256));
}

static void
depth_and_order(void **state)
{
	assert_int_equal(file_name_depth("a", 1), 1);
	assert_int_equal(file_name_depth("a/b/c", 5), 3);
	assert_true(file_name_compare("a", 1, "b", 1) < 0);
	assert_true(file_name_compare("a", 1, "a/b", 3) < 0);
	assert_true(file_name_compare("\xff", 1, "a", 1) > 0);
	assert_int_equal(file_name_compare("ab", 2, "ab", 2), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_that_are_good),
	    cmocka_unit_test(names_that_are_none),
	    cmocka_unit_test(names_have_a_length),
	    cmocka_unit_test(depth_and_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
