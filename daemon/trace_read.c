/*
 * Reads events that a worker has written: bytes are copied by pread before anybody looks at them,
 * their number is clamped to the area, each line is checked before it is passed on. A worker that
 * writes something else there harms its own trace only. Called by stream.c while the job runs and
 * by collect.c when it has ended, there perhaps on the pool thread.
 */
#include "daemon/trace_read.h"

#include "protocol/base_sys.h"
#include "protocol/json_scan.h"

#include <stdlib.h>
#include <string.h>

uint64_t
trace_read_size(const struct worker_page *page, const struct trace_cursor *cursor)
{
	uint64_t size = page->trace_bytes;

	if (size > TRACE_BYTES_MAX)
		size = TRACE_BYTES_MAX;
	return cursor->broken || size < cursor->bytes ? 0 : size - cursor->bytes;
}

bool
trace_read_truncated(const struct worker_page *page, const struct trace_cursor *cursor)
{
	return cursor->broken || page->trace_truncated != 0;
}

/* Bytes of the whole, good lines at the begin; their number goes to the cursor. `complete`: a line
 * without an end is a fault, and not one that is cut by the reader. */
static size_t
read_check(const char *lines, size_t size, bool complete, uint64_t events_max,
	   struct trace_cursor *cursor)
{
	size_t at = 0;

	while (at < size) {
		const char *end = memchr(lines + at, '\n', size - at);
		size_t length = end ? (size_t)(end - lines) - at : size - at;

		if (!end && !complete && length < TRACE_EVENT_BYTES_MAX)
			return at;
		if (!end || length >= TRACE_EVENT_BYTES_MAX || cursor->events == events_max ||
		    json_scan_splice(lines + at, length, TRACE_EVENT_BYTES_MAX, NULL) < 0 ||
		    !json_scan_is_object(lines + at, length)) {
			cursor->broken = true;
			return at;
		}
		cursor->events++;
		at += length + 1;
	}
	return at;
}

int
trace_read(int page_fd, const struct worker_page *page, uint64_t events_max, uint64_t max,
	   struct trace_cursor *cursor, struct bytes *ret_lines, struct error *err)
{
	uint64_t left = trace_read_size(page, cursor);
	uint64_t size = left < max + TRACE_EVENT_BYTES_MAX ? left : max + TRACE_EVENT_BYTES_MAX;
	struct bytes lines = {NULL, 0};

	*ret_lines = lines;
	if (size == 0)
		return 0;
	lines.data = malloc(size);
	if (!lines.data)
		return error_set(err, ERROR_LIMIT, "no memory for %llu bytes of trace",
				 (unsigned long long)size);
	int code = base_pread_full(page_fd, lines.data, size,
				   (off_t)(PAGE_TRACE_OFFSET + cursor->bytes), err);
	if (code == 0)
		lines.size =
		    read_check((const char *)lines.data, size, size == left, events_max, cursor);
	cursor->bytes += lines.size;
	if (lines.size == 0) {
		free(lines.data);
		return code;
	}
	*ret_lines = lines;
	return 0;
}
