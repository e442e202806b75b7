/*
 * See daemon_fixture.h. A daemon or a client that is stuck is ended by an alarm.
 */
#include "daemon_fixture.h"

#include "protocol/base_sys.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLIENT_STUCK_S 60
#define DAEMON_STUCK_S 120

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

void
client_fail(const char *file, int line, const char *what)
{
	(void)dprintf(2, "client: %s:%d: %s\n", file, line, what);
	(void)kill(getppid(), SIGTERM);
	(void)kill(getppid(), SIGINT);
	_exit(1);
}

int
client_dial(const struct place *place)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	client_require(fd >= 0);
	if (connect(fd, (const struct sockaddr *)&place->address, place->size) != 0) {
		base_close(&fd);
		return -1;
	}
	return fd;
}

void
client_say(int fd, const char *text)
{
	client_require(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
}

const char *
client_hear(int fd)
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

bool
client_hears(int fd, const char *part)
{
	const char *line = client_hear(fd);
	return line != NULL && strstr(line, part) != NULL;
}

int
daemon_play(void (*client)(const struct place *), int state_fd, const char *setting,
	    struct error *err)
{
	struct config config;
	struct place place;
	config_init(&config);
	if (setting != NULL)
		assert_int_equal(config_set(&config, setting, NULL), 0);
	struct daemon_options options = {.listen_fd = open_socket(&place),
					 .spawner_fd = -1,
					 .state_fd = state_fd,
					 .metrics_fd = -1,
					 .usage_fd = -1,
					 .usage_old_fd = -1};
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		base_close(&options.listen_fd);
		(void)alarm(CLIENT_STUCK_S);
		client(&place);
		_exit(0);
	}
	(void)alarm(DAEMON_STUCK_S);
	int rc = daemon_run(&config, &options, err);
	(void)alarm(0);
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(fcntl(options.listen_fd, F_GETFD), -1);
	config_deinit(&config);
	return rc;
}
