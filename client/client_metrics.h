/*
 * `stint metrics`: the daemon's counters as they are, for people and for scripts.
 */
#ifndef STINT_CLIENT_CLIENT_METRICS_H
#define STINT_CLIENT_CLIENT_METRICS_H

#include "client/client_connect.h"
#include "client/client_options.h"
#include "protocol/error.h"

#include <stddef.h>

/* 0 or an error with its reason. */
int client_metrics(const struct client_options *options, struct error *err);
/* The text of daemon.metrics, NUL terminated, the caller's to free. */
int client_metrics_ask(struct client_connection *connection, char **ret_text, size_t *ret_size,
		       struct error *err);

#endif
