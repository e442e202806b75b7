/*
 * A gateway's token for a tenant: made, and read from where it is kept.
 */
#ifndef STINT_CLIENT_CLIENT_TOKEN_H
#define STINT_CLIENT_CLIENT_TOKEN_H

#include "client/client_options.h"
#include "protocol/error.h"

/* `stint token`: print a new token, and the line that tells the daemon of it. */
int client_token(const struct client_options *options, struct error *err);
/*
 * The token for --tenant: the first line of --token-file, or STINT_TOKEN; never an argument, which
 * all users of a host could read. *ret_token is the caller's to free. Errors do not quote it.
 */
int client_token_read(const struct client_options *options, char **ret_token, struct error *err);

#endif
