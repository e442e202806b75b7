/*
 * A scanner that passes over JSON values, strictly, and leaves the decoding of strings to jansson.
 *
 * Called by client_run.c and client_status.c on the daemon's answers, and by client_request.c on
 * the JSON texts of the command line. Keeps nothing. Never fails but by "absent" or "not valid".
 */
#include "client/client_json.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Where the scan is. `at` moves; a failed scan leaves it anywhere. */
struct scan {
	const char *at, *end;
	int depth;
};

static bool client_json_value(struct scan *scan);

static void
client_json_blanks(struct scan *scan)
{
	while (scan->at < scan->end && memchr(" \t\r\n", *scan->at, 4) != NULL)
		scan->at++;
}

static bool
client_json_char(struct scan *scan, char c)
{
	client_json_blanks(scan);
	if (scan->at == scan->end || *scan->at != c)
		return false;
	scan->at++;
	return true;
}

static bool
client_json_string(struct scan *scan)
{
	if (!client_json_char(scan, '"'))
		return false;
	for (; scan->at < scan->end; scan->at++) {
		if (*scan->at == '"') {
			scan->at++;
			return true;
		}
		if ((unsigned char)*scan->at < 0x20)
			return false;
		if (*scan->at == '\\' && ++scan->at == scan->end)
			return false;
	}
	return false;
}

static bool
client_json_digits(struct scan *scan)
{
	const char *start = scan->at;

	while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
		scan->at++;
	return scan->at > start;
}

static bool
client_json_scan_number(struct scan *scan)
{
	if (scan->at < scan->end && *scan->at == '-')
		scan->at++;
	if (scan->at < scan->end && *scan->at == '0')
		scan->at++;
	else if (!client_json_digits(scan))
		return false;
	if (scan->at < scan->end && *scan->at == '.') {
		scan->at++;
		if (!client_json_digits(scan))
			return false;
	}
	if (scan->at < scan->end && (*scan->at == 'e' || *scan->at == 'E')) {
		scan->at++;
		if (scan->at < scan->end && (*scan->at == '+' || *scan->at == '-'))
			scan->at++;
		if (!client_json_digits(scan))
			return false;
	}
	return true;
}

static bool
client_json_literal(struct scan *scan, const char *word)
{
	size_t length = strlen(word);

	if ((size_t)(scan->end - scan->at) < length || memcmp(scan->at, word, length) != 0)
		return false;
	scan->at += length;
	return true;
}

static bool
client_json_items(struct scan *scan, char close, bool object)
{
	if (scan->depth >= CLIENT_JSON_DEPTH_MAX)
		return false;
	scan->depth++;
	scan->at++;
	if (!client_json_char(scan, close)) {
		do {
			if (object && !(client_json_string(scan) && client_json_char(scan, ':')))
				return false;
			if (!client_json_value(scan))
				return false;
		} while (client_json_char(scan, ','));
		if (!client_json_char(scan, close))
			return false;
	}
	scan->depth--;
	return true;
}

static bool
client_json_value(struct scan *scan)
{
	client_json_blanks(scan);
	if (scan->at == scan->end)
		return false;
	switch (*scan->at) {
	case '{':
		return client_json_items(scan, '}', true);
	case '[':
		return client_json_items(scan, ']', false);
	case '"':
		return client_json_string(scan);
	case 't':
		return client_json_literal(scan, "true");
	case 'f':
		return client_json_literal(scan, "false");
	case 'n':
		return client_json_literal(scan, "null");
	default:
		return client_json_scan_number(scan);
	}
}

bool
client_json_valid(const char *text, size_t size)
{
	struct scan scan = {text, text + size, 0};

	if (!client_json_value(&scan))
		return false;
	client_json_blanks(&scan);
	return scan.at == scan.end;
}

/* Our names have no character that JSON must escape, and the daemon escapes none that it need not.
 */
