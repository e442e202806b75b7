/*
 * The JSON checker: a loop over tokens, with the kinds of the open containers in one machine word.
 *
 * Looks at each byte once, strings eight at a time. Knows nothing of what the text means; makes no
 * tree. Called with hostile bytes by json_value (requests) and by the engine (workers' values).
 * Fails with the reason and the offset of the byte that broke the rule. Numbers:
 * json_scan_number.c.
 */
#include "protocol/json_scan.h"
#include "protocol/base_utf8.h"
#include "protocol/json_scan_number.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(JSON_DEPTH_MAX <= 32, "kinds of open containers fit one word");

enum scan_state {
	SCAN_VALUE,       /* a value must come */
	SCAN_FIRST_VALUE, /* after '[': a value or ']' */
	SCAN_FIRST_KEY,   /* after '{': a key or '}' */
	SCAN_KEY,         /* after ',' in an object */
	SCAN_AFTER,       /* a value has ended */
};

struct scan {
	const uint8_t *text; /* borrowed */
	size_t size, at;
	uint32_t objects; /* bit d: the container at depth d + 1 is an object */
	unsigned depth;
	enum scan_state state;
	bool one_line;
	size_t values;
	struct json_bigs *bigs; /* borrowed; NULL: not wanted */
	struct error *err;
};

void
json_bigs_deinit(struct json_bigs *bigs)
{
	free(bigs->items);
	memset(bigs, 0, sizeof(*bigs));
}

static int
scan_refuse(const struct scan *scan, size_t at, const char *reason)
{
	return error_set(scan->err, ERROR_INVALID, "JSON, byte %zu: %s", at, reason);
}

static int
scan_blanks(struct scan *scan)
{
	while (scan->at < scan->size) {
		uint8_t c = scan->text[scan->at];

		if (c == '\n' || c == '\r') {
			if (scan->one_line)
				return scan_refuse(scan, scan->at, "line end");
		} else if (c != ' ' && c != '\t') {
			break;
		}
		scan->at++;
	}
	return 0;
}

#define SCAN_ONES  0x0101010101010101ull
#define SCAN_HIGHS 0x8080808080808080ull

/* Whether one of eight bytes is not a plain ASCII character of a string. */
static bool
scan_word_special(uint64_t word)
{
	uint64_t quote = word ^ (SCAN_ONES * '"'), slash = word ^ (SCAN_ONES * '\\');
	uint64_t found = word | ((word - SCAN_ONES * 0x20) & ~word) |
			 ((quote - SCAN_ONES) & ~quote) | ((slash - SCAN_ONES) & ~slash);

	return (found & SCAN_HIGHS) != 0;
}

/* Four hex digits at `at`, or -1. */
static int
scan_hex4(const struct scan *scan, size_t at)
{
	int value = 0;

	if (scan->size - at < 4)
		return -1;
	for (size_t i = 0; i < 4; i++) {
		uint8_t c = scan->text[at + i];
		int digit;

		if (c >= '0' && c <= '9')
			digit = c - '0';
		else if (c >= 'a' && c <= 'f')
			digit = c - 'a' + 10;
		else if (c >= 'A' && c <= 'F')
			digit = c - 'A' + 10;
		else
			return -1;
		value = value * 16 + digit;
	}
	return value;
}

/* An escape; scan->at is at its backslash. */
static int
scan_escape(struct scan *scan)
{
	size_t start = scan->at;
	int unit, second;

	if (scan->size - start < 2)
		return scan_refuse(scan, start, "string does not end");
	if (scan->text[start + 1] != 'u') {
		/* The terminator of the list is no escape either. */
		if (scan->text[start + 1] == '\0' ||
		    strchr("\"\\/bfnrt", scan->text[start + 1]) == NULL)
			return scan_refuse(scan, start, "unknown escape");
		scan->at += 2;
		return 0;
	}
	unit = scan_hex4(scan, start + 2);
	if (unit < 0)
		return scan_refuse(scan, start, "\\u wants four hex digits");
	scan->at += 6;
	if (unit < 0xd800 || unit > 0xdfff)
		return 0;
	if (unit > 0xdbff || scan->size - scan->at < 6 || scan->text[scan->at] != '\\' ||
	    scan->text[scan->at + 1] != 'u')
		return scan_refuse(scan, start, "lone surrogate");
	second = scan_hex4(scan, scan->at + 2);
	if (second < 0xdc00 || second > 0xdfff)
		return scan_refuse(scan, start, "lone surrogate");
	scan->at += 6;
	return 0;
}

