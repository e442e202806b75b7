/*
 * A zygote whose workers fail: of the n-th worker the n-th call of its set-up does. For the proof
 * that no job runs in a worker that is not confined whole.
 *
 * Linked in front of the C library with --wrap around the probe (zygote_probe_host.c), so the
 * released programs have no such switch. Counted are the calls of our own code from the fork on;
 * the errno is the number that the option --preload holds. Test code only, never installed.
 */
#define _GNU_SOURCE
#include "protocol/message.h"
#include "worker/python_host.h"

#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static unsigned forks, calls; /* so far; calls of this worker */
static bool armed;            /* in a worker, and in the zygote around its fork */
static unsigned proofs;       /* forks of the zygote's own so far: one for each class */
static int error_number;

/* True: this call fails. */
static bool
fault(void)
{
	if (!armed || ++calls != forks)
		return false;
	errno = error_number;
	return true;
}

/* A call of the C library with its own name and arguments. */
#define WRAP(result, name, parameters, arguments)                                                  \
	result __real_##name parameters;                                                           \
	result __wrap_##name parameters;                                                           \
	result __wrap_##name parameters                                                            \
	{                                                                                          \
		return fault() ? (result)-1 : __real_##name arguments;                             \
	}

WRAP(int, dup2, (int from, int to), (from, to))
WRAP(int, fstat, (int fd, struct stat *status), (fd, status))
WRAP(void *, mmap, (void *at, size_t size, int prot, int flags, int fd, off_t offset),
     (at, size, prot, flags, fd, offset))
WRAP(ssize_t, write, (int fd, const void *bytes, size_t size), (fd, bytes, size))
WRAP(ssize_t, read, (int fd, void *bytes, size_t size), (fd, bytes, size))
WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *header, int flags), (fd, header, flags))
WRAP(ssize_t, recvmsg, (int fd, struct msghdr *header, int flags), (fd, header, flags))
WRAP(int, setgroups, (size_t count, const gid_t *groups), (count, groups))
WRAP(int, getgroups, (int count, gid_t *groups), (count, groups))
WRAP(int, setresgid, (gid_t real, gid_t effective, gid_t saved), (real, effective, saved))
WRAP(int, setresuid, (uid_t real, uid_t effective, uid_t saved), (real, effective, saved))
WRAP(int, setrlimit, (__rlimit_resource_t resource, const struct rlimit *limit), (resource, limit))
WRAP(int, getrlimit, (__rlimit_resource_t resource, struct rlimit *limit), (resource, limit))
WRAP(int, sigprocmask, (int how, const sigset_t *set, sigset_t *old), (how, set, old))
WRAP(pid_t, getppid, (void), ())
WRAP(int, sched_setaffinity, (pid_t pid, size_t size, const cpu_set_t *set), (pid, size, set))
WRAP(int, sched_getaffinity, (pid_t pid, size_t size, cpu_set_t *set), (pid, size, set))
WRAP(int, chdir, (const char *path), (path))
WRAP(int, mount,
     (const char *from, const char *to, const char *kind, unsigned long flags, const void *options),
     (from, to, kind, flags, options))

int __real_prctl(int option, ...);
int __wrap_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
int
__wrap_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
	return fault() ? -1 : __real_prctl(option, a, b, c, d);
}

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, unsigned long argument);
int
__wrap_fcntl(int fd, int command, unsigned long argument)
{
	return fault() ? -1 : __real_fcntl(fd, command, argument);
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f);
long
__wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
	return number != SYS_clone3 && fault() ? -1 : __real_syscall(number, a, b, c, d, e, f);
}

int __real_python_host_start(const struct python_host_options *options, struct error *err);
int __wrap_python_host_start(const struct python_host_options *options, struct error *err);
int
__wrap_python_host_start(const struct python_host_options *options, struct error *err)
{
	error_number = atoi(options->preload);
	return __real_python_host_start(options, err);
}

void __wrap_python_host_before_fork(void);
void
__wrap_python_host_before_fork(void)
{
	if (proofs < WORKER_CLASS_COUNT) { /* the workers that it makes before READY */
		proofs++;
		return;
	}
	forks++;
	calls = 0;
	armed = true;
}

void __wrap_python_host_after_fork_parent(void);
void
__wrap_python_host_after_fork_parent(void)
{
	armed = false;
}

/* The probe's own calls are no set-up, nor are the job's. */
void __real_python_host_after_fork(void);
void __wrap_python_host_after_fork(void);
void
__wrap_python_host_after_fork(void)
{
	bool was_armed = armed;

	armed = false;
	__real_python_host_after_fork();
	armed = was_armed;
}

int __real_python_host_run(const struct worker_terms *terms, struct worker_page *page, void *base,
			   void *code, const void *blob, size_t blob_bytes);
int __wrap_python_host_run(const struct worker_terms *terms, struct worker_page *page, void *base,
			   void *code, const void *blob, size_t blob_bytes);
int
__wrap_python_host_run(const struct worker_terms *terms, struct worker_page *page, void *base,
		       void *code, const void *blob, size_t blob_bytes)
{
	armed = false;
	return __real_python_host_run(terms, page, base, code, blob, blob_bytes);
}
