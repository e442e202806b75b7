/*
 * The socket that metrics are served on, when the configuration or the service manager names one.
 */
#ifndef STINT_WORKER_SPAWNER_METRICS_H
#define STINT_WORKER_SPAWNER_METRICS_H

#include "protocol/config.h"
#include "protocol/error.h"
#include "worker/spawner_socket.h"

/* The inherited one, else what metrics_listen says; fd is -1 when there is neither. */
int spawner_metrics_open(const struct config *config, struct spawner_socket *ret_socket,
			 struct error *err);

#endif
