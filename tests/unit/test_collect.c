/* Reading a dead worker's result: what a good worker writes, and everything a bad one might. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "daemon/collect.h"
#include "protocol/pack.h"

struct fixture {
	struct pack pack;
	struct limits limits;
	struct run_result result;
	const char *fault;
};

static int
setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	assert_non_null(fixture);
	pack_init(&fixture->pack, 1u << 20);
	limits_defaults(&fixture->limits);
	fixture->limits.value_bytes = 100;
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

static void
put(struct fixture *fixture, uint32_t tag, const char *text)
{
	pack_put(&fixture->pack, tag, text, strlen(text));
}

static enum verdict_blob
collect(struct fixture *fixture, bool ended)
{
	run_result_deinit(&fixture->result);
	fixture->fault = NULL;
	return collect_blob(fixture->pack.bytes, fixture->pack.size, ended, &fixture->limits, false,
			    &fixture->result, &fixture->fault);
}

/* Refused: hostile from a worker that says it ended, half-written from one that does not. */
static void
assert_refused(struct fixture *fixture)
{
	assert_int_equal(collect(fixture, true), VERDICT_BLOB_HOSTILE);
	assert_non_null(fixture->fault);
	assert_null(fixture->result.value.data);
	assert_false(fixture->result.has_error);
	assert_int_equal(fixture->result.frame_count, 0);
	assert_int_equal(collect(fixture, false), VERDICT_BLOB_PARTIAL);
}

static void
test_all_fields(void **state)
{
	struct fixture *fixture = *state;
	put(fixture, RESULT_VALUE, "[1,2]");
	put(fixture, RESULT_VARS, "{\"a\":null}");
	put(fixture, RESULT_ERROR_TYPE, "ValueError");
	put(fixture, RESULT_ERROR_MESSAGE, "");
	put(fixture, RESULT_FRAME_FILE, "main.py");
	pack_put_u32(&fixture->pack, RESULT_FRAME_LINE, 0x01020304);
	put(fixture, RESULT_FRAME_FUNCTION, "f");
	put(fixture, RESULT_FRAME_TEXT, "x = 1");
	put(fixture, RESULT_FRAME_FILE, "second.py");
	put(fixture, RESULT_WARNING, "w1");
	put(fixture, RESULT_WARNING, "w2");
	assert_int_equal(collect(fixture, true), VERDICT_BLOB_COMPLETE);
	assert_string_equal((char *)fixture->result.value.data, "[1,2]");
	assert_string_equal((char *)fixture->result.vars.data, "{\"a\":null}");
	assert_true(fixture->result.has_error);
	assert_string_equal((char *)fixture->result.error_type.data, "ValueError");
	assert_int_equal(fixture->result.error_message.size, 0);
	assert_int_equal(fixture->result.frame_count, 2);
	assert_int_equal(fixture->result.frames[0].line, 0x01020304);
	assert_string_equal((char *)fixture->result.frames[0].text.data, "x = 1");
	assert_string_equal((char *)fixture->result.frames[1].file.data, "second.py");
	assert_int_equal(fixture->result.warning_count, 2);
}

static void
test_every_cut_is_refused(void **state)
{
	struct fixture *fixture = *state;
	put(fixture, RESULT_VALUE, "12345");
	size_t whole = fixture->pack.size;
	for (size_t size = 1; size < whole; size++) {
		fixture->pack.size = size;
		assert_refused(fixture);
	}
	fixture->pack.size = whole;
	assert_int_equal(collect(fixture, false), VERDICT_BLOB_COMPLETE);
}

static void
test_length_that_lies(void **state)
{
	struct fixture *fixture = *state;
	put(fixture, RESULT_VALUE, "12345");
	memset(fixture->pack.bytes + 4, 0xff, 4);
	assert_refused(fixture);
}

static void
test_value_not_json(void **state)
{
	struct fixture *fixture = *state;
	put(fixture, RESULT_VALUE, "1}{");
	assert_refused(fixture);
}

