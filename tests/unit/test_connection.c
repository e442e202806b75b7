/*
 * connection.c with rpc, reply and outbox behind it: what goes over the wire, however it is cut,
 * paced or broken off.
 */
#include "front_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RUN(id, source)                                                                            \
	"{\"jsonrpc\":\"2.0\",\"id\":" id                                                          \
	",\"method\":\"job.run\",\"params\":{\"source\":\"" source "\"}}"

static char *
filled(size_t size, char with)
{
	char *bytes = malloc(size);
	assert_non_null(bytes);
	memset(bytes, with, size);
	return bytes;
}

/* A job.run line of exactly `size` bytes, LF included. */
static char *
long_line(size_t size)
{
	static const char HEAD[] =
	    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.run\",\"params\":{\"source\":\"";
	static const char TAIL[] = "\"}}\n";
	char *line = filled(size, 'x');
	memcpy(line, HEAD, sizeof(HEAD) - 1);
	memcpy(line + size - (sizeof(TAIL) - 1), TAIL, sizeof(TAIL) - 1);
	return line;
}

static const char CONVERSATION[] =
    RUN("1", "a\\u00e9") "\n" RUN("2", "b") "\r\n\n{not json}\n[]\n" RUN(
	"\\\"3\\\"",
	"c") "\n"
	     "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"job.status\",\"params\":{\"job\":\"0\"}}\n"
	     "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"no.such\"}\n\"\xff\"\n" RUN("6", "last");

/* Send in two parts, or byte by byte (cut 0), and return all that comes back. */
static char *
converse(size_t cut, size_t *ret_lines)
{
	fake_engine_auto(true);
	struct front *front = front_new(NULL);
	struct client *client = front_connect(front, FRONT_UID);
	size_t size = sizeof(CONVERSATION) - 1;
	size_t step = cut == 0 ? 1 : cut;
	for (size_t at = 0; at < size; at += step) {
		if (at > 0 && cut > 0)
			step = size - at;
		client_send(front, client, CONVERSATION + at, step);
		for (int i = 0; i < 4; i++)
			front_turn(front);
	}
	client_half_close(client);
	char *rest = client_rest(front, client);
	*ret_lines = 0;
	for (const char *at = rest; (at = strchr(at, '\n')) != NULL; at++)
		(*ret_lines)++;
	client_free(&client);
	front_free(&front);
	fake_engine_auto(false);
	return rest;
}

/* Lines sorted: answers may come in any order. */
static int
compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
sort_lines(char *text, size_t count, char *ret_sorted)
{
	char *lines[32];
	size_t n = 0;
	assert_true(count <= 32);
	for (char *save, *line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save))
		lines[n++] = line;
	qsort(lines, n, sizeof(lines[0]), compare_lines);
	ret_sorted[0] = '\0';
	for (size_t i = 0; i < n; i++)
		strcat(strcat(ret_sorted, lines[i]), "\n");
}

static void
test_same_answers_wherever_it_is_cut(void **state)
{
	(void)state;
	size_t count, wanted_count;
	char *wanted = converse(sizeof(CONVERSATION) - 1, &wanted_count);
	assert_int_equal(wanted_count, 9);
	char *wanted_sorted = filled(strlen(wanted) + 1, 0);
	sort_lines(wanted, wanted_count, wanted_sorted);
	assert_non_null(strstr(wanted_sorted, "\"stdout\":\"last\""));
	for (size_t cut = 0; cut < sizeof(CONVERSATION) - 1; cut++) {
		char *got = converse(cut, &count);
		assert_int_equal(count, wanted_count);
		char *sorted = filled(strlen(got) + 1, 0);
		sort_lines(got, count, sorted);
		assert_string_equal(sorted, wanted_sorted);
		free(sorted);
		free(got);
	}
	free(wanted_sorted);
	free(wanted);
}

