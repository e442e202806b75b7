/*
 * Tells whether a piece of text ends within a UTF-8 sequence.
 *
 * It judges only the last three bytes: a sequence that already is wrong (overlong, a surrogate,
 * above U+10FFFF) is not held back, for no later byte can make it right. It never changes or keeps
 * bytes. Called by reply_output.c; cannot fail.
 */
#include "daemon/utf8_tail.h"

/* Length of the sequence that `lead` starts, 0 when no sequence starts so. */
static size_t
sequence_bytes(uint8_t lead)
{
	if (lead >= 0xc2 && lead <= 0xdf)
		return 2;
	if (lead >= 0xe0 && lead <= 0xef)
		return 3;
	if (lead >= 0xf0 && lead <= 0xf4)
		return 4;
	return 0;
}

/* May `second` follow `lead`? */
static int
second_fits(uint8_t lead, uint8_t second)
{
	uint8_t low = 0x80, high = 0xbf;
	if (lead == 0xe0)
		low = 0xa0;
	else if (lead == 0xed)
		high = 0x9f;
	else if (lead == 0xf0)
		low = 0x90;
	else if (lead == 0xf4)
		high = 0x8f;
	return second >= low && second <= high;
}

size_t
utf8_tail_open_bytes(const uint8_t *bytes, size_t size)
{
	size_t most = size < 3 ? size : 3;
	for (size_t back = 1; back <= most; back++) {
		const uint8_t *at = bytes + size - back;
		if ((*at & 0xc0) == 0x80)
			continue;
		if (sequence_bytes(*at) <= back)
			return 0;
		if (back >= 2 && !second_fits(*at, at[1]))
			return 0;
		return back;
	}
	return 0;
}