static void
test_value_with_line_end(void **state)
{
	struct fixture *fixture = *state;
	put(fixture, RESULT_VALUE, "[1,\n2]");
	assert_refused(fixture);
}

static void
test_value_empty(void **state)
{
	struct fixture *fixture = *state;
	put(fixture, RESULT_VALUE, "");
	assert_refused(fixture);
}

static void
test_value_twice(void **state)
{
	struct fixture *fixture = *state;
	put(fixture, RESULT_VALUE, "1");
	put(fixture, RESULT_VALUE, "2");
	assert_refused(fixture);
}

static void
test_vars_not_an_object(void **state)
{
	struct fixture *fixture = *state;
	put(fixture, RESULT_VARS, "[1]");
	assert_refused(fixture);
}

static void
test_value_cap_is_of_both(void **state)
{
	struct fixture *fixture = *state;
	fixture->limits.value_bytes = 10;
	put(fixture, RESULT_VALUE, "12345");
	put(fixture, RESULT_VARS, "{    }"); /* 5 + 6 */
	assert_refused(fixture);
	fixture->limits.value_bytes = 11;
	assert_int_equal(collect(fixture, true), VERDICT_BLOB_COMPLETE);
}

static void
test_text_cap(void **state)
{
	struct fixture *fixture = *state;
	char *text = malloc(ERROR_TEXT_BYTES_MAX + 1);
	assert_non_null(text);
	memset(text, 'a', ERROR_TEXT_BYTES_MAX + 1);
	pack_put(&fixture->pack, RESULT_ERROR_TYPE, text, ERROR_TEXT_BYTES_MAX);
	assert_int_equal(collect(fixture, true), VERDICT_BLOB_COMPLETE);
	pack_put(&fixture->pack, RESULT_ERROR_MESSAGE, text, ERROR_TEXT_BYTES_MAX + 1);
	assert_refused(fixture);
	free(text);
}

static void
test_frames_cap(void **state)
{
	struct fixture *fixture = *state;
	for (size_t i = 0; i < TRACEBACK_FRAMES_MAX; i++)
		put(fixture, RESULT_FRAME_FILE, "f");
	assert_int_equal(collect(fixture, true), VERDICT_BLOB_COMPLETE);
	put(fixture, RESULT_FRAME_FILE, "f");
	assert_refused(fixture);
}

static void
test_warnings_cap(void **state)
{
	struct fixture *fixture = *state;
	for (size_t i = 0; i < WARNINGS_MAX + 1; i++)
		put(fixture, RESULT_WARNING, "w");
	assert_refused(fixture);
}

static void
test_frame_part_without_frame(void **state)
{
	struct fixture *fixture = *state;
	put(fixture, RESULT_FRAME_FUNCTION, "f");
	assert_refused(fixture);
}

static void
test_line_of_wrong_size(void **state)
{
	struct fixture *fixture = *state;
	put(fixture, RESULT_FRAME_FILE, "f");
	put(fixture, RESULT_FRAME_LINE, "12345");
	assert_refused(fixture);
}

static void
test_unknown_field(void **state)
{
	struct fixture *fixture = *state;
	put(fixture, 99, "x");
	assert_refused(fixture);
}

int
main(void)
{
#define BLOB(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    BLOB(test_all_fields),
	    BLOB(test_every_cut_is_refused),
	    BLOB(test_length_that_lies),
	    BLOB(test_value_not_json),
	    BLOB(test_value_with_line_end),
	    BLOB(test_value_empty),
	    BLOB(test_value_twice),
	    BLOB(test_vars_not_an_object),
	    BLOB(test_value_cap_is_of_both),
	    BLOB(test_text_cap),
	    BLOB(test_frames_cap),
	    BLOB(test_warnings_cap),
	    BLOB(test_frame_part_without_frame),
	    BLOB(test_line_of_wrong_size),
	    BLOB(test_unknown_field),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
