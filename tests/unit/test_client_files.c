/*
 * Collected files as a daemon in wrong hands could send them: nothing outside the directory,
 * nothing that was not asked for, nothing through a link, and no byte of a name on the terminal as
 * it is.
 */
#define _GNU_SOURCE
#include "client/client_files.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static const char *const ANY[] = {"**"};

static int
put(const char *directory, const char *json, const char *const *patterns, size_t count,
    struct error *err)
{
	*err = (struct error)ERROR_INIT;
	return client_files_write((struct client_json){json, strlen(json)}, directory, patterns,
				  count, err);
}

/* Of a path below the fixture's directory. */
static bool
exists(const char *top, const char *name)
{
	char path[512];
	struct stat status;

	(void)snprintf(path, sizeof(path), "%s/%s", top, name);
	return lstat(path, &status) == 0;
}

static void
test_written(void **state)
{
	struct error err;

	assert_int_equal(
	    put(*state,
		"[{\"name\":\"a/b\",\"content\":\"x\"},{\"name\":\"c\",\"base64\":\"AAE=\"}]", ANY,
		1, &err),
	    0);
	assert_true(exists(*state, "a/b"));
	assert_true(exists(*state, "c"));
}

/* Valid names that nobody has asked for. */
static void
test_only_what_was_asked_for(void **state)
{
	static const char *const CSV[] = {"out/*.csv", "log"};
	struct error err;

	assert_int_equal(put(*state, "[{\"name\":\"out/1.csv\",\"content\":\"\"}]", CSV, 2, &err),
			 0);
	assert_true(put(*state, "[{\"name\":\".profile\",\"content\":\"evil\"}]", CSV, 2, &err) <
		    0);
	assert_non_null(strstr(err.text, ".profile"));
	assert_true(put(*state, "[{\"name\":\"out/d/1.csv\",\"content\":\"\"}]", CSV, 2, &err) < 0);
	assert_true(put(*state, "[{\"name\":\"x\",\"content\":\"\"}]", NULL, 0, &err) < 0);
	assert_false(exists(*state, ".profile"));
	assert_false(exists(*state, "out/d"));
	assert_false(exists(*state, "x"));
}

static void
test_names_that_lead_out(void **state)
{
	static const char *const BAD[] = {"../x", "/x", "a/../../x", "a//x",     ".",
					  "..",   "",   "a/",        "a\\u0000b"};
	char json[256];
	struct error err;

	for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
		(void)snprintf(json, sizeof(json), "[{\"name\":\"%s\",\"content\":\"\"}]", BAD[i]);
		if (put(*state, json, ANY, 1, &err) == 0)
			fail_msg("%s", BAD[i]);
	}
	assert_false(exists(*state, "../x"));
	assert_false(exists(*state, "a"));
}

static void
test_links_and_files_that_are_there(void **state)
{
	char path[512], other[512];
	struct error err;

	(void)snprintf(path, sizeof(path), "%s/link", (const char *)*state);
	(void)snprintf(other, sizeof(other), "%s.other", (const char *)*state);
	assert_int_equal(mkdir(other, 0700), 0);
	assert_int_equal(symlink(other, path), 0);
	assert_true(put(*state, "[{\"name\":\"link/x\",\"content\":\"\"}]", ANY, 1, &err) < 0);
	assert_true(put(*state, "[{\"name\":\"link\",\"content\":\"\"}]", ANY, 1, &err) < 0);
	assert_int_equal(rmdir(other), 0); /* empty still */
	assert_true(put(*state, "[{\"name\":\"link\",\"content\":\"\"}]", ANY, 1, &err) < 0);
	assert_false(exists(*state, "../other"));
}

/* One result can bring both: a file, and a directory of that name. */
static void
test_no_control_in_an_error(void **state)
{
	static const char *const BAD[] = {
	    "[{\"name\":\"\\u001b[2J\",\"content\":\"\"},{\"name\":\"\\u001b[2J/"
	    "x\",\"content\":\"\"}]",
	    "[{\"name\":\"\\u009b2J\",\"content\":\"\"},{\"name\":\"\\u009b2J/"
	    "x\",\"content\":\"\"}]",
	    "[{\"name\":\"\\u202e\",\"content\":\"\"},{\"name\":\"\\u202e\",\"content\":\"\"}]",
	};
	struct error err;

	for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
		assert_true(put(*state, BAD[i], ANY, 1, &err) < 0);
		for (const char *at = err.text; *at; at++)
			if ((unsigned char)*at < 0x20 || (unsigned char)*at > 0x7e)
				fail_msg("%zu: byte %#x in the error", i, (unsigned char)*at);
	}
}

static int
set_up(void **state)
{
	char *top = strdup("/tmp/test_client_files.XXXXXX");

	*state = top;
	return top && mkdtemp(top) ? 0 : -1;
}

static int
forget(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	(void)status;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int
tear_down(void **state)
{
	int result = nftw(*state, forget, 8, FTW_DEPTH | FTW_PHYS);

	free(*state);
	return result;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_written, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_only_what_was_asked_for, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_names_that_lead_out, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_links_and_files_that_are_there, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_no_control_in_an_error, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
