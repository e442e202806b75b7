/*
 * The result object: every field, nulls, and bytes that no JSON text may hold.
 */
#include "protocol/result_json.h"
#include "protocol/json_scan.h"
#include "tests/unit/cmocka_headers.h"

#include <stdlib.h>
#include <string.h>

static struct bytes
bytes_of(const char *text, size_t size)
{
	struct bytes bytes = {malloc(size > 0 ? size : 1), size};

	assert_non_null(bytes.data);
	memcpy(bytes.data, text, size);
	return bytes;
}

static void
assert_written(const struct run_result *result, const char *expected)
{
	struct text_buffer buffer;

	text_buffer_init(&buffer, 1 << 20);
	result_json_write(result, &buffer);
	assert_false(buffer.failed);
	assert_int_equal(json_scan_splice(buffer.bytes, buffer.size, 1 << 20, NULL), 0);
	text_buffer_put(&buffer, "", 1);
	assert_string_equal(buffer.bytes, expected);
	text_buffer_deinit(&buffer);
}

static void
an_empty_result(void **state)
{
	struct run_result *result = calloc(1, sizeof(*result));

	assert_non_null(result);
	result->exit_code = -1;
	result->status = STATUS_CANCELLED;
	assert_written(result, "{\"job\":\"\",\"status\":\"cancelled\",\"verdict\":\"CA\","
			       "\"exit_code\":null,\"signal\":null,\"stdout\":\"\",\"stderr\":\"\","
			       "\"stdout_truncated\":false,\"stderr_truncated\":false,"
			       "\"value\":null,\"vars\":{},\"error\":null,\"warnings\":[],"
			       "\"usage\":{\"cpu_us\":0,\"wall_us\":0,\"queue_us\":0,"
			       "\"memory_peak_bytes\":0,\"memory_baseline_bytes\":0,"
			       "\"stdout_bytes\":0,\"stderr_bytes\":0,\"opcodes\":0,"
			       "\"throttled_us\":0},\"meter_id\":\"\"}");
	run_result_deinit(result);
	free(result);
}

static void
a_full_result(void **state)
{
	struct run_result *result = calloc(1, sizeof(*result));

	assert_non_null(result);
	memcpy(result->job, "0123456789abcdef0123456789abcdef", JOB_ID_CHARS);
	result->status = STATUS_RUNTIME_ERROR;
	result->signal = 9;
	result->out = bytes_of("a\0\n", 3);
	result->err = bytes_of("\xff", 1);
	result->out_truncated = true;
	result->value = bytes_of("[1]", 3);
	result->vars = bytes_of("{\"x\":2}", 7);
	result->has_error = true;
	result->error_type = bytes_of("ValueError", 10);
	result->error_message = bytes_of("bad \xc3", 5);
	result->frame_count = 2;
	result->frames[0].file = bytes_of("main.py", 7);
	result->frames[0].line = 4294967295u;
	result->frames[0].function = bytes_of("<module>", 8);
	result->frames[1].text = bytes_of("\"q\"", 3);
	result->warning_count = 2;
	result->warnings[0] = bytes_of("w\x01", 2);
	result->usage.cpu_us = UINT64_MAX;
	result->usage.queue_us = 3;
	result->usage.stderr_bytes = 1;
	result->usage.opcodes = 423;
	result->usage.throttled_us = 77;
	memcpy(result->meter_id, "0123456789abcdef", 17);
	assert_written(result,
		       "{\"job\":\"0123456789abcdef0123456789abcdef\",\"status\":\"runtime_error\","
		       "\"verdict\":\"RTE\",\"exit_code\":0,\"signal\":9,"
		       "\"stdout\":\"a\\u0000\\n\",\"stderr\":{\"base64\":\"/w==\"},"
		       "\"stdout_truncated\":true,\"stderr_truncated\":false,"
		       "\"value\":[1],\"vars\":{\"x\":2},"
		       "\"error\":{\"type\":\"ValueError\",\"message\":\"bad \xef\xbf\xbd\","
		       "\"traceback\":[{\"file\":\"main.py\",\"line\":4294967295,"
		       "\"function\":\"<module>\",\"text\":\"\"},"
		       "{\"file\":\"\",\"line\":0,\"function\":\"\",\"text\":\"\\\"q\\\"\"}]},"
		       "\"warnings\":[\"w\\u0001\",\"\"],"
		       "\"usage\":{\"cpu_us\":18446744073709551615,\"wall_us\":0,\"queue_us\":3,"
		       "\"memory_peak_bytes\":0,\"memory_baseline_bytes\":0,"
		       "\"stdout_bytes\":0,\"stderr_bytes\":1,\"opcodes\":423,\"throttled_us\":77},"
		       "\"meter_id\":\"0123456789abcdef\"}");
	run_result_deinit(result);
	free(result);
}

