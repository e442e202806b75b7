/*
 * A line of JSON without heap and without Python: see the header. Called by trace_event.c for each
 * event, so it formats nothing with printf but numbers. Never fails but by `over`.
 */
#include "worker/trace_text.h"

#include "protocol/base_utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void
text_put(struct trace_text *text, const char *bytes, size_t size)
{
	if (text->over || size > sizeof(text->bytes) - text->size) {
		text->over = true;
		return;
	}
	memcpy(text->bytes + text->size, bytes, size);
	text->size += size;
}

void
trace_text_init(struct trace_text *text)
{
	text->size = 0;
	text->over = false;
}

void
trace_text_put(struct trace_text *text, const char *json)
{
	text_put(text, json, strlen(json));
}

static void
text_escaped(struct trace_text *text, unsigned char c)
{
	char escape[8];

	(void)snprintf(escape, sizeof(escape), c == '"' || c == '\\' ? "\\%c" : "\\u%04x", c);
	text_put(text, escape, strlen(escape));
}

void
trace_text_string(struct trace_text *text, const char *bytes, size_t size)
{
	const unsigned char *at = (const unsigned char *)bytes, *end = at + size;

	text_put(text, "\"", 1);
	while (at < end) {
		size_t length = base_utf8_character(at, (size_t)(end - at));
		if (length == 0)
			text_put(text, "\xef\xbf\xbd", 3);
		else if (*at < 0x20 || *at == '"' || *at == '\\')
			text_escaped(text, *at);
		else
			text_put(text, (const char *)at, length);
		at += length > 0 ? length : 1;
	}
	text_put(text, "\"", 1);
}

static void
text_name(struct trace_text *text, const char *name)
{
	text_put(text, ",\"", 2);
	trace_text_put(text, name);
	text_put(text, "\":", 2);
}

void
trace_text_number(struct trace_text *text, const char *name, int64_t number)
{
	char digits[24];

	text_name(text, name);
	(void)snprintf(digits, sizeof(digits), "%" PRId64, number);
	trace_text_put(text, number < 0 ? "null" : digits);
}

void
trace_text_member(struct trace_text *text, const char *name, const char *bytes, size_t size)
{
	text_name(text, name);
	trace_text_string(text, bytes, size);
}
