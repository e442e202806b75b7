/*
 * Tokens by which a gateway shows that it may act for a tenant: their SHA-256 digests, which is all
 * that the configuration holds. A token that token_make made cannot be found from its digest.
 */
#ifndef STINT_PROTOCOL_TOKEN_H
#define STINT_PROTOCOL_TOKEN_H

#include "protocol/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOKEN_DIGEST_BYTES 32
#define TOKEN_DIGEST_CHARS (2 * TOKEN_DIGEST_BYTES)
#define TOKEN_BYTES_MAX    1024 /* longest token that is looked at */
#define TOKEN_CHARS        43   /* of one that is made: 256 random bits */

struct token_digest {
	uint8_t bytes[TOKEN_DIGEST_BYTES];
};

void token_digest(const void *token, size_t size, struct token_digest *ret_digest);
/* Takes the same time whatever is in them. */
bool token_digest_equal(const struct token_digest *a, const struct token_digest *b);
/* Hex, of either case; ERROR_INVALID. */
int token_digest_parse(const char *hex, size_t size, struct token_digest *ret_digest);
/* Hex as the configuration has it. */
void token_digest_format(const struct token_digest *digest, char ret_hex[TOKEN_DIGEST_CHARS + 1]);
/* A new one: letters, digits, '-' and '_'. */
int token_make(char ret_token[TOKEN_CHARS + 1], struct error *err);

#endif
