/*
 * What the client shows: a job's output, its account, and why it ended.
 */
#ifndef STINT_CLIENT_CLIENT_PRINT_H
#define STINT_CLIENT_CLIENT_PRINT_H

#include "client/client_json.h"

#include <stddef.h>

/* "stint: text" on standard error: one line, without control characters. */
void client_print_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* All bytes to descriptor 1 or 2, unbuffered; a failure ends the process, as SIGPIPE does. */
void client_print_bytes(int stream, const char *bytes, size_t size);
/* JSON text and a line end on standard output. */
void client_print_json(struct client_json json);
/* One line on standard error from a result's `usage`. */
void client_print_usage(const char *status, struct client_json usage);
/* Why a job did not end well, where its own stderr does not say so. */
void client_print_reason(const char *status, int signal, struct client_json error);

#endif
