/*
 * Which account stintd may run as: never root, never one of the workers' range.
 */
#include "worker/spawner_daemon.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include <pwd.h>
#include <stdio.h>

#define NOBODY 65534u

static int
account(const char *user, uid_t *ret_uid, bool *ret_fallback, struct error *err)
{
	static const char *const RANGE[] = {"uid_base=1000000", "uid_count=1024"};
	struct config config;
	char setting[80];
	gid_t gid;
	int rc;

	config_init(&config);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(config_set(&config, RANGE[i], NULL), 0);
	(void)snprintf(setting, sizeof(setting), "user=%s", user);
	assert_int_equal(config_set(&config, setting, NULL), 0);
	rc = spawner_daemon_account(&config, ret_uid, &gid, ret_fallback, err);
	config_deinit(&config);
	return rc;
}

static void
accepted(void **state)
{
	static const struct {
		const char *user;
		uid_t uid;
	} ROWS[] = {{"nobody", NOBODY},
		    {"65534", NOBODY},
		    {"4242", 4242},
		    {"999999", 999999}, /* just below and just above the two ranges */
		    {"1002048", 1002048}};

	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		bool fallback = true;
		uid_t uid = 0;

		assert_int_equal(account(ROWS[i].user, &uid, &fallback, NULL), 0);
		assert_int_equal(uid, ROWS[i].uid);
		assert_false(fallback);
	}
}

static void
refused(void **state)
{
	static const struct {
		const char *user, *text;
	} ROWS[] = {{"root", "is root"},
		    {"0", "is root"},
		    {"1000000", "range of the workers"},
		    {"1002047", "range of the workers"},
		    {"no-such-account-here", "no account is named"},
		    {"-5", "no account is named"},
		    {"12x", "no account is named"},
		    {"4294967295", "no account is named"},
		    {"99999999999999999999999", "no account is named"}};

	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct error err = ERROR_INIT;
		bool fallback;
		uid_t uid;

		assert_true(account(ROWS[i].user, &uid, &fallback, &err) < 0);
		assert_non_null(strstr(err.text, ROWS[i].text));
	}
}

/* On a machine without the account: the number below the workers' range. */
static void
the_default(void **state)
{
	const struct passwd *entry = getpwnam("stint");
	bool there = entry != NULL, fallback = there;
	uid_t expected = there ? entry->pw_uid : 999999, uid = 0;

	assert_int_equal(account("stint", &uid, &fallback, NULL), 0);
	assert_int_equal(uid, expected);
	assert_int_equal(fallback, !there);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(accepted),
	    cmocka_unit_test(refused),
	    cmocka_unit_test(the_default),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
