/*
 * `stint run`: one job, its output as it comes, an exit status that tells how it ended.
 */
#ifndef STINT_CLIENT_CLIENT_RUN_H
#define STINT_CLIENT_CLIENT_RUN_H

#include "client/client_json.h"
#include "client/client_options.h"
#include "protocol/error.h"

/* The process's exit status, or a negative error: then nothing ran, or nobody knows how it ended.
 */
int client_run(const struct client_options *options, struct error *err);
/* Show a result that was fetched, and give the exit status. */
int client_run_show(const struct client_options *options, struct client_json result,
		    struct error *err);
/* The daemon's refusal in `answer` ("error" member) as an error text. */
int client_run_refused(const char *line, size_t size, struct error *err);

#endif
