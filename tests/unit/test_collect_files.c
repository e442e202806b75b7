/*
 * Collected files in a dead worker's result: what a good worker writes, and what a bad one might.
 */
#include "daemon/collect.h"
#include "protocol/pack.h"
#include "tests/unit/cmocka_headers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fixture {
	struct pack pack;
	struct limits limits;
	struct run_result result;
	const char *fault;
	bool collects;
};

static int
setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	assert_non_null(fixture);
	pack_init(&fixture->pack, 1u << 20);
	limits_defaults(&fixture->limits);
	*state = fixture;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *fixture = *state;
	pack_deinit(&fixture->pack);
	run_result_deinit(&fixture->result);
	free(fixture);
	return 0;
}

static enum verdict_blob
collect(struct fixture *fixture, bool ended)
{
	run_result_deinit(&fixture->result);
	fixture->fault = NULL;
	return collect_blob(fixture->pack.bytes, fixture->pack.size, ended, &fixture->limits,
			    fixture->collects, &fixture->result, &fixture->fault);
}

static void
put(struct fixture *fixture, uint32_t tag, const char *text)
{
	pack_put(&fixture->pack, tag, text, strlen(text));
}

/* Refused, and nothing of it is kept: hostile from a worker that says it ended. */
static void
assert_hostile(struct fixture *fixture, const char *fault)
{
	assert_int_equal(collect(fixture, false), VERDICT_BLOB_PARTIAL);
	assert_int_equal(collect(fixture, true), VERDICT_BLOB_HOSTILE);
	assert_non_null(strstr(fixture->fault, fault));
	assert_int_equal(fixture->result.file_count, 0);
	assert_null(fixture->result.files);
}

static void
put_file(struct fixture *fixture, const char *name, const char *content)
{
	put(fixture, RESULT_FILE_NAME, name);
	put(fixture, RESULT_FILE_BYTES, content);
}

static void
test_files(void **state)
{
	struct fixture *fixture = *state;
	fixture->collects = true;
	fixture->limits.collected_bytes = 5;
	put(fixture, RESULT_VALUE, "1");
	put_file(fixture, "a", "xy");
	put_file(fixture, "a/b", "");
	put_file(fixture, "b", "\xff\xfe\xfd");
	assert_int_equal(collect(fixture, true), VERDICT_BLOB_COMPLETE);
	assert_int_equal(fixture->result.file_count, 3);
	assert_int_equal(fixture->result.files[1].name.size, 3);
	assert_memory_equal(fixture->result.files[1].name.data, "a/b", 3);
	assert_int_equal(fixture->result.files[1].content.size, 0);
	assert_memory_equal(fixture->result.files[2].content.data, "\xff\xfe\xfd", 3);
}

static void
test_files_that_nobody_asked_for(void **state)
{
	put_file(*state, "a", "");
	assert_hostile(*state, "nobody asked");
}

static void
test_files_cap_is_of_all(void **state)
{
	struct fixture *fixture = *state;
	fixture->collects = true;
	fixture->limits.collected_bytes = 5;
	put_file(fixture, "a", "123");
	put_file(fixture, "b", "456");
	assert_hostile(fixture, "above their cap");
}

static void
test_files_names(void **state)
{
	static const char *const BAD[] = {"", "/a", "..", "a/../b", "a//b", "a/", "./a", "\xff"};
	struct fixture *fixture = *state;
	fixture->collects = true;
	for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
		fixture->pack.size = 0;
		put_file(fixture, BAD[i], "");
		assert_hostile(fixture, "name");
	}
	fixture->pack.size = 0;
	pack_put(&fixture->pack, RESULT_FILE_NAME, "a\0b", 3);
	put(fixture, RESULT_FILE_BYTES, "");
	assert_hostile(fixture, "name");
}

static void
test_files_order(void **state)
{
	static const char *const BAD[][2] = {{"a", "a"}, {"b", "a"}, {"ab", "a"}};
	struct fixture *fixture = *state;
	fixture->collects = true;
	for (size_t i = 0; i < 3; i++) {
		fixture->pack.size = 0;
		put_file(fixture, BAD[i][0], "");
		put_file(fixture, BAD[i][1], "");
		assert_hostile(fixture, "out of order");
	}
}

static void
test_files_halves(void **state)
{
	struct fixture *fixture = *state;
	fixture->collects = true;
	put(fixture, RESULT_FILE_BYTES, "x");
	assert_hostile(fixture, "content of no file");
	fixture->pack.size = 0;
	put(fixture, RESULT_FILE_NAME, "x");
	assert_hostile(fixture, "without content");
	fixture->pack.size = 0;
	put(fixture, RESULT_FILE_NAME, "x");
	put(fixture, RESULT_FILE_NAME, "y");
	assert_hostile(fixture, "without content");
	fixture->pack.size = 0;
	put_file(fixture, "x", "");
	put(fixture, RESULT_FILE_BYTES, "y");
	assert_hostile(fixture, "content of no file");
}

static void
test_files_count(void **state)
{
	struct fixture *fixture = *state;
	char name[16];
	fixture->collects = true;
	for (unsigned i = 0; i < FILES_MAX; i++) {
		(void)snprintf(name, sizeof(name), "%04u", i);
		put_file(fixture, name, "");
	}
	assert_int_equal(collect(fixture, true), VERDICT_BLOB_COMPLETE);
	put_file(fixture, "9999", "");
	assert_hostile(fixture, "too many files");
}

int
main(void)
{
#define BLOB(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    BLOB(test_files),
	    BLOB(test_files_that_nobody_asked_for),
	    BLOB(test_files_cap_is_of_all),
	    BLOB(test_files_names),
	    BLOB(test_files_order),
	    BLOB(test_files_halves),
	    BLOB(test_files_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
