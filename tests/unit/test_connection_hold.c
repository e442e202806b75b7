/*
 * connection.c while the outbox holds who has much to get: such a client is not written to, and
 * served otherwise; and the loop has nothing to do for it.
 */
#include "front_fixture.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Twice what a socket takes, and little enough to be written to JSON on the loop. */
#define ANSWERS 12u
#define BYTES   60000u

static const char *const SETTINGS[] = {"connection_jobs_max=20", NULL};

static void
turns(struct front *front)
{
	for (unsigned i = 0; i < 10; i++)
		front_turn(front);
}

/* Whether the loop would sleep: nothing it watches has happened, and nothing is put off. */
static bool
sleeps(const struct front *front)
{
	struct pollfd pollfd = {.fd = uv_backend_fd(&front->loop), .events = POLLIN};
	return poll(&pollfd, 1, 0) == 0 && uv_backend_timeout(&front->loop) != 0;
}

/* What the socket has, taken out of it behind the fixture's back. */
static size_t
drain(const struct client *client)
{
	static char bytes[BYTES];
	size_t size = 0;
	ssize_t got;
	while ((got = recv(client->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		size += (size_t)got;
	return size;
}

static void
ask(struct front *front, struct client *client, unsigned id)
{
	char line[200];
	(void)snprintf(line, sizeof(line),
		       "{\"jsonrpc\":\"2.0\",\"id\":%u,\"method\":\"job.run\",\"params\":{"
		       "\"source\":\"pass\"}}\n",
		       id);
	client_send(front, client, line, strlen(line));
}

/* A client with more answers than its socket takes. */
static struct client *
with_much(struct front *front)
{
	struct client *client = front_connect(front, FRONT_UID);
	char *out = malloc(BYTES);
	assert_non_null(out);
	memset(out, 'x', BYTES);
	for (unsigned i = 0; i < ANSWERS; i++)
		ask(front, client, i);
	front_wait_jobs(front, ANSWERS);
	for (unsigned i = 0; i < ANSWERS; i++)
		fake_engine_finish(front->engine, i, out, BYTES);
	free(out);
	turns(front);
	assert_true(front->outbox.pending > BYTES);
	assert_true(sleeps(front)); /* there is no room */
	return client;
}

static void
test_it_does_not_look_for_room(void **state)
{
	(void)state;
	struct front *front = front_new(SETTINGS);
	struct client *client = with_much(front);
	size_t pending = front->outbox.pending;
	outbox_hold(&front->outbox, true);
	assert_true(drain(client) > BYTES);
	assert_false(sleeps(front)); /* it is seen once that there is room */
	turns(front);
	assert_true(sleeps(front));
	assert_int_equal(front->outbox.pending, pending);
	outbox_hold(&front->outbox, false);
	size_t size = 0;
	for (unsigned i = 0; i < 100 && size < pending; i++) {
		front_turn(front);
		size += drain(client);
	}
	assert_int_equal(size, pending);
	assert_int_equal(front->outbox.pending, 0);
	client_free(&client);
	front_free(&front);
}

static void
test_its_requests_are_taken(void **state)
{
	(void)state;
	struct front *front = front_new(SETTINGS);
	struct client *client = with_much(front);
	outbox_hold(&front->outbox, true);
	for (unsigned i = 1; i <= 3; i++) {
		ask(front, client, ANSWERS + i);
		turns(front);
		assert_int_equal(front->engine->count, ANSWERS + i);
		assert_true(sleeps(front));
	}
	outbox_hold(&front->outbox, false);
	for (unsigned i = 0; i < ANSWERS; i++)
		free(client_result_text(front, client, "stdout"));
	assert_int_equal(front->outbox.pending, 0);
	client_free(&client);
	front_free(&front);
}

static void
test_it_may_go(void **state)
{
	(void)state;
	struct front *front = front_new(SETTINGS);
	struct client *client = with_much(front);
	outbox_hold(&front->outbox, true);
	(void)drain(client);
	turns(front);
	client_free(&client);
	turns(front);
	assert_int_equal(front->gone, 1);
	assert_int_equal(front->outbox.pending, 0);
	outbox_hold(&front->outbox, false);
	turns(front);
	front_free(&front);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_it_does_not_look_for_room),
	    cmocka_unit_test(test_its_requests_are_taken),
	    cmocka_unit_test(test_it_may_go),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
