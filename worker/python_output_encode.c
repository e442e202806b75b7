/*
 * UTF-8 encoder for the output streams.
 *
 * CPython's own encoder makes a bytes object of the whole text first; this one writes into memory
 * that the caller has, so that a print needs no allocation and a very long one no second copy. It
 * never decides what happens to a lone surrogate: it refuses, and the caller asks CPython's codec,
 * with the stream's error handler. Called by python_output.c and python_output_stage.c.
 */
#include "worker/python_output_encode.h"

static inline uint32_t
character(unsigned kind, const void *data, size_t at)
{
	if (kind == 1)
		return ((const uint8_t *)data)[at];
	if (kind == 2)
		return ((const uint16_t *)data)[at];
	return ((const uint32_t *)data)[at];
}

static inline size_t
width(uint32_t c)
{
	if (c < 0x80)
		return 1;
	if (c < 0x800)
		return 2;
	return c < 0x10000 ? 3 : 4;
}

size_t
python_output_encode_size(unsigned kind, const void *data, size_t length)
{
	size_t size = 0;

	for (size_t at = 0; at < length; at++) {
		uint32_t c = character(kind, data, at);

		if (c - 0xd800 < 0x800)
			return OUTPUT_ENCODE_REFUSED;
		size += width(c);
	}
	return size;
}

size_t
python_output_encode(unsigned kind, const void *data, size_t length, size_t *at, uint8_t *ret_bytes,
		     size_t room)
{
	size_t size = 0, i = *at;

	for (; i < length; i++) {
		uint32_t c = character(kind, data, i);
		size_t need = width(c);
		uint8_t *out = ret_bytes + size;

		if (c - 0xd800 < 0x800)
			return OUTPUT_ENCODE_REFUSED;
		if (need > room - size)
			break;
		switch (need) {
		case 1:
			out[0] = (uint8_t)c;
			break;
		case 2:
			out[0] = (uint8_t)(0xc0 | c >> 6);
			out[1] = (uint8_t)(0x80 | (c & 0x3f));
			break;
		case 3:
			out[0] = (uint8_t)(0xe0 | c >> 12);
			out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
			out[2] = (uint8_t)(0x80 | (c & 0x3f));
			break;
		default:
			out[0] = (uint8_t)(0xf0 | c >> 18);
			out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
			out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
			out[3] = (uint8_t)(0x80 | (c & 0x3f));
			break;
		}
		size += need;
	}
	*at = i;
	return size;
}
