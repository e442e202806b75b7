/*
 * The parameters that travel to the worker: packed as worker_abi.h says, or refused by name.
 */
#include "tests/unit/request_fixture.h"

#include <stdio.h>
#include <stdlib.h>

static void
fields_of_a_full_program(void **state)
{
	struct run_request request;
	struct error err = ERROR_INIT;

	assert_int_equal(
	    request_read(
		"{\"source\":\"a\\u0000b\",\"args\":[\"\",\"x\\u0000\",\"\\u00e9\"],"
		"\"inputs\":{\"n\":123456789012345678901234567890,\"f\":1.0,\"_x\":[null]},"
		"\"outputs\":[\"n\",\"\\u00e9t\\u00e9\"],"
		"\"entry\":{\"function\":\"go\",\"args\":[-99999999999999999999],"
		"\"kwargs\":{\"k w\":{}}},"
		"\"modules\":{\"pkg\":\"\",\"pkg.sub_1\":\"y = 1\"}}",
		&request, &err),
	    0);
	assert_request_field(&request, JOB_SOURCE, 0, "a\0b", 3);
	assert_int_equal(request_field_count(&request, JOB_ARG), 3);
	assert_request_field(&request, JOB_ARG, 0, "", 0);
	assert_request_field(&request, JOB_ARG, 1, "x\0", 2);
	assert_request_field(&request, JOB_ARG, 2, "\xc3\xa9", 2);
	assert_request_field(&request, JOB_INPUTS, 0,
			     "{\"n\":123456789012345678901234567890,\"f\":1.0,\"_x\":[null]}", 56);
	assert_request_field(&request, JOB_OUTPUT, 1, "\xc3\xa9t\xc3\xa9", 5);
	assert_request_field(&request, JOB_ENTRY, 0, "go", 2);
	assert_request_field(&request, JOB_ENTRY_ARGS, 0, "[-99999999999999999999]", 23);
	assert_request_field(&request, JOB_ENTRY_KWARGS, 0, "{\"k w\":{}}", 10);
	assert_request_field(&request, JOB_MODULE_NAME, 1, "pkg.sub_1", 9);
	assert_request_field(&request, JOB_MODULE_SOURCE, 1, "y = 1", 5);
	run_request_deinit(&request);
}

static void
compiled_code_is_decoded(void **state)
{
	struct run_request request;
	struct error err = ERROR_INIT;

	assert_int_equal(request_read("{\"code\":\"AAECAwQFBgcICQoLDA0ODw==\"}", &request, &err),
			 0);
	assert_request_field(&request, JOB_CODE, 0, "\0\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17", 16);
	assert_int_equal(request_field_count(&request, JOB_SOURCE), 0);
	run_request_deinit(&request);
}

