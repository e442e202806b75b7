/*
 * POLICY: how a job ended. Pure: facts in, status out. Facts that were measured outside the worker
 * come first; what the worker's page says decides only among endings that are the job's own.
 */
#ifndef STINT_DAEMON_VERDICT_H
#define STINT_DAEMON_VERDICT_H

#include "daemon/watchdog_look.h"
#include "protocol/result.h"

#include <stdbool.h>
#include <stdint.h>

/* The result blob, as far as it can be believed. */
enum verdict_blob {
	VERDICT_BLOB_NONE,     /* there is none */
	VERDICT_BLOB_COMPLETE, /* well formed */
	VERDICT_BLOB_PARTIAL,  /* half-written by a worker that did not get to its end */
	VERDICT_BLOB_HOSTILE,  /* what no accident makes */
};

struct verdict_facts {
	/* measured outside */
	bool lost;                          /* its generation ended under it */
	bool failed;                        /* a system failure of ours while the result was read */
	bool unread;                        /* died before it took the job off its channel */
	bool cancelled;                     /* somebody wanted that */
	enum watchdog_reason kill;          /* why we killed it, if we did */
	uint64_t cpu_used_us, cpu_limit_us; /* by the job alone */
	uint64_t wall_used_us, wall_limit_us; /* at the kill */
	uint64_t opcode_limit;                /* 0: none */
	uint64_t oom_kills;                   /* in its cgroup */
	int exit_code;                        /* -1: died by `signal` */
	int signal;                           /* 0: exited */
	bool spoke;                           /* sent something after the hello */
	bool output_over;                     /* stdout or stderr above its cap */
	bool wants_value;                     /* owes a result blob */
	/* the worker's page */
	uint32_t reason; /* enum worker_reason, or anything */
	enum verdict_blob blob;
};

struct verdict {
	enum job_status status;
	const char *why; /* static: which rule decided; for the log and the tests */
};

struct verdict verdict_decide(const struct verdict_facts *facts);

#endif