static void
a_trace_is_part_of_it_only_where_it_is_asked_for(void **state)
{
	struct run_result *result = calloc(1, sizeof(*result));
	struct text_buffer buffer;

	assert_non_null(result);
	result->traced = result->has_trace = true;
	result->trace = bytes_of("{\"line\":1}\n{\"line\":2}\n", 22);
	text_buffer_init(&buffer, 1 << 20);
	result_json_write(result, &buffer);
	text_buffer_put(&buffer, "", 1);
	assert_int_equal(json_scan_splice(buffer.bytes, buffer.size - 1, 1 << 20, NULL), 0);
	assert_non_null(strstr(buffer.bytes, ",\"trace\":[{\"line\":1},{\"line\":2}],"
					     "\"trace_truncated\":false,\"usage\":"));
	result->has_trace = false; /* it was streamed */
	result->trace_truncated = true;
	text_buffer_clear(&buffer);
	result_json_write(result, &buffer);
	text_buffer_put(&buffer, "", 1);
	assert_null(strstr(buffer.bytes, "\"trace\""));
	assert_non_null(strstr(buffer.bytes, ",\"trace_truncated\":true,"));
	text_buffer_clear(&buffer);
	result_json_write_events(NULL, 0, &buffer);
	text_buffer_put(&buffer, "", 1);
	assert_string_equal(buffer.bytes, "[]");
	text_buffer_deinit(&buffer);
	run_result_deinit(result);
	free(result);
}

static void
output_notifications(void **state)
{
	struct text_buffer buffer;

	text_buffer_init(&buffer, 1000);
	result_json_write_output("j1", 2, "x\n", 2, &buffer);
	text_buffer_put(&buffer, "", 1);
	assert_string_equal(buffer.bytes,
			    "{\"job\":\"j1\",\"stream\":\"stderr\",\"data\":\"x\\n\"}");
	text_buffer_clear(&buffer);
	result_json_write_output("j1", 1, "\x80", 1, &buffer);
	text_buffer_put(&buffer, "", 1);
	assert_string_equal(
	    buffer.bytes, "{\"job\":\"j1\",\"stream\":\"stdout\",\"data\":{\"base64\":\"gA==\"}}");
	text_buffer_deinit(&buffer);
}

static void
collected_files(void **state)
{
	struct run_result *result = calloc(1, sizeof(*result));
	struct text_buffer buffer;

	assert_non_null(result);
	result->collects = true;
	result->files = calloc(3, sizeof(*result->files));
	assert_non_null(result->files);
	result->file_count = 3;
	result->files[0].name = bytes_of("a", 1);
	result->files[0].content = bytes_of("\"\0", 2);
	result->files[1].name = bytes_of("d/\xc3\xa9", 4);
	result->files[1].content = bytes_of("\xff", 1);
	result->files[2].name = bytes_of("e", 1);
	result->files[2].content = bytes_of("", 0);
	text_buffer_init(&buffer, 1 << 20);
	result_json_write(result, &buffer);
	text_buffer_put(&buffer, "", 1);
	assert_false(buffer.failed);
	assert_non_null(strstr(buffer.bytes,
			       "\"files\":[{\"name\":\"a\",\"bytes\":2,"
			       "\"content\":\"\\\"\\u0000\"},"
			       "{\"name\":\"d/\xc3\xa9\",\"bytes\":1,\"base64\":\"/w==\"},"
			       "{\"name\":\"e\",\"bytes\":0,\"content\":\"\"}]"));
	text_buffer_deinit(&buffer);
	run_result_deinit(result);
	free(result);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_empty_result),
	    cmocka_unit_test(a_full_result),
	    cmocka_unit_test(collected_files),
	    cmocka_unit_test(a_trace_is_part_of_it_only_where_it_is_asked_for),
	    cmocka_unit_test(output_notifications),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
