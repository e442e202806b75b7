/*
 * Output text and JSON strings (text_buffer.h).
 *
 * Strings are copied in runs between the few bytes that JSON wants escaped; everything else that is
 * UTF-8 stays raw. Never writes past its maximum, never reads past `size`; holds no state but the
 * buffer's.
 */
#include "protocol/text_buffer.h"
#include "protocol/base64.h"
#include "protocol/base_utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_FIRST_BYTES 512u
/* Up to here escapes may make a string longer as they like: six times at most. */
#define TEXT_ESCAPES_FREE_BYTES (1u << 20)

void
text_buffer_init(struct text_buffer *ret_buffer, size_t max)
{
	memset(ret_buffer, 0, sizeof(*ret_buffer));
	ret_buffer->max = max;
}

void
text_buffer_deinit(struct text_buffer *buffer)
{
	free(buffer->bytes);
	memset(buffer, 0, sizeof(*buffer));
}

void
text_buffer_clear(struct text_buffer *buffer)
{
	buffer->size = 0;
	buffer->failed = false;
}

char *
text_buffer_steal(struct text_buffer *buffer, size_t *ret_size)
{
	char *bytes = buffer->bytes;

	if (buffer->failed)
		return NULL;
	/* An empty text is not a failure: give it memory of its own. */
	if (bytes == NULL)
		bytes = malloc(1);
	if (bytes == NULL)
		return NULL;
	*ret_size = buffer->size;
	buffer->bytes = NULL;
	buffer->size = buffer->capacity = 0;
	return bytes;
}

char *
text_buffer_extend(struct text_buffer *buffer, size_t size)
{
	size_t capacity = buffer->capacity;
	char *bytes;

	if (buffer->failed || size > buffer->max || buffer->size > buffer->max - size) {
		buffer->failed = true;
		return NULL;
	}
	if (buffer->size + size > capacity || buffer->bytes == NULL) {
		if (capacity < TEXT_FIRST_BYTES)
			capacity = TEXT_FIRST_BYTES;
		while (capacity < buffer->size + size)
			capacity = capacity > buffer->max / 2 ? buffer->max : capacity * 2;
		bytes = realloc(buffer->bytes, capacity);
		if (bytes == NULL) {
			buffer->failed = true;
			return NULL;
		}
		buffer->bytes = bytes;
		buffer->capacity = capacity;
	}
	bytes = buffer->bytes + buffer->size;
	buffer->size += size;
	return bytes;
}

void
text_buffer_put(struct text_buffer *buffer, const void *bytes, size_t size)
{
	char *to = text_buffer_extend(buffer, size);

	if (to != NULL && size > 0)
		memcpy(to, bytes, size);
}

void
text_buffer_put_text(struct text_buffer *buffer, const char *text)
{
	text_buffer_put(buffer, text, strlen(text));
}

void
text_buffer_put_u64(struct text_buffer *buffer, uint64_t value)
{
	char text[24];
	int length = snprintf(text, sizeof(text), "%" PRIu64, value);

	text_buffer_put(buffer, text, (size_t)length);
}

void
text_buffer_put_i64(struct text_buffer *buffer, int64_t value)
{
	char text[24];
	int length = snprintf(text, sizeof(text), "%" PRId64, value);

	text_buffer_put(buffer, text, (size_t)length);
}

static void
text_put_escape(struct text_buffer *buffer, unsigned char c)
{
	static const char HEX[] = "0123456789abcdef";
	char text[6] = {'\\', 'u', '0', '0', HEX[c >> 4], HEX[c & 15]};

	switch (c) {
	case '"':
	case '\\':
		text[1] = (char)c;
		break;
	case '\n':
		text[1] = 'n';
		break;
	case '\r':
		text[1] = 'r';
		break;
	case '\t':
		text[1] = 't';
		break;
	default:
		break;
	}
	text_buffer_put(buffer, text, text[1] == 'u' ? 6 : 2);
}

