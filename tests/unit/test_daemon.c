/*
 * daemon.c as a whole with a fake engine: serve, drain, stop at once, break down. The daemon runs
 * here; its client is a child process that signals its parent.
 */
#include "cmocka_headers.h"
#include "daemon/daemon.h"
#include "fake_engine.h"
#include "protocol/base_sys.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

struct place {
	struct sockaddr_un address;
	socklen_t size;
};

/* The client's side runs in the child: it must not use cmocka's assertions. */
#define client_require(x)                                                                          \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			(void)dprintf(2, "client: %s:%d: %s\n", __FILE__, __LINE__, #x);           \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static int
open_socket(struct place *ret_place)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
	assert_int_equal(listen(fd, 16), 0);
	ret_place->size = sizeof(ret_place->address);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ret_place->address, &ret_place->size),
			 0);
	return fd;
}

static int
dial(const struct place *place)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	client_require(fd >= 0);
	if (connect(fd, (const struct sockaddr *)&place->address, place->size) != 0) {
		base_close(&fd);
		return -1;
	}
	return fd;
}

static void
say(int fd, const char *text)
{
	client_require(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
}

/* One line into a static buffer; NULL at end of file. */
static const char *
hear(int fd)
{
	static char line[65536];
	size_t size = 0;
	while (size < sizeof(line) - 1) {
		ssize_t got = read(fd, line + size, 1);
		if (got <= 0)
			return NULL;
		if (line[size] == '\n')
			break;
		size++;
	}
	line[size] = '\0';
	return line;
}

static bool
hears(int fd, const char *part)
{
	const char *line = hear(fd);
	return line != NULL && strstr(line, part) != NULL;
}

#define RUN(id)                                                                                    \
	"{\"jsonrpc\":\"2.0\",\"id\":" id                                                          \
	",\"method\":\"job.run\",\"params\":{\"source\":\"src\"}}\n"

static void
client_serve_and_drain(const struct place *place)
{
	int fd = dial(place);
	client_require(fd >= 0);
	say(fd, RUN("1"));
	client_require(hears(fd, "\"stdout\":\"src\""));
	say(fd, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"daemon.health\"}\n");
	client_require(hears(fd, "\"status\":\"ok\""));
	client_require(kill(getppid(), SIGTERM) == 0);
	client_require(hear(fd) == NULL);
	client_require(dial(place) == -1);
}

static void
client_drain_with_a_job(const struct place *place)
{
	int fd = dial(place);
	say(fd, RUN("1"));
	say(fd, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"daemon.health\"}\n");
	client_require(hears(fd, "\"running\":1"));
	client_require(kill(getppid(), SIGINT) == 0);
	while (dial(place) != -1)
		; /* until the socket is closed, connects land in its backlog */
	say(fd, RUN("3"));
	client_require(hears(fd, "\"draining\""));
	say(fd, "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"job.cancel\",\"params\":{\"id\":1}}\n");
	client_require(hears(fd, "\"cancelled\":true"));
	client_require(hears(fd, "\"status\":\"cancelled\""));
	client_require(hear(fd) == NULL);
}

static void
client_stop_at_once(const struct place *place)
{
	int fd = dial(place);
	say(fd, RUN("1"));
	say(fd, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"daemon.health\"}\n");
	client_require(hears(fd, "\"running\":1")); /* or there is nothing to drain */
	client_require(kill(getppid(), SIGTERM) == 0);
	while (dial(place) != -1)
		;
	client_require(kill(getppid(), SIGTERM) == 0);
	client_require(hear(fd) == NULL);
}

static void
client_break_down(const struct place *place)
{
	int fd = dial(place);
	say(fd, RUN("1"));
	client_require(hear(fd) == NULL);
}

static int
play(void (*client)(const struct place *), struct error *err)
{
	struct config config;
	struct place place;
	config_init(&config);
	struct daemon_options options = {.listen_fd = open_socket(&place),
					 .spawner_fd = -1,
					 .metrics_fd = -1,
					 .usage_fd = -1,
					 .usage_old_fd = -1};
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		base_close(&options.listen_fd);
		(void)alarm(60);
		client(&place);
		_exit(0);
	}
	int rc = daemon_run(&config, &options, err);
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(fcntl(options.listen_fd, F_GETFD), -1);
	config_deinit(&config);
	return rc;
}

static void
test_serve_and_drain(void **state)
{
	(void)state;
	fake_engine_auto(true);
	assert_int_equal(play(client_serve_and_drain, NULL), 0);
	fake_engine_auto(false);
}

static void
test_drain_with_a_job(void **state)
{
	(void)state;
	assert_int_equal(play(client_drain_with_a_job, NULL), 0);
}

static void
test_second_signal_stops_at_once(void **state)
{
	(void)state;
	assert_int_equal(play(client_stop_at_once, NULL), 0);
}

static void
test_engine_breaks_down(void **state)
{
	(void)state;
	struct error err = ERROR_INIT;
	fake_engine_breaks(true);
	assert_int_equal(play(client_break_down, &err), ERROR_CLOSED);
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
