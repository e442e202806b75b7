/*
 * The rows of the narrow filter with the numbers of x86_64. A unit of its own, since the two tables
 * of numbers use the same macros. Data only; cannot fail.
 */
#if defined(__x86_64__)
#include "worker/seccomp_narrow.h"
#include "worker/seccomp_narrow_rows.h"

#include <asm/unistd.h>
#include <linux/audit.h>

#define TAKE(call, target)          {__NR_##call, target, 0, 0},
#define UNLESS(grant, call, target) {__NR_##call, target, SECCOMP_NARROW_##grant, 0},
#define WITH(grant, call, target)   {__NR_##call, target, 0, SECCOMP_NARROW_##grant},

static const struct seccomp_narrow_row ROWS[] = {
#include "worker/seccomp_narrow_rows.def"
};

const struct seccomp_narrow_machine seccomp_narrow_x86_64 = {AUDIT_ARCH_X86_64, ROWS,
							     sizeof(ROWS) / sizeof(ROWS[0])};
#else
typedef int seccomp_narrow_x86_64_is_elsewhere;
#endif
