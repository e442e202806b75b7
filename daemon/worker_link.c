/*
 * The worker channel. The hello is the only thing that is ever read as a message; whatever comes
 * after it is only noted, never looked at. The kernel vouches for the two facts that matter:
 * SCM_CREDENTIALS for the host pid, and ECONNRESET at the end for a job that was never taken off
 * the channel (a peer that dies with unread datagrams resets it; no tenant code can have run then).
 * Called by worker.c, dispatch.c and facts.c. Never waits.
 */
#include "config.h"

#include "daemon/worker_link.h"

#include "protocol/base_assert.h"
#include "protocol/base_sys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WORKER_WATCH_MAGIC       0x574b4c4bu
#define WORKER_LINK_BUFFER_BYTES (4 * (int)BLOB_INLINE_BYTES_MAX)
#define WORKER_LINK_REST_MAX     8 /* datagrams looked at after death: one is enough */

struct worker_watch {
	uint32_t magic;
	uv_poll_t poll;
	int fd; /* borrowed from the worker */
	uint64_t serial;
	void (*hello)(void *context, uint64_t serial, int code, pid_t pid, const struct error *err);
	void *context;
};

static struct worker_watch *
worker_link_of(void *data)
{
	struct worker_watch *watch = data;
	require(watch && watch->magic == WORKER_WATCH_MAGIC);
	return watch;
}

int
worker_link_open(int *ret_ours, int *ret_theirs, struct error *err)
{
	int fds[2], on = 1, size = WORKER_LINK_BUFFER_BYTES;
	int code = base_socketpair(fds, err);
	if (code < 0)
		return code;
	if (setsockopt(fds[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ||
	    setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) < 0) {
		code = error_errno(err, "worker channel");
		base_close(&fds[0]);
		base_close(&fds[1]);
		return code;
	}
	*ret_ours = fds[0];
	*ret_theirs = fds[1];
	return 0;
}

static int
worker_link_read_hello(const struct worker_watch *watch, pid_t *ret_pid, struct error *err)
{
	struct worker_hello hello;
	size_t size = 0, fd_count = 0;
	int code = base_recv_fds(watch->fd, &hello, sizeof(hello), &size, NULL, 0, &fd_count,
				 ret_pid, MSG_DONTWAIT, err);
	if (code < 0)
		return code;
	if (size != sizeof(hello) || hello.magic != WORKER_HELLO_MAGIC ||
	    hello.serial != watch->serial)
		return error_set(err, ERROR_INVALID, "a worker's hello is broken");
	if (hello.abi != WORKER_ABI_VERSION)
		return error_set(err, ERROR_INVALID, "a worker of interface %u, not %u", hello.abi,
				 WORKER_ABI_VERSION);
	if (*ret_pid <= 0)
		return error_set(err, ERROR_INVALID, "a worker's hello without a pid");
	return 0;
}

static void
worker_link_on_readable(uv_poll_t *poll, int status, int events)
{
	struct worker_watch *watch = worker_link_of(poll->data);
	struct error err = ERROR_INIT;
	pid_t pid = 0;
	int code;
	if (status < 0)
		code = error_set(&err, ERROR_CLOSED, "the worker is gone: %s", uv_strerror(status));
	else
		code = worker_link_read_hello(watch, &pid, &err);
	if (code == ERROR_BUSY)
		return;
	(void)uv_poll_stop(poll);
	watch->hello(watch->context, watch->serial, code, pid, &err);
}

static void
worker_link_on_close(uv_handle_t *handle)
{
	struct worker_watch *watch = worker_link_of(handle->data);
	watch->magic = 0;
	free(watch);
}

int
worker_link_watch(uv_loop_t *loop, int fd, uint64_t serial,
		  void (*hello)(void *context, uint64_t serial, int code, pid_t pid,
				const struct error *err),
		  void *context, struct worker_watch **ret_watch, struct error *err)
{
	struct worker_watch *watch = calloc(1, sizeof(*watch));
	if (!watch)
		return error_errno(err, "memory for a worker's channel");
	watch->magic = WORKER_WATCH_MAGIC;
	watch->fd = fd;
	watch->serial = serial;
	watch->hello = hello;
	watch->context = context;
	int code = uv_poll_init(loop, &watch->poll, fd);
	if (code < 0) {
		free(watch);
		return error_set(err, ERROR_SYSTEM, "watch a worker: %s", uv_strerror(code));
	}
	watch->poll.data = watch;
	code = uv_poll_start(&watch->poll, UV_READABLE, worker_link_on_readable);
	if (code < 0) {
		worker_link_unwatch(&watch);
		return error_set(err, ERROR_SYSTEM, "watch a worker: %s", uv_strerror(code));
	}
	*ret_watch = watch;
	return 0;
}

void
worker_link_unwatch(struct worker_watch **watch)
{
	struct worker_watch *gone = *watch;
	if (!gone)
		return;
	*watch = NULL;
	uv_close((uv_handle_t *)&gone->poll, worker_link_on_close);
}

int
worker_link_send(int fd, const struct worker_terms *terms, const int *fds, size_t fd_count,
		 const void *blob, struct error *err)
{
	static const uint8_t start = WORKER_START_BYTE;
	bool by_fd = terms->flags & TERMS_BLOB_FD;
	int code = base_send_fds(fd, terms, sizeof(*terms), fds, fd_count, MSG_DONTWAIT, err);
	if (code == 0)
		code = base_send_fds(fd, by_fd ? &start : blob, by_fd ? 1 : terms->blob_bytes, NULL,
				     0, MSG_DONTWAIT, err);
	return code < 0 ? error_wrap(err, "hand a job to a worker") : 0;
}

struct worker_rest
worker_link_rest(int fd)
{
	struct worker_rest rest = {false, false};
	for (int i = 0; i < WORKER_LINK_REST_MAX; i++) {
		char byte;
		/* Room for the credentials only: descriptors that come along are not installed. */
		_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct ucred))];
		struct iovec io = {&byte, sizeof(byte)};
		struct msghdr header = {.msg_iov = &io,
					.msg_iovlen = 1,
					.msg_control = control,
					.msg_controllen = sizeof(control)};
		ssize_t got = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (got < 0 && errno == ECONNRESET)
			rest.unread = true;
		else if (got < 0 && errno != EINTR)
			break;
		else if (got > 0 || (got == 0 && header.msg_controllen > 0))
			rest.spoke = true; /* an empty datagram has credentials, the end has none */
		else if (got == 0)
			break;
	}
	return rest;
}
