/*
 * Whether a job may enter the queue: its tenant's rates, the caps on what waits. Policy: decides by
 * the numbers it is given, and by nothing else.
 */
#ifndef STINT_DAEMON_ADMISSION_H
#define STINT_DAEMON_ADMISSION_H

#include "protocol/error.h"

#include <stdint.h>

/* `retry_after_ms` where nothing tells when there will be room. */
#define ADMISSION_FULL_RETRY_MS 1000u

enum admission_outcome {
	ADMISSION_ENTER,
	ADMISSION_TOO_LARGE,  /* the job alone is above a cap: it never can */
	ADMISSION_QUEUE_FULL, /* too many jobs or bytes wait */
	ADMISSION_QUOTA,      /* a rate of the tenant is used up */
};

enum admission_rate { ADMISSION_JOBS, ADMISSION_CPU, ADMISSION_OPCODES, ADMISSION_RATE_COUNT };

/*
 * One tenant alone can fill the service's queue. So that this keeps nobody else out, a tenant that
 * has less than an eighth of it waiting may enter until it is a quarter above its maximum.
 */
#define ADMISSION_FEW_PART   8u
#define ADMISSION_EXTRA_PART 4u

/* What waits already, and what may. */
struct admission_load {
	uint64_t jobs, jobs_max; /* a maximum of 0: none */
	uint64_t bytes, bytes_max;
};

struct admission_facts {
	const char *tenant;                     /* borrowed: its name */
	uint64_t bytes;                         /* of the job */
	struct admission_load service, own;     /* `own`: of the tenant */
	uint64_t rates[ADMISSION_RATE_COUNT];   /* in the units of their settings; 0: none */
	uint64_t wait_ns[ADMISSION_RATE_COUNT]; /* until the rate lets a job in; 0: now */
};

struct admission_answer {
	enum admission_outcome outcome;
	uint64_t retry_after_ms; /* when it may be possible; 0: ENTER, or never */
};

/* 0: enter. ERROR_LIMIT: *ret_answer says how it is refused, err names the cap and the remedy, and
 * nothing of other tenants. */
int admission_decide(const struct admission_facts *facts, struct admission_answer *ret_answer,
		     struct error *err);

#endif
