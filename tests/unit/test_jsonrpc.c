/*
 * The envelope: which lines are requests, which code and which id a refusal has, what lines go out.
 */
#include "protocol/jsonrpc.h"
#include "protocol/json_scan.h"
#include "tests/unit/cmocka_headers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct json_marks marks;

static int
group_setup(void **state)
{
	return json_marks_init(&marks, NULL);
}

static void
assert_id(const struct rpc_request *request, const char *id)
{
	if (id == NULL) {
		assert_null(request->id);
		return;
	}
	assert_non_null(request->id);
	assert_int_equal(request->id_size, strlen(id));
	assert_memory_equal(request->id, id, request->id_size);
}

static void
good_requests(void **state)
{
	static const struct {
		const char *line, *id, *method;
		bool params;
	} CASES[] = {
	    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a.b\",\"params\":{}}\n", "1", "a.b", true},
	    {"{\"jsonrpc\":\"2.0\",\"id\":\"x\\u0000\\\"\",\"method\":\"m\"}\r\n",
	     "\"x\\u0000\\\"\"", "m", false},
	    {"{\"method\":\"m\",\"id\":null,\"jsonrpc\":\"2.0\"}", "null", "m", false},
	    {"{\"jsonrpc\":\"2.0\",\"method\":\"m\"}", NULL, "m", false},
	    {"{\"jsonrpc\":\"2.0\",\"id\":-99999999999999999999,\"method\":\"m\"}",
	     "-99999999999999999999", "m", false},
	    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\"}", "1", "", false},
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct rpc_request request;
		struct rpc_error error;

		assert_int_equal(jsonrpc_parse(&marks, CASES[i].line, strlen(CASES[i].line), 1000,
					       &request, &error),
				 0);
		assert_id(&request, CASES[i].id);
		assert_string_equal(request.method, CASES[i].method);
		assert_int_equal(request.params != NULL, CASES[i].params);
		jsonrpc_request_deinit(&request);
		assert_null(request.id);
	}
	jsonrpc_request_deinit(NULL);
}

static const struct {
	const char *line;
	int code;
	const char *id, *text;
} BAD[] = {
    {"", -32700, NULL, "text ends too early"},
    {"{", -32700, NULL, "text ends too early"},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\",\"id\":2}", -32700, NULL, "stands twice"},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}", -32700, NULL, "invalid UTF-8"},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\\ud800\"}", -32700, NULL, "lone surrogate"},
    {"{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}", -32700, NULL,
     "nested deeper"},
    {"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\"}]", -32600, NULL, "batches"},
    {"[]", -32600, NULL, "batches"},
    {"42", -32600, NULL, "a request is an object"},
    {"99999999999999999999", -32600, NULL, "a request is an object"},
    {"{}", -32600, NULL, "jsonrpc: missing"},
    {"{\"jsonrpc\":\"1.0\",\"id\":3,\"method\":\"m\"}", -32600, "3", "must be \"2.0\""},
    {"{\"jsonrpc\":2.0,\"id\":3,\"method\":\"m\"}", -32600, "3", "must be \"2.0\""},
    {"{\"jsonrpc\":\"2.0\",\"id\":3}", -32600, "3", "method: missing"},
    {"{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":7}", -32600, "3", "method: an integer"},
    {"{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":99999999999999999999}", -32600, "3",
     "method: an integer"},
    {"{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"a\\u0000b\"}", -32601, "3",
     "unknown method \"a\\x00b\""},
    {"{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"m\"}", -32600, NULL, "id: a number"},
    {"{\"jsonrpc\":\"2.0\",\"id\":true,\"method\":\"m\"}", -32600, NULL, "id: a boolean"},
    {"{\"jsonrpc\":\"2.0\",\"id\":[1],\"method\":\"m\"}", -32600, NULL, "id: an array"},
    {"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"m\"}", -32600, NULL, "id: an object"},
    {"{\"jsonrpc\":\"2.0\",\"id\":\"q\",\"method\":\"m\",\"parms\":{}}", -32600, "\"q\"",
     "unknown member \"parms\""},
    {"{\"jsonrpc\":\"2.0\",\"id\":4,\"result\":1}", -32600, "4", "unknown member \"result\""},
    {"{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"m\",\"params\":[1]}", -32602, "4",
     "params: an array"},
    {"{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"m\",\"params\":null}", -32602, "4",
     "params: null"},
    {"{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"m\",\"params\":99999999999999999999}", -32602, "4",
     "params: an integer"},
};

static void
bad_requests_have_code_id_and_reason(void **state)
{
	for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
		struct rpc_request request;
		struct rpc_error error;
		int r =
		    jsonrpc_parse(&marks, BAD[i].line, strlen(BAD[i].line), 1000, &request, &error);

		if (r >= 0 || error.code != BAD[i].code ||
		    strstr(error.message, BAD[i].text) == NULL)
			fail_msg("%s: %d %s", BAD[i].line, error.code, error.message);
		assert_null(strstr(error.message, marks.mark));
		assert_int_equal(error.reason, RPC_REASON_NONE);
		assert_id(&request, BAD[i].id);
		assert_null(request.params);
		jsonrpc_request_deinit(&request);
	}
}

