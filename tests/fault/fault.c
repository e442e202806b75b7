/*
 * Wrappers around what set-ups call (linked with -Wl,--wrap=NAME): they count the calls of each
 * role, record them, and let the one that the plan names fail, fall short, or be the process's last
 * act.
 *
 * Only in stint-spawner-fault and stint-zygote-fault; nothing of it is in a program that is
 * installed. The wrappers make no system call of their own but the one to die by, so they change
 * nothing under a filter. The page is mapped before main() and inherited by every fork.
 */
#define _GNU_SOURCE
#include "fault.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

extern char __executable_start;

enum fault_call {
#define CALL(type, name, ...) FAULT_##name,
#include "fault_calls.def"
#undef CALL
	FAULT_syscall,
	FAULT_fork,
	FAULT_poll,
	FAULT_read,
	FAULT_write,
	FAULT_pread,
	FAULT_pwrite,
	FAULT_recv,
	FAULT_send,
	FAULT_recvmsg,
	FAULT_sendmsg,
	FAULT_CALL_COUNT
};

/* In this order; fault_plan.py reads it out of the program by --fault-calls. */
static const char *const FAULT_NAMES[FAULT_CALL_COUNT] = {
#define CALL(type, name, ...) #name,
#include "fault_calls.def"
#undef CALL
    "syscall", "fork", "poll", "read",    "write",  "pread",
    "pwrite",  "recv", "send", "recvmsg", "sendmsg"};

static struct fault_page *fault_page; /* NULL: nothing is injected */
static enum fault_role fault_role = FAULT_SPAWNER;
static uint32_t fault_counts[FAULT_CALL_COUNT];

#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wredundant-decls"

long __real_syscall(long number, ...);
int __real_fork(void);
int __real_open(const char *path, int flags, ...);
void *__real_mmap(void *at, size_t size, int prot, int flags, int fd, long offset);

static void
fault_turn(enum fault_role role)
{
	fault_role = role;
	memset(fault_counts, 0, sizeof(fault_counts));
}

static void
fault_record(enum fault_call call, uint32_t nth, int64_t tag, const char *site)
{
	struct fault_record record = {fault_role, call, nth, (uint32_t)(site - &__executable_start),
				      tag};
	uint32_t count = __atomic_load_n(&fault_page->record_count, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < count && i < FAULT_RECORDS_MAX; i++)
		if (memcmp(&fault_page->records[i], &record, offsetof(struct fault_record, tag)) ==
		    0)
			return;
	count = __atomic_fetch_add(&fault_page->record_count, 1, __ATOMIC_ACQ_REL);
	if (count < FAULT_RECORDS_MAX)
		fault_page->records[count] = record;
}

/* 0: go on; FAULT_SHORT: do half; above 0: fail with it, errno is set. Does not return at a death.
 * Saves errno: some callers look at it after a call that succeeded. */
