/*
 * `files` and `collect`: what is packed, what is refused and in which words.
 */
#include "tests/unit/request_fixture.h"

#include <stdio.h>

#define SCRATCH "\"source\":\"\",\"limits\":{\"scratch_bytes\":8192,\"scratch_files\":3}"

static void
fields(void **state)
{
	struct run_request request;
	struct error err = ERROR_INIT;

	assert_int_equal(
	    request_read("{" SCRATCH ",\"files\":[{\"name\":\"d/a\",\"content\":\"\\u0000x\"},"
			 "{\"base64\":\"//4=\",\"name\":\"b\"}],\"collect\":[\"*\",\"d/**\"]}",
			 &request, &err),
	    0);
	assert_request_field(&request, JOB_FILE_NAME, 0, "d/a", 3);
	assert_request_field(&request, JOB_FILE_BYTES, 0, "\0x", 2);
	assert_request_field(&request, JOB_FILE_NAME, 1, "b", 1);
	assert_request_field(&request, JOB_FILE_BYTES, 1, "\xff\xfe", 2);
	assert_request_field(&request, JOB_COLLECT, 1, "d/**", 4);
	assert_true(request.collects && request.wants_value);
	run_request_deinit(&request);
	assert_int_equal(request_read("{" SCRATCH ",\"files\":[],\"collect\":[]}", &request, &err),
			 0);
	assert_false(request.collects || request.wants_value);
	run_request_deinit(&request);
	assert_int_equal(
	    request_read("{\"source\":\"\",\"files\":[],\"collect\":[]}", &request, &err), 0);
	run_request_deinit(&request);
}

static void
refusals(void **state)
{
	static const char *const CASES[][2] = {
	    {"\"files\":{}", "files: an object; must be an array of objects"},
	    {"\"files\":[1]", "an entry of files: an integer; must be an object"},
	    {"\"files\":[{\"name\":\"a\"}]", "must have \"name\" and one of"},
	    {"\"files\":[{\"name\":\"a\",\"content\":\"\",\"base64\":\"\"}]", "one of"},
	    {"\"files\":[{\"name\":\"a\",\"content\":\"\",\"mode\":1}]", "nothing else"},
	    {"\"files\":[{\"x\":\"a\",\"content\":\"\"}]", "an entry has no \"name\""},
	    {"\"files\":[{\"name\":1,\"content\":\"\"}]", "files: a name: an integer"},
	    {"\"files\":[{\"name\":\"a\",\"content\":1}]", "files: content: an integer"},
	    {"\"files\":[{\"name\":\"a\",\"base64\":\"x\"}]", "files: base64: base64"},
	    {"\"files\":[{\"name\":\"\",\"content\":\"\"}]", "files: \"\" is empty"},
	    {"\"files\":[{\"name\":\"/a\",\"content\":\"\"}]", "files: \"/a\" is not relative"},
	    {"\"files\":[{\"name\":\"a/../b\",\"content\":\"\"}]", "\"a/../b\" has a component"},
	    {"\"files\":[{\"name\":\"a\\u0000\",\"content\":\"\"}]", "holds a NUL"},
	    {"\"files\":[{\"name\":\"1/2/3/4/5/6/7/8/9/a/b/c/d/e/f/g/h\",\"content\":\"\"}]",
	     "16 components"},
	    {"\"files\":[{\"name\":\"a\",\"content\":\"\"},{\"name\":\"a\",\"content\":\"\"}]",
	     "\"a\" stands twice"},
	    {"\"files\":[{\"name\":\"a\",\"content\":\"\"},{\"name\":\"a/b\",\"content\":\"\"}]",
	     "\"a/b\" lies below another file"},
	    {"\"files\":[{\"name\":\"a/b\",\"content\":\"\"},{\"name\":\"a\",\"content\":\"\"}]",
	     "\"a\" is also a directory of another file"},
	    {"\"files\":[{\"name\":\"a/b/c/d\",\"content\":\"\"}]", "limits.scratch_files is 3"},
	    {"\"files\":[{\"name\":\"a\",\"content\":\"1\"},{\"name\":\"b\",\"content\":\"1\"},"
	     "{\"name\":\"c\",\"content\":\"1\"}]",
	     "files: 12288 bytes in whole pages do not fit into limits.scratch_bytes, 8192"},
	    {"\"collect\":\"*\"", "collect: a string; must be an array of strings"},
	    {"\"collect\":[1]", "an entry of collect: an integer"},
	    {"\"collect\":[\"../*\"]", "collect: \"../*\" has a component"},
	};
	char text[512];

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		(void)snprintf(text, sizeof(text), "{" SCRATCH ",%s}", CASES[i][0]);
		assert_request_refused(text, ERROR_INVALID, CASES[i][1]);
		/* The limits may come after. */
		(void)snprintf(text, sizeof(text), "{%s," SCRATCH "}", CASES[i][0]);
		assert_request_refused(text, ERROR_INVALID, CASES[i][1]);
	}
}

static void
nothing_without_a_directory(void **state)
{
	assert_request_refused("{\"source\":\"\",\"files\":[{\"name\":\"a\",\"content\":\"\"}]}",
			       ERROR_INVALID, "files: needs a scratch directory");
	assert_request_refused("{\"source\":\"\",\"collect\":[\"*\"]}", ERROR_INVALID,
			       "collect: needs a scratch directory");
	assert_request_refused("{\"source\":\"\",\"limits\":{\"scratch_bytes\":268435457}}",
			       ERROR_LIMIT, "above the maximum of 268435456");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fields),
	    cmocka_unit_test(refusals),
	    cmocka_unit_test(nothing_without_a_directory),
	};

	return cmocka_run_group_tests(tests, request_group_setup, request_group_teardown);
}
