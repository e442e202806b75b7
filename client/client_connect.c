/*
 * Connects to the daemon's socket and moves whole lines over it.
 *
 * Called by client_run.c and client_status.c. Blocks; closing the connection (also by dying)
 * cancels what runs on it, which is how an interrupt cancels a job. Fails with the remedy, since a
 * daemon that does not run is the most frequent of all errors.
 */
#define _GNU_SOURCE
#include "client/client_connect.h"
#include "protocol/base_sys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CLIENT_CONNECT_BUFFER_START 65536

static int
client_connect_failed(const char *path, struct error *err)
{
	switch (errno) {
	case ENOENT:
		return error_set(err, ERROR_SYSTEM,
				 "no daemon at %s: start stint, or name its socket with --socket "
				 "PATH or STINT_SOCKET",
				 path);
	case ECONNREFUSED:
		return error_set(err, ERROR_SYSTEM,
				 "the daemon at %s does not run: start stint, or name another "
				 "socket with --socket PATH",
				 path);
	case EACCES:
	case EPERM:
		return error_set(err, ERROR_PERMISSION,
				 "no permission for %s: ask for the group that owns it (settings "
				 "socket_group and socket_mode)",
				 path);
	default:
		return error_errno(err, "cannot connect to %s", path);
	}
}

int
client_connect(const char *path, struct client_connection *ret_connection, struct error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = strlen(path);
	autoclose int fd = -1;

	if (length == 0 || length >= sizeof(address.sun_path))
		return error_set(err, ERROR_INVALID,
				 "the socket's path must have 1 to %zu bytes: give a shorter one",
				 sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, length);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_errno(err, "cannot make a socket");
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return client_connect_failed(path, err);
	memset(ret_connection, 0, sizeof(*ret_connection));
	ret_connection->fd = fd;
	fd = -1;
	return 0;
}

int
client_connect_send(struct client_connection *connection, const char *line, size_t size,
		    struct error *err)
{
	while (size > 0) {
		ssize_t sent = send(connection->fd, line, size, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		/* What the daemon says of it (too large, draining) can still be read. */
		if (sent < 0 && (errno == EPIPE || errno == ECONNRESET))
			return 0;
		if (sent < 0)
			return error_errno(err, "cannot send to the daemon");
		line += sent;
		size -= (size_t)sent;
	}
	return 0;
}

static int
client_connect_fill(struct client_connection *connection, struct error *err)
{
	ssize_t got;

	if (connection->room - connection->size < 2) {
		size_t room = connection->room * 2;
		char *moved;

		if (room == 0)
			room = CLIENT_CONNECT_BUFFER_START;
		moved = realloc(connection->buffer, room);
		if (moved == NULL)
			return error_set(err, ERROR_LIMIT, "out of memory for the daemon's answer");
		connection->buffer = moved;
		connection->room = room;
	}
	do {
		got = recv(connection->fd, connection->buffer + connection->size,
			   connection->room - connection->size - 1, 0);
	} while (got < 0 && errno == EINTR);
	if (got == 0 || (got < 0 && errno == ECONNRESET))
		return error_set(err, ERROR_CLOSED,
				 "the daemon closed the connection before it answered");
	if (got < 0)
		return error_errno(err, "cannot read from the daemon");
	connection->size += (size_t)got;
	return 0;
}

int
client_connect_line(struct client_connection *connection, char **ret_line, size_t *ret_size,
		    struct error *err)
{
	size_t seen = 0;
	char *end = NULL;

	if (connection->used > 0) {
		connection->size -= connection->used;
		memmove(connection->buffer, connection->buffer + connection->used,
			connection->size);
		connection->used = 0;
	}
	for (;;) {
		int code;

		if (connection->size > seen)
			end = memchr(connection->buffer + seen, '\n', connection->size - seen);
		if (end != NULL)
			break;
		seen = connection->size;
		code = client_connect_fill(connection, err);
		if (code < 0)
			return code;
	}
	*end = '\0';
	*ret_line = connection->buffer;
	*ret_size = (size_t)(end - connection->buffer);
	connection->used = *ret_size + 1;
	return 0;
}

void
client_connect_close(struct client_connection *connection)
{
	base_close(&connection->fd);
	free(connection->buffer);
	memset(connection, 0, sizeof(*connection));
	connection->fd = -1;
}
