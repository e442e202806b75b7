/*
 * Bytes of one connection on their way to becoming lines. Incremental: bytes arrive in pieces of
 * any size, lines come out whole, in order, without their line end (LF or CR LF). Memory grows with
 * what has really arrived, up to the line cap and as far as a budget that all connections share
 * allows.
 */
#ifndef STINT_DAEMON_LINE_BUFFER_H
#define STINT_DAEMON_LINE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that all line buffers together may hold. */
struct line_budget {
	size_t used, max;
	size_t freed; /* to the heap, since its pages last went back to the system */
};

/* Every buffer may have this much, whatever the budget says: small requests always get through. */
#define LINE_BUFFER_SMALL_BYTES 65536u
/* A skipped line longer than this many line caps is endless. */
#define LINE_BUFFER_SKIP_CAPS 4u

struct line_buffer {
	struct line_budget *budget; /* borrowed from the listener */
	uint8_t *bytes;             /* owned, or NULL */
	size_t capacity;
	size_t start, end; /* what is held: bytes[start .. end) */
	size_t scanned;    /* there is no LF in bytes[start .. scanned) */
	size_t line_max;   /* longest line, its line end included */
	bool skipping;     /* the rest of a refused line is dropped as it comes */
	uint64_t skipped;  /* bytes dropped of that line */
};

enum line_kind {
	LINE_NONE,     /* no whole line is here */
	LINE_WHOLE,    /* a line was given out */
	LINE_TOO_LONG, /* a line is longer than the cap; said once, its bytes are skipped */
	LINE_NO_ROOM,  /* the shared budget cannot hold this line now; said once, skipped */
	LINE_ENDLESS,  /* the line being skipped does not end: give up */
};

void line_buffer_init(struct line_buffer *ret_buffer, size_t line_max, struct line_budget *budget);
void line_buffer_deinit(struct line_buffer *buffer);

/* Where the next bytes may be read to; NULL when there is no memory. Call line_buffer_next until
 * LINE_NONE before: whole lines take room. */
uint8_t *line_buffer_room(struct line_buffer *buffer, size_t *ret_size);
void line_buffer_added(struct line_buffer *buffer, size_t size);
/* The next line, or what stands in its way. The line's bytes are borrowed until the next
 * call on this buffer. */
enum line_kind line_buffer_next(struct line_buffer *buffer, const uint8_t **ret_line,
				size_t *ret_length);
/* Forget the bytes of a line that was given out last. */
void line_buffer_wipe(struct line_buffer *buffer, const uint8_t *line, size_t length);
/* The connection ended: what is left is its last line. False when nothing is left. */
bool line_buffer_last(struct line_buffer *buffer, const uint8_t **ret_line, size_t *ret_length);
/* Does a whole line wait? */
bool line_buffer_has_line(struct line_buffer *buffer);
/* Has a line begun that has not ended? */
bool line_buffer_has_partial(const struct line_buffer *buffer);

#endif
