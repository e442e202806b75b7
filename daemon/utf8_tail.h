/*
 * Text that comes in pieces cut anywhere: keeps back the unfinished UTF-8 sequence at a piece's end
 * until the next piece, so that valid text stays text.
 */
#ifndef STINT_DAEMON_UTF8_TAIL_H
#define STINT_DAEMON_UTF8_TAIL_H

#include <stddef.h>
#include <stdint.h>

struct utf8_tail {
	uint8_t bytes[3];
	uint8_t size; /* 0 to 3 */
};

/* How many bytes at the end of `bytes` begin a sequence that is valid so far but not complete: 0-3.
 */
size_t utf8_tail_open_bytes(const uint8_t *bytes, size_t size);

#endif
