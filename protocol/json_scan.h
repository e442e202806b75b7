/*
 * Strict check of a JSON text (RFC 8259) that nobody has looked at yet: a request line before
 * jansson sees it, or a value that a hostile worker wrote and that will be put raw into a reply.
 *
 * Refused: anything but exactly one value, ill-formed UTF-8, control characters and lone surrogates
 * in strings, nesting above JSON_DEPTH_MAX, real numbers beyond the range of a double, and a text
 * above the caller's size. Duplicate keys are not looked for. Linear time, no recursion, no
 * allocation but for the list of big integers.
 */
#ifndef STINT_PROTOCOL_JSON_SCAN_H
#define STINT_PROTOCOL_JSON_SCAN_H

#include "protocol/error.h"
#include "protocol/limits.h"

#include <stdbool.h>
#include <stddef.h>

/* Values in a text that a tree will be made of: each costs the tree up to 130 bytes. */
#define JSON_VALUES_MAX 2000000u
/* Bytes of a real number's text. */
#define JSON_REAL_BYTES_MAX 1100u

/* Where an integer stands that int64_t cannot hold. */
struct json_big {
	size_t offset, length;
};
struct json_bigs {
	struct json_big *items; /* owned; rising offsets */
	size_t count, capacity;
};

void json_bigs_deinit(struct json_bigs *bigs);

/*
 * Check a request text of at most size_max bytes. *ret_bigs gets the big integers (deinit it); it
 * is set on success only. At most JSON_VALUES_MAX values. ERROR_LIMIT: size, nesting or values;
 * ERROR_INVALID: all else; the text names reason and byte.
 */
int json_scan_request(const void *text, size_t size, size_t size_max, struct json_bigs *ret_bigs,
		      struct error *err);
/* Check a text to be put into a reply line: also refuses line ends between tokens. */
int json_scan_splice(const void *text, size_t size, size_t size_max, struct error *err);
/* Whether a text that a scan has accepted is an object. */
bool json_scan_is_object(const void *text, size_t size);

#endif
