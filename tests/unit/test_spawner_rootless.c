/*
 * Who gets the rootless mode: an ordinary user who asked for it, and nobody else. In a child, since
 * it depends on who asks.
 */
#define _GNU_SOURCE
#include "worker/spawner_rootless.h"

#include "worker/zygote_args.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#define USER 65534u

enum { CHOSE_ROOTLESS = 10, CHOSE_ROOT, REFUSED, REFUSED_WITHOUT_REMEDY, NO_USER };

static int
choose(const char *setting, uid_t uid)
{
	struct spawner spawner = {.rootless = false};
	struct error err = ERROR_INIT;

	config_init(&spawner.config);
	if (config_set(&spawner.config, setting, &err) < 0 || setresuid(uid, uid, uid) < 0)
		return NO_USER;
	if (spawner_rootless_choose(&spawner, &err) < 0)
		return err.code == ERROR_PERMISSION && strstr(err.text, "isolation=development")
			   ? REFUSED
			   : REFUSED_WITHOUT_REMEDY;
	return spawner.rootless ? CHOSE_ROOTLESS : CHOSE_ROOT;
}

static int
chosen(const char *setting, uid_t uid)
{
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(choose(setting, uid));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
an_ordinary_user_has_to_ask(void **state)
{
	uid_t uid = geteuid() == 0 ? USER : geteuid();

	assert_int_equal(chosen("isolation=full", uid), REFUSED);
	assert_int_equal(chosen("isolation=reduced", uid), REFUSED);
	assert_int_equal(chosen("isolation=development", uid), CHOSE_ROOTLESS);
}

static void
root_never_gets_it(void **state)
{
	if (geteuid() != 0)
		skip();
	assert_int_equal(chosen("isolation=full", 0), CHOSE_ROOT);
	assert_int_equal(chosen("isolation=development", 0), CHOSE_ROOT);
}

static void
one_id_for_all(void **state)
{
	const struct spawner spawner = {.rootless = true, .uid = 1000, .gid = 2000};
	struct spawner_exec plan = {.map_count = 65536};

	spawner_rootless_plan(&spawner, &plan);
	assert_int_equal(plan.map_count, 1);
	assert_int_equal(plan.map_base, 1000);
	assert_int_equal(plan.map_gid_base, 2000);
	assert_int_equal(plan.map_inside, ZYGOTE_ARGS_SHARED_UID);
	assert_int_equal(plan.uid, ZYGOTE_ARGS_SHARED_UID);
	assert_int_equal(plan.gid, ZYGOTE_ARGS_SHARED_UID);
	assert_true(plan.keep_groups && plan.keep_capabilities);
}

static void
the_kernels_refusal_has_a_remedy(void **state)
{
	struct error err = ERROR_INIT;

	assert_true(spawner_rootless_forbidden(EPERM, &err) < 0);
	assert_non_null(strstr(err.text, "remedy: sysctl -w kernel.unprivileged_userns_clone=1"));
	assert_int_equal(err.sys, EPERM);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_ordinary_user_has_to_ask),
	    cmocka_unit_test(root_never_gets_it),
	    cmocka_unit_test(one_id_for_all),
	    cmocka_unit_test(the_kernels_refusal_has_a_remedy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
