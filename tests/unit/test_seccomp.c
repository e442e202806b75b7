/*
 * Single judgements of the two filters, by name, under the evaluator of bpf_machine.c. The whole of
 * them is test_seccomp_golden.c; test_seccomp_live.c and test_seccomp_sweep.c have the kernel.
 */
#define _GNU_SOURCE
#include "worker/sandbox.h"
#include "bpf_machine.h"
#include "worker/seccomp_narrow.h"
#include "worker/seccomp_wide.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#if defined(__x86_64__)
#define MACHINE AUDIT_ARCH_X86_64
#else
#define MACHINE AUDIT_ARCH_AARCH64
#endif

#define OWN_PID        77
#define ALLOWED        SECCOMP_RET_ALLOW
#define KILLED         SECCOMP_RET_KILL_PROCESS
#define REFUSED(error) (SECCOMP_RET_ERRNO | (uint32_t)(error))

struct fixture {
	struct seccomp_wide wide;
	struct seccomp_narrow plain, granted, scratch;
};

static uint32_t
evaluate(const struct sock_filter *program, size_t count, const struct seccomp_data *data)
{
	uint32_t value = 0;
	const char *wrong = bpf_machine_run(program, count, data, &value);

	if (wrong)
		fail_msg("%s", wrong);
	return value;
}

/* As the kernel: the stricter action; of equal ones the newer filter's. */
static uint32_t
evaluate_both(const struct seccomp_wide *wide, const struct seccomp_narrow *narrow,
	      const struct seccomp_data *data)
{
	return bpf_machine_stricter(evaluate(narrow->instructions, narrow->count, data),
				    evaluate(wide->instructions, wide->count, data));
}

static int
set_up(void **state)
{
	const struct seccomp_wide_options options = {.asyncio = true};
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct error err = ERROR_INIT;

	if (!fixture)
		return -1;
	if (seccomp_wide_build(&options, &fixture->wide, &err) < 0) {
		print_error("%s\n", err.text);
		free(fixture);
		return -1;
	}
	seccomp_narrow_build(OWN_PID, 0, &fixture->plain);
	seccomp_narrow_build(OWN_PID, SECCOMP_NARROW_ASYNCIO | SECCOMP_NARROW_THREADS,
			     &fixture->granted);
	seccomp_narrow_build(OWN_PID, SECCOMP_NARROW_SCRATCH, &fixture->scratch);
	*state = fixture;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *fixture = *state;

	if (!fixture)
		return 0;
	seccomp_wide_deinit(&fixture->wide);
	free(fixture);
	return 0;
}

/* One judgement under both filters. */
struct judged {
	const char *what;
	int number;
	uint64_t args[6];
	uint32_t granted, plain; /* with all profiles, with none */
};

#define SAME(what, number, action, ...)                                                            \
	{                                                                                          \
		what, number, {__VA_ARGS__}, action, action                                        \
	}
#define HIGH    (UINT64_C(1) << 32)
#define TOP     (UINT64_C(1) << 63)
#define INT_TOP (UINT64_C(1) << 31)
#define THREAD  0x3d0f00

