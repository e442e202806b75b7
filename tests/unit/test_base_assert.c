/*
 * require() and check_failed(): what passes, what aborts, seen from a parent process.
 */
#define _GNU_SOURCE
#include "protocol/base_assert.h"
#include "tests/unit/cmocka_headers.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Wait status of a child that runs `body` with its standard error closed off and no core file. */
static int
status_of(void (*body)(void))
{
	struct rlimit none = {0, 0};
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

		(void)setrlimit(RLIMIT_CORE, &none);
		(void)signal(SIGABRT, SIG_DFL);
		(void)dup2(fd, 2);
		body();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void
body_require_true(void)
{
	require(1 + 1 == 2);
}

static void
body_require_false(void)
{
	require(1 + 1 == 3);
}

static void
body_check(void)
{
	(void)unsetenv("STINT_FATAL_CHECKS");
	if (!check_failed(1 == 2) || check_failed(1 == 1))
		_exit(9);
}

static void
body_fatal_check(void)
{
	(void)setenv("STINT_FATAL_CHECKS", "1", 1);
	(void)check_failed(1 == 2);
}

static void
require_aborts_only_when_false(void **state)
{
	int status = status_of(body_require_true);

	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	status = status_of(body_require_false);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void
check_goes_on_unless_fatal(void **state)
{
	int status = status_of(body_check);

	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	status = status_of(body_fatal_check);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(require_aborts_only_when_false),
	    cmocka_unit_test(check_goes_on_unless_fatal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
