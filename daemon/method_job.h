/*
 * job.run, job.cancel and job.status.
 */
#ifndef STINT_DAEMON_METHOD_JOB_H
#define STINT_DAEMON_METHOD_JOB_H

#include "daemon/engine.h"
#include "daemon/rpc.h"

/* Why the engine refuses a job, as the client hears it. */
void method_job_refusal(struct rpc_error *ret_fault, const struct engine_refusal *refusal,
			const struct error *err);

rpc_handler method_job_run, method_job_cancel, method_job_status;

#endif
