/*
 * Why a clone failed, from the limits that a directory has; and whether an id map has a range.
 */
#define _GNU_SOURCE
#include "tests/unit/cmocka_headers.h"
#include "worker/spawner_preflight.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const SPACES[] = {"user", "pid", "mnt", "net", "ipc", "uts"};
#define SPACES_COUNT (sizeof(SPACES) / sizeof(SPACES[0]))

static void
limit_path(const char *directory, const char *space, char ret[128])
{
	(void)snprintf(ret, 128, "%s/max_%s_namespaces", directory, space);
}

static void
set_limit(const char *directory, const char *space, const char *text)
{
	char path[128];

	limit_path(directory, space, path);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	(void)close(fd);
}

static int
make_limits(void **state)
{
	static char directory[32];

	strcpy(directory, "/tmp/stint-limits-XXXXXX");
	assert_non_null(mkdtemp(directory));
	for (size_t i = 0; i < SPACES_COUNT; i++)
		set_limit(directory, SPACES[i], "96365\n");
	*state = directory;
	return 0;
}

static int
remove_limits(void **state)
{
	char path[128];

	for (size_t i = 0; i < SPACES_COUNT; i++) {
		limit_path(*state, SPACES[i], path);
		(void)unlink(path);
	}
	return rmdir(*state);
}

static void
a_limit_of_zero_is_named_whatever_the_errno(void **state)
{
	static const int ERRNOS[] = {ENOSPC, EPERM, EINVAL};
	char wanted[64];

	for (size_t i = 0; i < SPACES_COUNT; i++) {
		struct error err = ERROR_INIT;

		set_limit(*state, SPACES[i], "0\n");
		assert_int_equal(spawner_preflight_explain(ERRNOS[i % 3], *state, &err),
				 ERROR_UNSUPPORTED);
		(void)snprintf(wanted, sizeof(wanted),
			       "sysctl -w user.max_%s_namespaces=", SPACES[i]);
		assert_non_null(strstr(err.text, wanted));
		set_limit(*state, SPACES[i], "1\n");
	}
}

static void
other_reasons_have_their_remedies(void **state)
{
	struct error err = ERROR_INIT;
	char path[128];

	assert_int_equal(spawner_preflight_explain(EPERM, *state, &err), ERROR_PERMISSION);
	assert_non_null(strstr(err.text, "CAP_SYS_ADMIN"));
	err = (struct error)ERROR_INIT;
	assert_int_equal(spawner_preflight_explain(ENOSPC, *state, &err), ERROR_LIMIT);
	assert_non_null(strstr(err.text, "raise user.max"));
	err = (struct error)ERROR_INIT;
	assert_true(spawner_preflight_explain(ENOMEM, *state, &err) < 0);
	assert_non_null(strstr(err.text, "Cannot allocate memory"));
	limit_path(*state, "net", path);
	assert_int_equal(unlink(path), 0);
	err = (struct error)ERROR_INIT;
	assert_int_equal(spawner_preflight_explain(EINVAL, *state, &err), ERROR_UNSUPPORTED);
	assert_non_null(strstr(err.text, "no net namespaces"));
}

static void
a_map_must_have_the_whole_range(void **state)
{
	(void)state;
	assert_true(spawner_preflight_covers("0 0 4294967295\n", 1900000000, 131072));
	assert_true(spawner_preflight_covers("0 0 1\n100 5000 50\n", 100, 50));
	assert_false(spawner_preflight_covers("0 0 1\n100 5000 50\n", 100, 51));
	assert_false(spawner_preflight_covers("0 0 1\n100 5000 50\n", 99, 2));
	assert_false(spawner_preflight_covers("0 1000 1\n", 1900000000, 131072));
	assert_false(spawner_preflight_covers("", 1900000000, 131072));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_limit_of_zero_is_named_whatever_the_errno,
					    make_limits, remove_limits),
	    cmocka_unit_test_setup_teardown(other_reasons_have_their_remedies, make_limits,
					    remove_limits),
	    cmocka_unit_test(a_map_must_have_the_whole_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
