/*
 * client_options: what the command line means, and what is refused.
 */
#include "client/client_options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 16

static struct error err;

/* Parse a blank-separated command line; words stay in `line`. */
static int
parse(char *line, enum client_command command, struct client_options *ret_options)
{
	char program[] = "stint", name[] = "command";
	char *words[WORDS_MAX] = {program, name};
	int count = 2;

	for (char *word = strtok(line, " "); word != NULL; word = strtok(NULL, " "))
		words[count++] = word;
	memset(&err, 0, sizeof(err));
	return client_options_parse(count, words, 2, command, ret_options, &err);
}

static void
test_run(void **state)
{
	char line[] =
	    "--cpu 2s file.py --memory=64M --input a=1 --usage x --input=b=[2] -- --cpu y";
	struct client_options options;

	assert_int_equal(parse(line, CLIENT_COMMAND_RUN, &options), 0);
	assert_int_equal(options.kind, CLIENT_SOURCE_FILE);
	assert_string_equal(options.source, "file.py");
	assert_int_equal(options.word_count, 3);
	assert_string_equal(options.words[0], "x");
	assert_string_equal(options.words[1], "--cpu");
	assert_string_equal(options.words[2], "y");
	assert_int_equal(options.limits.cpu_ms, 2000);
	assert_int_equal(options.limits.memory_bytes, 64 << 20);
	assert_true(options.limit_given[LIMIT_cpu_ms]);
	assert_false(options.limit_given[LIMIT_wall_ms]);
	assert_int_equal(options.input_count, 2);
	assert_memory_equal(options.inputs[1].name, "b=[2]", 5);
	assert_int_equal(options.inputs[1].name_length, 1);
	assert_string_equal(options.inputs[1].value, "[2]");
	assert_true(options.usage);
	assert_false(options.json);
	client_options_deinit(&options);
	client_options_deinit(&options);
	client_options_deinit(NULL);
}

static void
test_sources(void **state)
{
	char text[] = "-c print(1) arg", module[] = "-m json.tool a", input[] = "- a";
	struct client_options options;

	assert_int_equal(parse(text, CLIENT_COMMAND_RUN, &options), 0);
	assert_int_equal(options.kind, CLIENT_SOURCE_TEXT);
	assert_string_equal(options.words[0], "arg");
	client_options_deinit(&options);
	assert_int_equal(parse(module, CLIENT_COMMAND_RUN, &options), 0);
	assert_int_equal(options.kind, CLIENT_SOURCE_MODULE);
	client_options_deinit(&options);
	assert_int_equal(parse(input, CLIENT_COMMAND_RUN, &options), 0);
	assert_string_equal(options.source, "-");
	assert_int_equal(options.word_count, 1);
	client_options_deinit(&options);
}

static void
test_refused(void **state)
{
	static const char *const CASES[][2] = {
	    {"", "FILE"},
	    {"x --bogus", "'--bogus'"},
	    {"x --bogus=5", "'--bogus'"},
	    {"x --cpu", "--cpu"},
	    {"x --cpu 5", "--cpu: '5'"},
	    {"x --json=1", "--json takes no value"},
	    {"-c", "-c needs"},
	    {"-c a -c b", "more than one program"},
	    {"-c a -m b", "more than one program"},
	    {"x --input a", "NAME=JSON"},
	    {"x --input =a", "NAME=JSON"},
	    {"x --entry-args []", "--entry FUNCTION"},
	    {"x --stdin a --no-stdin", "exclude"},
	    {"x --eval --entry f", "exclude"},
	    {"x --us", "'--us'"},
	    {"x --", ""},
	};

	for (size_t i = 0; i + 1 < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct client_options options;
		char line[128];

		strcpy(line, CASES[i][0]);
		assert_true(parse(line, CLIENT_COMMAND_RUN, &options) < 0);
		assert_non_null(strstr(err.text, CASES[i][1]));
		assert_null(options.words);
	}
}

static void
test_options_belong_to_commands(void **state)
{
	char usage[] = "--usage", limit[] = "--cpu 2s", good[] = "--json --socket /s 0123";
	struct client_options options;

	assert_true(parse(usage, CLIENT_COMMAND_STATUS, &options) < 0);
	assert_true(parse(limit, CLIENT_COMMAND_CANCEL, &options) < 0);
	assert_int_equal(parse(good, CLIENT_COMMAND_STATUS, &options), 0);
	assert_string_equal(options.socket, "/s");
	assert_string_equal(options.words[0], "0123");
	client_options_deinit(&options);
	char level[] = "--isolation reduced --json", again[] = "--isolation reduced";
	assert_int_equal(parse(level, CLIENT_COMMAND_DOCTOR, &options), 0);
	assert_string_equal(options.isolation, "reduced");
	assert_true(options.json);
	client_options_deinit(&options);
	assert_true(parse(again, CLIENT_COMMAND_STATUS, &options) < 0);
}

