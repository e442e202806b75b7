/*
 * The rows of seccomp_rules.def as data, for each machine there is a policy for. A row names its
 * call; the number is looked up by who builds the filter.
 */
#ifndef STINT_WORKER_SECCOMP_RULES_H
#define STINT_WORKER_SECCOMP_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECCOMP_RULES_ARGUMENTS_MAX 3
#define SECCOMP_RULES_INT           UINT64_C(0xffffffff)

enum seccomp_rule_kind { SECCOMP_RULE_ALLOW, SECCOMP_RULE_REFUSE, SECCOMP_RULE_FATAL };
enum seccomp_profile {
	SECCOMP_PROFILE_BASE,
	SECCOMP_PROFILE_ASYNCIO,
	SECCOMP_PROFILE_THREADS,
	SECCOMP_PROFILE_SCRATCH,
	SECCOMP_PROFILE_SETUP,
	SECCOMP_PROFILE_PINNING,
};

/* Holds when (argument & mask) == value. */
struct seccomp_argument {
	unsigned index;
	bool is_long; /* all 64 bits count */
	uint64_t mask, value;
};

struct seccomp_rule {
	const char *call;
	int native; /* its number on the running machine, libseccomp's negative one if absent */
	enum seccomp_rule_kind kind;
	enum seccomp_profile profile;
	int error; /* REFUSE; ALLOW with arguments: when they do not match */
	struct seccomp_argument arguments[SECCOMP_RULES_ARGUMENTS_MAX];
	unsigned argument_count;
};

struct seccomp_rules {
	const struct seccomp_rule *rules; /* static */
	size_t count;
};

/* machine: AUDIT_ARCH_*. NULL when there is no policy for it. */
const struct seccomp_rules *seccomp_rules_of(uint32_t machine);

#endif
