/*
 * A gateway's token for a tenant: made, and read from where it is kept.
 */
#ifndef STINT_CLIENT_CLIENT_TOKEN_H
#define STINT_CLIENT_CLIENT_TOKEN_H

#include "client/client_options.h"
#include "protocol/error.h"

#include <jansson.h>

/* `stint token`: print a new token, and the line that tells the daemon of it. */
int client_token(const struct client_options *options, struct error *err);
/*
 * Read the token for --tenant into options->token, once, for it may come through a pipe: the first
 * line of --token-file, or STINT_TOKEN; never an argument, which all users of a host could read.
 * Nothing without --tenant. Errors do not quote it.
 */
int client_token_read(struct client_options *options, struct error *err);
/* The parameters of a gateway: `tenant` and `token`, where options (or NULL) have them. */
int client_token_put(const struct client_options *options, json_t *params, struct error *err);

#endif
