/*
 * Compiles seccomp_rules.def with libseccomp, once, in the zygote.
 *
 * libseccomp has one default for all calls, but a call whose arguments do not match shall give that
 * call's own errno. So each matching row brings catch-alls: for every compared argument, behind the
 * comparisons before it, two rules on the top bit of what is compared, one for each value.
 * libseccomp tests wider masks first, and every row's mask holds that bit, so a catch-all is
 * reached only after the row has failed. The unit test evaluates the program and would see any
 * other order.
 *
 * Only EQ under a mask is used: ordered comparisons are miscompiled by some releases of libseccomp.
 * Never called after the first fork. Fails by an error that names the call; the zygote then ends.
 */
#define _GNU_SOURCE
#include "worker/seccomp_wide.h"

#include "protocol/base_assert.h"
#include "protocol/base_sys.h"
#include "worker/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#define KERNEL_LARGEFILE 0100000u /* the C library's O_LARGEFILE is 0 on 64-bit machines */
#elif defined(__aarch64__)
#define KERNEL_LARGEFILE 0400000u
#else
#error "no system call policy for this machine"
#endif

#define CLONE_OF_A_THREAD                                                                          \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |        \
	 CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

#define ARGUMENTS_MAX 3

enum rule_kind { RULE_ALLOW, RULE_REFUSE, RULE_FATAL };
enum rule_profile {
	PROFILE_BASE,
	PROFILE_ASYNCIO,
	PROFILE_THREADS,
	PROFILE_SCRATCH,
	PROFILE_SETUP
};

struct argument {
	unsigned index;
	bool is_long; /* all 64 bits count */
	uint64_t mask, value;
};

struct rule {
	const char *call;
	int number; /* negative: not on this machine */
	enum rule_kind kind;
	enum rule_profile profile;
	int error; /* REFUSE; ALLOW with arguments: when they do not match */
	struct argument arguments[ARGUMENTS_MAX];
	unsigned argument_count;
};

#define INT_MASK UINT64_C(0xffffffff)
#define INT_IS(i, v)                                                                               \
	{                                                                                          \
		(i), false, INT_MASK, (uint32_t)(v)                                                \
	}
#define INT_WITHIN(i, bits)                                                                        \
	{                                                                                          \
		(i), false, INT_MASK & ~(uint64_t)(uint32_t)(bits), 0                              \
	}
#define LONG_IS(i, v)                                                                              \
	{                                                                                          \
		(i), true, UINT64_MAX, (uint64_t)(v)                                               \
	}
#define LONG_WITHIN(i, bits)                                                                       \
	{                                                                                          \
		(i), true, ~(uint64_t)(bits), 0                                                    \
	}
#define COUNT_OF_ARGUMENTS(...)                                                                    \
	(sizeof((const struct argument[]){__VA_ARGS__}) / sizeof(struct argument))

