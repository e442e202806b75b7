/*
 * Cuts the byte stream of one connection into lines.
 *
 * The buffer starts small and doubles only when it is full of one unfinished line; a line that
 * would pass the cap, or that the budget of all connections cannot hold, is reported once and its
 * remaining bytes are dropped as they come, so that the next line is served. It never looks at what
 * a line says, reads from a descriptor or logs. Every byte is searched for LF once, however small
 * the pieces are in which it comes. Called by connection.c only. Lack of memory counts as "no
 * room".
 */
#include "daemon/line_buffer.h"

#include "protocol/base_assert.h"
#include "protocol/base_sys.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BUFFER_FIRST_BYTES 8192u
#define LINE_BUFFER_ROOM_MIN    4096u
/* What lines have left in the heap, at most: each that grows leaves its smaller ones there. */
#define LINE_BUFFER_TRIM_BYTES (32u << 20)

void
line_buffer_init(struct line_buffer *ret_buffer, size_t line_max, struct line_budget *budget)
{
	memset(ret_buffer, 0, sizeof(*ret_buffer));
	ret_buffer->line_max = line_max;
	ret_buffer->budget = budget;
}

/* Small ones are used again soon. Large ones can be in the heap, too, where one had a hole for it.
 */
static void
note_freed(struct line_budget *budget, size_t capacity)
{
	if (capacity <= LINE_BUFFER_SMALL_BYTES)
		return;
	budget->freed += capacity;
	if (budget->freed < LINE_BUFFER_TRIM_BYTES)
		return;
	(void)malloc_trim(0);
	budget->freed = 0;
}

static void
drop_memory(struct line_buffer *buffer)
{
	require(buffer->budget->used >= buffer->capacity);
	buffer->budget->used -= buffer->capacity;
	free(buffer->bytes);
	note_freed(buffer->budget, buffer->capacity);
	buffer->bytes = NULL;
	buffer->capacity = buffer->start = buffer->end = buffer->scanned = 0;
}

void
line_buffer_deinit(struct line_buffer *buffer)
{
	if (buffer->budget != NULL)
		drop_memory(buffer);
}

/* Start skipping the unfinished line that is held. */
static void
skip_held(struct line_buffer *buffer)
{
	buffer->skipping = true;
	buffer->skipped = buffer->end - buffer->start;
	drop_memory(buffer);
}

static bool
resize(struct line_buffer *buffer, size_t capacity)
{
	struct line_budget *budget = buffer->budget;
	size_t more = capacity - buffer->capacity;
	if (capacity > LINE_BUFFER_SMALL_BYTES &&
	    (budget->used > budget->max || more > budget->max - budget->used))
		return false;
	/* Whole huge pages, as the budget counts them, but for the last capacity. */
	uint8_t *bytes = base_large_realloc(buffer->bytes, buffer->end, capacity);
	if (bytes == NULL)
		return false;
	note_freed(budget, buffer->capacity);
	buffer->bytes = bytes;
	buffer->capacity = capacity;
	budget->used += more;
	return true;
}

uint8_t *
line_buffer_room(struct line_buffer *buffer, size_t *ret_size)
{
	if (buffer->start == buffer->end) {
		if (buffer->capacity > LINE_BUFFER_SMALL_BYTES)
			drop_memory(buffer);
		buffer->start = buffer->end = buffer->scanned = 0;
	}
	if (buffer->start > 0 && buffer->capacity - buffer->end < LINE_BUFFER_ROOM_MIN) {
		size_t held = buffer->end - buffer->start;
		memmove(buffer->bytes, buffer->bytes + buffer->start, held);
		buffer->scanned -= buffer->start;
		buffer->start = 0;
		buffer->end = held;
	}
	if (buffer->capacity - buffer->end < LINE_BUFFER_ROOM_MIN) {
		size_t capacity = buffer->capacity * 2;
		if (capacity < LINE_BUFFER_FIRST_BYTES)
			capacity = LINE_BUFFER_FIRST_BYTES;
		if (capacity > buffer->line_max + LINE_BUFFER_ROOM_MIN)
			capacity = buffer->line_max + LINE_BUFFER_ROOM_MIN;
		if (capacity > buffer->capacity && !resize(buffer, capacity) &&
		    buffer->capacity == buffer->end)
			return NULL;
	}
	*ret_size = buffer->capacity - buffer->end;
	return buffer->bytes + buffer->end;
}

