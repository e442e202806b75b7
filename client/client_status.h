/*
 * `stint status [JOB]`, `stint cancel JOB` and `stint drain`.
 */
#ifndef STINT_CLIENT_CLIENT_STATUS_H
#define STINT_CLIENT_CLIENT_STATUS_H

#include "client/client_connect.h"
#include "client/client_json.h"
#include "client/client_options.h"
#include "protocol/error.h"

/* Exit status of the process, or a negative error. */
int client_status(const struct client_options *options, struct error *err);
int client_status_cancel(const struct client_options *options, struct error *err);
int client_status_drain(const struct client_options *options, struct error *err);

/* Send one request on an open connection; *ret_result is borrowed from its buffer until the next.
 * options: for whom, or NULL. */
int client_status_ask(struct client_connection *connection, const char *method, const char *job,
		      const struct client_options *options, struct client_json *ret_result,
		      struct error *err);

#endif
