/*
 * Texts of /proc/<pid>/cgroup in the forms that kernels write, and group names.
 */
#include "worker/cgroup_path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const char HYBRID[] = "9:name=systemd:/\n8:pids:/user.slice\n4:memory:/a/b:c\n"
			     "2:cpu,cpuacct:/x\n0::/u\n";

static void
own_group_is_found(void **state)
{
	static const struct {
		const char *text, *controller;
		int code;
		const char *path;
	} ROWS[] = {
	    {HYBRID, "memory", 0, "/a/b:c"},
	    {HYBRID, "pids", 0, "/user.slice"},
	    {HYBRID, "cpuacct", 0, "/x"},
	    {HYBRID, "cpu", 0, "/x"},
	    {HYBRID, "", 0, "/u"},
	    {HYBRID, "cpua", ERROR_NOT_FOUND, NULL},
	    {HYBRID, "systemd", ERROR_NOT_FOUND, NULL},
	    {"0::/", "", 0, "/"},
	    {"0::/system.slice/stint.service\n", "", 0, "/system.slice/stint.service"},
	    {"0::/system.slice/stint.service\n", "memory", ERROR_NOT_FOUND, NULL},
	    {"", "", ERROR_NOT_FOUND, NULL},
	    {"\n\n", "", ERROR_NOT_FOUND, NULL},
	    {"no colon", "", ERROR_NOT_FOUND, NULL},
	    {"1:memory\n0::/y\n", "memory", ERROR_NOT_FOUND, NULL},
	    {"1:memory:\n", "memory", ERROR_INVALID, NULL},
	    {"1:memory:rel\n", "memory", ERROR_INVALID, NULL},
	    {"0::/../out\n", "", ERROR_INVALID, NULL},
	    {"0::/gone (deleted)\n", "", ERROR_INVALID, NULL},
	    {"0::/thirty-two-bytes-too-many--------\n", "", ERROR_LIMIT, NULL},
	    {"0::/thirty-one-bytes-just-fits-----\n", "", 0, "/thirty-one-bytes-just-fits-----"},
	};

	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		char path[33] = "untouched";

		assert_int_equal(
		    cgroup_path_own(ROWS[i].text, ROWS[i].controller, path, sizeof(path), NULL),
		    ROWS[i].code);
		assert_string_equal(path, ROWS[i].code == 0 ? ROWS[i].path : "untouched");
	}
}

static void
words_are_whole(void **state)
{
	assert_true(cgroup_path_has_word("cpuset cpu io memory pids\n", "cpu"));
	assert_true(cgroup_path_has_word("cpuset cpu io memory pids\n", "pids"));
	assert_true(cgroup_path_has_word("cpuset", "cpuset"));
	assert_false(cgroup_path_has_word("cpuset\n", "cpu"));
	assert_false(cgroup_path_has_word("", "cpu"));
	assert_false(cgroup_path_has_word("  \n", "cpu"));
}

static void
service_names_go_both_ways(void **state)
{
	static const char *const OTHERS[] = {"stint-",
					     "stint-0",
					     "stint--5",
					     "stint-007",
					     "stint-1x",
					     "stint-+1",
					     "stint- 1",
					     "stint",
					     "",
					     "xstint-1",
					     "stint-99999999999999999999",
					     "stint-4294967297"};
	static const pid_t PIDS[] = {1, 42, 4194304, INT32_MAX};
	char name[CGROUP_PATH_NAME_BYTES_MAX];

	for (size_t i = 0; i < sizeof(PIDS) / sizeof(PIDS[0]); i++) {
		cgroup_path_service(PIDS[i], name);
		assert_int_equal(cgroup_path_service_pid(name), PIDS[i]);
	}
	cgroup_path_service(42, name);
	assert_string_equal(name, "stint-42");
	for (size_t i = 0; i < sizeof(OTHERS) / sizeof(OTHERS[0]); i++)
		assert_int_equal(cgroup_path_service_pid(OTHERS[i]), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(own_group_is_found),
	    cmocka_unit_test(words_are_whole),
	    cmocka_unit_test(service_names_go_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