static const struct judged JUDGED[] = {
    SAME("read", SYS_read, ALLOWED, 0, 0, 0),
    SAME("openat reading", SYS_openat, ALLOWED, 0, 0, O_RDONLY | O_CLOEXEC),
    SAME("openat reading, junk above the int", SYS_openat, ALLOWED, 0, 0, HIGH | O_CLOEXEC),
    SAME("openat writing", SYS_openat, REFUSED(EROFS), 0, 0, O_WRONLY),
    SAME("openat read and write", SYS_openat, REFUSED(EROFS), 0, 0, O_RDWR),
    SAME("openat create", SYS_openat, REFUSED(EROFS), 0, 0, O_CREAT | O_WRONLY),
    SAME("openat path", SYS_openat, REFUSED(EROFS), 0, 0, O_PATH),
    SAME("openat noatime", SYS_openat, REFUSED(EROFS), 0, 0, O_NOATIME),
    SAME("openat unknown bit", SYS_openat, REFUSED(EROFS), 0, 0, INT_TOP),
    SAME("newfstatat", SYS_newfstatat, ALLOWED, 0, 0, 0, AT_EMPTY_PATH),
    SAME("newfstatat odd", SYS_newfstatat, REFUSED(EINVAL), 0, 0, 0, AT_SYMLINK_FOLLOW),
    SAME("mmap", SYS_mmap, ALLOWED, 0, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS),
    SAME("mmap exec", SYS_mmap, REFUSED(EPERM), 0, 1, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS),
    SAME("mmap prot high", SYS_mmap, REFUSED(EPERM), 0, 1, HIGH, MAP_PRIVATE),
    SAME("mmap prot top", SYS_mmap, REFUSED(EPERM), 0, 1, TOP | PROT_READ, MAP_PRIVATE),
    SAME("mmap prot int top", SYS_mmap, REFUSED(EPERM), 0, 1, INT_TOP, MAP_PRIVATE),
    SAME("mmap locked", SYS_mmap, REFUSED(EPERM), 0, 1, PROT_READ, MAP_PRIVATE | MAP_LOCKED),
    SAME("mmap huge", SYS_mmap, REFUSED(EPERM), 0, 1, PROT_READ, MAP_PRIVATE | MAP_HUGETLB),
    SAME("mmap flags high", SYS_mmap, REFUSED(EPERM), 0, 1, PROT_READ, HIGH | MAP_PRIVATE),
    SAME("mmap flags top", SYS_mmap, REFUSED(EPERM), 0, 1, PROT_READ, TOP | MAP_PRIVATE),
    SAME("mmap flags int top", SYS_mmap, REFUSED(EPERM), 0, 1, PROT_READ, INT_TOP | MAP_PRIVATE),
    SAME("mprotect", SYS_mprotect, ALLOWED, 0, 1, PROT_READ),
    SAME("mprotect exec", SYS_mprotect, REFUSED(EPERM), 0, 1, PROT_READ | PROT_EXEC),
    SAME("mprotect growsdown", SYS_mprotect, REFUSED(EPERM), 0, 1, PROT_GROWSDOWN),
    SAME("mremap", SYS_mremap, ALLOWED, 0, 1, 2, MREMAP_MAYMOVE),
    SAME("mremap fixed", SYS_mremap, REFUSED(EINVAL), 0, 1, 2, MREMAP_MAYMOVE | MREMAP_FIXED),
    SAME("madvise random", SYS_madvise, ALLOWED, 0, 1, MADV_RANDOM),
    SAME("madvise free", SYS_madvise, ALLOWED, 0, 1, MADV_FREE),
    SAME("madvise willneed", SYS_madvise, REFUSED(EINVAL), 0, 1, MADV_WILLNEED),
    SAME("madvise populate", SYS_madvise, REFUSED(EINVAL), 0, 1, MADV_POPULATE_WRITE),
    SAME("madvise mergeable", SYS_madvise, REFUSED(EINVAL), 0, 1, MADV_MERGEABLE),
    SAME("futex wait private", SYS_futex, ALLOWED, 0, FUTEX_WAIT_PRIVATE),
    SAME("futex bitset realtime", SYS_futex, ALLOWED, 0,
	 FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME),
    SAME("futex wake shared", SYS_futex, REFUSED(ENOSYS), 0, FUTEX_WAKE),
    SAME("futex requeue", SYS_futex, REFUSED(ENOSYS), 0, FUTEX_REQUEUE_PRIVATE),
    SAME("futex lock_pi", SYS_futex, REFUSED(ENOSYS), 0, FUTEX_LOCK_PI_PRIVATE),
    SAME("fcntl getfl", SYS_fcntl, ALLOWED, 0, F_GETFL),
    SAME("fcntl setfl nonblock", SYS_fcntl, ALLOWED, 0, F_SETFL, O_NONBLOCK),
    SAME("fcntl setfl async", SYS_fcntl, REFUSED(EPERM), 0, F_SETFL, O_ASYNC),
    SAME("fcntl setfl direct", SYS_fcntl, REFUSED(EPERM), 0, F_SETFL, O_DIRECT),
    SAME("fcntl lock", SYS_fcntl, REFUSED(EPERM), 0, F_SETLK),
    SAME("fcntl lease", SYS_fcntl, REFUSED(EPERM), 0, F_SETLEASE),
    SAME("fcntl notify", SYS_fcntl, REFUSED(EPERM), 0, F_NOTIFY),
    SAME("fcntl pipe size", SYS_fcntl, REFUSED(EPERM), 0, F_SETPIPE_SZ),
    SAME("fcntl unknown", SYS_fcntl, REFUSED(EPERM), 0, INT_TOP),
    SAME("ioctl nonblocking", SYS_ioctl, ALLOWED, 0, FIONBIO),
    SAME("ioctl terminal", SYS_ioctl, REFUSED(ENOTTY), 0, TCGETS),
    SAME("ioctl push", SYS_ioctl, REFUSED(ENOTTY), 0, TIOCSTI),
    SAME("setitimer real", SYS_setitimer, ALLOWED, ITIMER_REAL),
    SAME("setitimer prof", SYS_setitimer, REFUSED(EINVAL), ITIMER_PROF),
    SAME("clock 7", SYS_clock_gettime, ALLOWED, 7),
    SAME("clock tai", SYS_clock_gettime, ALLOWED, CLOCK_TAI),
    SAME("clock alarm", SYS_clock_gettime, REFUSED(EINVAL), CLOCK_REALTIME_ALARM),
    SAME("clock of another", SYS_clock_gettime, REFUSED(EINVAL), (uint32_t)-6),
    SAME("sleep monotonic", SYS_clock_nanosleep, ALLOWED, CLOCK_MONOTONIC),
    SAME("sleep boottime", SYS_clock_nanosleep, REFUSED(EINVAL), CLOCK_BOOTTIME),
    SAME("sleep cpu", SYS_clock_nanosleep, REFUSED(EINVAL), CLOCK_PROCESS_CPUTIME_ID),
    SAME("getrandom", SYS_getrandom, ALLOWED, 0, 0, 1 /* GRND_NONBLOCK */),
    SAME("getrandom random", SYS_getrandom, REFUSED(EINVAL), 0, 0, 2),
    SAME("rusage children", SYS_getrusage, ALLOWED, (uint32_t)RUSAGE_CHILDREN),
    SAME("rusage odd", SYS_getrusage, REFUSED(EINVAL), 2),
    SAME("prlimit read", SYS_prlimit64, ALLOWED, 0, RLIMIT_DATA, 0, 1),
    SAME("prlimit write", SYS_prlimit64, REFUSED(EPERM), 0, RLIMIT_DATA, 0x1000, 0),
    SAME("prlimit write above", SYS_prlimit64, REFUSED(EPERM), 0, RLIMIT_DATA, HIGH, 0),
    SAME("prlimit of another", SYS_prlimit64, REFUSED(EPERM), 1, RLIMIT_DATA, 0, 1),
    SAME("kill own", SYS_kill, ALLOWED, OWN_PID, 9),
    SAME("kill init", SYS_kill, REFUSED(EPERM), 1, 9),
    SAME("kill all", SYS_kill, REFUSED(EPERM), (uint32_t)-1, 9),
    SAME("kill group", SYS_kill, REFUSED(EPERM), 0, 9),
    SAME("kill own group", SYS_kill, REFUSED(EPERM), (uint32_t)-OWN_PID, 9),
    SAME("tgkill own", SYS_tgkill, ALLOWED, OWN_PID, OWN_PID, 6),
    {"kill own with SIGSYS", SYS_kill, {OWN_PID, SIGSYS}, REFUSED(EPERM), REFUSED(EPERM)},
    {"tgkill own with SIGSYS",
     SYS_tgkill,
     {OWN_PID, OWN_PID, SIGSYS},
     REFUSED(EPERM),
     REFUSED(EPERM)},
    SAME("tgkill thread 31", SYS_tgkill, ALLOWED, OWN_PID, 31, 6),
    SAME("tgkill other", SYS_tgkill, REFUSED(EPERM), OWN_PID + 1, OWN_PID + 1, 6),
    SAME("affinity own", SYS_sched_getaffinity, ALLOWED, OWN_PID),
    SAME("affinity 0", SYS_sched_getaffinity, ALLOWED, 0),
    SAME("affinity other", SYS_sched_getaffinity, REFUSED(EPERM), 1),
    SAME("affinity of itself, to be changed", SYS_sched_setaffinity, REFUSED(EPERM), 0),
    SAME("turns of itself, to be changed", SYS_sched_setattr, REFUSED(EPERM), 0, 0, 0),
    SAME("clone3", SYS_clone3, REFUSED(ENOSYS), 0, 0),
    {"clone thread", SYS_clone, {THREAD}, ALLOWED, REFUSED(EPERM)},
    SAME("clone process", SYS_clone, REFUSED(EPERM), SIGCHLD),
    SAME("clone namespace", SYS_clone, REFUSED(EPERM), THREAD | CLONE_NEWUSER),
    SAME("clone high", SYS_clone, REFUSED(EPERM), HIGH | THREAD),
    SAME("clone top", SYS_clone, REFUSED(EPERM), TOP | THREAD),
    SAME("clone int top", SYS_clone, REFUSED(EPERM), INT_TOP | THREAD),
    SAME("wait4", SYS_wait4, REFUSED(ECHILD), 0),
    SAME("waitid", SYS_waitid, REFUSED(ECHILD), 0),
    SAME("sendmsg", SYS_sendmsg, REFUSED(EPERM), 3),
    SAME("recvmsg", SYS_recvmsg, REFUSED(EPERM), 3),
    SAME("prctl", SYS_prctl, REFUSED(EPERM), PR_SET_DUMPABLE, 1),
    SAME("setresuid", SYS_setresuid, REFUSED(EPERM), 0, 0, 0),
    SAME("capset", SYS_capset, REFUSED(EPERM), 0),
    SAME("seccomp", SYS_seccomp, KILLED, 0),
    SAME("close_range", SYS_close_range, REFUSED(ENOSYS), 0),
    SAME("landlock", SYS_landlock_create_ruleset, KILLED, 0),
    SAME("landlock", SYS_landlock_add_rule, KILLED, 0),
    SAME("landlock", SYS_landlock_restrict_self, KILLED, 0),
    SAME("ptrace", SYS_ptrace, KILLED, 0),
    SAME("mount", SYS_mount, KILLED, 0),
    SAME("io_uring_setup", SYS_io_uring_setup, REFUSED(ENOSYS), 0),
    SAME("memfd_create", SYS_memfd_create, REFUSED(ENOSYS), 0),
    SAME("socket", SYS_socket, REFUSED(EAFNOSUPPORT), AF_INET),
    SAME("execve", SYS_execve, REFUSED(EPERM), 0),
    SAME("beyond all tables", 999, REFUSED(ENOSYS), 0),
    {"epoll", SYS_epoll_create1, {0}, ALLOWED, REFUSED(ENOSYS)},
    {"pipe2", SYS_pipe2, {0, O_CLOEXEC}, ALLOWED, REFUSED(ENOSYS)},
    {"pipe2 packets", SYS_pipe2, {0, O_DIRECT}, REFUSED(EINVAL), REFUSED(ENOSYS)},
    {"socketpair",
     SYS_socketpair,
     {AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0},
     ALLOWED,
     REFUSED(ENOSYS)},
    {"socketpair inet",
     SYS_socketpair,
     {AF_INET, SOCK_STREAM, 0},
     REFUSED(EAFNOSUPPORT),
     REFUSED(ENOSYS)},
    {"socketpair datagram",
     SYS_socketpair,
     {AF_UNIX, SOCK_DGRAM, 0},
     REFUSED(EAFNOSUPPORT),
     REFUSED(ENOSYS)},
    {"socketpair protocol",
     SYS_socketpair,
     {AF_UNIX, SOCK_STREAM, 1},
     REFUSED(EAFNOSUPPORT),
     REFUSED(ENOSYS)},
    {"sendto", SYS_sendto, {5, 1, 1, MSG_NOSIGNAL, 0}, ALLOWED, REFUSED(ENOSYS)},
    {"sendto out of band", SYS_sendto, {5, 1, 1, MSG_OOB, 0}, REFUSED(EPERM), REFUSED(ENOSYS)},
    {"sendto an address", SYS_sendto, {5, 1, 1, 0, 0x1000}, REFUSED(EPERM), REFUSED(ENOSYS)},
    {"sendto a high address", SYS_sendto, {5, 1, 1, 0, HIGH}, REFUSED(EPERM), REFUSED(ENOSYS)},
    {"sendto a top address", SYS_sendto, {5, 1, 1, 0, TOP}, REFUSED(EPERM), REFUSED(ENOSYS)},
    {"getsockopt type", SYS_getsockopt, {5, SOL_SOCKET, SO_TYPE}, ALLOWED, REFUSED(ENOSYS)},
    {"getsockopt creds",
     SYS_getsockopt,
     {5, SOL_SOCKET, SO_PEERCRED},
     REFUSED(ENOPROTOOPT),
     REFUSED(ENOSYS)},
    {"getsockopt level", SYS_getsockopt, {5, 6, SO_TYPE}, REFUSED(ENOPROTOOPT), REFUSED(ENOSYS)},
};