static int
fault_at(enum fault_call call, int64_t tag, const void *site)
{
	uint32_t nth = ++fault_counts[call], times;

	if (!fault_page || fault_role == FAULT_JOB)
		return 0;
	if (fault_page->recording)
		fault_record(call, nth, tag, site);
	times = __atomic_load_n(&fault_page->times, __ATOMIC_ACQUIRE);
	if (times == 0 || fault_page->role != fault_role || fault_page->call != call ||
	    fault_page->nth != nth)
		return 0;
	if (!__atomic_compare_exchange_n(&fault_page->times, &times, times - 1, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return 0;
	(void)__atomic_fetch_add(&fault_page->fired, 1, __ATOMIC_ACQ_REL);
	if (fault_page->action == FAULT_DIE) {
		(void)__real_syscall(SYS_kill, __real_syscall(SYS_getpid), SIGKILL);
		/* Pid 1 of a namespace cannot kill itself. */
		(void)__real_syscall(SYS_exit_group, 137);
	}
	if (fault_page->action > 0)
		errno = fault_page->action;
	return fault_page->action;
}

#define SITE __builtin_return_address(0)

/* Own names for what are C library functions, so that their declarations do not clash; variadic
 * ones are called alike on our machines. Weak: one of the two programs does without libseccomp. */
#define CALL(type, name, parameters, arguments, tag, failure)                                      \
	type fault_real_##name parameters __asm__("__real_" #name) __attribute__((weak));          \
	type __wrap_##name parameters                                                              \
	{                                                                                          \
		if (fault_at(FAULT_##name, (int64_t)(tag), SITE) > 0)                              \
			return failure;                                                            \
		return fault_real_##name arguments;                                                \
	}
#include "fault_calls.def"
#undef CALL

long
__wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
	long result;

	if (fault_at(FAULT_syscall, number, SITE) > 0)
		return -1;
	result = __real_syscall(number, a, b, c, d, e, f);
	if (number == SYS_clone3 && result == 0) {
		const struct clone_args *args = (const struct clone_args *)(uintptr_t)a;

		if (fault_role >= FAULT_ZYGOTE && fault_role != FAULT_TRIAL)
			fault_turn(FAULT_WORKER);
		else
			fault_turn(args->flags & CLONE_NEWUSER ? FAULT_LAUNCH_ZYGOTE
							       : FAULT_LAUNCH_STINTD);
	}
	return result;
}

int
__wrap_fork(void)
{
	int result;

	if (fault_at(FAULT_fork, 0, SITE) > 0)
		return -1;
	result = __real_fork();
	if (result == 0)
		fault_turn(fault_role == FAULT_ZYGOTE ? FAULT_TRIAL : FAULT_GUARDIAN);
	return result;
}

int __real_poll(void *polled, unsigned long count, int timeout);
int
__wrap_poll(void *polled, unsigned long count, int timeout)
{
	if (fault_role == FAULT_SPAWNER || fault_role == FAULT_SPAWNER_TURN)
		fault_turn(FAULT_SPAWNER_TURN);
	else if (fault_role == FAULT_ZYGOTE || fault_role == FAULT_ZYGOTE_TURN)
		fault_turn(FAULT_ZYGOTE_TURN);
	return fault_at(FAULT_poll, 0, SITE) > 0 ? -1 : __real_poll(polled, count, timeout);
}

#define SHORT(name, parameters, tail)                                                              \
	ssize_t __real_##name parameters;                                                          \
	ssize_t __wrap_##name parameters                                                           \
	{                                                                                          \
		int action = fault_at(FAULT_##name, (int64_t)size, SITE);                          \
                                                                                                   \
		if (action > 0)                                                                    \
			return -1;                                                                 \
		if (action == FAULT_SHORT)                                                         \
			size /= 2;                                                                 \
		if (action == FAULT_SHORT && size == 0)                                            \
			return 0;                                                                  \
		return __real_##name tail;                                                         \
	}
SHORT(read, (int fd, void *bytes, size_t size), (fd, bytes, size))
SHORT(write, (int fd, const void *bytes, size_t size), (fd, bytes, size))
SHORT(pread, (int fd, void *bytes, size_t size, long offset), (fd, bytes, size, offset))
SHORT(pwrite, (int fd, const void *bytes, size_t size, long offset), (fd, bytes, size, offset))
SHORT(recv, (int fd, void *bytes, size_t size, int flags), (fd, bytes, size, flags))
SHORT(send, (int fd, const void *bytes, size_t size, int flags), (fd, bytes, size, flags))

#define MESSAGE(name, const_)                                                                      \
	ssize_t __real_##name(int fd, const_ struct msghdr *message, int flags);                   \
	ssize_t __wrap_##name(int fd, const_ struct msghdr *message, int flags)                    \
	{                                                                                          \
		int action = fault_at(FAULT_##name, (int64_t)message->msg_iov[0].iov_len, SITE);   \
                                                                                                   \
		if (action > 0)                                                                    \
			return -1;                                                                 \
		if (action == FAULT_SHORT)                                                         \
			message->msg_iov[0].iov_len /= 2;                                          \
		return __real_##name(fd, message, flags);                                          \
	}
MESSAGE(recvmsg, )
MESSAGE(sendmsg, const)

void
fault_job_begins(void)
{
	fault_turn(FAULT_JOB);
}

static __attribute__((constructor)) void
fault_start(int argc, char **argv)
{
	char path[4096];
	ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - sizeof(".fault"));
	struct fault_page *page;
	int fd;

	if (argc == 2 && strcmp(argv[1], "--fault-calls") == 0) {
		for (size_t i = 0; i < FAULT_CALL_COUNT; i++)
			(void)puts(FAULT_NAMES[i]);
		(void)fflush(stdout);
		_exit(0);
	}
	if (size < 0)
		return;
	memcpy(path + size, ".fault", sizeof(".fault"));
	if (strstr(path, "zygote"))
		fault_role = FAULT_ZYGOTE;
	fd = __real_open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	page = __real_mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
	if (page != MAP_FAILED && page->magic == FAULT_MAGIC)
		fault_page = page;
}
