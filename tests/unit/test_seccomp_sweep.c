/*
 * The golden table against the kernel of this machine: every number from 0 to 600 is called under
 * the real filters, put on in the order of the real set-up.
 *
 * Executed: with zero arguments, each call in a process of its own that a stand-in of the zygote,
 * under the wide filter, makes with clone3. So calls that end or stop a process need no exception:
 * DEADLY names them, and what must become of them instead of a return. Observed: with arguments by
 * chance nothing may really be done. A filter below the two then returns TRACE for all, which
 * counts less than a refusal and more than ALLOW; the test is the tracer, sees by its stop exactly
 * which calls the two filters let through, and has the kernel skip them.
 */
#define _GNU_SOURCE
#include "seccomp_golden.h"
#include "worker/seccomp_narrow.h"
#include "worker/seccomp_wide.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define NUMBERS       601
#define ROUNDS        24
#define ALARM_SECONDS 1
#define ANY_SIGNAL    (-1)
#define SKIPPED       (-4000L) /* what the tracer makes a call return that was let through */
#define KILLED        INT64_C(1)
#define UNANSWERED    INT64_MIN

#if defined(__x86_64__)
#define MACHINE "x86_64"
#else
#define MACHINE "aarch64"
#endif

/* Shared with the processes under the filters, which cannot report otherwise. */
struct board {
	int64_t results[NUMBERS];
	int status[NUMBERS];
	int number, round, sweeping;
	int64_t result;
	uint64_t args[6];
};

struct fixture {
	struct seccomp_wide wide;
	struct golden golden;
	struct board *board;
};

/* Allowed calls that do not come back with zero arguments. Signal 0: an exit; ANY_SIGNAL: a crash.
 */
static const struct {
	int number, signal;
	const char *reason;
} DEADLY[] = {
    {SYS_exit, 0, "ends the thread"},
    {SYS_exit_group, 0, "ends the process"},
    {SYS_rt_sigreturn, ANY_SIGNAL, "takes registers from a frame that is not there"},
    {SYS_ppoll, SIGALRM, "waits for nothing, for ever"},
    {SYS_pselect6, SIGALRM, "the same"},
#ifdef SYS_pause
    {SYS_pause, SIGALRM, "the same"},
#endif
};

/*
 * x86_64 kernels since 6.14 and 6.18 do not ask a filter about these two: they are made by code
 * that the kernel itself puts behind a probe set by root, and refuse a caller from elsewhere:
 * uretprobe by SIGILL, uprobe by ENXIO. Older kernels have no such call, or ask the filter: ENOSYS.
 */
#define UNFILTERED_URETPROBE 335
#define UNFILTERED_UPROBE    336

static bool
is_unfiltered(int number)
{
#if defined(__x86_64__)
	return number == UNFILTERED_URETPROBE || number == UNFILTERED_UPROBE;
#else
	(void)number;
	return false;
#endif
}

static void
install_filters(const struct seccomp_wide *wide, unsigned grants)
{
	struct seccomp_narrow narrow;

	seccomp_narrow_build((pid_t)syscall(SYS_getpid), grants, &narrow);
	if (wide && seccomp_wide_install(wide->instructions, wide->count, NULL) < 0)
		_exit(100);
	if (seccomp_wide_install(narrow.instructions, narrow.count, NULL) < 0)
		_exit(101);
}

static pid_t
clone3_process(void)
{
	struct clone_args args = {.exit_signal = SIGCHLD};

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

/* Each of these costs a second, so they are executed with one set of profiles only. */
static bool
waits(int number)
{
	for (size_t i = 0; i < sizeof(DEADLY) / sizeof(DEADLY[0]); i++)
		if (DEADLY[i].number == number && DEADLY[i].signal == SIGALRM)
			return true;
	return false;
}

/* A death must be one, and not a longjmp of cmocka's handler. */
static void
default_signals(void)
{
	static const int SIGNALS[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS};

	for (size_t i = 0; i < sizeof(SIGNALS) / sizeof(SIGNALS[0]); i++)
		(void)signal(SIGNALS[i], SIG_DFL);
}

/* The stand-in of the zygote: wide filter on, a worker with the narrow one for each number. */
static void
execute_all(const struct fixture *fixture, unsigned grants)
{
	const struct seccomp_wide *wide = &fixture->wide;
	struct rlimit none = {0, 0};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	default_signals();
	(void)setrlimit(RLIMIT_CORE, &none);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    seccomp_wide_install(wide->instructions, wide->count, NULL) < 0)
		_exit(99);
	for (int number = 0; number < NUMBERS; number++) {
		pid_t pid;

		if (waits(number) && grants != 0)
			continue;
		pid = clone3_process();

		if (pid == 0) {
			install_filters(NULL, grants);
			(void)alarm(ALARM_SECONDS);
			errno = 0;
			long result = syscall(number, 0, 0, 0, 0, 0, 0);
			fixture->board->results[number] = result == -1 ? -errno : result;
			_exit(0);
		}
		if (pid < 0 || waitpid(pid, &fixture->board->status[number], 0) != pid)
			_exit(98);
	}
	_exit(0);
}

