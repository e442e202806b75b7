/*
 * SHA-256 of bytes, as the 64 hex digits that name a script.
 */
#ifndef STINT_DAEMON_CONTENT_HASH_H
#define STINT_DAEMON_CONTENT_HASH_H

#include <stdbool.h>
#include <stddef.h>

#define CONTENT_HASH_CHARS 64

/* Of `kind`, which sets texts and byte code apart, and the bytes. Cannot fail. */
void content_hash(char kind, const void *bytes, size_t size,
		  char ret_text[CONTENT_HASH_CHARS + 1]);
/* Whether the text is such a name: 64 lower-case hex digits. */
bool content_hash_is_one(const char *text, size_t size);

#endif
