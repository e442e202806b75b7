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
#include "worker/seccomp_rules.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct scmp_arg_cmp
comparison(const struct seccomp_argument *argument)
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
add_catch_all_bit(scmp_filter_ctx context, const struct seccomp_rule *rule,
		  struct scmp_arg_cmp *compared, unsigned count, uint64_t bit)
{
	const struct seccomp_argument *argument = &rule->arguments[count - 1];
	uint64_t upper = bit <= SECCOMP_RULES_INT ? argument->mask & ~SECCOMP_RULES_INT : 0;
	int result = 0;

	for (unsigned i = 0; i < 2 && result == 0; i++) {
		compared[count - 1] = SCMP_CMP64(argument->index, SCMP_CMP_MASKED_EQ, upper | bit,
						 (argument->value & upper) | (i == 0 ? 0 : bit));
		result = add(context, SCMP_ACT_ERRNO((unsigned)rule->error), rule->native, count,
			     compared);
	}
	return result;
}

static int
add_match(scmp_filter_ctx context, const struct seccomp_rule *rule)
{
	const uint64_t top_int = UINT64_C(1) << 31, top_long = UINT64_C(1) << 63;
	struct scmp_arg_cmp compared[SECCOMP_RULES_ARGUMENTS_MAX];
	int result;

	for (unsigned i = 0; i < rule->argument_count; i++)
		compared[i] = comparison(&rule->arguments[i]);
	result = add(context, SCMP_ACT_ALLOW, rule->native, rule->argument_count, compared);
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
add_rule(scmp_filter_ctx context, const struct seccomp_rule *rule)
{
	switch (rule->kind) {
	case SECCOMP_RULE_ALLOW:
		if (rule->argument_count > 0)
			return add_match(context, rule);
		return add(context, SCMP_ACT_ALLOW, rule->native, 0, NULL);
	case SECCOMP_RULE_REFUSE:
		return add(context, SCMP_ACT_ERRNO((unsigned)rule->error), rule->native, 0, NULL);
	case SECCOMP_RULE_FATAL:
		return add(context, SCMP_ACT_KILL_PROCESS, rule->native, 0, NULL);
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

/* The filter is for one machine only, which need not be the running one. */
static int
select_machine(scmp_filter_ctx context, uint32_t machine)
{
	uint32_t native = seccomp_arch_native();
	int result;

	if (machine == native)
		return 0;
	result = seccomp_arch_add(context, machine);
	if (result == 0)
		result = seccomp_arch_remove(context, native);
	return result;
}

/* Whether there is a row under these options. A refusal stands for a profile that is not there. */
static bool
is_wanted(const struct seccomp_rule *rule, const struct seccomp_wide_options *options)
{
	switch (rule->profile) {
	case SECCOMP_PROFILE_ASYNCIO:
		return options->asyncio;
	case SECCOMP_PROFILE_PINNING:
		return options->pinning == (rule->kind == SECCOMP_RULE_ALLOW);
	default:
		return true;
	}
}

static int
add_rules(scmp_filter_ctx context, const struct seccomp_wide_options *options, uint32_t machine,
	  struct error *err)
{
	const struct seccomp_rules *rules = seccomp_rules_of(machine);
	int result = 0;

	if (!rules)
		return error_set(err, ERROR_UNSUPPORTED, "filter: no rules for machine %#x",
				 machine);
	for (size_t i = 0; i < rules->count && result == 0; i++) {
		const struct seccomp_rule *rule = &rules->rules[i];

		if (seccomp_syscall_resolve_name_arch(machine, rule->call) < 0 ||
		    !is_wanted(rule, options))
			continue;
		result = add_rule(context, rule);
		if (result < 0) {
			errno = -result;
			result = error_errno(err, "filter: rule of %s", rule->call);
		}
	}
	return result;
}

int
seccomp_wide_build(const struct seccomp_wide_options *options, struct seccomp_wide *ret_wide,
		   struct error *err)
{
	scmp_filter_ctx context =
	    seccomp_init(options->kill_by_default ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ERRNO(ENOSYS));
	uint32_t machine = options->machine ? options->machine : seccomp_arch_native();
	int result;

	if (!context)
		return error_set(err, ERROR_UNSUPPORTED, "filter: seccomp_init: no memory");
	result = set_attributes(context);
	if (result == 0)
		result = select_machine(context, machine);
	if (result < 0) {
		errno = -result;
		result = error_errno(err, "filter: attributes");
	}
	if (result == 0)
		result = add_rules(context, options, machine, err);
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
