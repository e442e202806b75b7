/*
 * The command line of the zygote: the spawner's is taken, everything else is refused.
 */
#include "worker/zygote_options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define WORDS_MAX 24

/* The spawner's line, in which `name` has another value (NULL: is left out). */
static int
parse(const char *name, const char *value, struct zygote_options *ret_options)
{
	static const char *const GOOD[] = {
	    "--root",      "/mnt",      "--stdlib",   "/usr/lib/python3.11",
	    "--roles",     "1,2,36,24", "--preload",  "a b",
	    "--hash-seed", "7",         "--asyncio",  "yes",
	    "--scratch",   "yes",       "--landlock", "on",
	    "--log-level", "debug",     "--ids",      "own",
	    "--pin-cores", "no",
	};
	char words[WORDS_MAX][64], *argv[WORDS_MAX];
	struct error err = ERROR_INIT;
	int argc = 1, code;

	_Static_assert(sizeof(GOOD) / sizeof(GOOD[0]) < WORDS_MAX, "room for all words");
	strcpy(words[0], "stint-zygote");
	for (size_t i = 0; i < sizeof(GOOD) / sizeof(GOOD[0]); i += 2) {
		int changed = name && strcmp(name, GOOD[i]) == 0;

		if (changed && !value)
			continue;
		strcpy(words[argc++], GOOD[i]);
		strcpy(words[argc++], changed ? value : GOOD[i + 1]);
	}
	for (int i = 0; i < argc; i++)
		argv[i] = words[i];
	code = zygote_options_parse(argc, argv, ret_options, &err);
	assert_true((code < 0) == (err.text[0] != '\0'));
	/* texts are borrowed from words, which end here */
	if (code == 0)
		ret_options->root = ret_options->stdlib = ret_options->preload = NULL;
	return code;
}

static void
test_good(void **state)
{
	struct zygote_options options;

	assert_int_equal(parse(NULL, NULL, &options), 0);
	assert_int_equal(options.dir_count, 4);
	assert_int_equal(options.roles[0], 1);
	assert_int_equal(options.roles[2], 36);
	assert_int_equal(options.roles[3], 24);
	assert_int_equal(options.hash_seed, 7);
	assert_true(options.asyncio);
	assert_true(options.scratch);
	assert_true(options.landlock);
	assert_int_equal(parse("--landlock", "off", &options), 0);
	assert_false(options.landlock);
	assert_int_equal(options.log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(parse("--scratch", "no", &options), 0);
	assert_false(options.scratch);
	assert_int_equal(parse("--asyncio", "no", &options), 0);
	assert_false(options.asyncio);
	assert_false(options.pin_cores);
	assert_int_equal(parse("--pin-cores", "yes", &options), 0);
	assert_true(options.pin_cores);
	assert_int_equal(parse("--preload", "", &options), 0);
	assert_int_equal(parse("--hash-seed", "4294967295", &options), 0);
	assert_int_equal(options.hash_seed, 4294967295u);
	assert_int_equal(parse("--roles", "31", &options), 0);
	assert_int_equal(options.dir_count, 1);
	assert_false(options.shared_account);
	assert_int_equal(parse("--ids", "shared", &options), 0);
	assert_true(options.shared_account);
	assert_int_equal(parse("--roles", "", &options), 0);
	assert_int_equal(options.dir_count, 0);
}

static void
test_bad_values(void **state)
{
	static const char *const BAD[][2] = {
	    {"--root", "mnt"},      {"--root", ""},
	    {"--stdlib", "lib"},    {"--roles", "1,"},
	    {"--roles", ",1"},      {"--roles", "1,2,4,8,1,2"},
	    {"--roles", "64"},      {"--roles", "1 2"},
	    {"--roles", "-1"},      {"--hash-seed", "4294967296"},
	    {"--hash-seed", "1x"},  {"--hash-seed", ""},
	    {"--asyncio", "maybe"}, {"--scratch", "on"},
	    {"--scratch", NULL},    {"--landlock", "yes"},
	    {"--landlock", ""},     {"--log-level", "loud"},
	    {"--root", NULL},       {"--stdlib", NULL},
	    {"--roles", NULL},      {"--preload", NULL},
	    {"--hash-seed", NULL},  {"--asyncio", NULL},
	    {"--landlock", NULL},   {"--log-level", NULL},
	    {"--ids", "both"},      {"--ids", NULL},
	    {"--pin-cores", "2"},   {"--pin-cores", NULL},
	};
	struct zygote_options options;

	for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++)
		if (parse(BAD[i][0], BAD[i][1], &options) == 0)
			fail_msg("%s %s", BAD[i][0], BAD[i][1] ? BAD[i][1] : "(missing)");
}

static void
test_words(void **state)
{
	char zero[] = "stint-zygote", root[] = "--root", value[] = "/mnt", odd[] = "--odd";
	char *twice[] = {zero, root, value, root, value}, *alone[] = {zero, root};
	char *unknown[] = {zero, odd, value};
	struct zygote_options options;
	struct error err;

	assert_true(zygote_options_parse(5, twice, &options, &err) < 0);
	assert_true(zygote_options_parse(2, alone, &options, &err) < 0);
	assert_true(zygote_options_parse(3, unknown, &options, &err) < 0);
	assert_non_null(strstr(err.text, "--odd"));
	assert_true(zygote_options_parse(1, unknown, &options, &err) < 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),
	    cmocka_unit_test(test_bad_values),
	    cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
