/*
 * What the narrow filter takes away, as data: the rows of seccomp_narrow_rows.def with the numbers
 * of one machine.
 */
#ifndef STINT_WORKER_SECCOMP_NARROW_ROWS_H
#define STINT_WORKER_SECCOMP_NARROW_ROWS_H

#include <stddef.h>
#include <stdint.h>

/* Where a call goes: one return each, and the blocks that look at arguments. */
enum seccomp_narrow_target {
	TO_ALLOW,
	TO_EPERM,
	TO_ENOSYS,
	TO_ECHILD,
	TO_EROFS,
	TO_EINVAL,
	TO_KILL,
	TO_OPENAT,
	TO_PRLIMIT,
	TO_MADVISE,
	TO_OWN_KILL,
	TO_OWN_TGKILL,
	TO_OWN_PID_OR_0,
	SECCOMP_NARROW_TO_COUNT,
};

struct seccomp_narrow_row {
	uint32_t number;
	enum seccomp_narrow_target target;
	unsigned unless; /* any of these grants (enum seccomp_narrow_grant): no such row */
	unsigned with;   /* without any of these: no such row; 0: that does not matter */
};

struct seccomp_narrow_machine {
	uint32_t audit_arch;
	const struct seccomp_narrow_row *rows; /* static */
	size_t row_count;
};

#if defined(__x86_64__)
extern const struct seccomp_narrow_machine seccomp_narrow_x86_64;
#endif
extern const struct seccomp_narrow_machine seccomp_narrow_aarch64;

#endif
