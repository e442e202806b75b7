/*
 * daemon.info and daemon.health: what the daemon is and how it does.
 */
#ifndef STINT_DAEMON_METHOD_DAEMON_H
#define STINT_DAEMON_METHOD_DAEMON_H

#include "daemon/rpc.h"

rpc_handler method_daemon_info, method_daemon_health;

#endif
