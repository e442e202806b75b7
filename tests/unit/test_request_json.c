/*
 * job.run's parameters: what stays in stintd, the rules between parameters, the limits.
 */
#include "tests/unit/request_fixture.h"

#include <stdio.h>

static void
smallest_request_gets_the_defaults(void **state)
{
	struct run_request request;
	struct error err = ERROR_INIT;

	assert_int_equal(request_read("{\"source\":\"print(1)\"}", &request, &err), 0);
	assert_memory_equal(&request.limits, &config.limits_default, sizeof(request.limits));
	assert_false(request.stream);
	assert_false(request.wants_value);
	assert_null(request.stdin_bytes);
	assert_null(request.tag);
	assert_int_equal(request.priority, 0);
	assert_int_equal(request.deadline_ms, 0);
	assert_request_field(&request, JOB_SOURCE, 0, "print(1)", 8);
	assert_request_field(&request, JOB_NAME, 0, "main.py", 7);
	assert_int_equal(request_field_count(&request, JOB_MODE_EVAL), 0);
	run_request_deinit(&request);
}

static void
everything_at_once(void **state)
{
	struct run_request request;
	struct error err = ERROR_INIT;

	assert_int_equal(
	    request_read("{\"source\":\"x\",\"name\":\"a b.py\",\"runtime\":\"python\","
			 "\"mode\":\"exec\",\"stdin\":\"in\\u0000\",\"stream\":true,"
			 "\"trace\":\"none\",\"tag\":\"t\\u00e9\",\"outputs\":[],"
			 "\"priority\":-10,\"deadline_ms\":2592000000,"
			 "\"limits\":{\"cpu_ms\":1,\"stdout_bytes\":0,\"threads\":16}}",
			 &request, &err),
	    0);
	assert_int_equal(request.limits.cpu_ms, 1);
	assert_int_equal(request.limits.stdout_bytes, 0);
	assert_int_equal(request.limits.threads, 16);
	assert_int_equal(request.limits.wall_ms, 10000);
	assert_true(request.stream);
	assert_int_equal(request.stdin_size, 3);
	assert_memory_equal(request.stdin_bytes, "in\0", 3);
	assert_string_equal(request.tag, "t\xc3\xa9");
	assert_int_equal(request.priority, -10);
	assert_int_equal(request.deadline_ms, 2592000000);
	assert_request_field(&request, JOB_NAME, 0, "a b.py", 6);
	assert_int_equal(request_field_count(&request, JOB_NAME), 1);
	assert_false(request.wants_value); /* no output is asked for */
	run_request_deinit(&request);
}

static void
stdin_may_be_base64(void **state)
{
	struct run_request request;
	struct error err = ERROR_INIT;

	assert_int_equal(
	    request_read("{\"source\":\"\",\"stdin\":{\"base64\":\"/wA=\"}}", &request, &err), 0);
	assert_int_equal(request.stdin_size, 2);
	assert_memory_equal(request.stdin_bytes, "\xff\0", 2);
	run_request_deinit(&request);
	assert_int_equal(request_read("{\"source\":\"\",\"stdin\":\"\"}", &request, &err), 0);
	assert_int_equal(request.stdin_size, 0);
	run_request_deinit(&request);
}

static void
a_trace_travels_with_the_job(void **state)
{
	static const char *const WORDS[] = {"none", "opcodes", "lines", "calls"};

	for (uint8_t kind = TRACE_NONE; kind < TRACE_KIND_COUNT; kind++) {
		struct run_request request;
		struct error err = ERROR_INIT;
		char text[64];

		(void)snprintf(text, sizeof(text), "{\"source\":\"\",\"trace\":\"%s\"}",
			       WORDS[kind]);
		assert_int_equal(request_read(text, &request, &err), 0);
		assert_int_equal(request.trace, kind);
		assert_int_equal(request_field_count(&request, JOB_TRACE), kind != TRACE_NONE);
		if (kind != TRACE_NONE)
			assert_request_field(&request, JOB_TRACE, 0, (const char *)&kind, 1);
		run_request_deinit(&request);
	}
}

