/*
 * stintd's end of a worker's channel: one hello in, one limits record and one job out, and the
 * proof afterwards that nothing else was said.
 */
#ifndef STINT_DAEMON_WORKER_LINK_H
#define STINT_DAEMON_WORKER_LINK_H

#include "protocol/error.h"
#include "protocol/worker_abi.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

struct worker_watch; /* waits for one hello */

/* Both ends; ret_ours is ready to learn the host pid of who writes to it. */
int worker_link_open(int *ret_ours, int *ret_theirs, struct error *err);

/*
 * Call back once when the hello of `serial` is there (code 0, its host pid) or the channel is of no
 * use (negative code, err). fd is borrowed and must stay open until worker_link_unwatch.
 */
int worker_link_watch(uv_loop_t *loop, int fd, uint64_t serial,
		      void (*hello)(void *context, uint64_t serial, int code, pid_t pid,
				    const struct error *err),
		      void *context, struct worker_watch **ret_watch, struct error *err);
void worker_link_unwatch(struct worker_watch **watch);

/*
 * Limits record with its descriptors (borrowed), then the blob or, when it is among them, the byte
 * that starts the job. An error means that the worker has not got the whole job and will not run
 * it.
 */
int worker_link_send(int fd, const struct worker_terms *terms, const int *fds, size_t fd_count,
		     const void *blob, struct error *err);

/* What the dead worker left behind in its channel. */
struct worker_rest {
	bool spoke;  /* it sent something after the hello */
	bool unread; /* it died before it took all we sent: it never ran a byte of the job */
};
struct worker_rest worker_link_rest(int fd);

#endif