#define TEXT_ONES  0x0101010101010101ull
#define TEXT_HIGHS 0x8080808080808080ull

/* Whether none of eight bytes wants an escape. Bytes above 0x7f do not. */
static bool
text_word_plain(uint64_t word)
{
	uint64_t quote = word ^ (TEXT_ONES * '"'), slash = word ^ (TEXT_ONES * '\\');

	return ((((word - TEXT_ONES * 0x20) & ~word) | ((quote - TEXT_ONES) & ~quote) |
		 ((slash - TEXT_ONES) & ~slash)) &
		TEXT_HIGHS) == 0;
}

/* The inside of a string whose bytes are UTF-8. */
static void
text_put_escaped(struct text_buffer *buffer, const unsigned char *bytes, size_t size)
{
	size_t start = 0, at = 0;
	uint64_t word;

	while (at < size) {
		if (size - at >= sizeof(word)) {
			memcpy(&word, bytes + at, sizeof(word));
			if (text_word_plain(word)) {
				at += sizeof(word);
				continue;
			}
		}
		if (bytes[at] >= 0x20 && bytes[at] != '"' && bytes[at] != '\\') {
			at++;
			continue;
		}
		text_buffer_put(buffer, bytes + start, at - start);
		text_put_escape(buffer, bytes[at]);
		start = ++at;
	}
	text_buffer_put(buffer, bytes + start, size - start);
}

/*
 * Whether escapes more than double the bytes: control characters that a program printed to make the
 * one who has to write them pay for it.
 */
static bool
text_is_bloated(const unsigned char *bytes, size_t size)
{
	size_t controls = 0;

	if (size <= TEXT_ESCAPES_FREE_BYTES)
		return false;
	for (size_t at = 0; at < size; at++)
		controls +=
		    bytes[at] < 0x20 && bytes[at] != '\n' && bytes[at] != '\r' && bytes[at] != '\t';
	/* Six bytes for each of them, at most two for any other. */
	return controls > size / 8;
}

void
text_buffer_json_string(struct text_buffer *buffer, const void *bytes, size_t size)
{
	if (!base_utf8_valid(bytes, size)) {
		buffer->failed = true;
		return;
	}
	text_buffer_put(buffer, "\"", 1);
	if (size > 0)
		text_put_escaped(buffer, bytes, size);
	text_buffer_put(buffer, "\"", 1);
}

void
text_buffer_json_lossy(struct text_buffer *buffer, const void *bytes, size_t size)
{
	const unsigned char *from = bytes;
	size_t at = 0, valid;

	text_buffer_put(buffer, "\"", 1);
	while (at < size && !buffer->failed) {
		valid = base_utf8_prefix(from + at, size - at);
		text_put_escaped(buffer, from + at, valid);
		at += valid;
		if (at < size) {
			text_buffer_put(buffer, "\xef\xbf\xbd", 3);
			at++;
		}
	}
	text_buffer_put(buffer, "\"", 1);
}

bool
text_buffer_is_text(const void *bytes, size_t size)
{
	return base_utf8_valid(bytes, size) && !text_is_bloated(bytes, size);
}

void
text_buffer_json_base64(struct text_buffer *buffer, const void *bytes, size_t size)
{
	char *to;

	text_buffer_put(buffer, "\"", 1);
	to = text_buffer_extend(buffer, base64_encoded_size(size));
	if (to != NULL)
		base64_encode(bytes, size, to);
	text_buffer_put(buffer, "\"", 1);
}

void
text_buffer_json_bytes(struct text_buffer *buffer, const void *bytes, size_t size)
{
	if (text_buffer_is_text(bytes, size)) {
		text_buffer_put(buffer, "\"", 1);
		if (size > 0)
			text_put_escaped(buffer, bytes, size);
		text_buffer_put(buffer, "\"", 1);
		return;
	}
	text_buffer_put_text(buffer, "{\"base64\":");
	text_buffer_json_base64(buffer, bytes, size);
	text_buffer_put_text(buffer, "}");
}
