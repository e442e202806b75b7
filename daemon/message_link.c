/*
 * Messages in and out of one SOCK_SEQPACKET socket. Checks what holds for every message (size,
 * version, number of descriptors) and nothing of its meaning. Never blocks; a bounded number of
 * messages per loop turn, so that a chatty peer cannot hold the loop. Called by spawner_link and
 * zygote_link. A breach or the end of the stream is told once through `closed`.
 */
#include "daemon/message_link.h"

#include "protocol/base_assert.h"
#include "protocol/base_sys.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGE_LINK_MAGIC    0x4d4c4e4bu
#define MESSAGE_LINK_TURN_MAX 64 /* messages read in one turn */

struct message_link {
	uint32_t magic;
	uv_poll_t poll;
	int fd; /* owned */
	size_t fd_max;
	bool closing;
	struct message_link_callbacks callbacks;
};

static struct message_link *
message_link_of(void *data)
{
	struct message_link *link = data;
	require(link && link->magic == MESSAGE_LINK_MAGIC);
	return link;
}

static void
message_link_on_close(uv_handle_t *handle)
{
	struct message_link *link = message_link_of(handle->data);
	link->magic = 0;
	free(link);
}

void
message_link_close(struct message_link **link)
{
	struct message_link *gone = *link;
	if (!gone)
		return;
	*link = NULL;
	gone->closing = true;
	uv_close((uv_handle_t *)&gone->poll, message_link_on_close);
	base_close(&gone->fd);
}

/* One message; 1: go on, 0: nothing more now, negative: breach or end. */
static int
message_link_read(struct message_link *link, struct error *err)
{
	struct message message;
	size_t size = 0, fd_count = 0;
	int fds[FDS_PER_MESSAGE_MAX];
	int code = base_recv_fds(link->fd, &message, sizeof(message), &size, fds, link->fd_max,
				 &fd_count, NULL, MSG_DONTWAIT, err);
	if (code == ERROR_BUSY)
		return 0;
	if (code < 0)
		return code;
	if (size != sizeof(message))
		code = error_set(err, ERROR_INVALID, "a message of %zu bytes", size);
	else if (message.version != MESSAGE_VERSION)
		code = error_set(err, ERROR_INVALID, "a message of version %u", message.version);
	else
		code =
		    link->callbacks.message(link->callbacks.context, &message, fds, fd_count, err);
	for (size_t i = 0; i < fd_count; i++)
		base_close(&fds[i]);
	return code < 0 ? code : 1;
}

static void message_link_on_readable(uv_poll_t *poll, int status, int events);

/*
 * libuv stops polling at an error on the socket. A peer that died with messages of ours unread
 * leaves one (ECONNRESET), but what it had sent before is still there to be read, up to the end.
 */
static int
message_link_recover(struct message_link *link, int status, struct error *err)
{
	int pending = 0;
	socklen_t size = sizeof(pending);
	if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &pending, &size) < 0 || pending == 0 ||
	    uv_poll_start(&link->poll, UV_READABLE, message_link_on_readable) < 0)
		return error_set(err, ERROR_SYSTEM, "poll: %s", uv_strerror(status));
	return 1;
}

static void
message_link_on_readable(uv_poll_t *poll, int status, int events)
{
	struct message_link *link = message_link_of(poll->data);
	struct error err = ERROR_INIT;
	int code = status < 0 ? message_link_recover(link, status, &err) : 1;
	for (int i = 0; i < MESSAGE_LINK_TURN_MAX && code == 1; i++) {
		code = message_link_read(link, &err);
		if (link->closing)
			return; /* a callback closed us; memory lives until the close callback */
	}
	if (code >= 0)
		return;
	(void)uv_poll_stop(poll);
	link->callbacks.closed(link->callbacks.context, &err);
}

int
message_link_new(uv_loop_t *loop, int fd, size_t fd_max,
		 const struct message_link_callbacks *callbacks, struct message_link **ret_link,
		 struct error *err)
{
	require(fd_max <= FDS_PER_MESSAGE_MAX);
	struct message_link *link = calloc(1, sizeof(*link));
	if (!link) {
		base_close(&fd);
		return error_errno(err, "memory for a link");
	}
	link->magic = MESSAGE_LINK_MAGIC;
	link->fd = fd;
	link->fd_max = fd_max;
	link->callbacks = *callbacks;
	int code = uv_poll_init(loop, &link->poll, fd);
	if (code < 0) {
		base_close(&link->fd);
		free(link);
		return error_set(err, ERROR_SYSTEM, "watch a link: %s", uv_strerror(code));
	}
	link->poll.data = link;
	code = uv_poll_start(&link->poll, UV_READABLE, message_link_on_readable);
	if (code < 0) {
		message_link_close(&link);
		return error_set(err, ERROR_SYSTEM, "watch a link: %s", uv_strerror(code));
	}
	*ret_link = link;
	return 0;
}

int
message_link_send(struct message_link *link, const struct message *message, const int *fds,
		  size_t fd_count, struct error *err)
{
	return base_send_fds(link->fd, message, sizeof(*message), fds, fd_count, MSG_DONTWAIT, err);
}

int
message_link_fd(const struct message_link *link)
{
	return link->fd;
}