static void
test_pipelined_requests_are_all_answered(void **state)
{
	(void)state;
	enum { COUNT = 3000 };
	static const char *const SETTINGS[] = {"connection_jobs_max=50", NULL};
	fake_engine_auto(true);
	struct front *front = front_new(SETTINGS);
	fake_engine_auto(false);
	struct client *client = front_connect(front, FRONT_UID);
	char *all = malloc(COUNT * 100);
	size_t size = 0;
	for (unsigned i = 0; i < COUNT; i++)
		size += (size_t)sprintf(all + size, RUN("%u", "%u") "\n", i, i * 7);
	client_send(front, client, all, size);
	static bool seen[COUNT];
	memset(seen, 0, sizeof(seen));
	for (unsigned i = 0; i < COUNT; i++) {
		json_t *answer = client_json(front, client);
		json_int_t id = json_integer_value(json_object_get(answer, "id"));
		json_t *out = json_object_get(json_object_get(answer, "result"), "stdout");
		assert_in_range(id, 0, COUNT - 1);
		assert_false(seen[id]);
		seen[id] = true;
		assert_int_equal(atoi(json_string_value(out)), id * 7);
		assert_true(front->engine->live <= 50);
		json_decref(answer);
	}
	free(all);
	client_free(&client);
	front_free(&front);
}

static void
test_reading_pauses_at_jobs_max(void **state)
{
	(void)state;
	static const char *const SETTINGS[] = {"connection_jobs_max=2", NULL};
	struct front *front = front_new(SETTINGS);
	struct client *client = front_connect(front, FRONT_UID);
	client_say(front, client, RUN("1", "a") "\n" RUN("2", "b") "\n" RUN("3", "c") "\n");
	for (int i = 0; i < 10; i++)
		front_turn(front);
	assert_int_equal(front->engine->count, 2);
	fake_engine_finish(front->engine, 1, "B", 1);
	front_wait_jobs(front, 3);
	free(client_line(front, client));
	fake_engine_finish(front->engine, 2, "C", 1);
	char *text = client_result_text(front, client, "stdout");
	assert_string_equal(text, "C");
	free(text);
	client_free(&client);
	front_free(&front);
}

static void
test_line_cap(void **state)
{
	(void)state;
	static const char *const SETTINGS[] = {"request_bytes_max=4096", NULL};
	fake_engine_auto(true);
	struct front *front = front_new(SETTINGS);
	fake_engine_auto(false);
	struct client *client = front_connect(front, FRONT_UID);
	char *line = long_line(4096);
	client_send(front, client, line, 4096);
	char *text = client_result_text(front, client, "status");
	assert_string_equal(text, "ok");
	free(text);
	free(line);
	line = long_line(4097);
	client_send(front, client, line, 4097);
	client_expect_error(front, client, -32005, "too_large", "null");
	client_say(front, client, RUN("2", "next") "\n");
	text = client_result_text(front, client, "stdout");
	assert_string_equal(text, "next");
	free(text);
	free(line);
	line = filled(65536, 'z');
	ssize_t sent = 1;
	while (sent > 0) {
		sent = send(client->fd, line, 65536, MSG_DONTWAIT | MSG_NOSIGNAL);
		front_turn(front);
	}
	client_expect_error(front, client, -32005, "too_large", "null");
	free(client_rest(front, client));
	assert_int_equal(front->host.open.count, 0);
	free(line);
	client_free(&client);
	front_free(&front);
}

static void
test_largest_line_goes_off_the_loop_and_back(void **state)
{
	(void)state;
	fake_engine_auto(true);
	struct front *front = front_new(NULL);
	fake_engine_auto(false);
	struct client *client = front_connect(front, FRONT_UID);
	struct client *other = front_connect(front, FRONT_UID);
	size_t size = 16u << 20;
	char *line = long_line(size);
	client_send(front, client, line, size);
	client_say(front, client, RUN("2", "after") "\n");
	client_say(front, other, RUN("3", "meanwhile") "\n");
	char *text = client_result_text(front, other, "stdout");
	assert_string_equal(text, "meanwhile");
	free(text);
	size_t seen = 0;
	for (int i = 0; i < 2; i++) {
		json_t *answer = client_json(front, client);
		json_t *out = json_object_get(json_object_get(answer, "result"), "stdout");
		seen += json_string_length(out);
		json_decref(answer);
	}
	assert_true(seen > size - 200 && seen < size);
	client_send(front, client, "y", 1);
	client_send(front, client, line, size);
	client_expect_error(front, client, -32005, "too_large", "null");
	free(line);
	client_free(&other);
	client_free(&client);
	front_free(&front);
}

