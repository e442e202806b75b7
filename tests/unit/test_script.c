/*
 * script.get: a long one is written off the loop, as it was when it was asked for.
 */
#include "front_fixture.h"

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS 64
#define LONG   (1u << 20)

static struct front *front;
static struct client *client;
static char script[CONTENT_HASH_CHARS + 1];
static uv_work_t blocks[BLOCKS];
static sem_t go;

static void
block(uv_work_t *work)
{
	(void)work;
	(void)sem_wait(&go);
}

/* Nothing more is done by the pool until unblock_pool. */
static void
block_pool(void)
{
	for (int i = 0; i < BLOCKS; i++)
		assert_int_equal(uv_queue_work(&front->loop, &blocks[i], block, NULL), 0);
}

static void
unblock_pool(void)
{
	for (int i = 0; i < BLOCKS; i++)
		(void)sem_post(&go);
}

static void
call(const char *method, const char *params)
{
	char line[256];
	(void)snprintf(line, sizeof(line),
		       "{\"jsonrpc\":\"2.0\",\"id\":\"%s\",\"method\":\"%s\",\"params\":%s}\n",
		       method, method, params);
	client_say(front, client, line);
}

static void
on_script(const char *method)
{
	char params[128];
	(void)snprintf(params, sizeof(params), "{\"script\":\"%s\"}", script);
	call(method, params);
}

/* A script of that many bytes; its id is in `script`. */
static void
put(size_t size)
{
	char *source = malloc(size + 1);
	assert_non_null(source);
	memset(source, '#', size);
	source[size] = '\0';
	client_say(
	    front, client,
	    "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"script.put\",\"params\":{\"source\":\"");
	client_send(front, client, source, size);
	client_say(front, client, "\"}}\n");
	char *id = client_result_text(front, client, "script");
	assert_int_equal(strlen(id), CONTENT_HASH_CHARS);
	memcpy(script, id, sizeof(script));
	free(id);
	free(source);
}

/* The next line answers that call. */
static json_t *
expect(const char *method)
{
	json_t *answer = client_json(front, client);
	assert_string_equal(json_string_value(json_object_get(answer, "id")), method);
	json_t *result = json_incref(json_object_get(answer, "result"));
	assert_non_null(result);
	json_decref(answer);
	return result;
}

static void
a_long_one_is_written_off_the_loop(void **state)
{
	(void)state;
	put(LONG);
	block_pool();
	on_script("script.get");
	call("daemon.info", "{}");
	json_decref(expect("daemon.info"));
	assert_int_equal(front->reply.writing, 1);
	/* It may go meanwhile. */
	on_script("script.delete");
	json_decref(expect("script.delete"));
	unblock_pool();
	json_t *result = expect("script.get");
	const json_t *source = json_object_get(result, "source");
	assert_int_equal(json_string_length(source), LONG);
	assert_int_equal(json_integer_value(json_object_get(result, "bytes")), LONG);
	assert_int_equal(strspn(json_string_value(source), "#"), LONG);
	json_decref(result);
	on_script("script.get");
	client_expect_error(front, client, -32003, "not_found", "\"script.get\"");
}

static void
a_short_one_is_answered_at_once(void **state)
{
	(void)state;
	put(10);
	block_pool();
	on_script("script.get");
	json_decref(expect("script.get"));
	assert_int_equal(front->reply.writing, 0);
	unblock_pool();
}

static void
its_client_may_go(void **state)
{
	(void)state;
	put(LONG);
	block_pool();
	on_script("script.get");
	call("daemon.info", "{}");
	json_decref(expect("daemon.info"));
	on_script("script.delete");
	json_decref(expect("script.delete"));
	connection_close(list_item(list_first(&front->host.open), struct connection, link));
	unblock_pool();
	while (front->reply.writing > 0)
		(void)uv_run(&front->loop, UV_RUN_ONCE);
	assert_int_equal(front->inwork.tickets.count, 0);
}

static int
setup(void **state)
{
	(void)state;
	front = front_new(NULL);
	client = front_connect(front, FRONT_UID);
	return sem_init(&go, 0, 0);
}

static int
teardown(void **state)
{
	(void)state;
	unblock_pool(); /* a test that failed may not have come to it */
	client_free(&client);
	front_free(&front);
	return 0;
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_long_one_is_written_off_the_loop),
	    TEST(a_short_one_is_answered_at_once),
	    TEST(its_client_may_go),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
