/*
 * JSON texts to jansson trees and back, with integers of any size.
 *
 * jansson holds 64-bit integers only. So before it parses, each larger one is replaced by a string:
 * a mark of 128 random bits, then the digits. json_value_write() turns such strings back into
 * digits; everything else must take strings through json_value_string(), which refuses them. The
 * mark never leaves the process: no error text quotes a tree's string without that check.
 */
#ifndef STINT_PROTOCOL_JSON_VALUE_H
#define STINT_PROTOCOL_JSON_VALUE_H

#include "protocol/error.h"
#include "protocol/text_buffer.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define JSON_MARK_CHARS 32

/* Made once per process. */
struct json_marks {
	char mark[JSON_MARK_CHARS + 1]; /* hex */
};

int json_marks_init(struct json_marks *ret_marks, struct error *err);

/*
 * Check (json_scan_request) and parse a text of at most size_max bytes; *ret_value is a new
 * reference. ERROR_LIMIT and ERROR_INVALID as of the scan; ERROR_INVALID also for duplicate keys
 * and for a NUL in a key.
 */
int json_value_parse(const struct json_marks *marks, const char *text, size_t size, size_t size_max,
		     json_t **ret_value, struct error *err);

/* Whether value is a string of the text; then *ret_bytes is borrowed from it and may hold NULs. */
bool json_value_string(const struct json_marks *marks, const json_t *value, const char **ret_bytes,
		       size_t *ret_size);
/* Whether value is an integer beyond 64 bits; then *ret_digits (sign and digits) is borrowed. */
bool json_value_big(const struct json_marks *marks, const json_t *value, const char **ret_digits,
		    size_t *ret_size);
/* "null", "a boolean", "an integer", "a number", "a string", "an array", "an object"; static. */
const char *json_value_kind(const struct json_marks *marks, const json_t *value);

/* Append value as JSON text without blanks. Reals keep their value and stay reals. */
void json_value_write(const struct json_marks *marks, const json_t *value,
		      struct text_buffer *buffer);

#endif
