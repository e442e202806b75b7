/*
 * Base 64 both ways. The decoder takes exactly what the encoder makes, so that one byte string has
 * one text; it reads hostile text and never past its end. No state.
 */
#include "protocol/base64.h"

#include <stdlib.h>

static const char BASE64_CHARS[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void
base64_encode(const void *bytes, size_t size, char *ret_text)
{
	const uint8_t *from = bytes;
	size_t at = 0;

	for (; size - at >= 3; at += 3) {
		*ret_text++ = BASE64_CHARS[from[at] >> 2];
		*ret_text++ = BASE64_CHARS[(from[at] & 3) << 4 | from[at + 1] >> 4];
		*ret_text++ = BASE64_CHARS[(from[at + 1] & 15) << 2 | from[at + 2] >> 6];
		*ret_text++ = BASE64_CHARS[from[at + 2] & 63];
	}
	if (size - at == 2) {
		*ret_text++ = BASE64_CHARS[from[at] >> 2];
		*ret_text++ = BASE64_CHARS[(from[at] & 3) << 4 | from[at + 1] >> 4];
		*ret_text++ = BASE64_CHARS[(from[at + 1] & 15) << 2];
		*ret_text++ = '=';
	} else if (size - at == 1) {
		*ret_text++ = BASE64_CHARS[from[at] >> 2];
		*ret_text++ = BASE64_CHARS[(from[at] & 3) << 4];
		*ret_text++ = '=';
		*ret_text++ = '=';
	}
}

/* 0 to 63, or -1. */
static int
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

/* Whole text into `to`; 0, or the index of the wrong character plus one. */
static size_t
base64_decode_into(const char *text, size_t digits, uint8_t *to)
{
	uint32_t bits = 0;
	unsigned held = 0;

	for (size_t i = 0; i < digits; i++) {
		int value = base64_value(text[i]);

		if (value < 0)
			return i + 1;
		bits = (bits << 6 | (uint32_t)value) & 0xffffff;
		held += 6;
		if (held >= 8) {
			held -= 8;
			*to++ = (uint8_t)(bits >> held);
		}
	}
	return (bits & ((1u << held) - 1)) != 0 ? digits : 0;
}

int
base64_decode(const char *text, size_t size, uint8_t **ret_bytes, size_t *ret_size,
	      struct error *err)
{
	size_t digits = size, wrong;
	uint8_t *bytes;

	if (size % 4 != 0)
		return error_set(err, ERROR_INVALID,
				 "base64: %zu characters are not a multiple of 4", size);
	for (int i = 0; i < 2 && digits > 0 && text[digits - 1] == '='; i++)
		digits--;
	bytes = malloc(digits / 4 * 3 + 3);
	if (bytes == NULL)
		return error_set(err, ERROR_SYSTEM, "base64: out of memory");
	wrong = base64_decode_into(text, digits, bytes);
	if (wrong > 0) {
		free(bytes);
		return error_set(err, ERROR_INVALID, "base64: character %zu does not belong there",
				 wrong);
	}
	*ret_bytes = bytes;
	*ret_size = digits * 3 / 4;
	return 0;
}
