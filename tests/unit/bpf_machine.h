/*
 * Classic BPF as the kernel's seccomp accepts and runs it, written anew for the tests: no code is
 * shared with kernel, libseccomp or the filters' builders.
 */
#ifndef TESTS_UNIT_BPF_MACHINE_H
#define TESTS_UNIT_BPF_MACHINE_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>

/* NULL when the kernel would take the program, else why not. */
const char *bpf_machine_check(const struct sock_filter *program, size_t count);

/* Run it. NULL and the value returned, or what went wrong; safe for any bytes, checked or not. */
const char *bpf_machine_run(const struct sock_filter *program, size_t count,
			    const struct seccomp_data *data, uint32_t *ret_value);

/* What the kernel makes of a newer and an older filter's values: the stricter action, of equal ones
 * the newer's with its errno. */
uint32_t bpf_machine_stricter(uint32_t newer, uint32_t older);

#endif
