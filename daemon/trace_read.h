/*
 * stintd's reading side of a job's trace: the trace area of the page file. Hostile, like all that a
 * worker writes: only whole lines that json_scan accepts as objects are passed on.
 */
#ifndef STINT_DAEMON_TRACE_READ_H
#define STINT_DAEMON_TRACE_READ_H

#include "protocol/error.h"
#include "protocol/run_result.h"
#include "protocol/worker_abi.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How far a trace has been read. Starts as zeroes. */
struct trace_cursor {
	uint64_t bytes, events;
	bool broken; /* what follows is no event: nothing more is read */
};

/*
 * Whole events from the cursor on, of about `max` bytes at most (at least one event is taken), and
 * never more than events_max in all. Moves the cursor. ret_lines: JSON objects with a line end
 * after each, owned by the caller; NULL and 0 when there is nothing new. page: what page_read gave
 * before. May run while the job does. ERROR_SYSTEM when the file cannot be read, ERROR_LIMIT
 * without memory.
 */
int trace_read(int page_fd, const struct worker_page *page, uint64_t events_max, uint64_t max,
	       struct trace_cursor *cursor, struct bytes *ret_lines, struct error *err);
/* Bytes that are there to be read. */
uint64_t trace_read_size(const struct worker_page *page, const struct trace_cursor *cursor);
/* Whether events were left out, of a trace that is read to its end. */
bool trace_read_truncated(const struct worker_page *page, const struct trace_cursor *cursor);

#endif
