/*
 * Output text: growth, maximum, and the three ways to write bytes as JSON.
 */
#include "protocol/text_buffer.h"
#include "protocol/base_utf8.h"
#include "protocol/json_scan.h"
#include "tests/unit/cmocka_headers.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
assert_text(struct text_buffer *buffer, const char *expected)
{
	assert_false(buffer->failed);
	assert_int_equal(buffer->size, strlen(expected));
	assert_memory_equal(buffer->bytes, expected, buffer->size);
	text_buffer_clear(buffer);
}

static void
appends_and_grows(void **state)
{
	struct text_buffer buffer;
	char *bytes;
	size_t size = 0;

	text_buffer_init(&buffer, 1 << 20);
	text_buffer_put_u64(&buffer, UINT64_MAX);
	text_buffer_put_text(&buffer, " ");
	text_buffer_put_i64(&buffer, INT64_MIN);
	assert_text(&buffer, "18446744073709551615 -9223372036854775808");
	for (int i = 0; i < 10000; i++)
		text_buffer_put(&buffer, "0123456789", 10);
	assert_int_equal(buffer.size, 100000);
	assert_memory_equal(buffer.bytes + 99990, "0123456789", 10);
	bytes = text_buffer_steal(&buffer, &size);
	assert_int_equal(size, 100000);
	assert_int_equal(buffer.size, 0);
	free(bytes);
	bytes = text_buffer_steal(&buffer, &size);
	assert_non_null(bytes);
	assert_int_equal(size, 0);
	free(bytes);
	text_buffer_deinit(&buffer);
}

static void
maximum_fails_until_cleared(void **state)
{
	struct text_buffer buffer;
	size_t size = 77;

	text_buffer_init(&buffer, 5);
	text_buffer_put(&buffer, "12345", 5);
	assert_false(buffer.failed);
	text_buffer_put(&buffer, "6", 1);
	assert_true(buffer.failed);
	text_buffer_put(&buffer, "", 0);
	assert_int_equal(buffer.size, 5);
	assert_null(text_buffer_steal(&buffer, &size));
	assert_int_equal(size, 77);
	text_buffer_clear(&buffer);
	assert_null(text_buffer_extend(&buffer, 6));
	text_buffer_clear(&buffer);
	assert_non_null(text_buffer_extend(&buffer, 5));
	assert_null(text_buffer_extend(&buffer, SIZE_MAX));
	text_buffer_deinit(&buffer);
}

static void
strings_are_escaped(void **state)
{
	struct text_buffer buffer;

	text_buffer_init(&buffer, 1 << 20);
	text_buffer_json_string(&buffer, "", 0);
	assert_text(&buffer, "\"\"");
	text_buffer_json_string(&buffer, NULL, 0);
	assert_text(&buffer, "\"\"");
	text_buffer_json_string(&buffer, "a\"b\\c/d\b\f\n\r\t\x1f\x7f\0e", 16);
	assert_text(&buffer, "\"a\\\"b\\\\c/d\\u0008\\u000c\\n\\r\\t\\u001f\x7f\\u0000e\"");
	text_buffer_json_string(&buffer, "\xc3\xa9\xf0\x9f\x98\x80\xe2\x80\xa8", 9);
	assert_text(&buffer, "\"\xc3\xa9\xf0\x9f\x98\x80\xe2\x80\xa8\"");
	text_buffer_json_string(&buffer, "a\xff", 2);
	assert_true(buffer.failed);
	text_buffer_deinit(&buffer);
}

