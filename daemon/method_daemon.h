/*
 * daemon.info and daemon.health: what the daemon is and how it does; daemon.drain: its end.
 */
#ifndef STINT_DAEMON_METHOD_DAEMON_H
#define STINT_DAEMON_METHOD_DAEMON_H

#include "daemon/json_members.h"
#include "daemon/rpc.h"

rpc_handler method_daemon_info, method_daemon_health, method_daemon_drain;

/* Member `limits`: default and max. */
void method_daemon_put_limits(struct json_members *object, const struct tenant_terms *terms);

#endif