static void
test_half_close_is_answered(void **state)
{
	(void)state;
	struct front *front = front_new(NULL);
	struct client *client = front_connect(front, FRONT_UID);
	client_say(front, client, RUN("1", "a") "\n{\"jsonrpc\":");
	client_half_close(client);
	client_expect_error(front, client, -32700, NULL, "null");
	for (int i = 0; i < 10; i++)
		front_turn(front);
	assert_int_equal(uv_backend_timeout(&front->loop), -1);
	assert_int_equal(front->engine->live, 1);
	fake_engine_finish(front->engine, 0, "late", 4);
	char *text = client_result_text(front, client, "stdout");
	assert_string_equal(text, "late");
	free(text);
	assert_null(client_line(front, client));
	front_turn(front);
	assert_int_equal(front->gone, 1);
	assert_int_equal(front->engine->forgotten, 0);
	client_free(&client);
	front_free(&front);
}

static void
test_full_close_cancels(void **state)
{
	(void)state;
	for (int half_first = 0; half_first < 2; half_first++) {
		struct front *front = front_new(NULL);
		struct client *client = front_connect(front, FRONT_UID);
		client_say(front, client, RUN("1", "a") "\n");
		front_wait_jobs(front, 1);
		if (half_first) {
			client_half_close(client);
			for (int i = 0; i < 5; i++)
				front_turn(front);
			assert_int_equal(front->engine->live, 1);
		}
		client_free(&client);
		for (int i = 0; i < 5; i++)
			front_turn(front);
		assert_int_equal(front->engine->live, 0);
		assert_int_equal(front->engine->forgotten, 1);
		assert_int_equal(front->gone, 1);
		front_free(&front);
	}
}

static void
test_client_that_never_reads(void **state)
{
	(void)state;
	static const char *const SETTINGS[] = {"connection_output_max=1000000",
					       "connection_jobs_max=20", NULL};
	struct front *front = front_new(SETTINGS);
	struct client *client = front_connect(front, FRONT_UID);
	char *out = filled(60000, 'o');
	for (unsigned i = 0; i < 40; i++) {
		char line[200];
		int size = sprintf(line, RUN("%u", "x") "\n", i);
		client_send(front, client, line, (size_t)size);
		for (int k = 0; k < 3; k++)
			front_turn(front);
	}
	assert_int_equal(front->engine->count, 20);
	for (size_t i = 0; i < 20; i++) {
		fake_engine_finish(front->engine, i, out, 60000);
		front_turn(front);
	}
	/* 1.2 MB of answers, some of it in the socket: above a quarter no more requests are read.
	 */
	for (int k = 0; k < 5; k++)
		front_turn(front);
	assert_true(front->outbox.pending > 250000);
	assert_true(front->outbox.pending < 1000000);
	assert_true(front->engine->count < 40);
	size_t count = front->engine->count;
	for (int k = 0; k < 20; k++)
		front_turn(front);
	assert_int_equal(front->engine->count, count);
	assert_int_equal(uv_backend_timeout(&front->loop), -1);
	/* It begins to read: all of it is there, and reading goes on. */
	for (unsigned i = 0; i < 20; i++)
		free(client_line(front, client));
	front_wait_jobs(front, 40);
	free(out);
	client_free(&client);
	for (int k = 0; k < 5; k++)
		front_turn(front);
	assert_int_equal(front->gone, 1);
	front_free(&front);
}

static void
test_overfull_client_is_closed_and_others_are_not(void **state)
{
	(void)state;
	static const char *const SETTINGS[] = {"connection_output_max=65536", NULL};
	struct front *front = front_new(SETTINGS);
	struct client *client = front_connect(front, FRONT_UID);
	struct client *other = front_connect(front, FRONT_UID);
	char *out = filled(500000, 'o');
	client_say(front, client,
		   RUN("1", "x") "\n" RUN("2", "x") "\n" RUN("3", "x") "\n" RUN("4", "x") "\n");
	front_wait_jobs(front, 4);
	client_say(front, other, RUN("1", "x") "\n");
	front_wait_jobs(front, 5);
	for (size_t i = 0; i < 2; i++) {
		fake_engine_finish(front->engine, i, out, 500000);
		while (front->reply.writing > 0)
			front_turn(front);
	}
	for (int k = 0; k < 5; k++)
		front_turn(front);
	assert_int_equal(front->gone, 1);
	assert_int_equal(front->engine->live, 1);
	assert_int_equal(front->engine->forgotten, 1);
	fake_engine_finish(front->engine, 4, "fine", 4);
	char *text = client_result_text(front, other, "stdout");
	assert_string_equal(text, "fine");
	free(text);
	free(out);
	client_free(&other);
	client_free(&client);
	front_free(&front);
}

