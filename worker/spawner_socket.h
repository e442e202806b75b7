/*
 * The socket for clients, and the two lines of the service manager's protocols: socket activation
 * and readiness.
 */
#ifndef STINT_WORKER_SPAWNER_SOCKET_H
#define STINT_WORKER_SPAWNER_SOCKET_H

#include "protocol/config.h"
#include "protocol/error.h"

#include <stdbool.h>
#include <sys/types.h>

#define SPAWNER_SOCKET_BACKLOG    4096
#define SPAWNER_SOCKET_PATH_BYTES 108
/* Name of the inherited descriptor (FileDescriptorName=) that metrics are served on. */
#define SPAWNER_SOCKET_METRICS_NAME "metrics"

struct spawner_socket {
	int fd;     /* owned: listens */
	int dir_fd; /* owned: where it was made, or -1 when it was inherited */
	dev_t device;
	ino_t inode;
	char name[SPAWNER_SOCKET_PATH_BYTES]; /* in dir_fd */
	char path[SPAWNER_SOCKET_PATH_BYTES]; /* for messages */
	const char *setting;                  /* static: whose value the path is */
};

/*
 * Take the socket of a socket-activated start, or else bind the setting `socket`. ERROR_BUSY:
 * another daemon serves there. `group` owns it when socket_group is empty. A dead daemon's socket
 * is replaced; anything else that is in the way stays and is an error.
 */
int spawner_socket_open(const struct config *config, gid_t group, struct spawner_socket *ret_socket,
			struct error *err);
/* Bind a Unix socket at this path, as above. */
int spawner_socket_make(const char *setting, const char *path, gid_t group, mode_t mode,
			struct spawner_socket *ret_socket, struct error *err);
/* Take an inherited socket that is not for clients, by its name; fd is -1 when there is none. It
 * must listen where only this host reaches it. */
int spawner_socket_take(const char *name, struct spawner_socket *ret_socket, struct error *err);
/* A group by name or number; empty: the fallback. */
int spawner_socket_group(const char *setting, const char *name, gid_t fallback, gid_t *ret_group,
			 struct error *err);
/* Remove it from the file system if it is still ours. Touches nothing when it was inherited. */
void spawner_socket_unlink(const struct spawner_socket *socket);
/* A line of the notify protocol ("READY=1"), when the service manager asked for it. */
void spawner_socket_notify(const char *line);

#endif
