/*
 * Both filters in the kernel: a forked child installs them as a worker does and makes the calls.
 */
#define _GNU_SOURCE
#include "worker/seccomp_narrow.h"
#include "worker/seccomp_wide.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

static int
set_up(void **state)
{
	static struct seccomp_wide wide;
	const struct seccomp_wide_options options = {.asyncio = true};

	*state = &wide;
	return seccomp_wide_build(&options, &wide, NULL);
}

static int
tear_down(void **state)
{
	seccomp_wide_deinit(*state);
	return 0;
}

static pid_t
start_confined(const struct seccomp_wide *wide, void (*body)(void))
{
	struct seccomp_narrow narrow;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct rlimit none = {0, 0};

		(void)setrlimit(RLIMIT_CORE, &none);
		seccomp_narrow_build(getpid(), 0, &narrow);
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		    seccomp_wide_install(wide->instructions, wide->count, NULL) < 0 ||
		    seccomp_wide_install(narrow.instructions, narrow.count, NULL) < 0)
			_exit(100);
		body();
		_exit(0);
	}
	return pid;
}

static int
confined(const struct seccomp_wide *wide, void (*body)(void))
{
	int status;
	pid_t pid = start_confined(wide, body);

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

#define WANT_ERRNO(code, call, error)                                                              \
	do {                                                                                       \
		errno = 0;                                                                         \
		if ((call) >= 0 || errno != (error))                                               \
			_exit(code);                                                               \
	} while (0)

static void
make_calls(void)
{
	struct timespec now;
	char byte;
	void *memory;

	if (clock_gettime(CLOCK_REALTIME, &now) < 0 || getentropy(&byte, 1) < 0 || getppid() <= 0)
		_exit(1);
	memory = malloc(1 << 20);
	memory = realloc(memory, 1 << 22);
	if (!memory)
		_exit(2);
	free(memory);
	if (kill(getpid(), 0) < 0)
		_exit(3);
	WANT_ERRNO(10, fork(), EPERM);
	WANT_ERRNO(11, execl("/bin/true", "true", NULL), EPERM);
	WANT_ERRNO(12, socket(AF_INET, SOCK_STREAM, 0), EAFNOSUPPORT);
	WANT_ERRNO(13, kill(1, SIGKILL), EPERM);
	WANT_ERRNO(14, kill(-1, SIGKILL), EPERM);
	WANT_ERRNO(15, open("/tmp/test_seccomp", O_CREAT | O_WRONLY, 0600), EROFS);
	WANT_ERRNO(16, unlink("/nowhere"), EROFS);
	WANT_ERRNO(17, waitpid(-1, NULL, 0), ECHILD);
	WANT_ERRNO(18, setuid(0), EPERM);
	WANT_ERRNO(19, syscall(SYS_memfd_create, "x", 0), ENOSYS);
	WANT_ERRNO(20, isatty(0) ? 0 : -1, ENOTTY);
	WANT_ERRNO(21, setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}), EPERM);
	WANT_ERRNO(22, syscall(SYS_clone3, NULL, 0), ENOSYS);
	if (mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
	    MAP_FAILED)
		_exit(23);
}

static void
make_fatal_call(void)
{
	(void)syscall(SYS_ptrace, 0, 0, 0, 0);
}

static void
make_second_filter(void)
{
	(void)syscall(SYS_seccomp, 0, 0, NULL);
}

static void
test_live(void **state)
{
	const struct seccomp_wide *wide = *state;
	int status = confined(wide, make_calls);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	status = confined(wide, make_fatal_call);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
	status = confined(wide, make_second_filter);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
	status = confined(wide, abort);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

/*
 * Paths that other machines, kernels and C libraries take, forced: the vDSO's calls where it cannot
 * read the clock source, fstat of glibc from 2.39, nanosleep() of glibc (clock_nanosleep by
 * REALTIME). A stop in a wait with a timeout makes the kernel call restart_syscall.
 */
static void
make_calls_of_other_systems(void)
{
	const struct timespec none = {0, 1}, wait = {0, 300000000};
	struct timespec now;
	struct timeval day;
	struct stat status;

	/* First: after a stop there would be something to restart. */
	if (syscall(SYS_restart_syscall, 0) != -1 || errno != EINTR)
		_exit(7);
	if (syscall(SYS_fstat, 1, &status) < 0)
		_exit(1);
	if (syscall(SYS_gettimeofday, &day, NULL) < 0)
		_exit(2);
#ifdef SYS_time
	if (syscall(SYS_time, NULL) <= 0)
		_exit(3);
#endif
	for (int clock = 0; clock < 12; clock++)
		if (clock < 8 || clock == CLOCK_TAI) {
			if (syscall(SYS_clock_gettime, clock, &now) < 0)
				_exit(4);
			if (syscall(SYS_clock_getres, clock, &now) < 0)
				_exit(5);
		}
	if (syscall(SYS_clock_nanosleep, CLOCK_REALTIME, 0, &none, NULL) < 0 || usleep(1) < 0)
		_exit(6);
	if (syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &wait, NULL) < 0)
		_exit(8);
}

static bool
is_asleep(pid_t pid)
{
	char path[64], text[256], *state;
	FILE *file;
	size_t size;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return true; /* it has ended: no use to wait */
	size = fread(text, 1, sizeof(text) - 1, file);
	(void)fclose(file);
	text[size] = '\0';
	state = strrchr(text, ')');
	return state && (state[2] == 'S' || state[2] == 'Z');
}

static void
test_paths_of_other_systems(void **state)
{
	int status;
	pid_t pid = start_confined(*state, make_calls_of_other_systems);

	while (!is_asleep(pid))
		(void)sched_yield();
	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	if (WIFSTOPPED(status)) {
		assert_int_equal(kill(pid, SIGCONT), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
	}
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_live),
	    cmocka_unit_test(test_paths_of_other_systems),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
