/*
 * reply.c: streamed output keeps characters whole, comes before the result, and large results are
 * written off the loop without losing or mixing anything.
 */
#include "front_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STREAM_RUN(id)                                                                             \
	"{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"job.run\","                               \
	"\"params\":{\"source\":\"x\",\"stream\":true}}\n"

static json_t *
expect_notification(struct front *front, struct client *client, const char *method)
{
	json_t *line = client_json(front, client);
	assert_string_equal(json_string_value(json_object_get(line, "method")), method);
	assert_null(json_object_get(line, "id"));
	json_t *params = json_incref(json_object_get(line, "params"));
	assert_string_equal(json_string_value(json_object_get(params, "job")),
			    front->engine->jobs[0].id);
	assert_string_equal(json_string_value(json_object_get(params, "id")), "s");
	json_decref(line);
	return params;
}

static void
expect_output(struct front *front, struct client *client, const char *stream, const char *text,
	      const char *base64)
{
	json_t *params = expect_notification(front, client, "job.output");
	json_t *data = json_object_get(params, "data");
	assert_string_equal(json_string_value(json_object_get(params, "stream")), stream);
	if (base64 != NULL)
		data = json_object_get(data, "base64");
	assert_non_null(json_string_value(data));
	assert_string_equal(json_string_value(data), base64 != NULL ? base64 : text);
	json_decref(params);
}

static struct client *
start_stream(struct front *front)
{
	struct client *client = front_connect(front, FRONT_UID);
	client_say(front, client, STREAM_RUN("\"s\""));
	front_wait_jobs(front, 1);
	json_t *params = expect_notification(front, client, "job.progress");
	assert_string_equal(json_string_value(json_object_get(params, "state")), "queued");
	json_decref(params);
	return client;
}

static void
test_streamed_output(void **state)
{
	(void)state;
	struct front *front = front_new(NULL);
	struct client *client = start_stream(front);
	struct engine *engine = front->engine;
	fake_engine_output(engine, 0, 1, "h\xc3\xa9llo \xf0\x9f", 9);
	fake_engine_output(engine, 0, 2, "err", 3);
	fake_engine_output(engine, 0, 1, "\x90", 1);
	fake_engine_output(engine, 0, 1, "\x8d!", 2);
	fake_engine_output(engine, 0, 1, "\xff\xfe", 2);
	fake_engine_output(engine, 0, 1, "end\xe2\x82", 5);
	fake_engine_finish(engine, 0, "whole", 5);
	expect_output(front, client, "stdout", "h\u00e9llo ", NULL);
	expect_output(front, client, "stderr", "err", NULL);
	expect_output(front, client, "stdout", "\U0001F40D!", NULL);
	expect_output(front, client, "stdout", NULL, "//4=");
	expect_output(front, client, "stdout", "end", NULL);
	expect_output(front, client, "stdout", NULL, "4oI=");
	char *text = client_result_text(front, client, "stdout");
	assert_string_equal(text, "whole");
	free(text);
	client_free(&client);
	front_free(&front);
}

