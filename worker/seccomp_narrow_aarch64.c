/*
 * The rows of the narrow filter with the numbers of aarch64, which are those of asm-generic with
 * the options that the kernel's arch/arm64/include/uapi/asm/unistd.h sets. Included by that path,
 * this compiles on any machine, so that the filter can be checked there. Data only; cannot fail.
 */
#include "worker/seccomp_narrow.h"
#include "worker/seccomp_narrow_rows.h"

#define __ARCH_WANT_RENAMEAT
#define __ARCH_WANT_NEW_STAT
#define __ARCH_WANT_SET_GET_RLIMIT
#define __ARCH_WANT_TIME32_SYSCALLS
#define __ARCH_WANT_SYS_CLONE3
#define __ARCH_WANT_MEMFD_SECRET
#include <asm-generic/unistd.h>
#include <linux/audit.h>

#define TAKE(call, target)          {__NR_##call, target, 0, 0},
#define UNLESS(grant, call, target) {__NR_##call, target, SECCOMP_NARROW_##grant, 0},
#define WITH(grant, call, target)   {__NR_##call, target, 0, SECCOMP_NARROW_##grant},

static const struct seccomp_narrow_row ROWS[] = {
#include "worker/seccomp_narrow_rows.def"
};

const struct seccomp_narrow_machine seccomp_narrow_aarch64 = {AUDIT_ARCH_AARCH64, ROWS,
							      sizeof(ROWS) / sizeof(ROWS[0])};
