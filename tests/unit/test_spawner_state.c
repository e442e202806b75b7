/*
 * spawner_state.c: a directory that becomes stintd's is closed to others before it is believed to
 * be empty; one with something in it is not touched.
 */
#define _GNU_SOURCE
#include "tests/unit/cmocka_headers.h"
#include "worker/spawner_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OTHER 65533 /* stintd's account */

int __real_fchmod(int fd, mode_t mode);
int __wrap_fchmod(int fd, mode_t mode);
int __wrap_fchown(int fd, uid_t uid, gid_t gid);

static char directory[32], file[64];
static bool somebody_writes, no_modes;
static uid_t given_to;

static void
write_file(void)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	assert_true(fd >= 0);
	(void)close(fd);
}

int
__wrap_fchmod(int fd, mode_t mode)
{
	/* In the last moment in which others can. */
	if (somebody_writes)
		write_file();
	return no_modes ? 0 : __real_fchmod(fd, mode);
}

int
__wrap_fchown(int fd, uid_t uid, gid_t gid)
{
	struct stat st;

	(void)gid;
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	given_to = uid;
	return 0;
}

static mode_t
mode(void)
{
	struct stat st;

	assert_int_equal(stat(directory, &st), 0);
	return st.st_mode & 07777;
}

static int
try_open(struct error *err)
{
	struct config config;
	char setting[64];
	int fd = -1;

	config_init(&config);
	(void)snprintf(setting, sizeof(setting), "state_dir=%s", directory);
	assert_int_equal(config_set(&config, setting, NULL), 0);
	int rc = spawner_state_open(&config, OTHER, OTHER, &fd, err);
	config_deinit(&config);
	assert_int_equal(fd >= 0, rc == 0);
	if (fd >= 0)
		(void)close(fd);
	return rc;
}

static void
an_empty_one_is_given(void **state)
{
	(void)state;
	assert_int_equal(chmod(directory, 0777), 0);
	assert_int_equal(try_open(NULL), 0);
	assert_int_equal(given_to, OTHER);
	assert_int_equal(mode(), 0700);
}

static void
one_with_a_file_is_not_touched(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(chmod(directory, 0777), 0);
	write_file();
	assert_int_equal(try_open(&err), ERROR_INVALID);
	assert_non_null(strstr(err.text, "not empty"));
	assert_int_equal(mode(), 0777);
	assert_int_equal(given_to, 0);
}

static void
one_that_is_written_to_meanwhile_is_refused(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(chmod(directory, 0777), 0);
	somebody_writes = true;
	assert_int_equal(try_open(&err), ERROR_INVALID);
	assert_non_null(strstr(err.text, "not empty"));
	assert_int_equal(given_to, 0);
}

static void
one_without_modes_is_refused(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(chmod(directory, 0777), 0);
	no_modes = true;
	assert_int_equal(try_open(&err), ERROR_INVALID);
	assert_non_null(strstr(err.text, "remedy"));
	assert_int_equal(given_to, 0);
}

static int
setup(void **state)
{
	(void)state;
	somebody_writes = no_modes = false;
	given_to = 0;
	strcpy(directory, "/tmp/stint-state-XXXXXX");
	assert_non_null(mkdtemp(directory));
	(void)snprintf(file, sizeof(file), "%s/file", directory);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	(void)unlink(file);
	return rmdir(directory);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(an_empty_one_is_given),
	    TEST(one_with_a_file_is_not_touched),
	    TEST(one_that_is_written_to_meanwhile_is_refused),
	    TEST(one_without_modes_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
