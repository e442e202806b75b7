/*
 * Parsing with marked big integers, and writing trees (json_value.h).
 *
 * The only file that hands a client's bytes to jansson, after json_scan has accepted them;
 * jansson's own error texts are not passed on, since they quote the text and could show the mark.
 * Recursion while writing is bounded by JSON_DEPTH_MAX, which the scan has checked.
 */
#define _GNU_SOURCE
#include "protocol/json_value.h"
#include "protocol/base_assert.h"
#include "protocol/json_scan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

int
json_marks_init(struct json_marks *ret_marks, struct error *err)
{
	static const char HEX[] = "0123456789abcdef";
	unsigned char random[JSON_MARK_CHARS / 2];
	ssize_t n;

	do {
		n = getrandom(random, sizeof(random), 0);
	} while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(random))
		return error_errno(err, "getrandom");
	for (size_t i = 0; i < sizeof(random); i++) {
		ret_marks->mark[2 * i] = HEX[random[i] >> 4];
		ret_marks->mark[2 * i + 1] = HEX[random[i] & 15];
	}
	ret_marks->mark[JSON_MARK_CHARS] = '\0';
	return 0;
}

/* The text with each big integer as a marked string; the caller frees it. */
static char *
json_mark_text(const struct json_marks *marks, const char *text, size_t size,
	       const struct json_bigs *bigs, size_t *ret_size)
{
	size_t marked_size = size + bigs->count * (JSON_MARK_CHARS + 2), from = 0;
	char *marked = malloc(marked_size), *to = marked;

	if (marked == NULL)
		return NULL;
	for (size_t i = 0; i < bigs->count; i++) {
		const struct json_big *big = &bigs->items[i];

		memcpy(to, text + from, big->offset - from);
		to += big->offset - from;
		*to++ = '"';
		memcpy(to, marks->mark, JSON_MARK_CHARS);
		to += JSON_MARK_CHARS;
		memcpy(to, text + big->offset, big->length);
		to += big->length;
		*to++ = '"';
		from = big->offset + big->length;
	}
	memcpy(to, text + from, size - from);
	require((size_t)(to - marked) + size - from == marked_size);
	*ret_size = marked_size;
	return marked;
}

static int
json_value_fault(const json_error_t *fault, struct error *err)
{
	switch (json_error_code(fault)) {
	case json_error_duplicate_key:
		return error_set(err, ERROR_INVALID, "JSON: a key stands twice in one object");
	case json_error_null_byte_in_key:
		return error_set(err, ERROR_INVALID, "JSON: a key holds a NUL character");
	case json_error_out_of_memory:
		return error_set(err, ERROR_SYSTEM, "JSON: out of memory");
	default:
		return error_set(err, ERROR_INVALID, "JSON: refused by the parser, line %d",
				 fault->line);
	}
}

int
json_value_parse(const struct json_marks *marks, const char *text, size_t size, size_t size_max,
		 json_t **ret_value, struct error *err)
{
	struct json_bigs bigs;
	char *marked = NULL;
	json_error_t fault;
	json_t *value;
	int r = json_scan_request(text, size, size_max, &bigs, err);

	if (r < 0)
		return r;
	if (bigs.count > 0) {
		marked = json_mark_text(marks, text, size, &bigs, &size);
		text = marked;
	}
	json_bigs_deinit(&bigs);
	if (text == NULL)
		return error_set(err, ERROR_SYSTEM, "JSON: out of memory");
	value = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY,
			   &fault);
	free(marked);
	if (value == NULL)
		return json_value_fault(&fault, err);
	*ret_value = value;
	return 0;
}

/* A string that starts with the mark but goes on with anything but an integer is the client's: what
 * is written back is JSON even to one who had guessed the mark. */
static bool
json_digits(const char *text, size_t size)
{
	size_t at = size > 0 && text[0] == '-' ? 1 : 0;

	if (at == size || (text[at] == '0' && size - at > 1))
		return false;
	for (; at < size; at++) {
		if (text[at] < '0' || text[at] > '9')
			return false;
	}
	return true;
}

