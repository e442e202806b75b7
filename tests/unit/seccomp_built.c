/*
 * Makes the filters with the worker's own functions. Called by the tests of the golden table.
 */
#include "seccomp_built.h"

#include "worker/seccomp_narrow_rows.h"

#include <linux/audit.h>
#include <string.h>

int
built_init(unsigned which, struct built *ret_built, struct error *err)
{
	const struct seccomp_narrow_machine *machine = &seccomp_narrow_aarch64;
	int result = 0;

#if defined(__x86_64__)
	if (which == 1)
		machine = &seccomp_narrow_x86_64;
#endif
	memset(ret_built, 0, sizeof(*ret_built));
	ret_built->name = which == 1 ? "x86_64" : "aarch64";
	ret_built->audit_arch = machine->audit_arch;
	for (unsigned i = 0; i < BUILT_WIDES && result == 0; i++) {
		const struct seccomp_wide_options options = {.machine = machine->audit_arch,
							     .asyncio = i & 1,
							     .pinning = i & 2};

		result = seccomp_wide_build(&options, &ret_built->wide[i], err);
	}
	for (unsigned grants = 0; grants < BUILT_GRANTS; grants++)
		seccomp_narrow_build_for(machine, BUILT_OWN_PID, grants,
					 &ret_built->narrow[grants]);
	if (result < 0)
		built_deinit(ret_built);
	return result;
}

void
built_deinit(struct built *built)
{
	for (unsigned i = 0; i < BUILT_WIDES; i++)
		seccomp_wide_deinit(&built->wide[i]);
}
