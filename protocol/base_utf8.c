/*
 * UTF-8 validation in linear time, eight bytes at a time where the text is ASCII.
 *
 * Reads nothing past `size`; cannot fail.
 */
#include "protocol/base_utf8.h"

#include <stdint.h>
#include <string.h>

#define UTF8_HIGH_BITS 0x8080808080808080ull

size_t
base_utf8_character(const unsigned char *p, size_t left)
{
	uint8_t lead = p[0], low = 0x80, high = 0xbf;
	size_t length;

	if (lead < 0x80)
		return 1;
	if (lead >= 0xc2 && lead <= 0xdf)
		length = 2;
	else if (lead >= 0xe0 && lead <= 0xef)
		length = 3;
	else if (lead >= 0xf0 && lead <= 0xf4)
		length = 4;
	else
		return 0;
	if (left < length)
		return 0;
	if (lead == 0xe0)
		low = 0xa0; /* overlong below */
	else if (lead == 0xed)
		high = 0x9f; /* surrogates above */
	else if (lead == 0xf0)
		low = 0x90;
	else if (lead == 0xf4)
		high = 0x8f; /* above U+10FFFF */
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	return length;
}

size_t
base_utf8_prefix(const void *bytes, size_t size)
{
	const uint8_t *p = bytes;
	size_t at = 0, length;
	uint64_t word;

	while (at < size) {
		while (size - at >= sizeof(word)) {
			memcpy(&word, p + at, sizeof(word));
			if ((word & UTF8_HIGH_BITS) != 0)
				break;
			at += sizeof(word);
		}
		if (at == size)
			break;
		length = base_utf8_character(p + at, size - at);
		if (length == 0)
			break;
		at += length;
	}
	return at;
}
