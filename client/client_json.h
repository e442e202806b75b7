/*
 * Finding and reading parts of a JSON text without taking all of it apart: a job's `value` and
 * `vars` hold integers of any size, which jansson does not read, so they are passed on as they
 * came.
 */
#ifndef STINT_CLIENT_CLIENT_JSON_H
#define STINT_CLIENT_CLIENT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A stretch of JSON text; size 0: absent. */
struct client_json {
	const char *at; /* borrowed from the text it was found in */
	size_t size;
};

#define CLIENT_JSON_DEPTH_MAX 128

/* Whether `text` is one complete JSON value (blanks around it are allowed). Any size of number. */
bool client_json_valid(const char *text, size_t size);
/* Value of member `name` of an object; absent when there is none, or when this is no object. */
struct client_json client_json_member(struct client_json object, const char *name);
/* The text is exactly `literal`, such as "null" or "true". */
bool client_json_is(struct client_json json, const char *literal);
/* Unsigned number, or `otherwise` when it is absent or something else. */
uint64_t client_json_number(struct client_json json, uint64_t otherwise);
/*
 * Bytes of a string, or of a {"base64": "..."} object, in memory that the caller frees; a NUL
 * follows them. NULL when it is neither, or without memory.
 */
char *client_json_bytes(struct client_json json, size_t *ret_size);
/* Decode base64 text in place; false when it is none. A NUL follows the bytes. */
bool client_json_from_base64(char *text, size_t size, size_t *ret_size);
/* Base64 text of bytes, NUL terminated, the caller's to free. NULL without memory. */
char *client_json_base64(const void *bytes, size_t size);

#endif
