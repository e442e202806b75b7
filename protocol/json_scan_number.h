/*
 * Internal to json_scan: one number token.
 */
#ifndef STINT_PROTOCOL_JSON_SCAN_NUMBER_H
#define STINT_PROTOCOL_JSON_SCAN_NUMBER_H

#include <stddef.h>
#include <stdint.h>

enum json_number {
	JSON_NUMBER_PLAIN, /* an int64_t, or a finite double */
	JSON_NUMBER_BIG,   /* an integer beyond int64_t */
	JSON_NUMBER_BAD,   /* *ret_reason (static) says why */
};

/* The number at `text`; *ret_length is what it takes (also set when it is bad). */
enum json_number json_scan_number(const uint8_t *text, size_t size, size_t *ret_length,
				  const char **ret_reason);

#endif