/* Under a narrow filter with and without a scratch directory. */
static const struct judged SCRATCH[] = {
    {"open to write", SYS_openat, {0, 0, O_WRONLY | O_CREAT | O_TRUNC}, ALLOWED, REFUSED(EROFS)},
    {"open to update", SYS_openat, {0, 0, O_RDWR | O_APPEND}, ALLOWED, REFUSED(EROFS)},
    {"open exclusively", SYS_openat, {0, 0, O_EXCL}, ALLOWED, REFUSED(EROFS)},
    SAME("open without a name", SYS_openat, REFUSED(EROFS), 0, 0, O_TMPFILE | O_RDWR),
    SAME("open directly", SYS_openat, REFUSED(EROFS), 0, 0, O_DIRECT | O_RDWR),
    {"pwrite64", SYS_pwrite64, {1}, ALLOWED, REFUSED(ENOSYS)},
    {"ftruncate", SYS_ftruncate, {1}, ALLOWED, REFUSED(EINVAL)},
    {"fsync", SYS_fsync, {1}, ALLOWED, REFUSED(ENOSYS)},
    {"fdatasync", SYS_fdatasync, {1}, ALLOWED, REFUSED(ENOSYS)},
    {"mkdirat", SYS_mkdirat, {1}, ALLOWED, REFUSED(EROFS)},
    {"unlinkat", SYS_unlinkat, {1}, ALLOWED, REFUSED(EROFS)},
    SAME("renameat2", SYS_renameat2, REFUSED(ENOSYS), 1, 0, 1, 0, 0),
    SAME("renameat2 exchange", SYS_renameat2, REFUSED(ENOSYS), 1, 0, 1, 0, 2),
    SAME("linkat", SYS_linkat, REFUSED(EROFS), 0),
    SAME("symlinkat", SYS_symlinkat, REFUSED(EROFS), 0),
    SAME("mknodat", SYS_mknodat, REFUSED(EROFS), 0),
    SAME("fchmod", SYS_fchmod, REFUSED(EROFS), 0),
    SAME("truncate", SYS_truncate, REFUSED(EROFS), 0),
    SAME("fallocate", SYS_fallocate, REFUSED(ENOSYS), 0),
    SAME("copy_file_range", SYS_copy_file_range, REFUSED(ENOSYS), 0),
    SAME("chdir", SYS_chdir, REFUSED(EPERM), 0),
    SAME("umount2", SYS_umount2, KILLED, 0),
    SAME("mount", SYS_mount, KILLED, 1, 2, 3, SANDBOX_SCRATCH_MOUNT_FLAGS, 5),
};