static void
judge_executed(const struct fixture *fixture, unsigned who, int number)
{
	static const uint64_t ZERO[6];
	uint32_t wanted = golden_expect(&fixture->golden, who, number, ZERO, UINT32_MAX);
	int64_t result = fixture->board->results[number];
	int status = fixture->board->status[number];

	if (is_unfiltered(number)) {
		if (result != -ENOSYS && result != -ENXIO &&
		    (!WIFSIGNALED(status) || WTERMSIG(status) != SIGILL))
			fail_msg("call %d: %lld, %#x", number, (long long)result, (unsigned)status);
		return;
	}
	if (wanted == SECCOMP_RET_KILL_PROCESS) {
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("call %d lived: %#x", number, (unsigned)status);
		return;
	}
	if (waits(number) && who != 0)
		return;
	for (size_t i = 0; i < sizeof(DEADLY) / sizeof(DEADLY[0]); i++)
		if (DEADLY[i].number == number && wanted == SECCOMP_RET_ALLOW) {
			int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
			bool as_said = DEADLY[i].signal == ANY_SIGNAL
					   ? signal != 0 && signal != SIGSYS
					   : signal == DEADLY[i].signal;

			if (result != UNANSWERED || !as_said)
				fail_msg("call %d (%s): %#x", number, DEADLY[i].reason,
					 (unsigned)status);
			return;
		}
	if (result == UNANSWERED || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("call %d: no answer, %#x", number, (unsigned)status);
	if (wanted != SECCOMP_RET_ALLOW && -result != (int64_t)(wanted & SECCOMP_RET_DATA))
		fail_msg("call %d: %lld, table %#x", number, (long long)result, wanted);
}

static void
test_execute(void **state)
{
	const struct fixture *fixture = *state;

	for (unsigned grants = 0; grants < GOLDEN_PINNING; grants++) {
		int status;
		pid_t pid;

		for (int number = 0; number < NUMBERS; number++)
			fixture->board->results[number] = UNANSWERED;
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			execute_all(fixture, grants);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
		for (int number = 0; number < NUMBERS; number++)
			judge_executed(fixture, grants, number);
	}
}

/* Seeded by call and round; a third of them small, a third the worker's own pid or table values. */
static void
make_arguments(const struct golden *golden, int number, int round, uint64_t args[6], uint32_t own)
{
	uint64_t x = UINT64_C(0x9e3779b97f4a7c15) * (uint64_t)(number * ROUNDS + round + 1);
	const struct golden_line *line = golden->of[0][number];

	for (unsigned i = 0; i < 6; i++) {
		x ^= x >> 29;
		x *= UINT64_C(0xbf58476d1ce4e5b9);
		x ^= x >> 32;
		args[i] = x % 3 == 0 ? x >> 58 : x % 3 == 1 ? own : x;
	}
	if (!line || line->count == 0 || round % 2 == 0)
		return;
	for (size_t i = 0; i < line->conditions[x % line->count].count; i++) {
		const struct golden_term *term = &line->conditions[x % line->count].terms[i];

		args[term->index] = term->test == GOLDEN_OWN ? own : term->value;
		if (round % 4 == 3)
			args[term->index] ^= UINT64_C(1) << (x >> 8) % 64;
	}
}

/* Calls what the board says next until it is killed; memory is its only contact. */
static void
observe_all(const struct fixture *fixture, unsigned grants)
{
	struct sock_filter trace_all = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
	struct board *board = fixture->board;
	struct rlimit none = {0, 0};
	uint32_t own = (uint32_t)getpid();

	default_signals();
	(void)setrlimit(RLIMIT_CORE, &none);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || ptrace(PTRACE_TRACEME, 0, 0, 0) < 0)
		_exit(99);
	(void)raise(SIGSTOP);
	if (seccomp_wide_install(&trace_all, 1, NULL) < 0)
		_exit(98);
	install_filters(&fixture->wide, grants);
	board->sweeping = 1;
	for (int at = board->number * ROUNDS + board->round; at < NUMBERS * ROUNDS; at++) {
		uint64_t *args = board->args;
		long result;

		if (is_unfiltered(at / ROUNDS))
			continue;
		make_arguments(&fixture->golden, at / ROUNDS, at % ROUNDS, args, own);
		board->result = KILLED;
		board->round = at % ROUNDS;
		board->number = at / ROUNDS;
		result =
		    syscall(board->number, args[0], args[1], args[2], args[3], args[4], args[5]);
		board->result = result == -1 ? -errno : result;
		__asm__ volatile("" ::: "memory");
		if (golden_expect(&fixture->golden, grants, board->number, args, own) ==
		    SECCOMP_RET_ALLOW) {
			if (board->result != SKIPPED)
				break;
		} else if (board->result == SKIPPED ||
			   (uint32_t)-board->result !=
			       (golden_expect(&fixture->golden, grants, board->number, args, own) &
				SECCOMP_RET_DATA)) {
			break;
		}
		if (at == NUMBERS * ROUNDS - 1)
			board->number = NUMBERS;
	}
	for (;;) /* no call could say so; the tracer looks at each stop, and stops this one */
		(void)syscall(SYS_getpid);
}

