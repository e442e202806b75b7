/*
 * stintd's reading of a trace area that a hostile worker may have written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "daemon/trace_read.h"
#include "protocol/base_sys.h"

#define MAX 65536

struct fixture {
	int fd;
	struct worker_page page;
	struct trace_cursor cursor;
	struct bytes lines;
};

static int
setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	assert_non_null(fixture);
	assert_int_equal(base_memfd("test", PAGE_FILE_BYTES, &fixture->fd, NULL), 0);
	*state = fixture;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *fixture = *state;
	free(fixture->lines.data);
	base_close(&fixture->fd);
	free(fixture);
	return 0;
}

static void
append(struct fixture *fixture, const char *text)
{
	size_t size = strlen(text);
	assert_int_equal(base_pwrite_full(fixture->fd, text, size,
					  (off_t)(PAGE_TRACE_OFFSET + fixture->page.trace_bytes),
					  NULL),
			 0);
	fixture->page.trace_bytes += size;
}

static void
assert_reads(struct fixture *fixture, uint64_t events_max, const char *text)
{
	free(fixture->lines.data);
	assert_int_equal(trace_read(fixture->fd, &fixture->page, events_max, MAX, &fixture->cursor,
				    &fixture->lines, NULL),
			 0);
	assert_int_equal(fixture->lines.size, strlen(text));
	if (fixture->lines.size > 0)
		assert_memory_equal(fixture->lines.data, text, fixture->lines.size);
	else
		assert_null(fixture->lines.data);
}

static void
events_come_once(void **state)
{
	struct fixture *fixture = *state;
	assert_reads(fixture, 10, "");
	append(fixture, "{\"a\":1}\n{}\n");
	assert_int_equal(trace_read_size(&fixture->page, &fixture->cursor), 11);
	assert_reads(fixture, 10, "{\"a\":1}\n{}\n");
	assert_reads(fixture, 10, "");
	append(fixture, "{\"b\":2}\n");
	assert_reads(fixture, 10, "{\"b\":2}\n");
	assert_int_equal(fixture->cursor.events, 3);
	assert_false(trace_read_truncated(&fixture->page, &fixture->cursor));
	fixture->page.trace_truncated = 7;
	assert_true(trace_read_truncated(&fixture->page, &fixture->cursor));
}

static void
what_is_no_event_ends_the_trace(void **state)
{
	static const char *const LINES[] = {
	    "\n",     "1\n", "[]\n", "{\n",    "{}{}\n", "{\"a\":\"\xff\"}\n", "{\"a\":1},{}\n",
	    "{\r}\n", "{}",  "x",    "null\n",
	};
	struct fixture *fixture = *state;
	for (size_t i = 0; i < sizeof(LINES) / sizeof(LINES[0]); i++) {
		fixture->cursor = (struct trace_cursor){0};
		fixture->page.trace_bytes = 0;
		append(fixture, "{\"good\":1}\n");
		append(fixture, LINES[i]);
		append(fixture, "");
		assert_reads(fixture, 10, "{\"good\":1}\n");
		assert_true(fixture->cursor.broken);
		assert_true(trace_read_truncated(&fixture->page, &fixture->cursor));
		append(fixture, "{}\n");
		assert_int_equal(trace_read_size(&fixture->page, &fixture->cursor), 0);
		assert_reads(fixture, 10, "");
	}
}

static void
sizes_are_clamped(void **state)
{
	struct fixture *fixture = *state;
	fixture->page.trace_bytes = UINT64_MAX;
	assert_int_equal(trace_read_size(&fixture->page, &fixture->cursor), TRACE_BYTES_MAX);
	assert_reads(fixture, 10, "");
	assert_true(fixture->cursor.broken);
	fixture->cursor = (struct trace_cursor){.bytes = 100};
	fixture->page.trace_bytes = 50; /* made smaller */
	assert_int_equal(trace_read_size(&fixture->page, &fixture->cursor), 0);
	assert_reads(fixture, 10, "");
}

static void
more_events_than_allowed(void **state)
{
	struct fixture *fixture = *state;
	append(fixture, "{\"a\":1}\n{\"b\":1}\n{\"c\":1}\n");
	assert_reads(fixture, 2, "{\"a\":1}\n{\"b\":1}\n");
	assert_true(fixture->cursor.broken);
}

static void
an_event_that_is_too_long(void **state)
{
	static char line[TRACE_EVENT_BYTES_MAX + 2];
	struct fixture *fixture = *state;
	memset(line, ' ', sizeof(line) - 1);
	memcpy(line, "{}", 2);
	line[TRACE_EVENT_BYTES_MAX] = '\n';
	append(fixture, line);
	assert_reads(fixture, 10, "");
	assert_true(fixture->cursor.broken);
	fixture->cursor = (struct trace_cursor){0};
	fixture->page.trace_bytes = 0;
	line[TRACE_EVENT_BYTES_MAX - 1] = '\n';
	line[TRACE_EVENT_BYTES_MAX] = '\0';
	append(fixture, line);
	assert_reads(fixture, 10, line);
}

static void
long_traces_come_in_pieces_of_whole_events(void **state)
{
	struct fixture *fixture = *state;
	char line[512];
	uint64_t total = 0;
	memset(line, ' ', sizeof(line));
	memcpy(line, "{}", 2);
	line[sizeof(line) - 2] = '\n';
	line[sizeof(line) - 1] = '\0';
	for (int i = 0; i < 1000; i++)
		append(fixture, line);
	for (int pieces = 0; total < fixture->page.trace_bytes; pieces++) {
		free(fixture->lines.data);
		assert_int_equal(trace_read(fixture->fd, &fixture->page, 1000, MAX,
					    &fixture->cursor, &fixture->lines, NULL),
				 0);
		assert_true(fixture->lines.size > 0);
		assert_true(fixture->lines.size <= MAX + TRACE_EVENT_BYTES_MAX);
		assert_int_equal(fixture->lines.data[fixture->lines.size - 1], '\n');
		total += fixture->lines.size;
		assert_true(pieces < 10);
	}
	assert_int_equal(fixture->cursor.events, 1000);
	assert_false(fixture->cursor.broken);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(events_come_once, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_is_no_event_ends_the_trace, setup, teardown),
	    cmocka_unit_test_setup_teardown(sizes_are_clamped, setup, teardown),
	    cmocka_unit_test_setup_teardown(more_events_than_allowed, setup, teardown),
	    cmocka_unit_test_setup_teardown(an_event_that_is_too_long, setup, teardown),
	    cmocka_unit_test_setup_teardown(long_traces_come_in_pieces_of_whole_events, setup,
					    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
