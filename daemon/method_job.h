/*
 * job.run, job.cancel and job.status.
 */
#ifndef STINT_DAEMON_METHOD_JOB_H
#define STINT_DAEMON_METHOD_JOB_H

#include "daemon/rpc.h"

rpc_handler method_job_run, method_job_cancel, method_job_status;

#endif
