/*
 * daemon.metrics: handler for the table of methods.def.
 */
#ifndef STINT_DAEMON_METHOD_METRICS_H
#define STINT_DAEMON_METHOD_METRICS_H

#include "daemon/rpc.h"

rpc_handler method_metrics;

#endif