void
line_buffer_added(struct line_buffer *buffer, size_t size)
{
	require(size <= buffer->capacity - buffer->end);
	buffer->end += size;
}

/* Index of the next LF, or buffer->end. Bytes are looked at once. */
static size_t
find_line_end(struct line_buffer *buffer)
{
	if (buffer->scanned < buffer->end) {
		const uint8_t *from = buffer->bytes + buffer->scanned;
		const uint8_t *found = memchr(from, '\n', buffer->end - buffer->scanned);
		if (found != NULL) {
			buffer->scanned = (size_t)(found - buffer->bytes);
			return buffer->scanned;
		}
		buffer->scanned = buffer->end;
	}
	return buffer->end;
}

/* Drop what is held of a refused line. True when its end was found. */
static bool
skip_more(struct line_buffer *buffer)
{
	size_t at = find_line_end(buffer);
	buffer->skipped += at - buffer->start;
	if (at == buffer->end) {
		buffer->start = buffer->end;
		return false;
	}
	buffer->skipping = false;
	buffer->start = buffer->scanned = at + 1;
	return true;
}

static void
give_out(const struct line_buffer *buffer, size_t end, const uint8_t **ret_line, size_t *ret_length)
{
	size_t length = end - buffer->start;
	if (length > 0 && buffer->bytes[end - 1] == '\r')
		length--;
	*ret_line = buffer->bytes + buffer->start;
	*ret_length = length;
}

enum line_kind
line_buffer_next(struct line_buffer *buffer, const uint8_t **ret_line, size_t *ret_length)
{
	if (buffer->skipping && !skip_more(buffer)) {
		uint64_t skip_max = (uint64_t)buffer->line_max * LINE_BUFFER_SKIP_CAPS;
		return buffer->skipped > skip_max ? LINE_ENDLESS : LINE_NONE;
	}
	size_t at = find_line_end(buffer);
	size_t length = at - buffer->start;
	if (at < buffer->end) {
		bool too_long = length + 1 > buffer->line_max;
		if (!too_long)
			give_out(buffer, at, ret_line, ret_length);
		buffer->start = buffer->scanned = at + 1;
		return too_long ? LINE_TOO_LONG : LINE_WHOLE;
	}
	if (length >= buffer->line_max) {
		skip_held(buffer);
		return LINE_TOO_LONG;
	}
	size_t size;
	if (length > 0 && buffer->end == buffer->capacity &&
	    line_buffer_room(buffer, &size) == NULL) {
		skip_held(buffer);
		return LINE_NO_ROOM;
	}
	return LINE_NONE;
}

void
line_buffer_wipe(struct line_buffer *buffer, const uint8_t *line, size_t length)
{
	require(line >= buffer->bytes && line + length <= buffer->bytes + buffer->capacity);
	explicit_bzero(buffer->bytes + (line - buffer->bytes), length);
}

bool
line_buffer_last(struct line_buffer *buffer, const uint8_t **ret_line, size_t *ret_length)
{
	if (buffer->skipping) {
		buffer->skipping = false;
		buffer->start = buffer->scanned = buffer->end;
	}
	if (buffer->start == buffer->end)
		return false;
	give_out(buffer, buffer->end, ret_line, ret_length);
	buffer->start = buffer->scanned = buffer->end;
	return true;
}

bool
line_buffer_has_line(struct line_buffer *buffer)
{
	return find_line_end(buffer) < buffer->end;
}

bool
line_buffer_has_partial(const struct line_buffer *buffer)
{
	return buffer->skipping || buffer->start < buffer->end;
}
