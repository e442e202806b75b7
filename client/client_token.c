/*
 * Tokens on the command line's side. Called by client_main.c, and by whatever makes a request.
 * Asks the daemon nothing; writes no file.
 */
#define _GNU_SOURCE
#include "client/client_token.h"

#include "client/client_read.h"
#include "protocol/token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int
client_token(const struct client_options *options, struct error *err)
{
	char token[TOKEN_CHARS + 1], hex[TOKEN_DIGEST_CHARS + 1];
	struct token_digest digest;
	int code;

	if (options->word_count > 0)
		return error_set(err, ERROR_INVALID, "token takes no words");
	code = token_make(token, err);
	if (code < 0)
		return code;
	token_digest(token, strlen(token), &digest);
	token_digest_format(&digest, hex);
	(void)printf("%s\ntoken_sha256 = %s\n", token, hex);
	return fflush(stdout) == 0 ? 0 : error_errno(err, "cannot write");
}

/* The first line; true when there is nothing behind it but line ends. */
static bool
client_token_cut(char *text, size_t *size)
{
	size_t length = strcspn(text, "\r\n");
	bool alone = length + strspn(text + length, "\r\n") == *size;

	text[length] = '\0';
	*size = length;
	return alone;
}

int
client_token_read(struct client_options *options, struct error *err)
{
	const char *from = options->token_file, *kept = getenv("STINT_TOKEN");
	char *token = NULL;
	size_t size;
	int code = 0;

	if (options->tenant == NULL)
		return 0;
	if (from != NULL) {
		code = client_read(from, &token, &size, err);
		if (code == 0 && !client_token_cut(token, &size))
			code = error_set(err, ERROR_INVALID,
					 "%s is not one line: want a token and nothing else", from);
	} else if (kept != NULL && *kept != '\0') {
		from = "STINT_TOKEN";
		token = strdup(kept);
		size = strlen(kept);
		if (token == NULL)
			code = error_errno(err, "a token");
	} else {
		code = error_set(err, ERROR_INVALID,
				 "--tenant needs that tenant's token: --token-file FILE, or "
				 "STINT_TOKEN in the environment");
	}
	if (code == 0 && (size == 0 || size > TOKEN_BYTES_MAX))
		code = error_set(err, ERROR_INVALID, "%s: a token has 1 to %u bytes, not %zu", from,
				 TOKEN_BYTES_MAX, size);
	if (code < 0) {
		free(token);
		return code;
	}
	options->token = token;
	return 0;
}

int
client_token_put(const struct client_options *options, json_t *params, struct error *err)
{
	if (options == NULL || options->tenant == NULL)
		return 0;
	if (json_object_set_new(params, "tenant", json_string(options->tenant)) < 0)
		return error_set(err, ERROR_INVALID, "--tenant: the name is not UTF-8");
	if (json_object_set_new(params, "token", json_string(options->token)) < 0)
		return error_set(err, ERROR_INVALID, "the token is not UTF-8");
	return 0;
}
