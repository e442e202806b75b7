/*
 * The handlers of job.submit, job.wait, job.result and job.list; see methods.def.
 */
#ifndef STINT_DAEMON_METHOD_DURABLE_H
#define STINT_DAEMON_METHOD_DURABLE_H

#include "daemon/rpc.h"

/* What job.submit needs beside what job.run does: take the key out of the parameters, and write
 * the rest as the text that is stored. Any thread. False: call->fault. */
bool method_durable_prepare(const struct rpc *rpc, const struct config *config,
			    struct rpc_call *call);

rpc_handler method_job_submit;
rpc_handler method_job_wait;
rpc_handler method_job_result;
rpc_handler method_job_list;

#endif
