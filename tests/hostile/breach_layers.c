/*
 * Layers of the sandbox, left out one at a time: each function here stands in for one of
 * stint-zygote's (-Wl,--wrap) and does nothing when the program's name has its word, else calls
 * the real one.
 *
 *   ids           keeps uid 0 of the namespace
 *   capabilities  keeps those of the zygote over the change of uid
 *   rlimits       none of set-up, none of the terms
 *   wide, narrow  one filter
 *   root          the host's file system
 *   leaf          stays in the zygote's control groups (v1)
 *   privs         no no_new_privs
 *   landlock      no ruleset
 *   keep          leaves the page's descriptor and the channel open
 *   room          keeps what a worker leaves of compiled code mapped while the job runs
 *   dumpable, parent, code, securebits   that flag is not set
 *   shared        all workers have one uid
 *   ownpid        the narrow filter's rules of the own pid hold for every pid
 *   lie           the probe's worker finds all layers, so that the service starts
 * Control groups by controller and rlimits one by one are in breach_bounds.c.
 */
#define _GNU_SOURCE
#include "tests/hostile/breach.h"

#include "protocol/isolation.h"
#include "worker/python_host.h"
#include "worker/sandbox.h"
#include "worker/sandbox_fs.h"
#include "worker/sandbox_proof.h"
#include "worker/seccomp_narrow.h"
#include "worker/seccomp_wide.h"
#include "worker/worker_terms.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/securebits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#endif

static char name[PATH_MAX];
static void *page, *room;

bool
breach_has(const char *word)
{
	size_t length = strlen(word);

	if (name[0] == '\0') {
		ssize_t size = readlink("/proc/self/exe", name, sizeof(name) - 1);

		name[size > 0 ? size : 0] = '\0';
	}
	for (const char *at = strstr(name, "zygote_breach");
	     at && (at = strchr(at, '-')) != NULL;) {
		at++;
		if (strncmp(at, word, length) == 0 && (at[length] == '-' || at[length] == '\0'))
			return true;
	}
	return false;
}

void *
breach_page(void)
{
	return page;
}

void *
breach_room(void)
{
	return room;
}

int __real_worker_terms_map_code(struct worker_terms_fds *fds, void **ret_code);
int __wrap_worker_terms_map_code(struct worker_terms_fds *fds, void **ret_code);
int
__wrap_worker_terms_map_code(struct worker_terms_fds *fds, void **ret_code)
{
	int result = __real_worker_terms_map_code(fds, ret_code);

	room = result == 0 ? *ret_code : NULL;
	return result;
}

void __real_python_compiled_close(void);
void __wrap_python_compiled_close(void);
void
__wrap_python_compiled_close(void)
{
	if (!breach_has("room"))
		__real_python_compiled_close();
}

int __real_python_host_start(const struct python_host_options *options, struct error *err);
int __wrap_python_host_start(const struct python_host_options *options, struct error *err);
int
__wrap_python_host_start(const struct python_host_options *options, struct error *err)
{
	(void)breach_has("");
	if (breach_rawsys_add() < 0)
		return error_set(err, ERROR_SYSTEM, "_rawsys");
	return __real_python_host_start(options, err);
}

void __real_sandbox_run(struct sandbox *sandbox);
void __wrap_sandbox_run(struct sandbox *sandbox);
void
__wrap_sandbox_run(struct sandbox *sandbox)
{
	if (breach_has("leaf"))
		sandbox->tasks_count = 0;
	breach_leave_groups(sandbox);
	if (breach_has("shared"))
		sandbox->uid = 1;
	if (breach_has("keep") &&
	    dup2(sandbox->fds[FORK_FD_PAGE], BREACH_FD_PAGE) != BREACH_FD_PAGE)
		_exit(WORKER_EXIT_SETUP);
	__real_sandbox_run(sandbox);
	page = sandbox->page_base;
}