static void
test_scratch(void **state)
{
	const struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(SCRATCH) / sizeof(SCRATCH[0]); i++) {
		struct seccomp_data data = {.nr = SCRATCH[i].number, .arch = MACHINE};
		uint32_t granted, plain;

		for (unsigned j = 0; j < 6; j++)
			data.args[j] = SCRATCH[i].args[j];
		granted = evaluate_both(&fixture->wide, &fixture->scratch, &data);
		plain = evaluate_both(&fixture->wide, &fixture->plain, &data);
		if (granted != SCRATCH[i].granted || plain != SCRATCH[i].plain)
			fail_msg("%s: %#x %#x", SCRATCH[i].what, granted, plain);
	}
}

/* What the zygote and a worker's set-up may mount: a new file system with all the flags. */
static void
test_mount_of_the_set_up(void **state)
{
	const struct fixture *fixture = *state;
	struct seccomp_data data = {.nr = SYS_mount, .arch = MACHINE};

	data.args[3] = SANDBOX_SCRATCH_MOUNT_FLAGS;
	assert_int_equal(evaluate(fixture->wide.instructions, fixture->wide.count, &data), ALLOWED);
	for (unsigned bit = 0; bit < 64; bit++) {
		data.args[3] = SANDBOX_SCRATCH_MOUNT_FLAGS ^ UINT64_C(1) << bit;
		assert_int_equal(evaluate(fixture->wide.instructions, fixture->wide.count, &data),
				 REFUSED(EPERM));
	}
}

