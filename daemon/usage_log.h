/*
 * Usage records: one line of JSON for each ended job, in a file of bounded size.
 *
 * The loop only adds a line to a buffer; a thread writes it. What does not fit into the buffer, or
 * cannot be written, is dropped and counted: a slow or full disk never holds up a job. When the
 * file would pass its size, its content is copied to the second one, in place of what that held,
 * and it begins anew: no name changes, so that a process without any right to names can do it.
 */
#ifndef STINT_DAEMON_USAGE_LOG_H
#define STINT_DAEMON_USAGE_LOG_H

#include "daemon/engine_event.h"
#include "protocol/error.h"
#include "protocol/text_buffer.h"

#include <stdint.h>
#include <time.h>

#define USAGE_LOG_BUFFER_BYTES (1u << 20)
#define USAGE_LOG_RECORD_BYTES 4096u /* no record is longer */
#define USAGE_LOG_RETRY_MS     1000u /* between attempts after a failure */

struct usage_log;

/* fd, old_fd: regular files opened for reading and appending; owned from here on, also on failure.
 * bytes_max is at least USAGE_LOG_RECORD_BYTES. */
int usage_log_new(int fd, int old_fd, uint64_t bytes_max, struct usage_log **ret_log,
		  struct error *err);
/* Write what waits, unless that fails, and end. NULL is harmless. */
void usage_log_free(struct usage_log **log);

/* Add a record. Never waits. NULL is harmless. */
void usage_log_put(struct usage_log *log, const struct engine_ended *ended);
/* How many records are written, and how many are lost; zeroes for NULL. */
void usage_log_counts(struct usage_log *log, uint64_t *ret_written, uint64_t *ret_dropped);

/* The record of a job that ended at this time: one line, line end included. */
void usage_log_format(struct text_buffer *text, const struct engine_ended *ended,
		      const struct timespec *at);

#endif
