/*
 * Output text and JSON strings (text_buffer.h).
 *
 * Strings are written in blocks, eight bytes at a time, with one look at each byte; what need not
 * be escaped and is UTF-8 stays raw. Its text is never longer than its maximum, though its memory
 * may be by a block. Never reads past `size`; holds no state but the buffer's.
 */
#include "protocol/text_buffer.h"
#include "protocol/base64.h"
#include "protocol/base_sys.h"
#include "protocol/base_utf8.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_FIRST_BYTES 512u
/* Up to here escapes may make a string longer as they like: six times at most. */
#define TEXT_ESCAPES_FREE_BYTES (1u << 20)
#define TEXT_CONTROLS_PART      8u  /* above it, this part of control characters is too much */
#define TEXT_ESCAPES_PART       16u /* room in advance for escapes of a large string */
#define TEXT_LARGE_BYTES        65536u
#define TEXT_BLOCK_BYTES        4096u
#define TEXT_ESCAPE_BYTES       6u     /* the longest: \u0000 */
#define TEXT_REST_BYTES         32768u /* what its last block asks for, and the line after it */
#define TEXT_SPARE_BYTES        16u    /* a word, and a character's last bytes, behind a block */

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

/*
 * In memory of its size, or a quarter more: a line may wait for its reader, and is counted by its
 * length. Copied: of a huge page nothing goes back.
 */
static char *
text_fit(char *bytes, size_t size, size_t capacity)
{
	char *fitting;

	if (capacity <= size + size / 4 + TEXT_FIRST_BYTES)
		return bytes;
	fitting = base_large_malloc(size > 0 ? size : 1);
	if (fitting == NULL)
		return bytes;
	memcpy(fitting, bytes, size);
	free(bytes);
	return fitting;
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
	bytes = text_fit(bytes, buffer->size, buffer->capacity);
	*ret_size = buffer->size;
	buffer->bytes = NULL;
	buffer->size = buffer->capacity = 0;
	return bytes;
}

/* By doubling; a large one by a half, since that much more memory would be a waste. */
static size_t
text_capacity(const struct text_buffer *buffer, size_t needed)
{
	size_t capacity = buffer->capacity < TEXT_FIRST_BYTES ? TEXT_FIRST_BYTES : buffer->capacity;

	if (needed <= TEXT_LARGE_BYTES) {
		while (capacity < needed)
			capacity *= 2;
		return capacity;
	}
	capacity += capacity / 2;
	return capacity > needed ? capacity : needed;
}

/* Room for `room` more bytes that do not count; it may reach beyond the maximum. */
static bool
text_reserve(struct text_buffer *buffer, size_t room)
{
	size_t capacity, needed = buffer->size + room;
	char *bytes;

	if (needed <= buffer->capacity && buffer->bytes != NULL)
		return true;
	capacity = text_capacity(buffer, needed);
	bytes = base_large_realloc(buffer->bytes, buffer->size, capacity);
	if (bytes == NULL) {
		buffer->failed = true;
		return false;
	}
	buffer->bytes = bytes;
	buffer->capacity = capacity;
	return true;
}

