/*
 * `stint selftest`: attacks that are safe in production, against the daemon that runs.
 */
#ifndef STINT_CLIENT_CLIENT_SELFTEST_H
#define STINT_CLIENT_CLIENT_SELFTEST_H

#include "client/client_json.h"
#include "client/client_options.h"
#include "protocol/error.h"

/* One row of client_selftest.def. */
struct client_selftest {
	const char *name, *status, *out, *shows, *source;
};

/* Whether a job's result is what the row expects. Pure. */
bool client_selftest_holds(const struct client_selftest *test, struct client_json result);
/* Exit status of the process: 0 all passed, 1 one failed; or a negative error. */
int client_selftest(const struct client_options *options, struct error *err);

#endif
