/*
 * stintd may not make a socket, so the one for its metrics is bound here and handed over, as the
 * clients' is. No byte of it is read here. Whoever can connect sees the names of all tenants: a
 * Unix socket is root's alone unless metrics_group says otherwise, and TCP is for the loopback
 * interface. Called by spawner_main.c at the start. Fails with the setting in the text.
 */
#define _GNU_SOURCE
#include "worker/spawner_metrics.h"

#include "protocol/base_sys.h"
#include "protocol/metrics_address.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define SPAWNER_METRICS_BACKLOG    16
#define SPAWNER_METRICS_MODE       0600
#define SPAWNER_METRICS_GROUP_MODE 0660

static int
spawner_metrics_tcp(const struct metrics_address *address, const char *text,
		    struct spawner_socket *ret_socket, struct error *err)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET,
				 .sin_port = htons(address->port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
				  .sin6_port = htons(address->port),
				  .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	bool is_v6 = address->kind == METRICS_ADDRESS_IPV6;
	const void *where = is_v6 ? (const void *)&v6 : &v4;
	autoclose int fd =
	    socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int yes = 1;

	if (fd < 0)
		return error_errno(err,
				   "metrics_listen: cannot make a socket for %s (remedy under "
				   "systemd: enable stint-metrics.socket instead)",
				   text);
	/* After a restart the port is free at once; somebody else's that listens is still refused.
	 */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
	    bind(fd, where, is_v6 ? sizeof(v6) : sizeof(v4)) < 0 ||
	    listen(fd, SPAWNER_METRICS_BACKLOG) < 0)
		return error_errno(err, "metrics_listen: cannot listen on %s", text);
	*ret_socket = (struct spawner_socket){.fd = fd, .dir_fd = -1, .setting = "metrics_listen"};
	fd = -1;
	return 0;
}

int
spawner_metrics_open(const struct config *config, struct spawner_socket *ret_socket,
		     struct error *err)
{
	const char *text = config_text(config, metrics_listen);
	const char *group_name = config_text(config, metrics_group);
	struct metrics_address address;
	gid_t group = getegid();
	int rc = spawner_socket_take(SPAWNER_SOCKET_METRICS_NAME, ret_socket, err);

	if (rc < 0 || ret_socket->fd >= 0)
		return rc;
	rc = metrics_address_parse(text, &address, err);
	if (rc < 0 || address.kind == METRICS_ADDRESS_NONE)
		return rc;
	if (address.kind != METRICS_ADDRESS_UNIX)
		return spawner_metrics_tcp(&address, text, ret_socket, err);
	rc = spawner_socket_group("metrics_group", group_name, group, &group, err);
	return rc < 0 ? rc
		      : spawner_socket_make("metrics_listen", address.path, group,
					    *group_name ? SPAWNER_METRICS_GROUP_MODE
							: SPAWNER_METRICS_MODE,
					    ret_socket, err);
}