/* Each byte value at each alignment: the checker accepts what comes out. */
static void
every_byte_makes_valid_json(void **state)
{
	struct text_buffer buffer;
	char text[32];

	text_buffer_init(&buffer, 1 << 20);
	for (unsigned c = 0; c < 256; c++) {
		for (unsigned at = 0; at < 24; at++) {
			memset(text, 'a', sizeof(text));
			text[at] = (char)c;
			text_buffer_json_bytes(&buffer, text, 24);
			assert_int_equal(json_scan_splice(buffer.bytes, buffer.size, 1000, NULL),
					 0);
			assert_int_equal(buffer.bytes[0], c < 0x80 ? '"' : '{');
			text_buffer_clear(&buffer);
			text_buffer_json_lossy(&buffer, text, 24);
			assert_int_equal(json_scan_splice(buffer.bytes, buffer.size, 1000, NULL),
					 0);
			assert_int_equal(buffer.bytes[0], '"');
			text_buffer_clear(&buffer);
		}
	}
	text_buffer_deinit(&buffer);
}

/* The same by the rules, a byte at a time. */
static bool
write_slowly(const unsigned char *bytes, size_t size, char *to, size_t *ret_size)
{
	char *start = to;

	*to++ = '"';
	for (size_t at = 0, length; at < size; at += length) {
		length = base_utf8_character(bytes + at, size - at);
		if (length == 0)
			return false;
		if (strchr("\"\\", bytes[at]) && bytes[at] != 0)
			to += sprintf(to, "\\%c", bytes[at]);
		else if (bytes[at] == '\n' || bytes[at] == '\r' || bytes[at] == '\t')
			to += sprintf(to, "\\%c", "tn..r"[bytes[at] - '\t']);
		else if (bytes[at] < 0x20)
			to += sprintf(to, "\\u%04x", bytes[at]);
		else
			to = (char *)memcpy(to, bytes + at, length) + length;
	}
	*to++ = '"';
	*ret_size = (size_t)(to - start);
	return true;
}

static size_t
fill(unsigned char *text, size_t size, uint64_t *seed)
{
	static const char *const PIECES[] = {
	    "\n", "\"", "\\", "\x01", "\xc3\xa9", "\r", "\x7f", "\xe2\x80\xa8", "\xf0\x9f\x98\x80",
	    "\t"};
	size_t at = 0;

	while (at < size) {
		*seed = *seed * 6364136223846793005u + 1442695040888963407u;
		uint64_t plain = (*seed >> 33) % 40, piece = (*seed >> 40) % 10;

		for (; plain > 0 && at < size; plain--)
			text[at++] = (unsigned char)('a' + plain % 26);
		if (at + strlen(PIECES[piece]) <= size) {
			memcpy(text + at, PIECES[piece], strlen(PIECES[piece]));
			at += strlen(PIECES[piece]);
		}
	}
	return at;
}

/* Sizes round the blocks in which it is written and where memory is another; a byte that is no
 * UTF-8 at each of some places. */
static void
long_texts_are_what_the_rules_say(void **state)
{
	static const size_t SIZES[] = {4095, 4096, 4097, 8191, 65537, 300000, 1048576, 1200000};
	const size_t room = 6 * 1200000 + 2;
	unsigned char *text = malloc(1200000);
	char *expected = malloc(room);
	struct text_buffer buffer;
	uint64_t seed = 1;
	size_t wanted = 0;

	(void)state;
	assert_non_null(text);
	assert_non_null(expected);
	text_buffer_init(&buffer, 16u << 20);
	for (size_t i = 0; i < sizeof(SIZES) / sizeof(SIZES[0]); i++) {
		size_t size = fill(text, SIZES[i], &seed);

		assert_true(write_slowly(text, size, expected, &wanted));
		text_buffer_json_bytes(&buffer, text, size);
		assert_false(buffer.failed);
		assert_int_equal(buffer.size, wanted);
		assert_memory_equal(buffer.bytes, expected, wanted);
		text_buffer_deinit(&buffer);
		text_buffer_init(&buffer, 16u << 20);
		for (size_t at = size; at > 0; at /= 3) {
			unsigned char was = text[at - 1];

			text[at - 1] = 0xff;
			text_buffer_put(&buffer, "x", 1);
			text_buffer_json_bytes(&buffer, text, size);
			assert_false(buffer.failed);
			assert_memory_equal(buffer.bytes, "x{\"base64\":\"", 12);
			text_buffer_clear(&buffer);
			text[at - 1] = was;
		}
	}
	text_buffer_deinit(&buffer);
	free(expected);
	free(text);
}

