/*
 * The zygote's reports, checked for type, order and descriptors: it must say READY first and once.
 * The zygote runs no tenant code, but a tenant may have broken out of a worker into it: what it
 * says is checked as any outside byte, and a breach ends its generation, never stintd. Called by
 * generation.c.
 */
#include "daemon/zygote_link.h"

#include "daemon/message_link.h"
#include "protocol/base_assert.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct zygote_link {
	struct message_link *messages; /* owned */
	bool ready, orphan;
	struct zygote_link_callbacks callbacks;
};

static int
zygote_link_on_ready(struct zygote_link *link, const struct message_zygote *about,
		     struct error *err)
{
	if (link->ready)
		return error_set(err, ERROR_INVALID, "the zygote says twice that it is ready");
	if (!memchr(about->python, 0, sizeof(about->python)) ||
	    !memchr(about->meter_id, 0, sizeof(about->meter_id)))
		return error_set(err, ERROR_INVALID, "the zygote's version text has no end");
	link->ready = true;
	link->callbacks.ready(link->callbacks.context, about);
	return 0;
}

static int
zygote_link_on_forked(struct zygote_link *link, const struct message_forked *about, int *fds,
		      size_t fd_count, struct error *err)
{
	if (fd_count != (about->error == 0 ? 1u : 0u))
		return error_set(err, ERROR_INVALID, "FORKED with %zu descriptors", fd_count);
	int pidfd = -1;
	if (fd_count == 1) {
		pidfd = fds[0];
		fds[0] = -1;
	}
	link->callbacks.forked(link->callbacks.context, about, pidfd);
	return 0;
}

static int
zygote_link_on_message(void *context, const struct message *message, int *fds, size_t fd_count,
		       struct error *err)
{
	struct zygote_link *link = context;
	if (message->type != MESSAGE_FORKED && fd_count != 0)
		return error_set(err, ERROR_INVALID, "%s with %zu descriptors",
				 message_name(message->type), fd_count);
	if (message->type == MESSAGE_ZYGOTE_READY)
		return zygote_link_on_ready(link, &message->body.zygote, err);
	if (!link->ready)
		return error_set(err, ERROR_INVALID, "%s before the zygote is ready",
				 message_name(message->type));
	if (message->type == MESSAGE_FORKED)
		return zygote_link_on_forked(link, &message->body.forked, fds, fd_count, err);
	if (message->type == MESSAGE_EXITED) {
		link->callbacks.exited(link->callbacks.context, &message->body.exited);
		return 0;
	}
	if (message->type == MESSAGE_STOPPED) {
		link->callbacks.stopped(link->callbacks.context, &message->body.exited);
		return 0;
	}
	if (message->type == MESSAGE_ORPHAN && !link->orphan) {
		link->orphan = true;
		link->callbacks.orphan(link->callbacks.context);
		return 0;
	}
	return error_set(err, ERROR_INVALID, "message of type %u from the zygote", message->type);
}

static void
zygote_link_on_closed(void *context, const struct error *err)
{
	struct zygote_link *link = context;
	link->callbacks.closed(link->callbacks.context, err);
}

int
zygote_link_new(uv_loop_t *loop, int fd, const struct zygote_link_callbacks *callbacks,
		struct zygote_link **ret_link, struct error *err)
{
	struct zygote_link *link = calloc(1, sizeof(*link));
	require(link);
	link->callbacks = *callbacks;
	struct message_link_callbacks inner = {zygote_link_on_message, zygote_link_on_closed, link};
	int code = message_link_new(loop, fd, 1, &inner, &link->messages, err);
	if (code < 0) {
		free(link);
		return error_wrap(err, "zygote link");
	}
	*ret_link = link;
	return 0;
}

void
zygote_link_close(struct zygote_link **link)
{
	if (!*link)
		return;
	message_link_close(&(*link)->messages);
	free(*link);
	*link = NULL;
}

int
zygote_link_fork(struct zygote_link *link, const struct message_fork *what, const int *fds,
		 struct error *err)
{
	struct message message;
	message_init(&message, MESSAGE_FORK);
	message.body.fork = *what;
	int code = message_link_send(link->messages, &message, fds, FORK_FD_COUNT, err);
	return code < 0 ? error_wrap(err, "ask the zygote for a worker") : 0;
}

int
zygote_link_fd(const struct zygote_link *link)
{
	return message_link_fd(link->messages);
}