struct client_json
client_json_member(struct client_json object, const char *name)
{
	struct scan scan = {object.at, object.at + object.size, 0};
	struct client_json none = {NULL, 0};
	size_t length = strlen(name);

	if (object.size == 0 || !client_json_char(&scan, '{'))
		return none;
	do {
		const char *key, *value;
		size_t key_size;

		client_json_blanks(&scan);
		key = scan.at + 1;
		if (!client_json_string(&scan))
			return none;
		key_size = (size_t)(scan.at - key) - 1;
		if (!client_json_char(&scan, ':'))
			return none;
		client_json_blanks(&scan);
		value = scan.at;
		if (!client_json_value(&scan))
			return none;
		if (key_size == length && memcmp(key, name, length) == 0)
			return (struct client_json){value, (size_t)(scan.at - value)};
	} while (client_json_char(&scan, ','));
	return none;
}

bool
client_json_is(struct client_json json, const char *literal)
{
	return json.size == strlen(literal) && memcmp(json.at, literal, json.size) == 0;
}

uint64_t
client_json_number(struct client_json json, uint64_t otherwise)
{
	uint64_t value = 0;

	if (json.size == 0)
		return otherwise;
	for (size_t i = 0; i < json.size; i++) {
		if (json.at[i] < '0' || json.at[i] > '9' ||
		    __builtin_mul_overflow(value, (uint64_t)10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(json.at[i] - '0'), &value))
			return otherwise;
	}
	return value;
}

static int
client_json_sextet(char c)
{
	static const char DIGITS[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c != '\0' ? strchr(DIGITS, c) : NULL;

	return at != NULL ? (int)(at - DIGITS) : -1;
}

/* In place: the bytes are fewer than their text. */
bool
client_json_from_base64(char *text, size_t size, size_t *ret_size)
{
	uint32_t bits = 0;
	int count = 0;
	size_t used = 0;

	while (size > 0 && text[size - 1] == '=')
		size--;
	for (size_t i = 0; i < size; i++) {
		int sextet = client_json_sextet(text[i]);

		if (sextet < 0)
			return false;
		bits = (bits << 6 | (uint32_t)sextet) & 0xffffff;
		count += 6;
		if (count >= 8) {
			count -= 8;
			text[used++] = (char)(bits >> count & 0xff);
		}
	}
	text[used] = '\0';
	*ret_size = used;
	return true;
}

char *
client_json_bytes(struct client_json json, size_t *ret_size)
{
	struct client_json encoded = client_json_member(json, "base64");
	struct client_json text = encoded.size > 0 ? encoded : json;
	json_t *string;
	char *bytes = NULL;
	size_t size;

	if (text.size == 0 || text.at[0] != '"')
		return NULL;
	string = json_loadb(text.at, text.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	if (string == NULL)
		return NULL;
	size = json_string_length(string);
	bytes = malloc(size + 1);
	if (bytes != NULL) {
		memcpy(bytes, json_string_value(string), size);
		bytes[size] = '\0';
	}
	json_decref(string);
	if (bytes != NULL && encoded.size > 0 && !client_json_from_base64(bytes, size, &size)) {
		free(bytes);
		return NULL;
	}
	*ret_size = size;
	return bytes;
}

char *
client_json_base64(const void *bytes, size_t size)
{
	static const char DIGITS[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *from = bytes;
	char *text = malloc((size + 2) / 3 * 4 + 1), *to = text;

	if (text == NULL)
		return NULL;
	for (size_t i = 0; i < size; i += 3) {
		uint32_t bits = (uint32_t)from[i] << 16;

		if (i + 1 < size)
			bits |= (uint32_t)from[i + 1] << 8;
		if (i + 2 < size)
			bits |= from[i + 2];
		*to++ = DIGITS[bits >> 18];
		*to++ = DIGITS[bits >> 12 & 63];
		*to++ = i + 1 < size ? DIGITS[bits >> 6 & 63] : '=';
		*to++ = i + 2 < size ? DIGITS[bits & 63] : '=';
	}
	*to = '\0';
	return text;
}
