/*
 * client_request: the line that goes to the daemon, byte for byte.
 */
#include "client/client_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEAD "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.run\",\"params\":{"

static char *
request(const char *const *words, int count)
{
	char *argv[32] = {(char *)(uintptr_t) "stint", (char *)(uintptr_t) "run",
			  (char *)(uintptr_t) "--no-stdin"};
	struct client_options options;
	struct error err = ERROR_INIT;
	char *line = NULL;
	size_t size = 0;

	for (int i = 0; i < count; i++)
		argv[3 + i] = (char *)(uintptr_t)words[i];
	assert_int_equal(
	    client_options_parse(3 + count, argv, 2, CLIENT_COMMAND_RUN, &options, &err), 0);
	if (client_request_run(&options, &line, &size, &err) == 0)
		assert_int_equal(strlen(line), size);
	else
		assert_true(err.text[0] != '\0');
	client_options_deinit(&options);
	return line;
}

#define assert_request(expected, ...)                                                              \
	do {                                                                                       \
		const char *const words_[] = {__VA_ARGS__};                                        \
		char *line_ = request(words_, sizeof(words_) / sizeof(words_[0]));                 \
		assert_non_null(line_);                                                            \
		assert_string_equal(line_, expected);                                              \
		free(line_);                                                                       \
	} while (0)
#define assert_no_request(...)                                                                     \
	do {                                                                                       \
		const char *const words_[] = {__VA_ARGS__};                                        \
		assert_null(request(words_, sizeof(words_) / sizeof(words_[0])));                  \
	} while (0)

static void
test_text(void **state)
{
	assert_request(HEAD "\"source\":\"print(\\\"\xc3\xa9\\n\\\")\",\"name\":\"<string>\","
			    "\"stream\":true}}\n",
		       "-c", "print(\"\xc3\xa9\n\")");
	assert_request(HEAD "\"source\":\"1\",\"name\":\"n\",\"mode\":\"eval\"}}\n", "--json",
		       "--eval", "-c", "1", "--name", "n");
}

static void
test_everything(void **state)
{
	assert_request(HEAD
		       "\"source\":\"1\",\"name\":\"<string>\",\"args\":[\"x\",\"-y\"],"
		       "\"inputs\":{\"a\":1000000000000000000000,\"b\":[ ]},\"outputs\":[\"c\"],"
		       "\"entry\":{\"function\":\"f\",\"args\":[1],\"kwargs\":{}},"
		       "\"limits\":{\"cpu_ms\":500,\"threads\":2}}}\n",
		       "--json", "-c", "1", "--input", "a=1000000000000000000000", "--input",
		       "b=[ ]", "--output", "c", "--entry", "f", "--entry-args=[1]",
		       "--entry-kwargs={}", "--threads=2", "--cpu=0.5s", "--", "x", "-y");
}

static void
test_module(void **state)
{
	assert_request(HEAD
		       "\"source\":\"import runpy as _runpy\\n_runpy.run_module(\\\"no.such\\\", "
		       "run_name=\\\"__main__\\\", alter_sys=True)\\n\","
		       "\"name\":\"<module>\"}}\n",
		       "--json", "-m", "no.such");
}

static void
test_refused(void **state)
{
	assert_no_request("-c", "\xff");
	assert_no_request("-c", "1", "--input", "a=text");
	assert_no_request("-c", "1", "--input", "a=1,\"b\":2");
	assert_no_request("-c", "1", "--input", "a=[\n]");
	assert_no_request("-c", "1", "--entry", "f", "--entry-args", "{}");
	assert_no_request("/no/such/file.py");
	assert_no_request("-c", "1", "--module", "a=/no/such/file.py");
	assert_no_request("-c", "1", "--", "\xff");
}

static void
test_file(void **state)
{
	char path[] = "/tmp/stint-client-request-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x = 1\n", 6), 6);
	(void)close(fd);
	assert_request(HEAD "\"source\":\"x = 1\\n\",\"name\":\"n\"}}\n", "--json", "--name", "n",
		       path);
	(void)unlink(path);
}

static void
test_simple(void **state)
{
	struct error err = ERROR_INIT;
	char *line;
	size_t size;

	assert_int_equal(client_request_simple("job.status", "a\"b", NULL, &line, &size, &err), 0);
	assert_string_equal(line, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.status\","
				  "\"params\":{\"job\":\"a\\\"b\"}}\n");
	assert_int_equal(strlen(line), size);
	free(line);
	assert_true(client_request_simple("job.status", "\xff", NULL, &line, &size, &err) < 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_text),   cmocka_unit_test(test_everything),
	    cmocka_unit_test(test_module), cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_file),   cmocka_unit_test(test_simple),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
