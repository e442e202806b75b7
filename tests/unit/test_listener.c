/*
 * listener.c on a real socket: who is let in, who is told to go, and what happens without
 * descriptors.
 */
#include "daemon/listener.h"
#include "front_fixture.h"
#include "protocol/base_sys.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct place {
	struct sockaddr_un address;
	socklen_t size;
};

/* A listening socket without a path in the file system; the kernel picks its name. */
static int
open_socket(struct place *ret_place)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
	assert_int_equal(listen(fd, 128), 0);
	ret_place->size = sizeof(ret_place->address);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ret_place->address, &ret_place->size),
			 0);
	return fd;
}

static struct client *
call(const struct place *place)
{
	struct client *client = calloc(1, sizeof(*client));
	assert_non_null(client);
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(client->fd >= 0);
	assert_int_equal(connect(client->fd, (const struct sockaddr *)&place->address, place->size),
			 0);
	return client;
}

static void
test_lets_in_up_to_the_maximum(void **state)
{
	(void)state;
	struct front *front = front_new(NULL);
	struct listener listener;
	struct place place;
	assert_int_equal(listener_open(&listener, &front->host, open_socket(&place), 2, NULL), 0);
	struct client *one = call(&place), *two = call(&place), *three = call(&place);
	front_turn(front);
	assert_int_equal(front->host.open.count, 2);
	client_expect_error(front, three, -32001, "quota_exceeded", "null");
	assert_null(client_line(front, three));
	struct link *first = list_first(&front->host.open);
	struct connection *a = list_item(first, struct connection, link);
	struct connection *b =
	    list_item(list_next(&front->host.open, first), struct connection, link);
	assert_int_equal(a->identity.uid, getuid());
	assert_int_equal(a->identity.groups[0], getgid());
	assert_int_equal(a->identity.pid, getpid());
	assert_true(a->client.session < b->client.session);
	client_free(&one);
	front_turn(front);
	front_turn(front);
	one = call(&place);
	client_say(front, one, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"daemon.health\"}\n");
	free(client_result_text(front, one, "status"));
	assert_int_equal(front->host.open.count, 2);
	client_free(&one);
	client_free(&two);
	client_free(&three);
	listener_stop(&listener);
	listener_close(&listener);
	listener_close(&listener);
	front_free(&front);
}

static struct client *
call_as(const struct place *place, uid_t uid)
{
	assert_int_equal(seteuid(uid), 0);
	struct client *client = call(place);
	assert_int_equal(seteuid(0), 0);
	return client;
}

static void
test_a_user_has_a_share(void **state)
{
	(void)state;
	if (getuid() != 0)
		skip(); /* plays two users */
	struct front *front = front_new(NULL);
	struct listener listener;
	struct place place;
	front->host.uid_max = 2;
	assert_int_equal(listener_open(&listener, &front->host, open_socket(&place), 10, NULL), 0);
	struct client *one = call_as(&place, 1000), *two = call_as(&place, 1000);
	struct client *three = call_as(&place, 1000), *other = call_as(&place, 1001);
	struct client *roots[3] = {call(&place), call(&place), call(&place)};
	front_turn(front);
	assert_int_equal(front->host.open.count, 6);
	client_expect_error(front, three, -32001, "quota_exceeded", "null");
	assert_null(client_line(front, three));
	client_free(&one);
	front_turn(front);
	front_turn(front);
	one = call_as(&place, 1000);
	client_say(front, one, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"daemon.health\"}\n");
	free(client_result_text(front, one, "status"));
	client_free(&one);
	client_free(&two);
	client_free(&three);
	client_free(&other);
	for (unsigned i = 0; i < 3; i++)
		client_free(&roots[i]);
	listener_close(&listener);
	front_free(&front);
}

static void
test_no_descriptor_left(void **state)
{
	(void)state;
	struct front *front = front_new(NULL);
	struct listener listener;
	struct place place;
	assert_int_equal(listener_open(&listener, &front->host, open_socket(&place), 10, NULL), 0);
	struct client *client = call(&place);
	struct rlimit limit, low;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	low.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	front_turn(front);
	assert_int_equal(front->host.open.count, 0);
	/* The loop rests until the pause is over; then clients are served again. */
	assert_true(uv_backend_timeout(&front->loop) > 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	struct client *next = call(&place);
	client_say(front, next, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"daemon.health\"}\n");
	free(client_result_text(front, next, "status"));
	assert_true(listener.spare_fd >= 0);
	client_free(&next);
	client_free(&client);
	listener_close(&listener);
	front_free(&front);
}

/* Clients leave a quarter to workers: a job that was taken can be run. */
static void
test_the_last_descriptors_are_for_workers(void **state)
{
	(void)state;
	struct front *front = front_new(NULL);
	struct listener listener;
	struct place place;
	struct rlimit limit, low;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	low.rlim_cur = 200;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_int_equal(listener_open(&listener, &front->host, open_socket(&place), 10, NULL), 0);
	struct client *served = call(&place), *client = call(&place);
	int taken[256], count = 0;
	do
		taken[count] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	while (taken[count++] < 150 - 2); /* one more can be accepted */
	front_turn(front);
	front_turn(front);
	assert_int_equal(front->host.open.count, 1);
	client_say(front, served, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"daemon.health\"}\n");
	free(client_result_text(front, served, "status"));
	client_expect_error(front, client, -32001, "quota_exceeded", "null");
	assert_null(client_line(front, client));
	while (count > 0)
		base_close(&taken[--count]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	client_free(&served);
	client_free(&client);
	listener_close(&listener);
	front_free(&front);
}

static void
test_spare_descriptor_turns_one_away(void **state)
{
	(void)state;
	struct front *front = front_new(NULL);
	struct listener listener;
	struct place place;
	assert_int_equal(listener_open(&listener, &front->host, open_socket(&place), 10, NULL), 0);
	struct client *client = call(&place);
	struct rlimit limit, low;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	/* Everything below the limit is taken, the spare among it. */
	int taken[256], count = 0;
	low = limit;
	low.rlim_cur = 200;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	while ((taken[count] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
		count++;
	front_turn(front);
	assert_int_equal(front->host.open.count, 0);
	assert_null(client_line(front, client));
	assert_true(listener.spare_fd >= 0);
	while (count > 0)
		base_close(&taken[--count]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	client_free(&client);
	listener_close(&listener);
	front_free(&front);
}

static void
test_refuses_what_does_not_listen(void **state)
{
	(void)state;
	struct front *front = front_new(NULL);
	struct listener listener;
	struct error err = ERROR_INIT;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(listener_open(&listener, &front->host, fd, 2, &err), ERROR_INVALID);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_non_null(strstr(err.text, "listening"));
	front_free(&front);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lets_in_up_to_the_maximum),
	    cmocka_unit_test(test_a_user_has_a_share),
	    cmocka_unit_test(test_no_descriptor_left),
	    cmocka_unit_test(test_the_last_descriptors_are_for_workers),
	    cmocka_unit_test(test_spare_descriptor_turns_one_away),
	    cmocka_unit_test(test_refuses_what_does_not_listen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
