/*
 * Another table of tenants under open connections: whose a client is from its next line on, how it
 * is counted, and what becomes of a line that is being read off the loop meanwhile.
 */
#define _GNU_SOURCE
#include "front_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALICE   1000
#define GATEWAY 2000

/* Its token is "test". */
#define TOKEN "token_sha256 = 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\n"
static const char BEFORE[] =
    "[tenant a]\nusers = 1000\nmax_cpu_ms = 3s\ndefault_cpu_ms = 1s\n" TOKEN
    "[tenant g]\nusers = 2000\ngateway = yes\n";
static const char SMALLER[] =
    "request_bytes_max = 300000\n"
    "[tenant a]\nusers = 1000\nmax_cpu_ms = 2s\ndefault_cpu_ms = 500ms\n" TOKEN
    "[tenant g]\nusers = 2000\ngateway = yes\n";
static const char MOVED[] = "[tenant b]\nusers = 1000\n[tenant g]\nusers = 2000\ngateway = yes\n";

/* As daemon.c does. */
static void
reload(struct front *front, const char *text)
{
	struct config config;
	config_init(&config);
	assert_int_equal(config_read_text(&config, text, strlen(text), "text", NULL), 0);
	tenant_table_release(&front->tenants);
	assert_int_equal(tenant_table_new(&config, &front->tenants, NULL), 0);
	config_deinit(&config); /* the table has what it needs of it */
	front->rpc.tenants = front->tenants;
	front->rpc.config = tenant_table_config(front->tenants);
}

static struct connection *
only_connection(struct front *front)
{
	assert_int_equal(front->host.open.count, 1);
	return list_item(list_first(&front->host.open), struct connection, link);
}

/* The one thread of the pool stands still until the gate is opened. */
static uv_sem_t gate;
static uv_work_t gate_work;

static void
wait_at_gate(uv_work_t *work)
{
	(void)work;
	uv_sem_wait(&gate);
}

static void
gate_passed(uv_work_t *work, int status)
{
	(void)work;
	assert_int_equal(status, 0);
}

/* Send a line of that many bytes of source, and stop when it waits to be read off the loop. */
static void
send_long(struct front *front, struct client *client, int id, const char *params, size_t size)
{
	struct connection *c = only_connection(front);
	char *line = malloc(size + 300);
	assert_non_null(line);
	int used = sprintf(line,
			   "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"job.run\",\"params\":{"
			   "%s\"source\":\"",
			   id, params);
	memset(line + used, 'x', size);
	strcpy(line + used + size, "\"}}\n");
	assert_int_equal(uv_queue_work(&front->loop, &gate_work, wait_at_gate, gate_passed), 0);
	client_say(front, client, line);
	while (!c->parsing)
		front_turn(front);
	free(line);
}

static void
test_a_line_in_flight_is_read_anew(void **state)
{
	(void)state;
	struct front *front = front_new_with(BEFORE, NULL);
	struct client *client = front_connect(front, ALICE);
	send_long(front, client, 1, "", 3 * CONNECTION_INLINE_BYTES_MAX);
	reload(front, SMALLER);
	uv_sem_post(&gate);
	front_wait_jobs(front, 1);
	assert_int_equal(front->engine->jobs[0].request.limits.cpu_ms, 500);
	assert_int_equal(front->engine->jobs[0].terms.limits_max.cpu_ms, 2000);
	send_long(front, client, 2, "", 3 * CONNECTION_INLINE_BYTES_MAX);
	reload(front, MOVED);
	reload(front, BEFORE); /* twice in a row */
	reload(front, MOVED);
	uv_sem_post(&gate);
	front_wait_jobs(front, 2);
	assert_string_equal(front->engine->jobs[1].terms.name, "b");
	client_free(&client);
	front_free(&front);
}

static void
test_a_token_in_flight(void **state)
{
	static const char NAMED[] = "\"tenant\":\"a\",\"token\":\"test\",";
	(void)state;
	struct front *front = front_new_with(BEFORE, NULL);
	struct client *client = front_connect(front, GATEWAY);
	struct connection *c = only_connection(front);
	send_long(front, client, 3, NAMED, 3 * CONNECTION_INLINE_BYTES_MAX);
	reload(front, SMALLER); /* the token is still one: so it has not been wiped yet */
	uv_sem_post(&gate);
	front_wait_jobs(front, 1);
	assert_string_equal(front->engine->jobs[0].terms.name, "a");
	assert_int_equal(front->engine->jobs[0].request.limits.cpu_ms, 500);
	if (c->lines.bytes != NULL) /* and now it has */
		assert_null(memmem(c->lines.bytes, c->lines.capacity, "\"test\"", 6));
	send_long(front, client, 4, NAMED, 3 * CONNECTION_INLINE_BYTES_MAX);
	reload(front, MOVED); /* no such tenant any more */
	uv_sem_post(&gate);
	client_expect_error(front, client, -32004, "not_permitted", "4");
	client_free(&client);
	front_free(&front);
}

static void
test_a_client_is_gone_meanwhile(void **state)
{
	(void)state;
	struct front *front = front_new_with(BEFORE, NULL);
	struct client *client = front_connect(front, ALICE);
	struct connection *c = only_connection(front);
	send_long(front, client, 5, "", 4u << 20);
	reload(front, MOVED);
	connection_close(c);
	uv_sem_post(&gate);
	client_free(&client);
	while (front->gone == 0)
		(void)uv_run(&front->loop, UV_RUN_ONCE);
	assert_int_equal(front->engine->count, 0);
	front_free(&front);
}

static void
test_a_connection_is_counted_where_it_belongs(void **state)
{
	(void)state;
	struct front *front = front_new_with(BEFORE, NULL);
	struct client *client = front_connect(front, ALICE);
	assert_int_equal(share_count(&front->host.shares, "a"), 1);
	reload(front, MOVED);
	client_say(front, client, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"daemon.info\"}\n");
	char *name = client_result_text(front, client, "tenant");
	assert_string_equal(name, "b");
	free(name);
	assert_int_equal(share_count(&front->host.shares, "a"), 0);
	assert_int_equal(share_count(&front->host.shares, "b"), 1);
	client_free(&client);
	front_free(&front);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_line_in_flight_is_read_anew),
	    cmocka_unit_test(test_a_token_in_flight),
	    cmocka_unit_test(test_a_client_is_gone_meanwhile),
	    cmocka_unit_test(test_a_connection_is_counted_where_it_belongs),
	};
	if (setenv("UV_THREADPOOL_SIZE", "1", 1) != 0 || uv_sem_init(&gate, 0) != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
