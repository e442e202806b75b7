/*
 * The handlers of script.put, script.get and script.delete; see methods.def.
 */
#ifndef STINT_DAEMON_METHOD_SCRIPT_H
#define STINT_DAEMON_METHOD_SCRIPT_H

#include "daemon/rpc.h"

/* Read and hash what is put. Any thread. False: call->fault. */
bool method_script_prepare(const struct rpc *rpc, struct rpc_call *call);

rpc_handler method_script_put;
rpc_handler method_script_get;
rpc_handler method_script_delete;

#endif
