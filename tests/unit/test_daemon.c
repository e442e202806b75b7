/*
 * daemon.c as a whole with a fake engine: serve, drain, stop at once, break down.
 */
#include "daemon_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#define RUN(id)                                                                                    \
	"{\"jsonrpc\":\"2.0\",\"id\":" id                                                          \
	",\"method\":\"job.run\",\"params\":{\"source\":\"src\"}}\n"

static void
client_serve_and_drain(const struct place *place)
{
	int fd = client_dial(place);
	client_require(fd >= 0);
	client_say(fd, RUN("1"));
	client_require(client_hears(fd, "\"stdout\":\"src\""));
	client_say(fd, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"daemon.health\"}\n");
	client_require(client_hears(fd, "\"status\":\"ok\""));
	client_require(kill(getppid(), SIGTERM) == 0);
	client_require(client_hear(fd) == NULL);
	client_require(client_dial(place) == -1);
}

static void
client_drain_with_a_job(const struct place *place)
{
	int fd = client_dial(place);
	client_say(fd, RUN("1"));
	client_say(fd, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"daemon.health\"}\n");
	client_require(client_hears(fd, "\"running\":1"));
	client_require(kill(getppid(), SIGINT) == 0);
	while (client_dial(place) != -1)
		; /* until the socket is closed, connects land in its backlog */
	client_say(fd, RUN("3"));
	client_require(client_hears(fd, "\"draining\""));
	client_say(
	    fd, "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"job.cancel\",\"params\":{\"id\":1}}\n");
	client_require(client_hears(fd, "\"cancelled\":true"));
	client_require(client_hears(fd, "\"status\":\"cancelled\""));
	client_require(client_hear(fd) == NULL);
}

static void
client_stop_at_once(const struct place *place)
{
	int fd = client_dial(place);
	client_say(fd, RUN("1"));
	client_say(fd, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"daemon.health\"}\n");
	client_require(client_hears(fd, "\"running\":1")); /* or there is nothing to drain */
	client_require(kill(getppid(), SIGTERM) == 0);
	while (client_dial(place) != -1)
		;
	client_require(kill(getppid(), SIGTERM) == 0);
	client_require(client_hear(fd) == NULL);
}

static void
client_break_down(const struct place *place)
{
	int fd = client_dial(place);
	client_say(fd, RUN("1"));
	client_require(client_hear(fd) == NULL);
}

static void
test_serve_and_drain(void **state)
{
	(void)state;
	fake_engine_auto(true);
	assert_int_equal(daemon_play(client_serve_and_drain, -1, NULL, NULL), 0);
	fake_engine_auto(false);
}

static void
test_drain_with_a_job(void **state)
{
	(void)state;
	assert_int_equal(daemon_play(client_drain_with_a_job, -1, NULL, NULL), 0);
}

static void
test_second_signal_stops_at_once(void **state)
{
	(void)state;
	assert_int_equal(daemon_play(client_stop_at_once, -1, NULL, NULL), 0);
}

static void
test_engine_breaks_down(void **state)
{
	(void)state;
	struct error err = ERROR_INIT;
	fake_engine_breaks(true);
	assert_int_equal(daemon_play(client_break_down, -1, NULL, &err), ERROR_CLOSED);
	fake_engine_breaks(false);
	assert_string_equal(err.text, "the spawner is gone");
}

static void
test_bad_socket(void **state)
{
	(void)state;
	struct config config;
	struct error err = ERROR_INIT;
	config_init(&config);
	struct daemon_options options = {.listen_fd = open("/dev/null", O_RDONLY | O_CLOEXEC),
					 .spawner_fd = -1,
					 .state_fd = -1,
					 .metrics_fd = -1,
					 .usage_fd = -1,
					 .usage_old_fd = -1};
	assert_int_equal(daemon_run(&config, &options, &err), ERROR_INVALID);
	config_deinit(&config);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_serve_and_drain),
	    cmocka_unit_test(test_drain_with_a_job),
	    cmocka_unit_test(test_second_signal_stops_at_once),
	    cmocka_unit_test(test_engine_breaks_down),
	    cmocka_unit_test(test_bad_socket),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
