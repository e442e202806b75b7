/*
 * `stint top`: load, rates and tenants, live.
 */
#ifndef STINT_CLIENT_CLIENT_TOP_H
#define STINT_CLIENT_CLIENT_TOP_H

#include "client/client_options.h"
#include "protocol/error.h"

/* 0 or an error with its reason. On a terminal it goes on until somebody ends it. */
int client_top(const struct client_options *options, struct error *err);

#endif