static void
test_socket(void **state)
{
	char one[] = "x", two[] = "x";
	struct client_options options;

	(void)setenv("STINT_SOCKET", "/from/environment", 1);
	assert_int_equal(parse(one, CLIENT_COMMAND_RUN, &options), 0);
	assert_string_equal(options.socket, "/from/environment");
	client_options_deinit(&options);
	(void)unsetenv("STINT_SOCKET");
	assert_int_equal(parse(two, CLIENT_COMMAND_RUN, &options), 0);
	assert_string_equal(options.socket, CLIENT_SOCKET_DEFAULT);
	client_options_deinit(&options);
}

static void
test_limit_names(void **state)
{
	char name[CLIENT_OPTIONS_NAME_BYTES];

	client_options_limit_name(LIMIT_cpu_ms, name);
	assert_string_equal(name, "cpu");
	client_options_limit_name(LIMIT_memory_bytes, name);
	assert_string_equal(name, "memory");
	client_options_limit_name(LIMIT_open_files, name);
	assert_string_equal(name, "open-files");
	client_options_limit_name(LIMIT_threads, name);
	assert_string_equal(name, "threads");
}

static void
test_priority_and_deadline(void **state)
{
	struct client_options options;
	char both[] = "--priority -10 --deadline 1.5s x.py", wide[] = "--priority=7 x.py";
	char *const wrong[] = {
	    (char[]){"--priority 11 x.py"}, (char[]){"--priority high x.py"},
	    (char[]){"--priority 1x x.py"}, (char[]){"--deadline 0 x.py"},
	    (char[]){"--deadline 5x x.py"}, (char[]){"--deadline 1000000min x.py"},
	};

	(void)state;
	assert_int_equal(parse(both, CLIENT_COMMAND_RUN, &options), 0);
	assert_int_equal(options.priority, -10);
	assert_int_equal(options.deadline_ms, 1500);
	client_options_deinit(&options);
	assert_int_equal(parse(wide, CLIENT_COMMAND_RUN, &options), 0);
	assert_int_equal(options.priority, 7);
	assert_int_equal(options.deadline_ms, 0);
	client_options_deinit(&options);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(parse(wrong[i], CLIENT_COMMAND_RUN, &options), ERROR_INVALID);
		client_options_deinit(&options);
	}
}

static void
test_files_and_entry(void **state)
{
	char line[] = "--entry f --entry-args [1] --entry-kwargs {} --output a --output b";
	char more[] = "--name n --module m=p --file a=b --collect *.txt --out d --scratch 1M x.py";
	char trace[] = "--trace calls x.py", bare[] = "--trace x.py", wide[] = "--trace=lines x.py";
	struct client_options options;

	(void)state;
	assert_int_equal(parse(line, CLIENT_COMMAND_RUN, &options), ERROR_INVALID); /* no program */
	client_options_deinit(&options);
	assert_int_equal(parse(more, CLIENT_COMMAND_RUN, &options), 0);
	assert_string_equal(options.name, "n");
	assert_int_equal(options.module_count, 1);
	assert_memory_equal(options.modules[0].name, "m", options.modules[0].name_length);
	assert_string_equal(options.files[0].value, "b");
	assert_string_equal(options.collect[0], "*.txt");
	assert_string_equal(options.out, "d");
	assert_true(options.limit_given[LIMIT_scratch_bytes]);
	client_options_deinit(&options);
	assert_int_equal(parse(trace, CLIENT_COMMAND_RUN, &options), 0);
	assert_string_equal(options.trace, "calls");
	client_options_deinit(&options);
	assert_int_equal(parse(bare, CLIENT_COMMAND_RUN, &options), 0);
	assert_string_equal(options.trace, "opcodes");
	assert_string_equal(options.source, "x.py");
	client_options_deinit(&options);
	assert_int_equal(parse(wide, CLIENT_COMMAND_RUN, &options), 0);
	assert_string_equal(options.trace, "lines");
	client_options_deinit(&options);
}

static void
test_what_needs_another(void **state)
{
	static const char *const LINES[][2] = {
	    {"--out d x.py", "--collect"},
	    {"--collect * x.py", "--out"},
	    {"--collect * --json x.py", "--scratch"},
	    {"--file a=b x.py", "--scratch"},
	    {"--entry-kwargs {} x.py", "--entry"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(LINES) / sizeof(LINES[0]); i++) {
		struct client_options options;
		char line[64];

		(void)snprintf(line, sizeof(line), "%s", LINES[i][0]);
		assert_int_equal(parse(line, CLIENT_COMMAND_RUN, &options), ERROR_INVALID);
		assert_non_null(strstr(err.text, LINES[i][1]));
		client_options_deinit(&options);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_priority_and_deadline),
	    cmocka_unit_test(test_files_and_entry),
	    cmocka_unit_test(test_what_needs_another),
	    cmocka_unit_test(test_run),
	    cmocka_unit_test(test_sources),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_options_belong_to_commands),
	    cmocka_unit_test(test_socket),
	    cmocka_unit_test(test_limit_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
