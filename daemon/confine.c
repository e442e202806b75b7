/*
 * Takes from stintd what it never needs, before it reads a client's byte.
 *
 * The order: no_new_privs, which the rest asks for; not dumpable, so that no process of its account
 * can look into it; Landlock, which leaves the control groups, /dev/null, one file with the number
 * of cores and the files of the state directory; then seccomp, after which none of this can be
 * changed. libseccomp compiles the rows of confine_rules.def; only EQ under a mask is used, since
 * ordered comparisons are miscompiled by some releases. Called once by main.c; a failure ends the
 * start.
 */
#define _GNU_SOURCE
#include "daemon/confine.h"

#include "protocol/base_sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CLONE_OF_A_THREAD                                                                          \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |        \
	 CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)
#define ARGUMENTS_MAX 2
#if defined(__x86_64__)
#define KERNEL_LARGEFILE 0100000u /* the C library's O_LARGEFILE is 0 on 64-bit machines */
#else
#define KERNEL_LARGEFILE 0400000u
#endif

/* Rights over files that the running kernel may know, oldest first: how many each version has. */
static const uint8_t LANDLOCK_RIGHTS[] = {13, 14, 15, 15, 16};
#define LANDLOCK_VERSIONS (sizeof(LANDLOCK_RIGHTS) / sizeof(LANDLOCK_RIGHTS[0]))

static const struct {
	const char *path;
	uint64_t rights;
} LANDLOCK_PATHS[] = {
    {"/sys/fs/cgroup", LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
			   LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_MAKE_DIR |
			   LANDLOCK_ACCESS_FS_REMOVE_DIR},
    {"/dev/null", LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE},
    {"/sys/devices/system/cpu/online", LANDLOCK_ACCESS_FS_READ_FILE},
};

#define LANDLOCK_TRUNCATE (UINT64_C(1) << 14) /* LANDLOCK_ACCESS_FS_TRUNCATE of newer headers */
#define LANDLOCK_STATE_RIGHTS                                                                      \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |                            \
	 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_TRUNCATE)

static int
landlock_add(int ruleset, const char *path, uint64_t rights, struct error *err)
{
	autoclose int fd = open(path, O_PATH | O_CLOEXEC);
	struct landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = fd};

	if (fd < 0)
		return errno == ENOENT ? 0 : error_errno(err, "confine: %s", path);
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		return error_errno(err, "confine: Landlock rule of %s", path);
	return 0;
}

/* Files of the job store, in that one directory: by its descriptor, whatever its path. */
static int
landlock_add_state(int ruleset, int state_fd, uint64_t handled, struct error *err)
{
	struct landlock_path_beneath_attr rule = {
	    .allowed_access = LANDLOCK_STATE_RIGHTS & handled, .parent_fd = state_fd};

	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		return error_errno(err, "confine: Landlock rule of the state directory");
	return 0;
}

static int
confine_landlock(int state_fd, bool *ret_landlock, struct error *err)
{
	struct landlock_ruleset_attr attributes = {0};
	autoclose int ruleset = -1;
	int rc = 0;
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	*ret_landlock = abi > 0;
	if (abi <= 0)
		return errno == ENOSYS || errno == EOPNOTSUPP
			   ? 0
			   : error_errno(err, "confine: Landlock");
	attributes.handled_access_fs =
	    (UINT64_C(1)
	     << LANDLOCK_RIGHTS[abi < (long)LANDLOCK_VERSIONS ? abi - 1
							      : (long)LANDLOCK_VERSIONS - 1]) -
	    1;
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0);
	if (ruleset < 0)
		return error_errno(err, "confine: Landlock rules");
	for (size_t i = 0; i < sizeof(LANDLOCK_PATHS) / sizeof(LANDLOCK_PATHS[0]) && rc == 0; i++)
		rc = landlock_add(ruleset, LANDLOCK_PATHS[i].path, LANDLOCK_PATHS[i].rights, err);
	if (rc == 0 && state_fd >= 0)
		rc = landlock_add_state(ruleset, state_fd, attributes.handled_access_fs, err);
	if (rc == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		rc = error_errno(err, "confine: Landlock");
	return rc;
}

