/*
 * Collected files, from a result to a directory of the user's.
 */
#ifndef STINT_CLIENT_CLIENT_FILES_H
#define STINT_CLIENT_CLIENT_FILES_H

#include "client/client_json.h"
#include "protocol/error.h"

/*
 * Write the array `files` of a result below `directory`, which is made if it is not there. Nothing
 * outside of it is touched, no link is followed, no file replaced. Errors name the file.
 */
int client_files_write(struct client_json files, const char *directory, struct error *err);

#endif
