/*
 * The life of a zygote after its start: fork, reap, report.
 */
#ifndef STINT_WORKER_ZYGOTE_LOOP_H
#define STINT_WORKER_ZYGOTE_LOOP_H

#include "protocol/base_slice.h"
#include "protocol/error.h"
#include "worker/sandbox_landlock.h"
#include "worker/zygote_fork.h"

#include <stdbool.h>
#include <stdint.h>

struct zygote_loop {
	struct zygote_fork fork;
	int link_fd;                             /* borrowed: the zygote link */
	int signal_fd;                           /* borrowed: signalfd of SIGCHLD */
	const struct sandbox_landlock *landlock; /* borrowed; NULL: switched off */
	struct base_slice slice;                 /* what a job gets; see base_slice.h */
	/* These: see struct sandbox. */
	bool mdwe, shared_account, pinning;
	bool scratch; /* false: a worker with a scratch directory is a breach */
	uint64_t baseline_data_bytes, baseline_size_bytes;
};

/* Serve until the link closes (returns 0: stintd or the spawner ended this generation) or something
 * is not as it must be (negative code, err is filled). The caller ends the process, and with it, as
 * it is pid 1, all workers. */
int zygote_loop_run(const struct zygote_loop *loop, struct error *err);

#endif
