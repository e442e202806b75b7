/*
 * The rules for what may stay mounted, on lines of mountinfo. The change of the root itself is
 * tested by tests/functional/test_zygote.py.
 */
#include "worker/sandbox_fs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static int
check(const char *options, struct error *err)
{
	char line[256];

	(void)snprintf(line, sizeof(line), "91 60 0:44 / /usr/lib %s shared:1 - tmpfs stint rw",
		       options);
	return sandbox_fs_check_mount(line, err);
}

static void
test_mounts(void **state)
{
	static const char *const BAD[] = {
	    "rw,nosuid,nodev,noexec",
	    "ro,nodev,noexec",
	    "ro,nosuid,noexec",
	    "ro,nosuid,nodev",
	    "nosuid,nodev,noexec,root",
	    "ro,nosuidx,nodev,noexec",
	    "",
	};
	struct error err = ERROR_INIT;

	assert_int_equal(check("ro,nosuid,nodev,noexec,noatime", &err), 0);
	assert_int_equal(check("noexec,nodev,relatime,nosuid,ro", &err), 0);
	assert_int_equal(err.text[0], '\0');
	for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++)
		if (check(BAD[i], &err) == 0)
			fail_msg("passed: %s", BAD[i]);
}

static void
test_message_names_the_mount(void **state)
{
	struct error err = ERROR_INIT;

	assert_int_equal(check("ro,nodev,noexec", &err), ERROR_PERMISSION);
	assert_non_null(strstr(err.text, "/usr/lib"));
	assert_non_null(strstr(err.text, "nosuid"));
}

static void
test_short_line(void **state)
{
	char line[] = "91 60 0:44 / /usr/lib", nothing[] = "";

	assert_int_equal(sandbox_fs_check_mount(line, NULL), ERROR_INVALID);
	assert_int_equal(sandbox_fs_check_mount(nothing, NULL), ERROR_INVALID);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_mounts),
	    cmocka_unit_test(test_message_names_the_mount),
	    cmocka_unit_test(test_short_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