char *
text_buffer_extend(struct text_buffer *buffer, size_t size)
{
	char *bytes;

	if (buffer->failed || size > buffer->max || buffer->size > buffer->max - size) {
		buffer->failed = true;
		return NULL;
	}
	if (!text_reserve(buffer, size))
		return NULL;
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

/* The bytes that stand for `c` in a string; at most TEXT_ESCAPE_BYTES. */
static char *
text_escape(char *to, unsigned char c)
{
	static const char HEX[] = "0123456789abcdef";

	*to++ = '\\';
	switch (c) {
	case '"':
	case '\\':
		*to++ = (char)c;
		break;
	case '\n':
		*to++ = 'n';
		break;
	case '\r':
		*to++ = 'r';
		break;
	case '\t':
		*to++ = 't';
		break;
	default:
		memcpy(to, "u00", 3);
		to[3] = HEX[c >> 4];
		to[4] = HEX[c & 15];
		to += 5;
	}
	return to;
}

#define TEXT_ONES  0x0101010101010101ull
#define TEXT_HIGHS 0x8080808080808080ull

/*
 * Of the first eight bytes those that are no ASCII or want an escape: the lowest bit that is set is
 * in the first of them. Higher ones can be in plain bytes behind it.
 */
static uint64_t
text_word_special(uint64_t word)
{
	uint64_t quote = word ^ (TEXT_ONES * '"'), slash = word ^ (TEXT_ONES * '\\');

	return (word | (word - TEXT_ONES * 0x20) | (quote - TEXT_ONES) | (slash - TEXT_ONES)) &
	       TEXT_HIGHS;
}

static bool
text_is_control(unsigned char c)
{
	return c < 0x20 && c != '\n' && c != '\r' && c != '\t';
}

/* A string on its way into a buffer. */
struct text_source {
	const unsigned char *bytes;
	size_t size, at;
	size_t controls; /* that were seen */
	bool ill_formed; /* what is at `at` is no UTF-8 */
};

/*
 * Its next `part` bytes and the rest of a character. `to` has room for TEXT_ESCAPE_BYTES for each
 * and TEXT_SPARE_BYTES. One look at each byte: is it UTF-8, is it to be escaped, and the copy.
 */
static char *
text_write_block(struct text_source *source, size_t part, char *to)
{
	const unsigned char *bytes = source->bytes;
	size_t end = source->at + part, at = source->at, length;
	uint64_t word, special;

	while (at < end) {
		if (source->size - at >= sizeof(word)) {
			memcpy(&word, bytes + at, sizeof(word));
			memcpy(to, &word, sizeof(word));
			special = text_word_special(le64toh(word));
			length = special == 0 ? sizeof(word) : (size_t)__builtin_ctzll(special) / 8;
			at += length;
			to += length;
			if (special == 0)
				continue;
		}
		if (bytes[at] < 0x20 || bytes[at] == '"' || bytes[at] == '\\') {
			source->controls += text_is_control(bytes[at]);
			to = text_escape(to, bytes[at++]);
			continue;
		}
		length = base_utf8_character(bytes + at, source->size - at);
		if (length == 0) {
			source->ill_formed = true;
			break;
		}
		memcpy(to, bytes + at, length);
		at += length;
		to += length;
	}
	source->at = at;
	return to;
}

/*
 * The inside of a string, up to its end, to what is no UTF-8, or, soon after them, to more control
 * characters than controls_max.
 */
static void
text_put_inside(struct text_buffer *buffer, struct text_source *source, size_t controls_max)
{
	while (source->at < source->size && !source->ill_formed &&
	       source->controls <= controls_max && !buffer->failed) {
		size_t left = source->size - source->at;
		size_t part = left < TEXT_BLOCK_BYTES ? left : TEXT_BLOCK_BYTES;

		if (!text_reserve(buffer, part * TEXT_ESCAPE_BYTES + TEXT_SPARE_BYTES))
			return;
		char *to = buffer->bytes + buffer->size;
		size_t written = (size_t)(text_write_block(source, part, to) - to);
		if (text_buffer_extend(buffer, written) == NULL)
			return;
	}
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
		controls += text_is_control(bytes[at]);
	/* Six bytes for each of them, at most two for any other. */
	return controls > size / TEXT_CONTROLS_PART;
}

/* With its quotes; false, and nothing is written, when it is not UTF-8 or has too many controls. */
static bool
text_put_string(struct text_buffer *buffer, const void *bytes, size_t size, size_t controls_max)
{
	struct text_source source = {.bytes = bytes, .size = size};
	size_t start = buffer->size;

	text_buffer_put(buffer, "\"", 1);
	text_put_inside(buffer, &source, controls_max);
	text_buffer_put(buffer, "\"", 1);
	if (!source.ill_formed && source.controls <= controls_max)
		return true;
	buffer->size = start;
	return false;
}

void
text_buffer_json_string(struct text_buffer *buffer, const void *bytes, size_t size)
{
	if (!text_put_string(buffer, bytes, size, SIZE_MAX))
		buffer->failed = true;
}

void
text_buffer_json_lossy(struct text_buffer *buffer, const void *bytes, size_t size)
{
	struct text_source source = {.bytes = bytes, .size = size};

	text_buffer_put(buffer, "\"", 1);
	while (source.at < size && !buffer->failed) {
		text_put_inside(buffer, &source, SIZE_MAX);
		if (source.ill_formed) {
			text_buffer_put(buffer, "\xef\xbf\xbd", 3);
			source.ill_formed = false;
			source.at++;
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
	size_t controls_max = size > TEXT_ESCAPES_FREE_BYTES ? size / TEXT_CONTROLS_PART : SIZE_MAX;
	bool failed = buffer->failed;

	/* Most output has a line end in some dozens of bytes. */
	if (!failed && size > TEXT_LARGE_BYTES &&
	    text_reserve(buffer, size + size / TEXT_ESCAPES_PART + TEXT_REST_BYTES))
		base_populate(buffer->bytes + buffer->size, size);
	if (text_put_string(buffer, bytes, size, controls_max))
		return;
	buffer->failed = failed;
	text_buffer_put_text(buffer, "{\"base64\":");
	text_buffer_json_base64(buffer, bytes, size);
	text_buffer_put_text(buffer, "}");
}