#define ALLOW(call, profile, reason)                                                               \
	{#call, SCMP_SYS(call), RULE_ALLOW, PROFILE_##profile, 0, {{0, false, 0, 0}}, 0},
#define MATCH(call, profile, error, reason, ...)                                                   \
	{#call,                                                                                    \
	 SCMP_SYS(call),                                                                           \
	 RULE_ALLOW,                                                                               \
	 PROFILE_##profile,                                                                        \
	 error,                                                                                    \
	 {__VA_ARGS__},                                                                            \
	 COUNT_OF_ARGUMENTS(__VA_ARGS__)},
#define REFUSE(call, error, reason)                                                                \
	{#call, SCMP_SYS(call), RULE_REFUSE, PROFILE_BASE, error, {{0, false, 0, 0}}, 0},
#define FATAL(call) {#call, SCMP_SYS(call), RULE_FATAL, PROFILE_BASE, 0, {{0, false, 0, 0}}, 0},

static const struct rule RULES[] = {
#include "worker/seccomp_rules.def"
};
#define RULE_COUNT (sizeof(RULES) / sizeof(RULES[0]))

static struct scmp_arg_cmp
comparison(const struct argument *argument)
{
	return SCMP_CMP64(argument->index, SCMP_CMP_MASKED_EQ, argument->mask, argument->value);
}

/* libseccomp refuses a rule that says what the default says, and one that it has. */
static int
add(scmp_filter_ctx context, uint32_t action, int number, unsigned count,
    const struct scmp_arg_cmp *compared)
{
	uint32_t default_action;
	int result = seccomp_attr_get(context, SCMP_FLTATR_ACT_DEFAULT, &default_action);

	if (result < 0 || action == default_action)
		return result;
	result = seccomp_rule_add_array(context, action, number, count, compared);
	return result == -EEXIST ? 0 : result;
}

/*
 * Two rules that together match every value of one bit of the last of `count` comparisons; `upper`
 * is what must hold besides for the upper half (nothing when its mask is 0).
 */
static int
add_catch_all_bit(scmp_filter_ctx context, const struct rule *rule, struct scmp_arg_cmp *compared,
		  unsigned count, uint64_t bit)
{
	const struct argument *argument = &rule->arguments[count - 1];
	uint64_t upper = bit <= INT_MASK ? argument->mask & ~INT_MASK : 0;
	int result = 0;

	for (unsigned i = 0; i < 2 && result == 0; i++) {
		compared[count - 1] = SCMP_CMP64(argument->index, SCMP_CMP_MASKED_EQ, upper | bit,
						 (argument->value & upper) | (i == 0 ? 0 : bit));
		result = add(context, SCMP_ACT_ERRNO((unsigned)rule->error), rule->number, count,
			     compared);
	}
	return result;
}

static int
add_match(scmp_filter_ctx context, const struct rule *rule)
{
	const uint64_t top_int = UINT64_C(1) << 31, top_long = UINT64_C(1) << 63;
	struct scmp_arg_cmp compared[ARGUMENTS_MAX];
	int result;

	for (unsigned i = 0; i < rule->argument_count; i++)
		compared[i] = comparison(&rule->arguments[i]);
	result = add(context, SCMP_ACT_ALLOW, rule->number, rule->argument_count, compared);
	for (unsigned i = 0; i < rule->argument_count && result == 0; i++) {
		require(rule->arguments[i].mask & top_int);
		if (rule->arguments[i].is_long)
			result = add_catch_all_bit(context, rule, compared, i + 1, top_long);
		if (result == 0)
			result = add_catch_all_bit(context, rule, compared, i + 1, top_int);
		compared[i] = comparison(&rule->arguments[i]);
	}
	return result;
}

static int
add_rule(scmp_filter_ctx context, const struct rule *rule)
{
	switch (rule->kind) {
	case RULE_ALLOW:
		if (rule->argument_count > 0)
			return add_match(context, rule);
		return add(context, SCMP_ACT_ALLOW, rule->number, 0, NULL);
	case RULE_REFUSE:
		return add(context, SCMP_ACT_ERRNO((unsigned)rule->error), rule->number, 0, NULL);
	case RULE_FATAL:
		return add(context, SCMP_ACT_KILL_PROCESS, rule->number, 0, NULL);
	}
	return -EINVAL;
}

static int
set_attributes(scmp_filter_ctx context)
{
	int result = seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	if (result == 0)
		result = seccomp_attr_set(context, SCMP_FLTATR_CTL_NNP, 1);
	if (result == 0)
		result = seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	return result;
}

/* The program as bytes; libseccomp 2.5 can only write it to a descriptor. */
static int
export_program(scmp_filter_ctx context, struct seccomp_wide *ret_wide, struct error *err)
{
	autoclose int fd = memfd_create("filter", MFD_CLOEXEC);
	struct sock_filter *instructions;
	struct stat status;
	int result;

	if (fd < 0)
		return error_errno(err, "filter: memfd_create");
	result = seccomp_export_bpf(context, fd);
	if (result < 0) {
		errno = -result;
		return error_errno(err, "filter: seccomp_export_bpf");
	}
	if (fstat(fd, &status) < 0)
		return error_errno(err, "filter: fstat");
	if (status.st_size <= 0 || status.st_size % (off_t)sizeof(*instructions) != 0 ||
	    (size_t)status.st_size / sizeof(*instructions) > BPF_MAXINSNS)
		return error_set(err, ERROR_LIMIT, "filter: a program of %lld bytes",
				 (long long)status.st_size);
	instructions = malloc((size_t)status.st_size);
	if (!instructions)
		return error_errno(err, "filter: malloc");
	result = base_pread_full(fd, instructions, (size_t)status.st_size, 0, err);
	if (result < 0) {
		free(instructions);
		return result;
	}
	ret_wide->instructions = instructions;
	ret_wide->count = (size_t)status.st_size / sizeof(*instructions);
	return 0;
}

int
seccomp_wide_build(const struct seccomp_wide_options *options, struct seccomp_wide *ret_wide,
		   struct error *err)
{
	scmp_filter_ctx context =
	    seccomp_init(options->kill_by_default ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ERRNO(ENOSYS));
	int result;

	if (!context)
		return error_set(err, ERROR_UNSUPPORTED, "filter: seccomp_init: no memory");
	result = set_attributes(context);
	if (result < 0) {
		errno = -result;
		result = error_errno(err, "filter: seccomp_attr_set");
	}
	for (size_t i = 0; i < RULE_COUNT && result == 0; i++) {
		const struct rule *rule = &RULES[i];

		if (rule->number < 0 || (rule->profile == PROFILE_ASYNCIO && !options->asyncio))
			continue;
		result = add_rule(context, rule);
		if (result < 0) {
			errno = -result;
			result = error_errno(err, "filter: rule of %s", rule->call);
		}
	}
	if (result == 0)
		result = export_program(context, ret_wide, err);
	seccomp_release(context);
	return result;
}

void
seccomp_wide_deinit(struct seccomp_wide *wide)
{
	free(wide->instructions);
	wide->instructions = NULL;
	wide->count = 0;
}

int
seccomp_wide_install(struct sock_filter *instructions, size_t count, struct error *err)
{
	struct sock_fprog program = {.len = (unsigned short)count, .filter = instructions};

	require(count > 0 && count <= BPF_MAXINSNS);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		return error_errno(err, "filter: seccomp");
	return 0;
}
