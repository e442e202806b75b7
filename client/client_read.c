/*
 * Reads a file to its end. Files of any kind are taken: a pipe, /dev/stdin, a regular file.
 *
 * Called by client_request.c. On a terminal or a pipe that stays open it waits, after a second with
 * a line that says for what. Fails with the path and the system's reason.
 */
#define _GNU_SOURCE
#include "client/client_read.h"
#include "protocol/base_sys.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLIENT_READ_HINT_MS 1000
#define CLIENT_READ_START   65536

static void
client_read_hint(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	if (poll(&poll_fd, 1, CLIENT_READ_HINT_MS) == 0)
		(void)fputs("stint: waiting for the end of standard input; --no-stdin runs "
			    "without it\n",
			    stderr);
}

static int
client_read_grow(char **bytes, size_t *room, const char *path, struct error *err)
{
	size_t larger = *room == 0 ? CLIENT_READ_START : *room * 2;
	char *moved;

	if (*room >= CLIENT_READ_BYTES_MAX)
		return error_set(err, ERROR_LIMIT, "%s is larger than %zu bytes", path,
				 CLIENT_READ_BYTES_MAX);
	moved = realloc(*bytes, larger + 1);
	if (moved == NULL)
		return error_set(err, ERROR_LIMIT, "out of memory for %s", path);
	*bytes = moved;
	*room = larger;
	return 0;
}

static int
client_read_all(int fd, const char *path, char **ret_bytes, size_t *ret_size, struct error *err)
{
	char *bytes = NULL;
	size_t size = 0, room = 0;

	for (;;) {
		ssize_t got;

		if (size == room && client_read_grow(&bytes, &room, path, err) < 0)
			break;
		got = read(fd, bytes + size, room - size);
		if (got == 0) {
			bytes[size] = '\0';
			*ret_bytes = bytes;
			*ret_size = size;
			return 0;
		}
		if (got > 0) {
			size += (size_t)got;
		} else if (errno != EINTR) {
			(void)error_errno(err, "cannot read %s", path);
			break;
		}
	}
	free(bytes);
	return ERROR_SYSTEM;
}

int
client_read(const char *path, char **ret_bytes, size_t *ret_size, struct error *err)
{
	autoclose int fd = -1;

	if (strcmp(path, "-") == 0) {
		client_read_hint(STDIN_FILENO);
		return client_read_all(STDIN_FILENO, "standard input", ret_bytes, ret_size, err);
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, "cannot open %s", path);
	return client_read_all(fd, path, ret_bytes, ret_size, err);
}
