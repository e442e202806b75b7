/*
 * Whole files, and standard input, into memory.
 */
#ifndef STINT_CLIENT_CLIENT_READ_H
#define STINT_CLIENT_CLIENT_READ_H

#include "protocol/error.h"

#include <stddef.h>

/* The daemon's request line has a limit; this only keeps a mistaken path from eating all memory. */
#define CLIENT_READ_BYTES_MAX ((size_t)256 << 20)

/* Read `path`, or standard input when path is "-". *ret_bytes is the caller's to free; a NUL
 * follows. */
int client_read(const char *path, char **ret_bytes, size_t *ret_size, struct error *err);

#endif
