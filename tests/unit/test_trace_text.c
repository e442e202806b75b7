/*
 * Lines of JSON in memory of a fixed size, and the table of instructions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "worker/trace_opcode.h"
#include "worker/trace_text.h"

#define BINARY_OP 122
#define CALL      171

static void
assert_line(const struct trace_text *text, const char *line)
{
	assert_false(text->over);
	assert_int_equal(text->size, strlen(line));
	assert_memory_equal(text->bytes, line, text->size);
}

static void
strings_are_escaped(void **state)
{
	static struct trace_text text;

	trace_text_init(&text);
	trace_text_put(&text, "{\"a\":1");
	trace_text_member(&text, "s", "q\"\\\n\x01\x7f", 6);
	trace_text_member(&text, "u", "\xc3\xa4\xff\xe6\xbc", 5);
	trace_text_number(&text, "n", 12);
	trace_text_number(&text, "none", -1);
	trace_text_put(&text, "}\n");
	assert_line(&text, "{\"a\":1,\"s\":\"q\\\"\\\\\\u000a\\u0001\x7f\","
			   "\"u\":\"\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\",\"n\":12,"
			   "\"none\":null}\n");
}

static void
what_does_not_fit_is_told(void **state)
{
	static struct trace_text text;
	static char full[TRACE_EVENT_BYTES_MAX];

	memset(full, 'x', sizeof(full));
	trace_text_init(&text);
	trace_text_string(&text, full, sizeof(full) - 2);
	assert_false(text.over);
	assert_int_equal(text.size, TRACE_EVENT_BYTES_MAX);
	trace_text_put(&text, "x");
	assert_true(text.over);
	assert_int_equal(text.size, TRACE_EVENT_BYTES_MAX);
	trace_text_init(&text);
	assert_false(text.over);
}

static void
instructions_have_names_and_operands(void **state)
{
	assert_string_equal(trace_opcode_name(BINARY_OP), "BINARY_OP");
	assert_null(trace_opcode_name(255));
	assert_int_equal(trace_opcode_operands(BINARY_OP, 8), 2);
	assert_int_equal(trace_opcode_operands(CALL, 3), 5);
	assert_int_equal(trace_opcode_operands(255, 3), 0);
	assert_string_equal(trace_opcode_operator(trace_opcode_argument(BINARY_OP), 21), "**=");
	assert_null(trace_opcode_operator(TRACE_ARGUMENT_BINARY, 26));
	assert_null(trace_opcode_operator(TRACE_ARGUMENT_COMPARE, 6));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(strings_are_escaped),
	    cmocka_unit_test(what_does_not_fit_is_told),
	    cmocka_unit_test(instructions_have_names_and_operands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