/* close_range of a worker must leave what is kept. */
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long
__wrap_syscall(long number, ...)
{
	long a[6];
	va_list list;

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	if (number == SYS_clone3)
		breach_stay_at_birth((struct clone_args *)a[0]);
	if (number == SYS_close_range && a[0] == SANDBOX_FD_FIRST_FREE && breach_has("keep"))
		return __real_syscall(SYS_close_range, a[0], BREACH_FD_PAGE - 1, 0) < 0
			   ? -1
			   : __real_syscall(SYS_close_range, BREACH_FD_PAGE + 1, UINT_MAX, 0);
	return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int __real_worker_terms_read_blob(int channel, const struct worker_terms *terms,
				  struct worker_terms_fds *fds, const void **ret_blob);
int __wrap_worker_terms_read_blob(int channel, const struct worker_terms *terms,
				  struct worker_terms_fds *fds, const void **ret_blob);
int
__wrap_worker_terms_read_blob(int channel, const struct worker_terms *terms,
			      struct worker_terms_fds *fds, const void **ret_blob)
{
	if (breach_has("keep") && dup2(channel, BREACH_FD_CHANNEL) < 0)
		return -errno;
	return __real_worker_terms_read_blob(channel, terms, fds, ret_blob);
}

int __real_sandbox_fs_enter(const char *root, int proc_fd, struct error *err);
int __wrap_sandbox_fs_enter(const char *root, int proc_fd, struct error *err);
int
__wrap_sandbox_fs_enter(const char *root, int proc_fd, struct error *err)
{
	return breach_has("root") ? 0 : __real_sandbox_fs_enter(root, proc_fd, err);
}

int __real_sandbox_ids_take(struct sandbox *sandbox);
int __wrap_sandbox_ids_take(struct sandbox *sandbox);
int
__wrap_sandbox_ids_take(struct sandbox *sandbox)
{
	return breach_has("ids") ? 0 : __real_sandbox_ids_take(sandbox);
}

int __real_sandbox_ids_drop_capabilities(struct sandbox *sandbox);
int __wrap_sandbox_ids_drop_capabilities(struct sandbox *sandbox);
int
__wrap_sandbox_ids_drop_capabilities(struct sandbox *sandbox)
{
	return breach_has("capabilities") ? 0 : __real_sandbox_ids_drop_capabilities(sandbox);
}

/* What the zygote asked for; read back instead of the truth. */
static int securebits;

static const struct {
	int option;
	const char *word;
	int answer;
} LEFT_OUT[] = {
    {PR_SET_NO_NEW_PRIVS, "privs", 0}, {PR_GET_NO_NEW_PRIVS, "privs", 1},
    {PR_SET_PDEATHSIG, "parent", 0},   {PR_SET_MDWE, "code", 0},
    {PR_GET_DUMPABLE, "dumpable", 0},
};

int __real_prctl(int option, ...);
int __wrap_prctl(int option, ...);
int
__wrap_prctl(int option, ...)
{
	unsigned long a[4];
	va_list list;

	va_start(list, option);
	for (int i = 0; i < 4; i++)
		a[i] = va_arg(list, unsigned long);
	va_end(list);
	for (size_t i = 0; i < sizeof(LEFT_OUT) / sizeof(LEFT_OUT[0]); i++)
		if (option == LEFT_OUT[i].option && breach_has(LEFT_OUT[i].word))
			return LEFT_OUT[i].answer;
	if (option == PR_SET_DUMPABLE && breach_has("dumpable"))
		a[0] = 1;
	if (option == PR_SET_SECUREBITS) {
		securebits = (int)a[0];
		if (breach_has("securebits"))
			return 0;
		if (breach_has("capabilities"))
			a[0] |= SECBIT_NO_SETUID_FIXUP;
	}
	if (option == PR_GET_SECUREBITS && breach_has("lie"))
		return securebits;
	return __real_prctl(option, a[0], a[1], a[2], a[3]);
}

int __real_sandbox_limits_fix(struct sandbox *sandbox);
int __wrap_sandbox_limits_fix(struct sandbox *sandbox);
int
__wrap_sandbox_limits_fix(struct sandbox *sandbox)
{
	return breach_has("rlimits") ? 0 : __real_sandbox_limits_fix(sandbox);
}

int __real_sandbox_limits_lower(const struct sandbox *sandbox, const struct worker_terms *terms);
int __wrap_sandbox_limits_lower(const struct sandbox *sandbox, const struct worker_terms *terms);
int
__wrap_sandbox_limits_lower(const struct sandbox *sandbox, const struct worker_terms *terms)
{
	return breach_has("rlimits") ? 0 : __real_sandbox_limits_lower(sandbox, terms);
}

int __real_seccomp_wide_install(struct sock_filter *instructions, size_t count, struct error *err);
int __wrap_seccomp_wide_install(struct sock_filter *instructions, size_t count, struct error *err);
int
__wrap_seccomp_wide_install(struct sock_filter *instructions, size_t count, struct error *err)
{
	return breach_has(getpid() == 1 ? "wide" : "narrow")
		   ? 0
		   : __real_seccomp_wide_install(instructions, count, err);
}

int __real_sandbox_landlock_enter(struct sandbox *sandbox);
int __wrap_sandbox_landlock_enter(struct sandbox *sandbox);
int
__wrap_sandbox_landlock_enter(struct sandbox *sandbox)
{
	if (!breach_has("landlock"))
		return __real_sandbox_landlock_enter(sandbox);
	return sandbox->landlock ? close(SANDBOX_FD_RULES) : 0;
}

/* A comparison with the own pid, so that it is true for every pid. */
void __real_seccomp_narrow_build(pid_t own_pid, unsigned grants, struct seccomp_narrow *ret_narrow);
void __wrap_seccomp_narrow_build(pid_t own_pid, unsigned grants, struct seccomp_narrow *ret_narrow);
void
__wrap_seccomp_narrow_build(pid_t own_pid, unsigned grants, struct seccomp_narrow *ret_narrow)
{
	/* No call and no errno has this number. */
	const uint32_t mark = 0x00ffff01;

	if (!breach_has("ownpid")) {
		__real_seccomp_narrow_build(own_pid, grants, ret_narrow);
		return;
	}
	__real_seccomp_narrow_build((pid_t)mark, grants, ret_narrow);
	for (size_t i = 0; i < ret_narrow->count; i++) {
		struct sock_filter *at = &ret_narrow->instructions[i];

		if (at->code == (BPF_JMP | BPF_JEQ | BPF_K) && at->k == mark) {
			at->code = BPF_JMP | BPF_JGE | BPF_K;
			at->k = 0;
		}
	}
}

uint64_t __real_sandbox_proof_worker(int status_fd, int outside_fd, const struct sandbox *sandbox,
				     const struct worker_terms *terms);
uint64_t __wrap_sandbox_proof_worker(int status_fd, int outside_fd, const struct sandbox *sandbox,
				     const struct worker_terms *terms);
uint64_t
__wrap_sandbox_proof_worker(int status_fd, int outside_fd, const struct sandbox *sandbox,
			    const struct worker_terms *terms)
{
	return breach_has("lie")
		   ? ISOLATION_ALL
		   : __real_sandbox_proof_worker(status_fd, outside_fd, sandbox, terms);
}

bool __real_sandbox_proof_scratch(void);
bool __wrap_sandbox_proof_scratch(void);
bool
__wrap_sandbox_proof_scratch(void)
{
	return breach_has("lie") || __real_sandbox_proof_scratch();
}

bool __real_sandbox_proof_root(const char *stdlib);
bool __wrap_sandbox_proof_root(const char *stdlib);
bool
__wrap_sandbox_proof_root(const char *stdlib)
{
	return breach_has("lie") || __real_sandbox_proof_root(stdlib);
}
