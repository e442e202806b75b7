/*
 * What is left to a stintd that was taken over: each try in a process of its own that was confined
 * as stintd is, with the account of this test (root, as a rule), so that it is the confinement that
 * says no. A try tells by its exit status; a kill is a kill.
 */
#define _GNU_SOURCE
#include "daemon/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define DONE 200 /* the try worked */

static int
outcome(long result)
{
	return result >= 0 ? DONE : errno;
}

static int
try_read_file(void)
{
	return outcome(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
}

static int
try_list_root(void)
{
	return outcome(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static int
try_create_file(void)
{
	return outcome(open("/tmp/stint-confine", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static int
try_make_directory(void)
{
	return outcome(mkdirat(AT_FDCWD, "/tmp/stint-confine", 0700));
}

static int
try_null(void)
{
	return outcome(open("/dev/null", O_RDONLY | O_CLOEXEC));
}

static int
try_groups(void)
{
	return outcome(open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static int state_fd = -1; /* the state directory of these tries */

/* As the job store does. */
static int
make_file(int dir, const char *name, mode_t mode)
{
	return openat(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, mode);
}

static int
try_state_file(void)
{
	int fd = make_file(state_fd, "try", 0600);

	if (fd < 0 || pwrite(fd, "x", 1, 0) != 1 || ftruncate(fd, 0) < 0 || fdatasync(fd) < 0 ||
	    fsync(state_fd) < 0)
		return errno;
	if (renameat(state_fd, "try", state_fd, "try.aside") < 0)
		return errno;
	return outcome(unlinkat(state_fd, "try.aside", 0));
}

static int
try_state_file_for_others(void)
{
	return outcome(make_file(state_fd, "try", 0644));
}

static int
try_state_directory(void)
{
	return outcome(mkdirat(state_fd, "try", 0700));
}

static int
try_state_link(void)
{
	return outcome(symlinkat("/etc/passwd", state_fd, "try"));
}

static int
try_state_above(void)
{
	return outcome(make_file(state_fd, "../stint-confine", 0600));
}

static int
try_state_list(void)
{
	return outcome(openat(state_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static int
try_file_like_state(void)
{
	return outcome(make_file(AT_FDCWD, "/tmp/stint-confine", 0600));
}

static int
try_move_out(void)
{
	int fd = make_file(state_fd, "try", 0600);

	if (fd < 0)
		return 1;
	int result = outcome(renameat(state_fd, "try", AT_FDCWD, "/tmp/stint-confine"));

	(void)unlinkat(state_fd, "try", 0);
	return result;
}

static int
try_fork(void)
{
	return outcome(fork());
}

static int
try_exec(void)
{
	return outcome(execl("/bin/true", "true", NULL));
}

static int
try_ptrace(void)
{
	return outcome(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int
try_internet(void)
{
	return outcome(socket(AF_INET, SOCK_STREAM, 0));
}

static int
try_unix(void)
{
	return outcome(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int
try_pair(void)
{
	int fds[2];

	return outcome(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds));
}

/* A datagram's sender may name any socket of the host. */
static int
try_datagrams(void)
{
	int fds[2];

	return outcome(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds));
}

/* The listening socket is shared with the spawner and with the next stintd. */
static int
try_shutdown(void)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return 1;
	return outcome(shutdown(fds[0], SHUT_RDWR));
}

static int
try_socket_filter(void)
{
	struct sock_filter accept = {BPF_RET | BPF_K, 0, 0, UINT32_MAX};
	struct sock_fprog program = {1, &accept};
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return 1;
	return outcome(setsockopt(fds[0], SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)));
}

static int
try_set_user_id(void)
{
	int fd = memfd_create("x", MFD_CLOEXEC);

	return fd < 0 ? 1 : outcome(fchmod(fd, 04755));
}

static int
try_mode(void)
{
	int fd = memfd_create("x", MFD_CLOEXEC);

	return fd < 0 ? 1 : outcome(fchmod(fd, 0755));
}

static int
try_executable(void)
{
	void *at = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return outcome(at == MAP_FAILED ? -1 : 0);
}

/* As the page of a worker would be, if stintd still mapped it. */
static int
try_shared(void)
{
	int fd = memfd_create("x", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, 4096) != 0)
		return 1;
	return outcome(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
}

static int
try_make_executable(void)
{
	void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? 1 : outcome(mprotect(at, 4096, PROT_READ | PROT_EXEC));
}

static int
try_kill(void)
{
	return outcome(kill(getppid(), 0));
}

static int
try_raise_limit(void)
{
	const uint64_t limit[2] = {1, 1};

	return outcome(syscall(SYS_prlimit64, 0, 7, limit, NULL));
}

static int
try_write_memory(void)
{
	return outcome(open("/proc/self/mem", O_RDWR | O_CLOEXEC));
}

static int
try_another_filter(void)
{
	return outcome(syscall(SYS_seccomp, 1, 0, NULL));
}

static void *
in_thread(void *argument)
{
	*(int *)argument = DONE;
	return NULL;
}

static int
try_thread(void)
{
	pthread_t thread;
	int done = 0, error = pthread_create(&thread, NULL, in_thread, &done);

	if (error != 0)
		return error;
	(void)pthread_join(thread, NULL);
	return done;
}

static int
try_memfd(void)
{
	int fd = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, 4096) < 0)
		return errno;
	return outcome(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL));
}

static const struct {
	const char *name;
	int (*run)(void);
	int expected; /* errno, DONE, or -signal */
} TRIES[] = {
    {"read a file", try_read_file, EACCES},
    {"list the root", try_list_root, EACCES},
    {"create a file", try_create_file, EPERM},
    {"make a directory", try_make_directory, EACCES},
    {"open /dev/null", try_null, DONE},
    {"open the control groups", try_groups, DONE},
    {"a file of the job store", try_state_file, DONE},
    {"one that others may read", try_state_file_for_others, EPERM},
    {"a directory in the state directory", try_state_directory, EACCES},
    {"a link there", try_state_link, EPERM},
    {"a file above it", try_state_above, EACCES},
    {"a list of it", try_state_list, EACCES},
    {"such a file elsewhere", try_file_like_state, EACCES},
    {"a file moved out of it", try_move_out, EACCES},
    {"fork", try_fork, EPERM},
    {"run a program", try_exec, -SIGSYS},
    {"ptrace", try_ptrace, -SIGSYS},
    {"internet socket", try_internet, EPERM},
    {"Unix socket", try_unix, EPERM},
    {"socket pair", try_pair, DONE},
    {"pair of datagram sockets", try_datagrams, EPERM},
    {"shutdown of a shared socket", try_shutdown, EPERM},
    {"program of the kernel on a socket", try_socket_filter, EPERM},
    {"set-user-id file", try_set_user_id, EPERM},
    {"mode of a file", try_mode, DONE},
    {"executable memory", try_executable, EPERM},
    {"shared memory", try_shared, EPERM},
    {"memory made executable", try_make_executable, EPERM},
    {"signal to another process", try_kill, EPERM},
    {"set a resource limit", try_raise_limit, EPERM},
    {"own memory as a file", try_write_memory, EACCES},
    {"another filter", try_another_filter, -SIGSYS},
    {"a thread", try_thread, DONE},
    {"a sealed memfd", try_memfd, DONE},
};

static int
run_confined(int (*try)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct error err = ERROR_INIT;
		bool landlock = false;

		if (confine_process(state_fd, &landlock, &err) < 0 || !landlock)
			_exit(1);
		_exit(try());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void
every_try_ends_as_it_must(void **state)
{
	(void)state;
#ifdef __SANITIZE_ADDRESS__
	skip(); /* its run time wants more than stintd does */
#endif
	char directory[] = "/tmp/stint-confine.XXXXXX";

	assert_non_null(mkdtemp(directory));
	state_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(state_fd >= 0);
	for (size_t i = 0; i < sizeof(TRIES) / sizeof(TRIES[0]); i++) {
		int result = run_confined(TRIES[i].run);

		if (result != TRIES[i].expected)
			fail_msg("%s: %d, expected %d", TRIES[i].name, result, TRIES[i].expected);
	}
	(void)close(state_fd);
	assert_int_equal(rmdir(directory), 0);
}

/* Without the confinement the tries that must fail do work: it is nothing else that stops them. */
static void
unconfined_they_work(void **state)
{
	(void)state;
	assert_int_equal(try_read_file(), DONE);
	assert_int_equal(try_list_root(), DONE);
	assert_int_equal(try_internet(), DONE);
	assert_int_equal(try_datagrams(), DONE);
	assert_int_equal(try_shutdown(), DONE);
	assert_int_equal(try_socket_filter(), DONE);
	assert_int_equal(try_set_user_id(), DONE);
	assert_int_equal(try_executable(), DONE);
	assert_int_equal(try_shared(), DONE);
	assert_int_equal(try_make_executable(), DONE);
	assert_int_equal(try_write_memory(), DONE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_try_ends_as_it_must),
	    cmocka_unit_test(unconfined_they_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