static void
who_owes_a_value(void **state)
{
	static const char *const OWING[] = {
	    "{\"source\":\"1\",\"mode\":\"eval\"}",
	    "{\"source\":\"\",\"entry\":{\"function\":\"f\"}}",
	    "{\"source\":\"\",\"outputs\":[\"x\"]}",
	    ("{\"mode\":\"eval\",\"source\":\"x\",\"inputs\":{\"x\":1},\"outputs\":[\"x\"],"
	     "\"modules\":{\"m\":\"\"}}"),
	};

	for (size_t i = 0; i < sizeof(OWING) / sizeof(OWING[0]); i++) {
		struct run_request request;
		struct error err = ERROR_INIT;

		assert_int_equal(request_read(OWING[i], &request, &err), 0);
		assert_true(request.wants_value);
		run_request_deinit(&request);
	}
}

static void
wrong_parameters_are_named(void **state)
{
	static const char *const CASES[][2] = {
	    {"{}", "source, code or script: one of them must be given"},
	    {"{\"source\":\"\",\"sorce\":1}", "unknown parameter \"sorce\""},
	    {"{\"source\":\"\",\"a\\nb\":1}", "unknown parameter \"a\\x0ab\""},
	    {"{\"source\":7}", "source: an integer; must be a string"},
	    {"{\"source\":99999999999999999999}", "source: an integer; must be a string"},
	    {"{\"source\":null}", "source: null; must be a string"},
	    {"{\"source\":\"\",\"code\":\"AAAAAAAAAAAAAAAAAAAAAA==\"}", "only one of them"},
	    {"{\"source\":\"\",\"runtime\":\"perl\"}", "runtime: \"perl\"; must be \"python\""},
	    {"{\"source\":\"\",\"runtime\":3}", "runtime: an integer"},
	    {"{\"source\":\"\",\"mode\":\"run\"}", "mode: \"run\"; must be \"exec\" or"},
	    {"{\"source\":\"\",\"mode\":true}", "mode: a boolean"},
	    {"{\"source\":\"\",\"name\":\"\"}", "name: empty"},
	    {"{\"source\":\"\",\"name\":\"a\\u0000\"}", "name: holds a NUL"},
	    {"{\"source\":\"\",\"tag\":\"a\\u0000\"}", "tag: holds a NUL"},
	    {"{\"source\":\"\",\"tag\":99999999999999999999}", "tag: an integer"},
	    {"{\"source\":\"\",\"stream\":1}", "stream: an integer; must be true or false"},
	    {"{\"source\":\"\",\"stdin\":1}", "stdin: an integer"},
	    {"{\"source\":\"\",\"stdin\":99999999999999999999}", "stdin: an integer"},
	    {"{\"source\":\"\",\"stdin\":{}}", "stdin: an object must have \"base64\""},
	    {"{\"source\":\"\",\"stdin\":{\"base64\":\"\",\"x\":1}}", "and nothing else"},
	    {"{\"source\":\"\",\"stdin\":{\"base64\":1}}", "stdin.base64: an integer"},
	    {"{\"source\":\"\",\"stdin\":{\"base64\":\"!\"}}", "stdin.base64: base64: "},
	    {"{\"source\":\"\",\"mode\":\"eval\",\"entry\":{\"function\":\"f\"}}",
	     "entry: does not go with mode \"eval\""},
	    {"{\"code\":\"AAAAAAAAAAAAAAAAAAAAAA==\",\"mode\":\"eval\"}",
	     "code: does not go with mode \"eval\""},
	    {"{\"source\":\"\",\"trace\":\"all\"}", "trace: \"all\"; must be \"none\""},
	    {"{\"source\":\"\",\"trace\":true}", "trace: a boolean"},
	    {"{\"source\":\"\",\"priority\":11}", "priority: must be from -10 to 10"},
	    {"{\"source\":\"\",\"priority\":-11}", "priority: must be from -10 to 10"},
	    {"{\"source\":\"\",\"priority\":99999999999999999999}", "from -10 to 10"},
	    {"{\"source\":\"\",\"priority\":\"high\"}", "priority: a string"},
	    {"{\"source\":\"\",\"priority\":1.0}", "priority: a number"},
	    {"{\"source\":\"\",\"priority\":null}", "priority: null"},
	    {"{\"source\":\"\",\"deadline_ms\":0}", "deadline_ms: must be from 1 to 2592000000"},
	    {"{\"source\":\"\",\"deadline_ms\":2592000001}", "deadline_ms: must be from 1 to"},
	    {"{\"source\":\"\",\"deadline_ms\":true}", "deadline_ms: a boolean"},
	    {"{\"source\":\"\",\"limits\":{\"trace_events\":0}}",
	     "trace_events: must be at least 1"},
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
		assert_request_refused(CASES[i][0], ERROR_INVALID, CASES[i][1]);
}

static void
a_script_is_named_and_put_in_later(void **state)
{
	static const char ID[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	struct run_request request;
	struct error err = ERROR_INIT;
	struct pack_reader reader;
	struct pack_field field;
	char text[256];
	unsigned seen = 0;

	assert_request_refused("{\"script\":\"short\"}", ERROR_INVALID, "64 hex digits");
	(void)snprintf(text, sizeof(text), "{\"script\":\"%s\",\"source\":\"\"}", ID);
	assert_request_refused(text, ERROR_INVALID, "only one of them");
	assert_request_refused("{\"source\":\"\",\"idempotency_key\":\"k\"}", ERROR_INVALID,
			       "job.submit alone");
	(void)snprintf(text, sizeof(text), "{\"script\":\"%s\",\"mode\":\"eval\"}", ID);
	assert_int_equal(request_read(text, &request, &err), 0);
	assert_string_equal(request.script, ID);
	assert_int_equal(request_json_put_program(&request, true, "0123456789abcdef", 16, "", &err),
			 ERROR_INVALID);
	assert_int_equal(request_json_put_program(&request, false, "1+1", 3, "t.py", &err), 0);
	assert_string_equal(request.script, "");
	pack_reader_init(&reader, request.blob, request.blob_bytes);
	while (pack_next(&reader, &field, &err) == 1) {
		if (field.tag == JOB_SOURCE)
			seen += field.length == 3 && memcmp(field.bytes, "1+1", 3) == 0;
		if (field.tag == JOB_NAME)
			seen += field.length == 4 && memcmp(field.bytes, "t.py", 4) == 0;
	}
	assert_int_equal(seen, 2);
	run_request_deinit(&request);
}

static void
limits_are_checked_never_lowered(void **state)
{
	static const struct {
		const char *limits;
		int code;
		const char *reason;
	} CASES[] = {
	    {"[]", ERROR_INVALID, "limits: an array; must be an object"},
	    {"{\"cpu\":1}", ERROR_INVALID, "unknown limit \"cpu\""},
	    {"{\"cpu_ms\":0}", ERROR_INVALID, "limits.cpu_ms: must be at least 1 ms"},
	    {"{\"cpu_ms\":-1}", ERROR_INVALID, "limits.cpu_ms: must be at least 1 ms"},
	    {"{\"cpu_ms\":-99999999999999999999}", ERROR_INVALID, "must be at least 1 ms"},
	    {"{\"cpu_ms\":1.0}", ERROR_INVALID, "limits.cpu_ms: a number; must be an integer"},
	    {"{\"cpu_ms\":\"5\"}", ERROR_INVALID, "limits.cpu_ms: a string; must be"},
	    {"{\"cpu_ms\":null}", ERROR_INVALID, "limits.cpu_ms: null; must be"},
	    {"{\"cpu_ms\":60001}", ERROR_LIMIT,
	     "limits.cpu_ms: 60001 is above the maximum of 60000 ms"},
	    {"{\"cpu_ms\":9223372036854775807}", ERROR_LIMIT, "9223372036854775807 is above"},
	    {"{\"cpu_ms\":99999999999999999999}", ERROR_LIMIT,
	     "limits.cpu_ms: 99999999999999999999 is above the maximum of 60000 ms"},
	    {"{\"memory_bytes\":8388607}", ERROR_INVALID, "must be at least 8388608 bytes"},
	    {"{\"value_bytes\":1}", ERROR_INVALID, "must be at least 2 bytes"},
	};
	struct run_request request;
	struct error err = ERROR_INIT;
	char text[256];

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		(void)snprintf(text, sizeof(text), "{\"source\":\"\",\"limits\":%s}",
			       CASES[i].limits);
		assert_request_refused(text, CASES[i].code, CASES[i].reason);
	}
	/* The configuration's maximum counts, not the built-in one. */
	assert_int_equal(config_set(&config, "max_cpu_ms=5s", &err), 0);
	assert_request_refused("{\"source\":\"\",\"limits\":{\"cpu_ms\":5001}}", ERROR_LIMIT,
			       "above the maximum of 5000 ms");
	assert_int_equal(
	    request_read("{\"source\":\"\",\"limits\":{\"cpu_ms\":5000}}", &request, &err), 0);
	assert_int_equal(request.limits.cpu_ms, 5000);
	run_request_deinit(&request);
	assert_int_equal(config_set(&config, "max_cpu_ms=60s", &err), 0);
}

static void
opcodes_are_none_or_the_maximum(void **state)
{
	static const char TEXT[] = "{\"source\":\"\",\"limits\":{\"opcodes\":0}}";
	struct run_request request;
	struct error err = ERROR_INIT;

	assert_int_equal(request_read(TEXT, &request, &err), 0);
	assert_int_equal(request.limits.opcodes, 0);
	assert_int_equal(request.limits.opcodes_per_second, 0);
	run_request_deinit(&request);
	assert_int_equal(config_set(&config, "max_opcodes=5000", &err), 0);
	assert_int_equal(config_set(&config, "max_opcodes_per_second=70", &err), 0);
	assert_int_equal(request_read(TEXT, &request, &err), 0);
	assert_int_equal(request.limits.opcodes, 5000);
	assert_int_equal(request.limits.opcodes_per_second, 70);
	run_request_deinit(&request);
	assert_request_refused("{\"source\":\"\",\"limits\":{\"opcodes\":5001}}", ERROR_LIMIT,
			       "limits.opcodes: 5001 is above the maximum of 5000 opcodes");
	config_deinit(&config);
	config_init(&config);
}

static void
labels_have_lengths(void **state)
{
	struct run_request request;
	struct error err = ERROR_INIT;
	char text[512];

	(void)snprintf(text, sizeof(text), "{\"source\":\"\",\"tag\":\"%0255d\"}", 1);
	assert_int_equal(request_read(text, &request, &err), 0);
	assert_int_equal(strlen(request.tag), 255);
	run_request_deinit(&request);
	(void)snprintf(text, sizeof(text), "{\"source\":\"\",\"tag\":\"%0256d\"}", 1);
	assert_request_refused(text, ERROR_INVALID, "tag: 256 bytes, at most 255");
	(void)snprintf(text, sizeof(text), "{\"source\":\"\",\"name\":\"%0256d\"}", 1);
	assert_request_refused(text, ERROR_INVALID, "name: 256 bytes, at most 255");
}

static void
no_parameters_at_all(void **state)
{
	struct tenant_terms terms;
	struct run_request request;
	struct error err = ERROR_INIT;

	tenant_terms_init(&terms, "test", &config.limits_default, &config.limits_max);
	assert_int_equal(request_json_read(&marks, NULL, &config, &terms, &request, &err),
			 ERROR_INVALID);
	assert_non_null(strstr(err.text, "source, code or script"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(smallest_request_gets_the_defaults),
	    cmocka_unit_test(everything_at_once),
	    cmocka_unit_test(stdin_may_be_base64),
	    cmocka_unit_test(a_trace_travels_with_the_job),
	    cmocka_unit_test(who_owes_a_value),
	    cmocka_unit_test(wrong_parameters_are_named),
	    cmocka_unit_test(a_script_is_named_and_put_in_later),
	    cmocka_unit_test(limits_are_checked_never_lowered),
	    cmocka_unit_test(opcodes_are_none_or_the_maximum),
	    cmocka_unit_test(labels_have_lengths),
	    cmocka_unit_test(no_parameters_at_all),
	};

	return cmocka_run_group_tests(tests, request_group_setup, request_group_teardown);
}
