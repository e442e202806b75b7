/*
 * Descriptor passing over SOCK_SEQPACKET (declared in base_sys.h).
 *
 * One message is one datagram. What does not arrive whole (cut datagram, cut control data, too many
 * descriptors, control data of an unknown kind) is refused and every descriptor that came is
 * closed, so a hostile sender cannot leave descriptors behind.
 */
#define _GNU_SOURCE
#include "protocol/base_sys.h"
#include "protocol/base_assert.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Room for more descriptors than any message may have, so that the surplus is seen and closed. */
#define FDS_RECEIVE_MAX 64
#define FDS_CONTROL_BYTES                                                                          \
	(CMSG_SPACE(FDS_RECEIVE_MAX * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred)))

int
base_socketpair(int ret_fds[2], struct error *err)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return error_errno(err, "socketpair");
	ret_fds[0] = fds[0];
	ret_fds[1] = fds[1];
	return 0;
}

int
base_send_fds(int fd, const void *bytes, size_t size, const int *fds, size_t fd_count, int flags,
	      struct error *err)
{
	union {
		char bytes[CMSG_SPACE(FDS_PER_MESSAGE_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec part = {(void *)(uintptr_t)bytes, size};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	struct cmsghdr *header;
	ssize_t n;

	require(fd_count <= FDS_PER_MESSAGE_MAX && size > 0);
	if (fd_count > 0) {
		memset(&control, 0, sizeof(control));
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(header), fds, fd_count * sizeof(int));
	}
	do {
		n = sendmsg(fd, &message, flags | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return error_set(err, ERROR_BUSY, "send: the receiver's queue is full");
	if (n < 0 && (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN))
		return error_set(err, ERROR_CLOSED, "send: the other side is gone");
	if (n < 0)
		return error_errno(err, "sendmsg");
	if ((size_t)n != size)
		return error_set(err, ERROR_SYSTEM, "send: %zd of %zu bytes went out", n, size);
	return 0;
}

struct fds_received {
	/* As many as the whole control buffer could hold: without credentials in it, that is more
	 * than FDS_RECEIVE_MAX. */
	int fds[FDS_CONTROL_BYTES / sizeof(int)];
	size_t count;
	pid_t pid;
	bool strange; /* control data that nobody asked for */
	bool any;     /* there was control data */
};

static void
fds_collect(struct msghdr *message, struct fds_received *ret)
{
	for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL;
	     header = CMSG_NXTHDR(message, header)) {
		size_t length = header->cmsg_len - CMSG_LEN(0);

		ret->any = true;
		if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
			size_t count = length / sizeof(int);

			memcpy(ret->fds + ret->count, CMSG_DATA(header), count * sizeof(int));
			ret->count += count;
		} else if (header->cmsg_level == SOL_SOCKET &&
			   header->cmsg_type == SCM_CREDENTIALS && length >= sizeof(struct ucred)) {
			struct ucred credentials;

			memcpy(&credentials, CMSG_DATA(header), sizeof(credentials));
			ret->pid = credentials.pid;
		} else {
			ret->strange = true;
		}
	}
}

static int
fds_judge(const struct fds_received *got, const struct msghdr *message, ssize_t n, size_t fd_max,
	  struct error *err)
{
	if (n == 0 && !got->any)
		return error_set(err, ERROR_CLOSED, "receive: the other side is gone");
	if (n == 0)
		return error_set(err, ERROR_INVALID, "receive: empty message");
	if ((message->msg_flags & MSG_TRUNC) != 0)
		return error_set(err, ERROR_INVALID, "receive: message too long");
	if ((message->msg_flags & MSG_CTRUNC) != 0)
		return error_set(err, ERROR_INVALID, "receive: control data cut off");
	if (got->strange)
		return error_set(err, ERROR_INVALID, "receive: unknown control data");
	if (got->count > fd_max)
		return error_set(err, ERROR_INVALID, "receive: %zu descriptors where %zu may be",
				 got->count, fd_max);
	return 0;
}

int
base_recv_fds(int fd, void *ret_bytes, size_t size, size_t *ret_size, int *ret_fds, size_t fd_max,
	      size_t *ret_fd_count, pid_t *ret_pid, int flags, struct error *err)
{
	union {
		char bytes[FDS_CONTROL_BYTES];
		struct cmsghdr align;
	} control;
	struct iovec part = {ret_bytes, size};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control.bytes)};
	struct fds_received got = {.count = 0};
	ssize_t n;
	int r;

	do {
		n = recvmsg(fd, &message, flags | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return error_set(err, ERROR_BUSY, "receive: nothing there");
	if (n < 0 && errno == ECONNRESET)
		return error_set(err, ERROR_CLOSED, "receive: the other side is gone");
	if (n < 0)
		return error_errno(err, "recvmsg");
	fds_collect(&message, &got);
	r = fds_judge(&got, &message, n, fd_max, err);
	if (r < 0) {
		for (size_t i = 0; i < got.count; i++)
			base_close(&got.fds[i]);
		return r;
	}
	if (got.count > 0)
		memcpy(ret_fds, got.fds, got.count * sizeof(int));
	if (ret_fd_count != NULL)
		*ret_fd_count = got.count;
	if (ret_pid != NULL)
		*ret_pid = got.pid;
	if (ret_size != NULL)
		*ret_size = (size_t)n;
	return 0;
}