static void
wrong_fields_are_named(void **state)
{
	static const char *const CASES[][2] = {
	    {"\"code\":1", "code: an integer; must be a string"},
	    {"\"code\":\"AAA\"", "code: base64: "},
	    {"\"code\":\"AAAA\"", "code: 3 bytes; the header"},
	    {"\"args\":\"a\"", "args: a string; must be an array"},
	    {"\"args\":[1]", "an entry of args: an integer; must be a string"},
	    {"\"args\":[99999999999999999999]", "an entry of args: an integer"},
	    {"\"inputs\":[]", "inputs: an array; must be an object"},
	    {"\"inputs\":{\"\":1}", "inputs: \"\" is not a Python identifier"},
	    {"\"inputs\":{\"1a\":1}", "\"1a\" is not a Python identifier"},
	    {"\"inputs\":{\"a-b\":1}", "\"a-b\" is not a Python identifier"},
	    {"\"inputs\":{\"a b\":1}", "is not a Python identifier"},
	    {"\"inputs\":{\"a\\u007f\":1}", "\"a\\x7f\" is not a Python identifier"},
	    {"\"outputs\":\"x\"", "outputs: a string; must be an array"},
	    {"\"outputs\":[null]", "an entry of outputs: null"},
	    {"\"outputs\":[\"a.b\"]", "outputs: \"a.b\" is not a Python identifier"},
	    {"\"outputs\":[\"a\\u0000\"]", "is not a Python identifier"},
	    {"\"outputs\":[\"a\",\"b\",\"a\"]", "outputs: \"a\" stands twice"},
	    {"\"entry\":\"f\"", "entry: a string; must be an object"},
	    {"\"entry\":{}", "entry.function: missing"},
	    {"\"entry\":{\"function\":1}", "entry.function: an integer"},
	    {"\"entry\":{\"function\":99999999999999999999}", "entry.function: an integer"},
	    {"\"entry\":{\"function\":\"a.b\"}", "entry.function: \"a.b\" is not"},
	    {"\"entry\":{\"function\":\"f\",\"arg\":[]}", "unknown parameter \"entry.arg\""},
	    {"\"entry\":{\"function\":\"f\",\"args\":{}}", "entry.args: an object; must be"},
	    {"\"entry\":{\"function\":\"f\",\"kwargs\":[]}", "entry.kwargs: an array; must be"},
	    {"\"modules\":[]", "modules: an array; must be an object"},
	    {"\"modules\":{\"\":\"\"}", "modules: \"\" is not a dotted module name"},
	    {"\"modules\":{\"a..b\":\"\"}", "\"a..b\" is not a dotted module name"},
	    {"\"modules\":{\".a\":\"\"}", "is not a dotted module name"},
	    {"\"modules\":{\"a.\":\"\"}", "is not a dotted module name"},
	    {"\"modules\":{\"../a\":\"\"}", "is not a dotted module name"},
	    {"\"modules\":{\"a\":1}", "a source in modules: an integer; must be a string"},
	};
	char text[256];

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		bool code = strncmp(CASES[i][0], "\"code\"", 6) == 0;

		(void)snprintf(text, sizeof(text), "{%s%s}", code ? "" : "\"source\":\"\",",
			       CASES[i][0]);
		assert_request_refused(text, ERROR_INVALID, CASES[i][1]);
	}
}

/* A list of `count` elements of the given form, which gets the number. */
static char *
many(const char *before, const char *element, size_t count, const char *after)
{
	size_t size = strlen(before) + strlen(after) + count * 32 + 1;
	char *text = malloc(size), *at = text;

	assert_non_null(text);
	at += sprintf(at, "%s", before);
	for (size_t i = 0; i < count; i++) {
		at += sprintf(at, "%s\"v%zu\"%s", i > 0 ? "," : "", i, element);
	}
	(void)sprintf(at, "%s", after);
	return text;
}

static void
counts_have_limits(void **state)
{
	static const struct {
		const char *before, *element, *after, *reason;
		size_t max;
	} CASES[] = {
	    {"{\"source\":\"\",\"args\":[", "", "]}", "args: 1025 entries, at most 1024", ARGS_MAX},
	    {"{\"source\":\"\",\"outputs\":[", "", "]}", "outputs: 1025 entries", OUTPUTS_MAX},
	    {"{\"source\":\"\",\"modules\":{", ":\"\"", "}}", "modules: 1025 entries", MODULES_MAX},
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct run_request request;
		struct error err = ERROR_INIT;
		char *text = many(CASES[i].before, CASES[i].element, CASES[i].max, CASES[i].after);

		assert_int_equal(request_read(text, &request, &err), 0);
		run_request_deinit(&request);
		free(text);
		text = many(CASES[i].before, CASES[i].element, CASES[i].max + 1, CASES[i].after);
		assert_request_refused(text, ERROR_INVALID, CASES[i].reason);
		free(text);
	}
}

static void
names_have_lengths(void **state)
{
	char text[600];

	(void)snprintf(text, sizeof(text), "{\"source\":\"\",\"inputs\":{\"a%0255d\":1}}", 1);
	assert_request_refused(text, ERROR_INVALID, "has 256 bytes, at most 255");
	(void)snprintf(text, sizeof(text), "{\"source\":\"\",\"modules\":{\"a%0255d\":\"\"}}", 1);
	assert_request_refused(text, ERROR_INVALID, "has 256 bytes, at most 255");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fields_of_a_full_program), cmocka_unit_test(compiled_code_is_decoded),
	    cmocka_unit_test(wrong_fields_are_named),   cmocka_unit_test(counts_have_limits),
	    cmocka_unit_test(names_have_lengths),
	};

	return cmocka_run_group_tests(tests, request_group_setup, request_group_teardown);
}
