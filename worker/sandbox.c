/*
 * The ordered steps that confine a worker, and the function that takes them.
 *
 * Runs in the child, between the fork and the hello, under the wide filter that it has inherited.
 * The order matters: the leaf is entered before anything is used up; descriptors go before the
 * rights that could make use of them; a scratch directory is mounted while there is the right to;
 * ids change before dumpable and the parent-death signal, since a change of uid resets both.
 * Landlock comes when no_new_privs has been seen to hold, which it needs, and after the last open
 * of the set-up, the leaf's. Never allocates, never logs (fd 2 is the job's), never reads a byte
 * that a tenant wrote. A failed step ends the process; stintd finds the step's number, name and
 * errno in the page.
 */
#define _GNU_SOURCE
#include "worker/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The whole file at once: it is sparse, and the descriptor can go before the job comes. */
static int
map_page(struct sandbox *sandbox)
{
	int fd = sandbox->fds[FORK_FD_PAGE];
	struct stat status;
	void *base;

	if (fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode) || status.st_size != (off_t)PAGE_FILE_BYTES)
		return -EINVAL;
	base = mmap(NULL, PAGE_FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		return -errno;
	sandbox->page_base = base;
	sandbox->page = base;
	return 0;
}

/* v1: enter the leaf by our own write, which does not wait for a grace period. v2 was entered at
 * birth. */
static int
enter_leaf(struct sandbox *sandbox)
{
	for (size_t i = 0; i < sandbox->tasks_count; i++)
		if (write(sandbox->tasks[i], "0", 1) != 1)
			return errno ? -errno : -EIO;
	return 0;
}

#ifndef PR_SET_MDWE
#define PR_SET_MDWE              65
#define PR_MDWE_REFUSE_EXEC_GAIN 1ul
#endif

/* fd 0, 1, 2 of the job, the channel and the rules; all others close, the zygote's among them. */
static int
keep_descriptors(struct sandbox *sandbox)
{
	static const struct {
		enum fork_fd from;
		int to;
	} KEPT[] = {
	    {FORK_FD_STDIN, STDIN_FILENO},
	    {FORK_FD_STDOUT, STDOUT_FILENO},
	    {FORK_FD_STDERR, STDERR_FILENO},
	    {FORK_FD_CHANNEL, SANDBOX_FD_CHANNEL},
	};
	unsigned first_closed = SANDBOX_FD_RULES;

	for (size_t i = 0; i < sizeof(KEPT) / sizeof(KEPT[0]); i++) {
		if (sandbox->fds[KEPT[i].from] < SANDBOX_FD_FIRST_FREE)
			return -EBADF; /* would be overwritten here */
		if (dup2(sandbox->fds[KEPT[i].from], KEPT[i].to) < 0)
			return -errno;
	}
	if (fcntl(SANDBOX_FD_CHANNEL, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	if (sandbox->landlock) {
		if (sandbox->landlock->ruleset < SANDBOX_FD_FIRST_FREE)
			return -EBADF;
		if (dup2(sandbox->landlock->ruleset, SANDBOX_FD_RULES) < 0)
			return -errno;
		first_closed = SANDBOX_FD_FIRST_FREE;
	}
	return syscall(SYS_close_range, first_closed, UINT_MAX, 0) < 0 ? -errno : 0;
}

/* Dispositions are the interpreter's, as the zygote left them; what it had blocked must come
 * through. */
static int
unblock_signals(struct sandbox *sandbox)
{
	sigset_t none;

	(void)sandbox;
	sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? -errno : 0;
}

/*
 * No mapping that can be executed is made or becomes one, for good: the filter says so, too, but by
 * the arguments of calls. After the last shared object was loaded. A kernel before 6.3 has it not:
 * the zygote has found that out and logged it.
 */
static int
refuse_new_code(struct sandbox *sandbox)
{
	if (!sandbox->mdwe)
		return 0;
	return prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0ul, 0ul, 0ul) < 0 ? -errno : 0;
}

/* Die with the zygote: asked for after the uid changed, and checked against a zygote just gone. */
static int
follow_parent(struct sandbox *sandbox)
{
	(void)sandbox;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -errno;
	return getppid() == 1 ? 0 : -ESRCH;
}

static const struct sandbox_step {
	const char *name; /* at most 27 bytes: goes to setup_name */
	int (*run)(struct sandbox *);
} STEPS[] = {
    {"page", map_page},
    {"leaf", enter_leaf},
    {"descriptors", keep_descriptors},
    {"rlimits", sandbox_limits_fix},
    {"scratch", sandbox_scratch_mount},
    {"ids", sandbox_ids_take},
    {"directory", sandbox_scratch_enter},
    {"capabilities", sandbox_ids_drop_capabilities},
    {"lock", sandbox_ids_lock},
    {"landlock", sandbox_landlock_enter},
    {"code", refuse_new_code},
    {"parent", follow_parent},
    {"signals", unblock_signals},
};
const size_t SANDBOX_STEP_COUNT = sizeof(STEPS) / sizeof(STEPS[0]);

void
sandbox_run(struct sandbox *sandbox)
{
	for (size_t i = 0; i < SANDBOX_STEP_COUNT; i++) {
		int result = STEPS[i].run(sandbox);

		if (result < 0)
			sandbox_fail(sandbox, i + 1, STEPS[i].name, -result);
	}
}

void
sandbox_fail(struct sandbox *sandbox, size_t step, const char *name, int error)
{
	struct worker_page unmapped = {.phase = PHASE_NEW};
	struct worker_page *page = sandbox->page ? sandbox->page : &unmapped;

	strncpy(page->setup_name, name, sizeof(page->setup_name) - 1);
	page->setup_errno = (uint32_t)error;
	__atomic_store_n(&page->setup_step, (uint32_t)step, __ATOMIC_RELEASE);
	/* Nothing of it is in use yet. If that fails too, all that is left to say is the exit code.
	 */
	if (!sandbox->page)
		(void)!write(sandbox->fds[FORK_FD_PAGE], &unmapped, sizeof(unmapped));
	_exit(WORKER_EXIT_SETUP);
}