/* A line waits for its reader in memory of its size, whatever it took to write it. */
static void
what_is_stolen_fits(void **state)
{
	static const size_t SIZES[] = {4096, 100000, 1048576};
	struct text_buffer buffer;
	size_t size;

	(void)state;
	text_buffer_init(&buffer, 16u << 20);
	for (size_t i = 0; i < sizeof(SIZES) / sizeof(SIZES[0]); i++) {
		char *text = malloc(SIZES[i]), *line;

		assert_non_null(text);
		memset(text, 1, SIZES[i]);
		text[SIZES[i] - 1] = (char)0xff; /* six times as much, and then it is base64 */
		text_buffer_json_bytes(&buffer, text, SIZES[i]);
		line = text_buffer_steal(&buffer, &size);
		assert_non_null(line);
		assert_memory_equal(line, "{\"base64\":\"AQEB", 15);
		assert_true(size >= SIZES[i] / 3 * 4);
		assert_true(malloc_usable_size(line) <= size + size / 4 + 4096);
		free(line);
		free(text);
	}
	text_buffer_deinit(&buffer);
}

/* Six bytes for one are not for the asking: above 1 MiB control characters go as base64. */
static void
control_characters_do_not_bloat(void **state)
{
	const size_t size = 2u << 20;
	struct text_buffer buffer;
	char *text = malloc(size);

	assert_non_null(text);
	memset(text, '\n', size);
	memset(text, 1, size / 8);
	text_buffer_init(&buffer, 3 * size);
	text_buffer_json_bytes(&buffer, text, size);
	assert_false(buffer.failed);
	assert_int_equal(buffer.bytes[0], '"');
	assert_int_equal(buffer.size, 2 + size / 8 * 6 + size / 8 * 7 * 2);
	text_buffer_clear(&buffer);
	text[size - 1] = 2;
	text_buffer_json_bytes(&buffer, text, size);
	assert_false(buffer.failed);
	assert_int_equal(buffer.bytes[0], '{');
	text_buffer_clear(&buffer);
	memset(text, 0, size / 4);
	text_buffer_json_bytes(&buffer, text, size / 4);
	assert_int_equal(buffer.bytes[0], '"');
	text_buffer_deinit(&buffer);
	free(text);
}

static void
bytes_that_are_no_text(void **state)
{
	struct text_buffer buffer;

	text_buffer_init(&buffer, 1 << 20);
	text_buffer_json_bytes(&buffer, "ok\n", 3);
	assert_text(&buffer, "\"ok\\n\"");
	text_buffer_json_bytes(&buffer, "ok\xff", 3);
	assert_text(&buffer, "{\"base64\":\"b2v/\"}");
	text_buffer_json_bytes(&buffer, "\xc3", 1); /* cut within a character */
	assert_text(&buffer, "{\"base64\":\"ww==\"}");
	text_buffer_json_bytes(&buffer, NULL, 0);
	assert_text(&buffer, "\"\"");
	text_buffer_json_lossy(&buffer, "a\xff\xc3\xa9\xed\xa0\x80z", 8);
	assert_text(&buffer, "\"a\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\"");
	text_buffer_json_lossy(&buffer, NULL, 0);
	assert_text(&buffer, "\"\"");
	text_buffer_deinit(&buffer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(appends_and_grows),
	    cmocka_unit_test(maximum_fails_until_cleared),
	    cmocka_unit_test(strings_are_escaped),
	    cmocka_unit_test(every_byte_makes_valid_json),
	    cmocka_unit_test(long_texts_are_what_the_rules_say),
	    cmocka_unit_test(what_is_stolen_fits),
	    cmocka_unit_test(control_characters_do_not_bloat),
	    cmocka_unit_test(bytes_that_are_no_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