bool
json_value_big(const struct json_marks *marks, const json_t *value, const char **ret_digits,
	       size_t *ret_size)
{
	const char *bytes;
	size_t size;

	if (!json_is_string(value))
		return false;
	bytes = json_string_value(value);
	size = json_string_length(value);
	if (size <= JSON_MARK_CHARS || memcmp(bytes, marks->mark, JSON_MARK_CHARS) != 0 ||
	    !json_digits(bytes + JSON_MARK_CHARS, size - JSON_MARK_CHARS))
		return false;
	*ret_digits = bytes + JSON_MARK_CHARS;
	*ret_size = size - JSON_MARK_CHARS;
	return true;
}

bool
json_value_string(const struct json_marks *marks, const json_t *value, const char **ret_bytes,
		  size_t *ret_size)
{
	const char *digits;
	size_t size;

	if (!json_is_string(value) || json_value_big(marks, value, &digits, &size))
		return false;
	*ret_bytes = json_string_value(value);
	*ret_size = json_string_length(value);
	return true;
}

const char *
json_value_kind(const struct json_marks *marks, const json_t *value)
{
	const char *digits;
	size_t size;

	if (json_value_big(marks, value, &digits, &size))
		return "an integer";
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
		return "an integer";
	case JSON_REAL:
		return "a number";
	case JSON_NULL:
		return "null";
	default:
		return "a boolean";
	}
}

/* Fewest digits that read back as the same double, with a point or an exponent. */
static void
json_write_real(double value, struct text_buffer *buffer)
{
	char text[40];
	int length = 0;

	for (int digits = 15; digits <= 17; digits++) {
		length = snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	text_buffer_put(buffer, text, (size_t)length);
	if (strpbrk(text, ".e") == NULL)
		text_buffer_put(buffer, ".0", 2);
}

static void
json_write_string(const struct json_marks *marks, const json_t *value, struct text_buffer *buffer)
{
	const char *bytes;
	size_t size;

	if (json_value_big(marks, value, &bytes, &size))
		text_buffer_put(buffer, bytes, size);
	else
		text_buffer_json_string(buffer, json_string_value(value),
					json_string_length(value));
}

static void
json_write_object(const struct json_marks *marks, const json_t *value, struct text_buffer *buffer)
{
	const char *separator = "{";
	/* jansson's iterators take a pointer that is not const, but change nothing. */
	json_t *object = (json_t *)(uintptr_t)value;

	if (json_object_size(value) == 0)
		text_buffer_put(buffer, "{", 1);
	for (void *at = json_object_iter(object); at != NULL && !buffer->failed;
	     at = json_object_iter_next(object, at)) {
		text_buffer_put(buffer, separator, 1);
		text_buffer_json_string(buffer, json_object_iter_key(at),
					json_object_iter_key_len(at));
		text_buffer_put(buffer, ":", 1);
		json_value_write(marks, json_object_iter_value(at), buffer);
		separator = ",";
	}
	text_buffer_put(buffer, "}", 1);
}

static void
json_write_array(const struct json_marks *marks, const json_t *value, struct text_buffer *buffer)
{
	size_t count = json_array_size(value);

	text_buffer_put(buffer, "[", 1);
	for (size_t i = 0; i < count && !buffer->failed; i++) {
		if (i > 0)
			text_buffer_put(buffer, ",", 1);
		json_value_write(marks, json_array_get(value, i), buffer);
	}
	text_buffer_put(buffer, "]", 1);
}

void
json_value_write(const struct json_marks *marks, const json_t *value, struct text_buffer *buffer)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		json_write_object(marks, value, buffer);
		break;
	case JSON_ARRAY:
		json_write_array(marks, value, buffer);
		break;
	case JSON_STRING:
		json_write_string(marks, value, buffer);
		break;
	case JSON_INTEGER:
		text_buffer_put_i64(buffer, json_integer_value(value));
		break;
	case JSON_REAL:
		json_write_real(json_real_value(value), buffer);
		break;
	case JSON_TRUE:
		text_buffer_put_text(buffer, "true");
		break;
	case JSON_FALSE:
		text_buffer_put_text(buffer, "false");
		break;
	default:
		text_buffer_put_text(buffer, "null");
	}
}