enum rule_kind { RULE_ALLOW, RULE_ABSENT, RULE_FATAL };

struct rule {
	const char *call;
	int number; /* negative: not on this machine */
	enum rule_kind kind;
	struct scmp_arg_cmp arguments[ARGUMENTS_MAX];
	unsigned count;
};

static int
confine_add(scmp_filter_ctx context, const struct rule *rule)
{
	static const uint32_t ACTIONS[] = {
	    [RULE_ALLOW] = SCMP_ACT_ALLOW,
	    [RULE_ABSENT] = SCMP_ACT_ERRNO(ENOSYS),
	    [RULE_FATAL] = SCMP_ACT_KILL_PROCESS,
	};

	if (rule->number < 0)
		return 0;
	return seccomp_rule_add_array(context, ACTIONS[rule->kind], rule->number, rule->count,
				      rule->arguments);
}

#define INT_IS(i, v)      SCMP_CMP64(i, SCMP_CMP_MASKED_EQ, UINT64_C(0xffffffff), (uint32_t)(v))
#define INT_WITHIN(i, v)  SCMP_CMP64(i, SCMP_CMP_MASKED_EQ, 0xffffffff & ~(uint64_t)(v), 0)
#define LONG_IS(i, v)     SCMP_CMP64(i, SCMP_CMP_MASKED_EQ, UINT64_MAX, (uint64_t)(v))
#define LONG_WITHIN(i, v) SCMP_CMP64(i, SCMP_CMP_MASKED_EQ, ~(uint64_t)(v), 0)
#define COUNT(...)                                                                                 \
	(unsigned)(sizeof((struct scmp_arg_cmp[]){__VA_ARGS__}) / sizeof(struct scmp_arg_cmp))
#define ALLOW(call, reason) {#call, SCMP_SYS(call), RULE_ALLOW, {{0}}, 0},
#define MATCH(call, reason, ...)                                                                   \
	{#call, SCMP_SYS(call), RULE_ALLOW, {__VA_ARGS__}, COUNT(__VA_ARGS__)},
#define ABSENT(call) {#call, SCMP_SYS(call), RULE_ABSENT, {{0}}, 0},
#define FATAL(call)  {#call, SCMP_SYS(call), RULE_FATAL, {{0}}, 0},

int
confine_build(pid_t own_pid, void **ret_filter, struct error *err)
{
	const struct rule rules[] = {
#include "daemon/confine_rules.def"
	};
	scmp_filter_ctx context = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	const char *what = "filter";
	int result;

	if (!context)
		return error_set(err, ERROR_SYSTEM, "confine: no memory for the filter");
	result = seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (result == 0)
		result = seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]) && result == 0; i++) {
		what = rules[i].call;
		result = confine_add(context, &rules[i]);
	}
	if (result == 0) {
		*ret_filter = context;
		return 0;
	}
	seccomp_release(context);
	errno = -result;
	return error_errno(err, "confine: %s", what);
}

static int
confine_seccomp(struct error *err)
{
	void *filter = NULL;
	int result = confine_build(getpid(), &filter, err);

	if (result < 0)
		return result;
	result = seccomp_load(filter);
	seccomp_release(filter);
	if (result == 0)
		return 0;
	errno = -result;
	return error_errno(err, "confine: filter");
}

int
confine_process(int state_fd, bool *ret_landlock, struct error *err)
{
	int rc;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return error_errno(err, "confine: no_new_privs");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return error_errno(err, "confine: not dumpable");
	rc = confine_landlock(state_fd, ret_landlock, err);
	return rc == 0 ? confine_seccomp(err) : rc;
}
