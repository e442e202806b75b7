/*
 * What a tenant's terms mean for its account: shares and rates as they are now, whether a job may
 * enter, and what a job that has ended is charged.
 */
#ifndef STINT_DAEMON_QUOTA_H
#define STINT_DAEMON_QUOTA_H

#include "daemon/account.h"
#include "daemon/admission.h"
#include "daemon/queue.h"
#include "protocol/error.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * CPU time that a job costs the service beside its own: making its worker, receiving, answering,
 * burying. Charged for each job that was given to a worker, or trivial jobs would ride free.
 * Measured: ARCHITECTURE.md, "How jobs are picked".
 */
#define QUOTA_JOB_US 1000u

/* Caps of the service. */
struct quota_caps {
	uint64_t jobs_max, bytes_max;
};

/* Bring an account's share and rates to its terms. */
void quota_set(struct account *account, struct queue *queue, uint64_t now_ns);
/*
 * May a job of that many bytes enter? Then 0, and it is counted in the rate of jobs. Else
 * ERROR_LIMIT, see admission_decide. again: it has been admitted once, in an earlier life: only the
 * caps hold.
 */
int quota_admit(struct account *account, const struct queue *queue, const struct quota_caps *caps,
		uint64_t bytes, bool again, uint64_t now_ns, struct admission_answer *ret_answer,
		struct error *err);
/* A job that has run has used that. Returns the CPU time that it is charged. */
uint64_t quota_charge(struct account *account, uint64_t cpu_us, uint64_t opcodes, uint64_t now_ns);

#endif
