/*
 * The texts of `stint help`.
 */
#ifndef STINT_CLIENT_CLIENT_HELP_H
#define STINT_CLIENT_CLIENT_HELP_H

#include <stdio.h>

/* Write the help of a command (NULL: the overview); 0, or -1 when there is no such command. */
int client_help(FILE *out, const char *command);

#endif
