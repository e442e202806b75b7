/*
 * tenant.usage.
 */
#ifndef STINT_DAEMON_METHOD_TENANT_H
#define STINT_DAEMON_METHOD_TENANT_H

#include "daemon/rpc.h"

rpc_handler method_tenant_usage;

#endif
