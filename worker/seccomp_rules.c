/*
 * Reads seccomp_rules.def once for each machine, since some flags of openat have other values
 * there. The flags are the kernel's: the C library's O_LARGEFILE is 0 on 64-bit machines. All other
 * values in the rules are those of asm-generic on both machines.
 *
 * Both tables are in every build, so that each machine's filter can be checked on any other. Called
 * by seccomp_wide.c only; cannot fail.
 */
#define _GNU_SOURCE
#include "worker/seccomp_rules.h"

#include "worker/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/futex.h>
#include <sched.h>
#include <seccomp.h>
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

#if !defined(__x86_64__) && !defined(__aarch64__)
#error "no system call policy for this machine"
#endif

#define CLONE_OF_A_THREAD                                                                          \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |        \
	 CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

#define INT_IS(i, v)                                                                               \
	{                                                                                          \
		(i), false, SECCOMP_RULES_INT, (uint32_t)(v)                                       \
	}
#define INT_WITHIN(i, bits)                                                                        \
	{                                                                                          \
		(i), false, SECCOMP_RULES_INT & ~(uint64_t)(uint32_t)(bits), 0                     \
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
	(sizeof((const struct seccomp_argument[]){__VA_ARGS__}) / sizeof(struct seccomp_argument))

#define ALLOW(call, profile, reason)                                                               \
	{#call,                                                                                    \
	 SCMP_SYS(call),                                                                           \
	 SECCOMP_RULE_ALLOW,                                                                       \
	 SECCOMP_PROFILE_##profile,                                                                \
	 0,                                                                                        \
	 {{0, false, 0, 0}},                                                                       \
	 0},
#define MATCH(call, profile, error, reason, ...)                                                   \
	{#call,                                                                                    \
	 SCMP_SYS(call),                                                                           \
	 SECCOMP_RULE_ALLOW,                                                                       \
	 SECCOMP_PROFILE_##profile,                                                                \
	 error,                                                                                    \
	 {__VA_ARGS__},                                                                            \
	 COUNT_OF_ARGUMENTS(__VA_ARGS__)},
#define REFUSE(call, error, reason) REFUSE_WITHOUT(BASE, call, error, reason)
#define REFUSE_WITHOUT(profile, call, error, reason)                                               \
	{#call,                                                                                    \
	 SCMP_SYS(call),                                                                           \
	 SECCOMP_RULE_REFUSE,                                                                      \
	 SECCOMP_PROFILE_##profile,                                                                \
	 error,                                                                                    \
	 {{0, false, 0, 0}},                                                                       \
	 0},
#define FATAL(call)                                                                                \
	{#call, SCMP_SYS(call), SECCOMP_RULE_FATAL, SECCOMP_PROFILE_BASE, 0, {{0, false, 0, 0}}, 0},

#define ONLY_X86_64(...) __VA_ARGS__
#define ONLY_AARCH64(...)
#define KERNEL_LARGEFILE 0100000u
#define KERNEL_DIRECTORY 0200000u
#define KERNEL_NOFOLLOW  0400000u
static const struct seccomp_rule X86_64[] = {
#include "worker/seccomp_rules.def"
};
#undef ONLY_X86_64
#undef ONLY_AARCH64
#undef KERNEL_LARGEFILE
#undef KERNEL_DIRECTORY
#undef KERNEL_NOFOLLOW

#define ONLY_X86_64(...)
#define ONLY_AARCH64(...) __VA_ARGS__
#define KERNEL_LARGEFILE  0400000u
#define KERNEL_DIRECTORY  0040000u
#define KERNEL_NOFOLLOW   0100000u
static const struct seccomp_rule AARCH64[] = {
#include "worker/seccomp_rules.def"
};

const struct seccomp_rules *
seccomp_rules_of(uint32_t machine)
{
	static const struct seccomp_rules x86_64 = {X86_64, sizeof(X86_64) / sizeof(X86_64[0])};
	static const struct seccomp_rules aarch64 = {AARCH64, sizeof(AARCH64) / sizeof(AARCH64[0])};

	switch (machine) {
	case AUDIT_ARCH_X86_64:
		return &x86_64;
	case AUDIT_ARCH_AARCH64:
		return &aarch64;
	}
	return NULL;
}
