/*
 * The request lines that the client sends.
 */
#ifndef STINT_CLIENT_CLIENT_REQUEST_H
#define STINT_CLIENT_CLIENT_REQUEST_H

#include "client/client_options.h"
#include "protocol/error.h"

#include <stddef.h>

/*
 * job.run for the options, LF included; *ret_line is the caller's to free. Reads the source, the
 * job's standard input and the modules. Errors name the file or option at fault.
 */
int client_request_run(const struct client_options *options, char **ret_line, size_t *ret_size,
		       struct error *err);
/* The same for another method, which answers without streaming. */
int client_request_job(const char *method, const struct client_options *options, char **ret_line,
		       size_t *ret_size, struct error *err);
/* A request whose only parameter is `job`, or none when job is NULL; and those of a gateway, where
 * options (or NULL) have them. */
int client_request_simple(const char *method, const char *job, const struct client_options *options,
			  char **ret_line, size_t *ret_size, struct error *err);

#endif
