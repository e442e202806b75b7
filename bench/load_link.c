/*
 * A connection on libuv.
 *
 * It knows lines and ids, and nothing of rates or figures. Requests go out with one writev when the
 * socket takes them; only what it does not take is copied. Called by load_drive.c on the loop's
 * thread. A connection that fails is given up, and that is told once.
 */
#define _GNU_SOURCE
#include "bench/load_link.h"

#include "protocol/base_sys.h"

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECT_SECONDS_MAX 10
#define GROUPS_MAX          64

struct rest {
	uv_write_t request;
	size_t size;
	char bytes[];
};

/* One loop, one thread: libuv gives a buffer back before it asks for the next. */
static char read_bytes[256 * 1024];

static int
connect_as_self(const char *path, int *ret_fd, struct error *err)
{
	struct timeval patience = {.tv_sec = CONNECT_SECONDS_MAX};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(err, ERROR_INVALID, "the socket's path is too long: %.120s", path);
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_errno(err, "socket");
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		(void)error_errno(err, "%.120s", path);
		base_close(&fd);
		return err->code;
	}
	*ret_fd = fd;
	return 0;
}

static int
connect_as(const char *path, long uid, int *ret_fd, struct error *err)
{
	gid_t own[GROUPS_MAX];
	int count = getgroups(GROUPS_MAX, own), code;

	if (count < 0)
		return error_errno(err, "getgroups");
	if (setgroups(0, NULL) < 0 || setegid((gid_t)uid) < 0 || seteuid((uid_t)uid) < 0)
		code = error_errno(err, "to become user %ld (only root can)", uid);
	else
		code = connect_as_self(path, ret_fd, err);
	if (seteuid(getuid()) < 0 || setegid(getgid()) < 0 || setgroups((size_t)count, own) < 0) {
		perror("load: to become ourselves again");
		abort();
	}
	return code;
}

static void
give_up(struct load_link *link, const char *why)
{
	if (!link->open)
		return;
	load_link_close(link);
	link->gone(link, why);
}

static void
lend_buffer(uv_handle_t *handle, size_t wanted, uv_buf_t *ret_buffer)
{
	*ret_buffer = uv_buf_init(read_bytes, sizeof(read_bytes));
}

static void
take_bytes(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
	struct load_link *link = stream->data;
	const char *at = buffer->base;

	if (size < 0) {
		give_up(link, size == UV_EOF ? "closed by the daemon" : uv_strerror((int)size));
		return;
	}
	while (size > 0 && link->open) {
		struct load_answer answer;
		bool whole;
		size_t taken = load_lines_take(&link->lines, at, (size_t)size, &whole, &answer);

		at += taken;
		size -= (ssize_t)taken;
		if (whole)
			link->answered(link, &answer);
	}
}

int
load_link_open(struct load_link *link, uv_loop_t *loop, const char *path, long uid,
	       struct error *err)
{
	int fd = -1, code;

	code = uid < 0 ? connect_as_self(path, &fd, err) : connect_as(path, uid, &fd, err);
	if (code < 0)
		return code;
	(void)uv_pipe_init(loop, &link->pipe, 0);
	link->pipe.data = link;
	code = uv_pipe_open(&link->pipe, fd);
	if (code < 0) {
		base_close(&fd);
		uv_close((uv_handle_t *)&link->pipe, NULL);
		return error_set(err, ERROR_SYSTEM, "uv_pipe_open: %s", uv_strerror(code));
	}
	link->open = true;
	code = uv_read_start((uv_stream_t *)&link->pipe, lend_buffer, take_bytes);
	if (code < 0) {
		load_link_close(link);
		return error_set(err, ERROR_SYSTEM, "uv_read_start: %s", uv_strerror(code));
	}
	return 0;
}

static void
rest_written(uv_write_t *request, int status)
{
	struct load_link *link = request->handle->data;

	free(request);
	if (status < 0 && status != UV_ECANCELED)
		give_up(link, uv_strerror(status));
}

/* What the socket has not taken: all behind `done` bytes. */
static int
write_rest(struct load_link *link, const uv_buf_t *parts, unsigned count, size_t done)
{
	size_t size = 0, at = 0;
	struct rest *rest;
	uv_buf_t whole;
	int code;

	for (unsigned i = 0; i < count; i++)
		size += parts[i].len;
	rest = malloc(sizeof(*rest) + size);
	if (rest == NULL)
		return UV_ENOMEM;
	for (unsigned i = 0; i < count; i++) {
		memcpy(rest->bytes + at, parts[i].base, parts[i].len);
		at += parts[i].len;
	}
	whole = uv_buf_init(rest->bytes + done, (unsigned)(size - done));
	code = uv_write(&rest->request, (uv_stream_t *)&link->pipe, &whole, 1, rest_written);
	if (code < 0)
		free(rest);
	return code;
}

void
load_link_send(struct load_link *link, const struct load_kind *kind, uint64_t id)
{
	char digits[24], begin[32];
	uv_buf_t parts[3];
	size_t size = 0;
	int done;

	(void)snprintf(begin, sizeof(begin), "%s", LOAD_BEFORE_ID);
	(void)snprintf(digits, sizeof(digits), "%" PRIu64, id);
	parts[0] = uv_buf_init(begin, (unsigned)strlen(begin));
	parts[1] = uv_buf_init(digits, (unsigned)strlen(digits));
	parts[2] = uv_buf_init(kind->after_id, (unsigned)kind->after_id_size);
	for (int i = 0; i < 3; i++)
		size += parts[i].len;
	done = uv_try_write((uv_stream_t *)&link->pipe, parts, 3);
	if (done == UV_EAGAIN)
		done = 0;
	if (done >= 0 && (size_t)done < size)
		done = write_rest(link, parts, 3, (size_t)done);
	if (done < 0)
		give_up(link, uv_strerror(done));
}

void
load_link_close(struct load_link *link)
{
	if (!link->open)
		return;
	link->open = false;
	uv_close((uv_handle_t *)&link->pipe, NULL);
}