/* A string; scan->at is at its opening quote. */
static int
scan_string(struct scan *scan)
{
	uint64_t word;
	size_t length;
	int r = 0;

	scan->at++;
	while (r == 0) {
		while (scan->size - scan->at >= sizeof(word)) {
			memcpy(&word, scan->text + scan->at, sizeof(word));
			if (scan_word_special(word))
				break;
			scan->at += sizeof(word);
		}
		if (scan->at == scan->size)
			return scan_refuse(scan, scan->at, "string does not end");
		if (scan->text[scan->at] == '"') {
			scan->at++;
			return 0;
		}
		if (scan->text[scan->at] == '\\') {
			r = scan_escape(scan);
			continue;
		}
		if (scan->text[scan->at] < 0x20)
			return scan_refuse(scan, scan->at, "control character in a string");
		length = base_utf8_character(scan->text + scan->at, scan->size - scan->at);
		if (length == 0)
			return scan_refuse(scan, scan->at, "invalid UTF-8");
		scan->at += length;
	}
	return r;
}

static int
scan_add_big(struct scan *scan, size_t length)
{
	struct json_bigs *bigs = scan->bigs;

	if (bigs->count == bigs->capacity) {
		size_t capacity = bigs->capacity > 0 ? 2 * bigs->capacity : 16;
		struct json_big *items = realloc(bigs->items, capacity * sizeof(*items));

		if (items == NULL)
			return error_set(scan->err, ERROR_SYSTEM, "JSON: out of memory");
		bigs->items = items;
		bigs->capacity = capacity;
	}
	bigs->items[bigs->count].offset = scan->at;
	bigs->items[bigs->count].length = length;
	bigs->count++;
	return 0;
}

static int
scan_number(struct scan *scan)
{
	const char *reason = "not a number";
	size_t length = 0;
	int r;

	switch (json_scan_number(scan->text + scan->at, scan->size - scan->at, &length, &reason)) {
	case JSON_NUMBER_PLAIN:
		r = 0;
		break;
	case JSON_NUMBER_BIG:
		r = scan->bigs != NULL ? scan_add_big(scan, length) : 0;
		break;
	default:
		r = scan_refuse(scan, scan->at, reason);
	}
	scan->at += length;
	return r;
}

static int
scan_word(struct scan *scan, const char *word)
{
	size_t length = strlen(word);

	if (scan->size - scan->at < length || memcmp(scan->text + scan->at, word, length) != 0)
		return scan_refuse(scan, scan->at, "neither true, false nor null");
	scan->at += length;
	return 0;
}

static int
scan_open(struct scan *scan, bool object)
{
	if (scan->depth == JSON_DEPTH_MAX)
		return error_set(scan->err, ERROR_LIMIT, "JSON, byte %zu: nested deeper than %d",
				 scan->at, JSON_DEPTH_MAX);
	if (object)
		scan->objects |= 1u << scan->depth;
	else
		scan->objects &= ~(1u << scan->depth);
	scan->depth++;
	scan->at++;
	scan->state = object ? SCAN_FIRST_KEY : SCAN_FIRST_VALUE;
	return 0;
}