static struct connection *
only_connection(struct front *front)
{
	assert_int_equal(front->host.open.count, 1);
	return list_item(list_first(&front->host.open), struct connection, link);
}

static void
test_client_that_is_given_up_runs_nothing_more(void **state)
{
	(void)state;
	struct front *front = front_new(NULL);
	struct client *client = front_connect(front, FRONT_UID);
	front->outbox.channel_max = 0; /* its first answer is too much */
	client_say(front, client, "{not json}\n" RUN("2", "x") "\n");
	assert_null(client_line(front, client));
	assert_int_equal(front->engine->count, 0);
	client_free(&client);
	front_free(&front);
}

static void
test_slow_line_expires(void **state)
{
	(void)state;
	struct front *front = front_new(NULL);
	struct client *client = front_connect(front, FRONT_UID);
	struct connection *c = only_connection(front);
	front_turn(front);
	connection_expire(c, uv_now(&front->loop) + 3600000);
	assert_false(c->lost);
	client_say(front, client, "{");
	for (int i = 0; i < 3; i++)
		front_turn(front);
	uint64_t began_ms = c->line_since_ms;
	assert_true(began_ms > 0);
	client_say(front, client, " ");
	for (int i = 0; i < 3; i++)
		front_turn(front);
	assert_true(c->line_since_ms == began_ms);
	connection_expire(c, began_ms + CONNECTION_LINE_WAIT_MAX_MS);
	assert_false(c->lost);
	connection_expire(c, began_ms + CONNECTION_LINE_WAIT_MAX_MS + 1);
	assert_true(c->lost);
	assert_null(client_line(front, client));
	client_free(&client);
	front_free(&front);
}

static void
test_client_gone_while_its_line_is_parsed(void **state)
{
	(void)state;
	struct front *front = front_new(NULL);
	struct client *client = front_connect(front, FRONT_UID);
	struct connection *c = only_connection(front);
	char *line = long_line(4u << 20);
	client_send(front, client, line, 4u << 20);
	while (!c->parsing)
		front_turn(front);
	connection_close(c);
	client_free(&client);
	while (front->gone == 0)
		(void)uv_run(&front->loop, UV_RUN_ONCE);
	assert_int_equal(front->engine->count, 0);
	free(line);
	front_free(&front);
}

static void
test_many_clients_come_and_go(void **state)
{
	(void)state;
	struct front *front = front_new(NULL);
	for (unsigned i = 0; i < 500; i++) {
		struct client *client = front_connect(front, FRONT_UID);
		if (i % 3 == 0)
			client_say(front, client, "{\"half");
		client_free(&client);
		front_turn(front);
	}
	for (int i = 0; i < 5; i++)
		front_turn(front);
	assert_int_equal(front->gone, 500);
	assert_int_equal(front->host.open.count, 0);
	assert_int_equal(front->engine->forgotten, 0);
	front_free(&front);
}

static void
test_finish_answers_and_closes(void **state)
{
	(void)state;
	struct front *front = front_new(NULL);
	struct client *client = front_connect(front, FRONT_UID);
	client_say(front, client, RUN("1", "x") "\n");
	front_wait_jobs(front, 1);
	fake_engine_finish(front->engine, 0, "done", 4);
	connection_finish(only_connection(front));
	char *text = client_result_text(front, client, "stdout");
	assert_string_equal(text, "done");
	free(text);
	assert_null(client_line(front, client));
	client_free(&client);
	front_free(&front);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_same_answers_wherever_it_is_cut),
	    cmocka_unit_test(test_pipelined_requests_are_all_answered),
	    cmocka_unit_test(test_reading_pauses_at_jobs_max),
	    cmocka_unit_test(test_line_cap),
	    cmocka_unit_test(test_largest_line_goes_off_the_loop_and_back),
	    cmocka_unit_test(test_half_close_is_answered),
	    cmocka_unit_test(test_full_close_cancels),
	    cmocka_unit_test(test_client_that_never_reads),
	    cmocka_unit_test(test_overfull_client_is_closed_and_others_are_not),
	    cmocka_unit_test(test_client_that_is_given_up_runs_nothing_more),
	    cmocka_unit_test(test_slow_line_expires),
	    cmocka_unit_test(test_client_gone_while_its_line_is_parsed),
	    cmocka_unit_test(test_many_clients_come_and_go),
	    cmocka_unit_test(test_finish_answers_and_closes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