static void
test_judgements(void **state)
{
	const struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(JUDGED) / sizeof(JUDGED[0]); i++) {
		struct seccomp_data data = {.nr = JUDGED[i].number, .arch = MACHINE};
		uint32_t granted, plain;

		for (unsigned j = 0; j < 6; j++)
			data.args[j] = JUDGED[i].args[j];
		granted = evaluate_both(&fixture->wide, &fixture->granted, &data);
		plain = evaluate_both(&fixture->wide, &fixture->plain, &data);
		if (granted != JUDGED[i].granted || plain != JUDGED[i].plain)
			fail_msg("%s: %#x %#x", JUDGED[i].what, granted, plain);
	}
}

static void
test_every_bit_that_is_not_allowed_is_refused(void **state)
{
	static const struct {
		int number;
		unsigned index, bits;
		uint64_t base, allowed;
		uint32_t refused;
	} FLIPPED[] = {
	    {SYS_openat, 2, 32, 0,
	     O_CLOEXEC | O_NONBLOCK | O_DIRECTORY | O_NOFOLLOW | O_NOCTTY | 0100000,
	     REFUSED(EROFS)},
	    {SYS_mmap, 2, 64, 0, PROT_READ | PROT_WRITE, REFUSED(EPERM)},
	    {SYS_mmap, 3, 64, 0, 0x124833, REFUSED(EPERM)},
	    {SYS_mprotect, 2, 64, 0, PROT_READ | PROT_WRITE, REFUSED(EPERM)},
	    {SYS_mremap, 3, 64, 0, MREMAP_MAYMOVE, REFUSED(EINVAL)},
	    {SYS_clone, 0, 64, THREAD, 0, REFUSED(EPERM)},
	    {SYS_newfstatat, 3, 32, 0, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH,
	     REFUSED(EINVAL)},
	    {SYS_pipe2, 1, 32, 0, O_CLOEXEC | O_NONBLOCK, REFUSED(EINVAL)},
	    {SYS_sendto, 4, 64, 0, 0, REFUSED(EPERM)},
	    {SYS_prlimit64, 2, 64, 0, 0, REFUSED(EPERM)},
	    {SYS_kill, 0, 32, OWN_PID, 0, REFUSED(EPERM)},
	};
	const struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(FLIPPED) / sizeof(FLIPPED[0]); i++)
		for (unsigned bit = 0; bit < 64; bit++) {
			uint64_t flipped = UINT64_C(1) << bit;
			bool fine = bit >= FLIPPED[i].bits || (flipped & FLIPPED[i].allowed);
			struct seccomp_data data = {.nr = FLIPPED[i].number, .arch = MACHINE};
			uint32_t action;

			data.args[FLIPPED[i].index] = FLIPPED[i].base ^ flipped;
			action = evaluate_both(&fixture->wide, &fixture->granted, &data);
			if (action != (fine ? ALLOWED : FLIPPED[i].refused))
				fail_msg("call %d argument %u bit %u: %#x", FLIPPED[i].number,
					 FLIPPED[i].index, bit, action);
		}
}

