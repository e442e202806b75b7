/*
 * daemon.c as a whole with a fake engine. The daemon runs in the test's process; its client is a
 * child, which signals its parent.
 */
#ifndef STINT_TESTS_UNIT_DAEMON_FIXTURE_H
#define STINT_TESTS_UNIT_DAEMON_FIXTURE_H

#include "cmocka_headers.h"
#include "daemon/daemon.h"
#include "fake_engine.h"

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

struct place {
	struct sockaddr_un address;
	socklen_t size;
};

/* The client's side runs in the child: it must not use cmocka's assertions. What fails there ends
 * the daemon at once, too. */
#define client_require(x)                                                                          \
	do {                                                                                       \
		if (!(x))                                                                          \
			client_fail(__FILE__, __LINE__, #x);                                       \
	} while (0)
_Noreturn void client_fail(const char *file, int line, const char *what);

/* A connection, or -1: nobody listens any more. */
int client_dial(const struct place *place);
void client_say(int fd, const char *text);
/* One line into a static buffer; NULL at end of file. */
const char *client_hear(int fd);
/* The next line has this in it. */
bool client_hears(int fd, const char *part);

/* Run a daemon, and that client as its child, until both have ended; the client well. state_fd is
 * the state directory, taken over; -1: none. setting: an assignment as of --set, or NULL. Returns
 * daemon_run's code. */
int daemon_play(void (*client)(const struct place *place), int state_fd, const char *setting,
		struct error *err);

#endif