static int
scan_value(struct scan *scan)
{
	uint8_t c = scan->text[scan->at];

	if (++scan->values > JSON_VALUES_MAX && scan->bigs != NULL)
		return error_set(scan->err, ERROR_LIMIT, "JSON, byte %zu: more than %u values",
				 scan->at, JSON_VALUES_MAX);
	if (c == '{' || c == '[')
		return scan_open(scan, c == '{');
	scan->state = SCAN_AFTER;
	if (c == '"')
		return scan_string(scan);
	if (c == '-' || (c >= '0' && c <= '9'))
		return scan_number(scan);
	if (c == 't')
		return scan_word(scan, "true");
	if (c == 'f')
		return scan_word(scan, "false");
	if (c == 'n')
		return scan_word(scan, "null");
	return scan_refuse(scan, scan->at, "a value should stand here");
}

/* A key with its colon. */
static int
scan_key(struct scan *scan)
{
	int r;

	if (scan->text[scan->at] != '"')
		return scan_refuse(scan, scan->at, "a key should stand here");
	r = scan_string(scan);
	if (r == 0)
		r = scan_blanks(scan);
	if (r < 0)
		return r;
	if (scan->at == scan->size || scan->text[scan->at] != ':')
		return scan_refuse(scan, scan->at, "':' is missing");
	scan->at++;
	scan->state = SCAN_VALUE;
	return 0;
}

/* What follows a value inside a container. */
static int
scan_after(struct scan *scan)
{
	bool object = (scan->objects >> (scan->depth - 1) & 1) != 0;
	uint8_t c = scan->text[scan->at];

	if (c == (object ? '}' : ']')) {
		scan->depth--;
		scan->state = SCAN_AFTER;
	} else if (c == ',') {
		scan->state = object ? SCAN_KEY : SCAN_VALUE;
	} else {
		return scan_refuse(scan, scan->at,
				   object ? "',' or '}' is missing" : "',' or ']' is missing");
	}
	scan->at++;
	return 0;
}

/* One token, which is there; the text has not ended. */
static int
scan_step(struct scan *scan)
{
	uint8_t c = scan->text[scan->at];

	switch (scan->state) {
	case SCAN_FIRST_VALUE:
		return c == ']' ? scan_after(scan) : scan_value(scan);
	case SCAN_FIRST_KEY:
		return c == '}' ? scan_after(scan) : scan_key(scan);
	case SCAN_KEY:
		return scan_key(scan);
	case SCAN_AFTER:
		return scan_after(scan);
	default:
		return scan_value(scan);
	}
}

static int
scan_run(struct scan *scan, size_t size_max)
{
	int r;

	if (scan->size > size_max)
		return error_set(scan->err, ERROR_LIMIT, "JSON: %zu bytes, at most %zu", scan->size,
				 size_max);
	for (;;) {
		r = scan_blanks(scan);
		if (r < 0)
			return r;
		if (scan->state == SCAN_AFTER && scan->depth == 0)
			break;
		if (scan->at == scan->size)
			return scan_refuse(scan, scan->at, "text ends too early");
		r = scan_step(scan);
		if (r < 0)
			return r;
	}
	if (scan->at < scan->size)
		return scan_refuse(scan, scan->at, "something follows the value");
	return 0;
}

int
json_scan_request(const void *text, size_t size, size_t size_max, struct json_bigs *ret_bigs,
		  struct error *err)
{
	struct json_bigs bigs = {NULL, 0, 0};
	struct scan scan = {.text = text, .size = size, .bigs = &bigs, .err = err};
	int r = scan_run(&scan, size_max);

	if (r < 0)
		json_bigs_deinit(&bigs);
	else
		*ret_bigs = bigs;
	return r;
}

int
json_scan_splice(const void *text, size_t size, size_t size_max, struct error *err)
{
	struct scan scan = {.text = text, .size = size, .one_line = true, .err = err};

	return scan_run(&scan, size_max);
}

bool
json_scan_is_object(const void *text, size_t size)
{
	const char *bytes = text;
	size_t at = 0;

	while (at < size &&
	       (bytes[at] == ' ' || bytes[at] == '\t' || bytes[at] == '\n' || bytes[at] == '\r'))
		at++;
	return at < size && bytes[at] == '{';
}
