/*
 * Strict UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF. NUL is a character.
 */
#ifndef STINT_PROTOCOL_BASE_UTF8_H
#define STINT_PROTOCOL_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the longest prefix that is valid and ends at the end of a character. */
size_t base_utf8_prefix(const void *bytes, size_t size);
/* Bytes of the character at `bytes` (1 to 4), or 0 when it is ill-formed or cut off; left > 0. */
size_t base_utf8_character(const unsigned char *bytes, size_t left);
static inline bool
base_utf8_valid(const void *bytes, size_t size)
{
	return base_utf8_prefix(bytes, size) == size;
}

#endif