/* The call is let through: skip it, with a result that no call has. */
static void
skip_call(pid_t pid)
{
#if defined(__x86_64__)
	struct user_regs_struct registers;
	struct iovec all = {&registers, sizeof(registers)};

	assert_int_equal(ptrace(PTRACE_GETREGSET, pid, 1, &all), 0);
	registers.orig_rax = UINT64_MAX;
	registers.rax = (uint64_t)SKIPPED;
	assert_int_equal(ptrace(PTRACE_SETREGSET, pid, 1, &all), 0);
#else
	struct user_regs_struct registers;
	struct iovec all = {&registers, sizeof(registers)};
	int none = -1;
	struct iovec number = {&none, sizeof(none)};

	assert_int_equal(ptrace(PTRACE_GETREGSET, pid, 1, &all), 0);
	registers.regs[0] = (uint64_t)SKIPPED;
	assert_int_equal(ptrace(PTRACE_SETREGSET, pid, 1, &all), 0);
	assert_int_equal(ptrace(PTRACE_SETREGSET, pid, 0x404, &number), 0);
#endif
}

/* Runs a process until it dies or says that it is through; returns its wait status. */
static int
trace(const struct fixture *fixture, unsigned grants, uint64_t *let_through)
{
	struct board *board = fixture->board;
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		observe_all(fixture, grants);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(
	    ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL), 0);
	while (WIFSTOPPED(status)) {
		if (status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8)) {
			bool sweeping = board->sweeping;

			if (sweeping && board->result != KILLED) {
				(void)kill(pid, SIGKILL);
				(void)waitpid(pid, &status, 0);
				break;
			}
			if (sweeping)
				skip_call(pid);
			*let_through += sweeping;
		}
		assert_int_equal(ptrace(PTRACE_CONT, pid, 0, 0), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
	}
	return status;
}

static void
test_observe(void **state)
{
	const struct fixture *fixture = *state;
	struct board *board = fixture->board;
	uint64_t through = 0, deaths = 0;

	for (unsigned grants = 0; grants < GOLDEN_PINNING; grants++) {
		memset(board, 0, sizeof(*board));
		while (board->number < NUMBERS) {
			int status;

			board->result = KILLED;
			board->sweeping = 0;
			status = trace(fixture, grants, &through);
			if (board->number >= NUMBERS)
				break;
			if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS ||
			    board->result != KILLED ||
			    golden_expect(&fixture->golden, grants, board->number, board->args,
					  UINT32_MAX) != SECCOMP_RET_KILL_PROCESS)
				fail_msg(
				    "grants %u: call %d (%#llx, %#llx, %#llx): %lld, status %#x",
				    grants, board->number, (unsigned long long)board->args[0],
				    (unsigned long long)board->args[1],
				    (unsigned long long)board->args[2], (long long)board->result,
				    (unsigned)status);
			deaths++;
			board->number += board->round == 1;
			board->round = board->round == 0 ? 1 : 0; /* twice each */
		}
	}
	print_message("%d calls for each of 8 sets of profiles: %llu let through, %llu deaths\n",
		      NUMBERS * ROUNDS, (unsigned long long)through, (unsigned long long)deaths);
	assert_true(through > 1000);
	assert_true(deaths > 100);
}

static int
set_up(void **state)
{
	static struct fixture fixture;
	const struct seccomp_wide_options options = {.asyncio = true};

	*state = &fixture;
	fixture.board = mmap(NULL, sizeof(*fixture.board), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (fixture.board == MAP_FAILED || golden_load(MACHINE, &fixture.golden) < 0)
		return -1;
	return seccomp_wide_build(&options, &fixture.wide, NULL);
}

static int
tear_down(void **state)
{
	struct fixture *fixture = *state;

	(void)munmap(fixture->board, sizeof(*fixture->board));
	seccomp_wide_deinit(&fixture->wide);
	return 0;
}

int
main(void)
{
	if (getenv("STINT_SANITIZED")) {
		printf("skipped: it is the kernel that is asked, which has no sanitizers\n");
		return 77;
	}
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_execute),
	    cmocka_unit_test(test_observe),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
