/*
 * Both filters of one machine, as the golden table's check and its print see them.
 */
#ifndef TESTS_UNIT_SECCOMP_BUILT_H
#define TESTS_UNIT_SECCOMP_BUILT_H

#include "worker/seccomp_narrow.h"
#include "worker/seccomp_wide.h"

#define BUILT_OWN_PID 77
#define BUILT_WIDES   4u /* with event loops: + 1; with pinning: + 2 */
#define BUILT_GRANTS  16u /* sets of enum seccomp_narrow_grant */

struct built {
	const char *name;
	uint32_t audit_arch;
	struct seccomp_wide wide[BUILT_WIDES];
	struct seccomp_narrow narrow[BUILT_GRANTS]; /* by grants: enum seccomp_narrow_grant */
};

#if defined(__x86_64__)
#define BUILT_COUNT 2u
#else
#define BUILT_COUNT 1u /* x86_64's numbers are not in another machine's headers */
#endif

/* which: 0 aarch64, 1 x86_64. */
int built_init(unsigned which, struct built *ret_built, struct error *err);
void built_deinit(struct built *built);

#endif
