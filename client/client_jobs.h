/*
 * `stint submit`, `wait`, `result` and `list`: jobs that the daemon keeps.
 */
#ifndef STINT_CLIENT_CLIENT_JOBS_H
#define STINT_CLIENT_CLIENT_JOBS_H

#include "client/client_options.h"
#include "protocol/error.h"

/* Each: the process's exit status, or a negative error. */
int client_jobs_submit(const struct client_options *options, struct error *err);
/* As `stint run` would show it and end; 125 when it has not ended. */
int client_jobs_wait(const struct client_options *options, struct error *err);
int client_jobs_result(const struct client_options *options, struct error *err);
int client_jobs_list(const struct client_options *options, struct error *err);

#endif
