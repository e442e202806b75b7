/*
 * Makes the zygote of tests whose wide filter kills by default: a system call without a row ends
 * the worker with SIGSYS, so that a gap in the rules shows. Linked with --wrap; the zygote that is
 * installed has no such switch.
 */
#include "worker/seccomp_wide.h"

int __real_seccomp_wide_build(const struct seccomp_wide_options *options,
			      struct seccomp_wide *ret_wide, struct error *err);
int __wrap_seccomp_wide_build(const struct seccomp_wide_options *options,
			      struct seccomp_wide *ret_wide, struct error *err);

int
__wrap_seccomp_wide_build(const struct seccomp_wide_options *options, struct seccomp_wide *ret_wide,
			  struct error *err)
{
	struct seccomp_wide_options strict = *options;

	strict.kill_by_default = true;
	return __real_seccomp_wide_build(&strict, ret_wide, err);
}
