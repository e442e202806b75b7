/*
 * line_buffer.c: lines come out the same however the bytes are cut; caps and the shared budget
 * hold.
 */
#include "cmocka_headers.h"
#include "daemon/line_buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOTES_MAX 4096

struct notes {
	char text[NOTES_MAX];
	size_t used;
};

static void
note(struct notes *notes, const char *kind, const void *bytes, size_t length)
{
	int done = snprintf(notes->text + notes->used, NOTES_MAX - notes->used, "%s(%.*s)", kind,
			    (int)length, (const char *)bytes);
	assert_true(done > 0 && (size_t)done < NOTES_MAX - notes->used);
	notes->used += (size_t)done;
}

/* Take all that is to be had; false when the line is endless. */
static int
take_all(struct line_buffer *buffer, struct notes *notes)
{
	for (;;) {
		const uint8_t *line = NULL;
		size_t length = 0;
		switch (line_buffer_next(buffer, &line, &length)) {
		case LINE_WHOLE:
			note(notes, "line", line, length);
			break;
		case LINE_TOO_LONG:
			note(notes, "long", "", 0);
			break;
		case LINE_NO_ROOM:
			note(notes, "full", "", 0);
			break;
		case LINE_ENDLESS:
			note(notes, "endless", "", 0);
			return 0;
		case LINE_NONE:
			return 1;
		}
	}
}

/* Feed `size` bytes in pieces of at most `piece`. */
static int
feed(struct line_buffer *buffer, const char *bytes, size_t size, size_t piece, struct notes *notes)
{
	while (size > 0) {
		size_t room;
		uint8_t *to = line_buffer_room(buffer, &room);
		assert_non_null(to);
		assert_true(room > 0);
		size_t part = size < piece ? size : piece;
		part = part < room ? part : room;
		memcpy(to, bytes, part);
		line_buffer_added(buffer, part);
		bytes += part;
		size -= part;
		if (!take_all(buffer, notes))
			return 0;
	}
	return 1;
}

static void
test_cut_anywhere(void **state)
{
	(void)state;
	static const char TEXT[] = "one\ntwo\r\n\n\r\nx\ry\r\n{\"a\":1}\nrest\r";
	static const char WANTED[] = "line(one)line(two)line()line()line(x\ry)line({\"a\":1})";
	for (size_t cut = 1; cut < sizeof(TEXT); cut++) {
		struct line_budget budget = {.max = 1 << 20};
		struct line_buffer buffer;
		struct notes notes = {.used = 0};
		line_buffer_init(&buffer, 4096, &budget);
		assert_true(feed(&buffer, TEXT, cut, cut, &notes));
		assert_true(feed(&buffer, TEXT + cut, sizeof(TEXT) - 1 - cut, 1, &notes));
		assert_string_equal(notes.text, WANTED);
		assert_true(line_buffer_has_partial(&buffer));
		assert_false(line_buffer_has_line(&buffer));
		const uint8_t *line;
		size_t length;
		assert_true(line_buffer_last(&buffer, &line, &length));
		assert_int_equal(length, 4);
		assert_memory_equal(line, "rest", 4);
		assert_false(line_buffer_last(&buffer, &line, &length));
		assert_false(line_buffer_has_partial(&buffer));
		line_buffer_deinit(&buffer);
		assert_int_equal(budget.used, 0);
	}
}

static char *
filled(size_t size, char with)
{
	char *bytes = malloc(size);
	assert_non_null(bytes);
	memset(bytes, with, size);
	return bytes;
}

static void
test_cap_is_exact(void **state)
{
	(void)state;
	enum { CAP = 100000 };
	static const size_t PIECES[] = {1, 7, 4096, 65536, 300000};
	char *bytes = filled(CAP + 1, 'a');
	for (size_t i = 0; i < sizeof(PIECES) / sizeof(PIECES[0]); i++) {
		for (size_t length = CAP - 2; length <= CAP + 1; length++) {
			struct line_budget budget = {.max = 1 << 20};
			struct line_buffer buffer;
			struct notes notes = {.used = 0};
			line_buffer_init(&buffer, CAP, &budget);
			bytes[length - 1] = '\n';
			size_t left = length;
			const char *from = bytes;
			unsigned lines = 0, refused = 0;
			while (left > 0) {
				size_t room;
				uint8_t *to = line_buffer_room(&buffer, &room);
				assert_non_null(to);
				size_t part = left < PIECES[i] ? left : PIECES[i];
				part = part < room ? part : room;
				memcpy(to, from, part);
				line_buffer_added(&buffer, part);
				from += part;
				left -= part;
				const uint8_t *line;
				size_t line_length;
				enum line_kind kind;
				while ((kind = line_buffer_next(&buffer, &line, &line_length)) !=
				       LINE_NONE) {
					lines += kind == LINE_WHOLE && line_length == length - 1;
					refused += kind == LINE_TOO_LONG;
				}
			}
			assert_int_equal(lines, length <= CAP);
			assert_int_equal(refused, length > CAP);
			assert_true(buffer.capacity <= CAP + 8192);
			assert_true(feed(&buffer, "next\n", 5, PIECES[i], &notes));
			assert_string_equal(notes.text, "line(next)");
			line_buffer_deinit(&buffer);
			bytes[length - 1] = 'a';
		}
	}
	free(bytes);
}