static void
sizes_are_capped(void **state)
{
	struct rpc_request request;
	struct rpc_error error;
	char line[3000], *at = line;

	assert_true(jsonrpc_parse(&marks, "{}", 2, 1, &request, &error) < 0);
	assert_int_equal(error.reason, RPC_REASON_TOO_LARGE);
	assert_int_equal(error.code, -32005);
	jsonrpc_request_deinit(&request);
	at += sprintf(at, "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":\"");
	memset(at, 'x', RPC_ID_BYTES_MAX);
	memcpy(at + RPC_ID_BYTES_MAX - 2, "\"}", 3);
	assert_int_equal(jsonrpc_parse(&marks, line, strlen(line), 3000, &request, &error), 0);
	assert_int_equal(request.id_size, RPC_ID_BYTES_MAX);
	jsonrpc_request_deinit(&request);
	memcpy(at + RPC_ID_BYTES_MAX - 2, "x\"}", 4);
	assert_int_equal(jsonrpc_parse(&marks, line, strlen(line), 3000, &request, &error),
			 ERROR_LIMIT);
	assert_int_equal(error.code, -32600);
	assert_null(request.id);
	jsonrpc_request_deinit(&request);
	(void)sprintf(line, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%0*d\"}",
		      RPC_METHOD_BYTES_MAX + 1, 1);
	assert_true(jsonrpc_parse(&marks, line, strlen(line), 3000, &request, &error) < 0);
	assert_int_equal(error.code, -32601);
	assert_id(&request, "1");
	jsonrpc_request_deinit(&request);
}

static void
assert_line(struct text_buffer *buffer, const char *expected)
{
	assert_false(buffer->failed);
	assert_int_equal(buffer->size, strlen(expected));
	assert_memory_equal(buffer->bytes, expected, buffer->size);
	assert_int_equal(json_scan_splice(buffer->bytes, buffer->size - 1, 1000, NULL), 0);
	text_buffer_clear(buffer);
}

static void
lines_that_go_out(void **state)
{
	struct text_buffer buffer;
	struct rpc_error error;

	text_buffer_init(&buffer, 1 << 16);
	jsonrpc_write_result(&buffer, "7", 1);
	text_buffer_put_text(&buffer, "{}");
	jsonrpc_write_end(&buffer);
	assert_line(&buffer, "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}\n");
	jsonrpc_write_notification(&buffer, "job.output");
	text_buffer_put_text(&buffer, "{}");
	jsonrpc_write_end(&buffer);
	assert_line(&buffer, "{\"jsonrpc\":\"2.0\",\"method\":\"job.output\",\"params\":{}}\n");
	jsonrpc_error_code(&error, RPC_METHOD_NOT_FOUND, "no \"%s\"\n", "x");
	jsonrpc_write_error(&buffer, NULL, 0, &error);
	assert_line(&buffer, "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32601,"
			     "\"message\":\"no \\\"x\\\"?\"}}\n");
	jsonrpc_error_reason(&error, RPC_REASON_QUEUE_FULL, "full");
	jsonrpc_write_error(&buffer, "\"a\"", 3, &error);
	assert_line(&buffer, "{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"error\":{\"code\":-32000,"
			     "\"message\":\"full\",\"data\":{\"reason\":\"queue_full\",\"retry_"
			     "after_ms\":1000}}}\n");
	jsonrpc_error_reason(&error, RPC_REASON_QUOTA_EXCEEDED, "used up");
	error.retry_after_ms = 59999;
	jsonrpc_write_error(&buffer, "1", 1, &error);
	assert_line(&buffer, "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32001,"
			     "\"message\":\"used up\",\"data\":{\"reason\":\"quota_exceeded\","
			     "\"retry_after_ms\":59999}}}\n");
	jsonrpc_error_reason(&error, RPC_REASON_TOO_LARGE, "large");
	jsonrpc_write_error(&buffer, "1", 1, &error);
	assert_line(&buffer, "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32005,"
			     "\"message\":\"large\",\"data\":{\"reason\":\"too_large\"}}}\n");
	jsonrpc_write_request(&buffer, 5, "job.run", "{}", 2);
	assert_line(&buffer,
		    "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"job.run\",\"params\":{}}\n");
	jsonrpc_write_request(&buffer, 5, "daemon.info", NULL, 0);
	assert_line(&buffer, "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"daemon.info\"}\n");
	text_buffer_deinit(&buffer);
}

static void
reasons_are_distinct(void **state)
{
	assert_null(jsonrpc_reason_name(RPC_REASON_NONE));
	for (int i = 1; i < RPC_REASON_COUNT; i++) {
		assert_non_null(jsonrpc_reason_name((enum rpc_reason)i));
		assert_true(jsonrpc_reason_code((enum rpc_reason)i) <= -32000);
		assert_true(jsonrpc_reason_code((enum rpc_reason)i) >= -32099);
		for (int j = 1; j < i; j++)
			assert_int_not_equal(jsonrpc_reason_code((enum rpc_reason)i),
					     jsonrpc_reason_code((enum rpc_reason)j));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(good_requests),
	    cmocka_unit_test(bad_requests_have_code_id_and_reason),
	    cmocka_unit_test(sizes_are_capped),
	    cmocka_unit_test(lines_that_go_out),
	    cmocka_unit_test(reasons_are_distinct),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