static void
test_foreign_machine_dies(void **state)
{
	const struct fixture *fixture = *state;
	struct seccomp_data data = {.nr = SYS_read, .arch = AUDIT_ARCH_I386};

	assert_int_equal(evaluate(fixture->wide.instructions, fixture->wide.count, &data), KILLED);
	assert_int_equal(evaluate(fixture->plain.instructions, fixture->plain.count, &data),
			 KILLED);
	data.arch = MACHINE;
	data.nr = 0x40000000 | SYS_read;
	assert_int_equal(evaluate(fixture->wide.instructions, fixture->wide.count, &data), KILLED);
	assert_int_equal(evaluate(fixture->plain.instructions, fixture->plain.count, &data),
			 KILLED);
}

static void
test_without_asyncio_nobody_gets_it(void **state)
{
	const struct seccomp_wide_options options = {.asyncio = false};
	const struct fixture *fixture = *state;
	struct seccomp_data data = {.nr = SYS_epoll_create1, .arch = MACHINE};
	struct seccomp_wide wide;

	assert_int_equal(seccomp_wide_build(&options, &wide, NULL), 0);
	assert_int_equal(evaluate_both(&wide, &fixture->granted, &data), REFUSED(ENOSYS));
	seccomp_wide_deinit(&wide);
}

