/*
 * The wide filter: what any worker may ever do, and what the zygote's loop and a worker's set-up
 * need. Built once by the zygote with libseccomp, installed in the zygote, inherited by every
 * worker.
 */
#ifndef STINT_WORKER_SECCOMP_WIDE_H
#define STINT_WORKER_SECCOMP_WIDE_H

#include "protocol/error.h"

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct seccomp_wide {
	struct sock_filter *instructions; /* owned */
	size_t count;
};

struct seccomp_wide_options {
	uint32_t machine;     /* AUDIT_ARCH_*: what it is for; 0: the running machine */
	bool asyncio;         /* whether any job may get the calls of event loops */
	bool pinning;         /* whether a worker may bind itself to cores, before its job */
	bool kill_by_default; /* tests only: a call without a row dies, so that gaps show */
};

/* Compile the rows of seccomp_rules.def to a program. */
int seccomp_wide_build(const struct seccomp_wide_options *options, struct seccomp_wide *ret_wide,
		       struct error *err);
void seccomp_wide_deinit(struct seccomp_wide *wide);

/* Put a program on the calling thread and all its later children. Needs no_new_privs. No
 * allocation. */
int seccomp_wide_install(struct sock_filter *instructions, size_t count, struct error *err);

#endif