static void
test_split_anywhere_it_stays_text(void **state)
{
	(void)state;
	static const char TEXT[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x8d\n\xf4\x8f\xbf\xbfz";
	size_t size = sizeof(TEXT) - 1;
	for (size_t cut = 0; cut <= size; cut++) {
		struct front *front = front_new(NULL);
		struct client *client = start_stream(front);
		fake_engine_output(front->engine, 0, 1, TEXT, cut);
		fake_engine_output(front->engine, 0, 1, TEXT + cut, size - cut);
		fake_engine_finish(front->engine, 0, "", 0);
		char got[sizeof(TEXT)] = "";
		for (;;) {
			json_t *line = client_json(front, client);
			json_t *data = json_object_get(json_object_get(line, "params"), "data");
			if (data != NULL)
				assert_non_null(json_string_value(data));
			if (data != NULL)
				strcat(got, json_string_value(data));
			json_decref(line);
			if (data == NULL)
				break;
		}
		assert_string_equal(got, TEXT);
		client_free(&client);
		front_free(&front);
	}
}

static void
test_large_pieces_are_divided(void **state)
{
	(void)state;
	struct front *front = front_new(NULL);
	struct client *client = start_stream(front);
	size_t count = 50000, size = count * 3, got = 0;
	char *bytes = malloc(size);
	assert_non_null(bytes);
	for (size_t i = 0; i < count; i++)
		memcpy(bytes + 3 * i, "\xe2\x82\xac", 3);
	fake_engine_output(front->engine, 0, 1, bytes, size);
	while (got < size) {
		json_t *params = expect_notification(front, client, "job.output");
		json_t *data = json_object_get(params, "data");
		assert_non_null(json_string_value(data));
		assert_true(json_string_length(data) <= REPLY_PIECE_BYTES_MAX + 3);
		assert_memory_equal(json_string_value(data), bytes, json_string_length(data));
		got += json_string_length(data);
		json_decref(params);
	}
	assert_int_equal(got, size);
	free(bytes);
	client_free(&client);
	front_free(&front);
}

static void
test_output_nobody_asked_for_is_dropped(void **state)
{
	(void)state;
	struct front *front = front_new(NULL);
	struct client *client = front_connect(front, FRONT_UID);
	client_say(front, client,
		   "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.run\","
		   "\"params\":{\"source\":\"x\"}}\n");
	front_wait_jobs(front, 1);
	fake_engine_output(front->engine, 0, 1, "text", 4);
	reply_output(&front->reply, 999, 1, "text", 4);
	fake_engine_finish(front->engine, 0, "x", 1);
	char *text = client_result_text(front, client, "stdout");
	assert_string_equal(text, "x");
	free(text);
	client_free(&client);
	front_free(&front);
}

static void
test_large_results(void **state)
{
	(void)state;
	struct front *front = front_new(NULL);
	struct client *client = front_connect(front, FRONT_UID);
	size_t size = 3u << 20;
	char *out = malloc(size);
	assert_non_null(out);
	memset(out, '\n', size); /* text that doubles when it is escaped */
	for (unsigned i = 0; i < 3; i++) {
		char line[200];
		(void)snprintf(line, sizeof(line),
			       "{\"jsonrpc\":\"2.0\",\"id\":%u,\"method\":\"job.run\","
			       "\"params\":{\"source\":\"x\"}}\n",
			       i);
		client_say(front, client, line);
	}
	front_wait_jobs(front, 3);
	fake_engine_finish(front->engine, 0, out, size);
	assert_int_equal(front->reply.writing, 1);
	/* Still in work: its id is not free yet. */
	client_say(front, client,
		   "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"job.run\","
		   "\"params\":{\"source\":\"x\"}}\n");
	fake_engine_finish(front->engine, 1, out, REPLY_INLINE_BYTES_MAX);
	assert_int_equal(front->reply.writing, 1);
	fake_engine_finish(front->engine, 2, out, REPLY_INLINE_BYTES_MAX + 1);
	assert_int_equal(front->reply.writing, 2);
	/* What is written is held; the short one is gone. */
	assert_int_equal(front->engine->held_bytes, size + REPLY_INLINE_BYTES_MAX + 1);
	size_t lengths[3] = {0, 0, 0};
	for (unsigned left = 3; left > 0;) {
		json_t *answer = client_json(front, client);
		json_t *result = json_object_get(answer, "result");
		if (result != NULL) {
			json_int_t id = json_integer_value(json_object_get(answer, "id"));
			lengths[id] = json_string_length(json_object_get(result, "stdout"));
			left--;
		}
		json_decref(answer);
	}
	assert_int_equal(lengths[0], size);
	assert_int_equal(lengths[1], REPLY_INLINE_BYTES_MAX);
	assert_int_equal(lengths[2], REPLY_INLINE_BYTES_MAX + 1);
	assert_int_equal(front->engine->held_bytes, 0);
	free(out);
	client_free(&client);
	front_free(&front);
}

static void
test_client_gone_while_its_result_is_written(void **state)
{
	(void)state;
	struct front *front = front_new(NULL);
	struct client *client = front_connect(front, FRONT_UID);
	client_say(front, client,
		   "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.run\","
		   "\"params\":{\"source\":\"x\"}}\n");
	front_wait_jobs(front, 1);
	char *out = calloc(1, 1 << 20);
	assert_non_null(out);
	fake_engine_finish(front->engine, 0, out, 1 << 20);
	assert_int_equal(front->reply.writing, 1);
	connection_close(list_item(list_first(&front->host.open), struct connection, link));
	client_free(&client);
	while (front->reply.writing > 0)
		(void)uv_run(&front->loop, UV_RUN_ONCE);
	assert_int_equal(front->inwork.tickets.count, 0);
	assert_int_equal(front->engine->held_bytes, 0);
	free(out);
	front_free(&front);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_streamed_output),
	    cmocka_unit_test(test_split_anywhere_it_stays_text),
	    cmocka_unit_test(test_large_pieces_are_divided),
	    cmocka_unit_test(test_output_nobody_asked_for_is_dropped),
	    cmocka_unit_test(test_large_results),
	    cmocka_unit_test(test_client_gone_while_its_result_is_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