/* With pin_cores the set-up can, on itself; a job cannot, by the narrow filter alone. */
static void
test_pinning_is_of_the_set_up(void **state)
{
	const struct seccomp_wide_options options = {.pinning = true};
	const struct fixture *fixture = *state;
	struct seccomp_data data = {.nr = SYS_sched_setaffinity, .arch = MACHINE};
	struct seccomp_narrow narrow;
	struct seccomp_wide wide;

	assert_int_equal(seccomp_wide_build(&options, &wide, NULL), 0);
	assert_int_equal(evaluate(wide.instructions, wide.count, &data), ALLOWED);
	for (unsigned grants = 0; grants < SECCOMP_NARROW_PINNING; grants++) {
		seccomp_narrow_build(OWN_PID, grants | SECCOMP_NARROW_PINNING, &narrow);
		assert_int_equal(evaluate(narrow.instructions, narrow.count, &data),
				 REFUSED(EPERM));
		/* Who is not pinned pays for no comparison. */
		seccomp_narrow_build(OWN_PID, grants, &narrow);
		assert_int_equal(evaluate(narrow.instructions, narrow.count, &data), ALLOWED);
	}
	assert_int_equal(evaluate(fixture->wide.instructions, fixture->wide.count, &data),
			 REFUSED(EPERM));
	for (unsigned bit = 0; bit < 32; bit++) {
		data.args[0] = UINT64_C(1) << bit;
		assert_int_equal(evaluate(wide.instructions, wide.count, &data), REFUSED(EPERM));
	}
	seccomp_wide_deinit(&wide);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_judgements),
	    cmocka_unit_test(test_scratch),
	    cmocka_unit_test(test_mount_of_the_set_up),
	    cmocka_unit_test(test_every_bit_that_is_not_allowed_is_refused),
	    cmocka_unit_test(test_foreign_machine_dies),
	    cmocka_unit_test(test_without_asyncio_nobody_gets_it),
	    cmocka_unit_test(test_pinning_is_of_the_set_up),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
