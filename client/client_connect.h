/*
 * A blocking connection to the daemon: lines out, lines in.
 */
#ifndef STINT_CLIENT_CLIENT_CONNECT_H
#define STINT_CLIENT_CLIENT_CONNECT_H

#include "protocol/error.h"

#include <stddef.h>

struct client_connection {
	int fd;       /* owned, -1 when closed */
	char *buffer; /* owned: bytes received and not yet given out */
	size_t size, room;
	size_t used; /* bytes of the buffer's front that the last line took */
};

#define CLIENT_CONNECTION_INIT                                                                     \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/* ERROR_SYSTEM and ERROR_INVALID name the socket and the remedy. */
int client_connect(const char *path, struct client_connection *ret_connection, struct error *err);
int client_connect_send(struct client_connection *connection, const char *line, size_t size,
			struct error *err);
/* Next line, without its end, NUL terminated; borrowed until the next call. ERROR_CLOSED at the
 * end. */
int client_connect_line(struct client_connection *connection, char **ret_line, size_t *ret_size,
			struct error *err);
void client_connect_close(struct client_connection *connection);

#endif