static void
test_refused_line_is_skipped_and_may_not_be_endless(void **state)
{
	(void)state;
	struct line_budget budget = {.max = 1 << 20};
	struct line_buffer buffer;
	struct notes notes = {.used = 0};
	line_buffer_init(&buffer, 4096, &budget);
	char *bytes = filled(4096 * 6, 'b');
	assert_true(feed(&buffer, bytes, 4096 * 4, 1000, &notes));
	assert_string_equal(notes.text, "long()");
	assert_true(line_buffer_has_partial(&buffer));
	assert_true(feed(&buffer, "\nok\n", 4, 2, &notes));
	assert_string_equal(notes.text, "long()line(ok)");
	assert_false(feed(&buffer, bytes, 4096 * 6, 1000, &notes));
	assert_string_equal(notes.text, "long()line(ok)long()endless()");
	line_buffer_deinit(&buffer);
	free(bytes);
}

static void
test_skipping_at_the_end_leaves_nothing(void **state)
{
	(void)state;
	struct line_budget budget = {.max = 1 << 20};
	struct line_buffer buffer;
	struct notes notes = {.used = 0};
	line_buffer_init(&buffer, 4096, &budget);
	char *bytes = filled(5000, 'c');
	assert_true(feed(&buffer, bytes, 5000, 5000, &notes));
	const uint8_t *line;
	size_t length;
	assert_true(line_buffer_has_partial(&buffer));
	assert_false(line_buffer_last(&buffer, &line, &length));
	assert_false(line_buffer_has_partial(&buffer));
	line_buffer_deinit(&buffer);
	free(bytes);
}

static void
test_budget_refuses_large_lines_only(void **state)
{
	(void)state;
	struct line_budget budget = {.max = 300000};
	struct line_buffer first, second;
	struct notes notes = {.used = 0};
	line_buffer_init(&first, 1 << 20, &budget);
	line_buffer_init(&second, 1 << 20, &budget);
	char *bytes = filled(250000, 'd');
	assert_true(feed(&first, bytes, 250000, 4096, &notes));
	assert_string_equal(notes.text, "");
	assert_true(feed(&second, bytes, 250000, 4096, &notes));
	assert_string_equal(notes.text, "full()");
	assert_true(budget.used <= 300000);
	assert_true(feed(&second, "\nsmall\n", 7, 7, &notes));
	assert_string_equal(notes.text, "full()line(small)");
	line_buffer_deinit(&first);
	assert_true(feed(&second, bytes, 200000, 4096, &notes));
	assert_string_equal(notes.text, "full()line(small)");
	line_buffer_deinit(&second);
	assert_int_equal(budget.used, 0);
	free(bytes);
}

static void
test_memory_follows_what_arrives(void **state)
{
	(void)state;
	struct line_budget budget = {.max = 64 << 20};
	struct line_buffer buffer;
	struct notes notes = {.used = 0};
	line_buffer_init(&buffer, 16 << 20, &budget);
	assert_int_equal(buffer.capacity, 0);
	assert_true(feed(&buffer, "{", 1, 1, &notes));
	assert_true(buffer.capacity <= 8192);
	char *bytes = filled(1 << 20, 'e');
	assert_true(feed(&buffer, bytes, 1 << 20, 65536, &notes));
	assert_true(buffer.capacity <= 4 << 20);
	size_t room;
	const uint8_t *line;
	size_t length;
	assert_true(line_buffer_last(&buffer, &line, &length));
	assert_int_equal(length, (1 << 20) + 1);
	assert_non_null(line_buffer_room(&buffer, &room));
	assert_true(buffer.capacity <= LINE_BUFFER_SMALL_BYTES);
	line_buffer_deinit(&buffer);
	free(bytes);
}

static unsigned trims;

int __wrap_malloc_trim(size_t pad);
int
__wrap_malloc_trim(size_t pad)
{
	(void)pad;
	trims++;
	return 1;
}

/* A line of 1 MiB leaves about 2 MiB in the heap: what it grew out of, and itself. */
static void
test_what_lines_leave_goes_back(void **state)
{
	(void)state;
	struct line_budget budget = {.max = 64 << 20};

	trims = 0;
	for (unsigned i = 0; i < 64; i++) {
		struct line_buffer buffer;
		size_t room = 0;

		line_buffer_init(&buffer, 16 << 20, &budget);
		while (buffer.capacity < 1 << 20 || buffer.end < buffer.capacity) {
			uint8_t *at = line_buffer_room(&buffer, &room);
			const uint8_t *line;
			size_t length;

			assert_non_null(at);
			if (buffer.capacity > 1 << 20)
				break;
			memset(at, 'x', room);
			line_buffer_added(&buffer, room);
			assert_int_equal(line_buffer_next(&buffer, &line, &length), LINE_NONE);
		}
		line_buffer_deinit(&buffer);
		assert_true(budget.freed < 32 << 20);
	}
	assert_in_range(trims, 2, 16);
	for (unsigned i = 0; i < 10000; i++) {
		struct line_buffer buffer;
		size_t room = 0;

		line_buffer_init(&buffer, 16 << 20, &budget);
		assert_non_null(line_buffer_room(&buffer, &room));
		line_buffer_deinit(&buffer);
	}
	assert_in_range(trims, 2, 16); /* small ones do not count */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cut_anywhere),
	    cmocka_unit_test(test_cap_is_exact),
	    cmocka_unit_test(test_refused_line_is_skipped_and_may_not_be_endless),
	    cmocka_unit_test(test_skipping_at_the_end_leaves_nothing),
	    cmocka_unit_test(test_budget_refuses_large_lines_only),
	    cmocka_unit_test(test_memory_follows_what_arrives),
	    cmocka_unit_test(test_what_lines_leave_goes_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
