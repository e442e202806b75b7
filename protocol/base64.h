/*
 * Base 64 (RFC 4648, section 4): with padding, without blanks.
 */
#ifndef STINT_PROTOCOL_BASE64_H
#define STINT_PROTOCOL_BASE64_H

#include "protocol/error.h"

#include <stddef.h>
#include <stdint.h>

static inline size_t
base64_encoded_size(size_t size)
{
	return size / 3 * 4 + (size % 3 != 0 ? 4 : 0);
}

/* ret_text gets exactly base64_encoded_size(size) characters, no NUL. */
void base64_encode(const void *bytes, size_t size, char *ret_text);
/* Strict: padding must be there and unused bits zero. *ret_bytes is the caller's to free; it is not
 * NULL for an empty text either. ERROR_INVALID names the character that is wrong. */
int base64_decode(const char *text, size_t size, uint8_t **ret_bytes, size_t *ret_size,
		  struct error *err);

#endif
