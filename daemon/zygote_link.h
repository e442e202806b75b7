/*
 * stintd's end of a generation's zygote link: ask for workers, hear of their birth and death.
 */
#ifndef STINT_DAEMON_ZYGOTE_LINK_H
#define STINT_DAEMON_ZYGOTE_LINK_H

#include "protocol/error.h"
#include "protocol/message.h"

#include <uv.h>

struct zygote_link;

struct zygote_link_callbacks {
	void (*ready)(void *context, const struct message_zygote *about);
	/* pidfd is the callee's; -1 when about->error is not 0. */
	void (*forked)(void *context, const struct message_forked *about, int pidfd);
	void (*exited)(void *context, const struct message_exited *about);
	/* All its threads are stopped: see MESSAGE_STOPPED. */
	void (*stopped)(void *context, const struct message_exited *about);
	/* A worker has forked: see MESSAGE_ORPHAN. At most once. */
	void (*orphan)(void *context);
	/* The zygote is gone (ERROR_CLOSED) or broke its rules. Once, last. */
	void (*closed)(void *context, const struct error *err);
	void *context;
};

/* fd is owned from here on, also on failure. */
int zygote_link_new(uv_loop_t *loop, int fd, const struct zygote_link_callbacks *callbacks,
		    struct zygote_link **ret_link, struct error *err);
void zygote_link_close(struct zygote_link **link);
/* fds: FORK_FD_COUNT in enum fork_fd order, borrowed. */
int zygote_link_fork(struct zygote_link *link, const struct message_fork *what, const int *fds,
		     struct error *err);
/* Borrowed; for kills where there is no cgroup.kill. */
int zygote_link_fd(const struct zygote_link *link);

#endif
