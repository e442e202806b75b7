/*
 * Digests of tokens, by libmd. Keeps nothing and logs nothing; what it computed with is wiped.
 * Called by stintd for gateways' requests and by `stint token`. Only token_make asks the kernel for
 * something.
 */
#include "protocol/token.h"

#include <errno.h>
#include <sha2.h>
#include <string.h>
#include <sys/random.h>

#define TOKEN_RANDOM_BYTES 32

void
token_digest(const void *token, size_t size, struct token_digest *ret_digest)
{
	SHA2_CTX state;

	SHA256Init(&state);
	SHA256Update(&state, token, size);
	SHA256Final(ret_digest->bytes, &state);
	explicit_bzero(&state, sizeof(state));
}

bool
token_digest_equal(const struct token_digest *a, const struct token_digest *b)
{
	volatile uint8_t difference = 0;

	for (size_t i = 0; i < TOKEN_DIGEST_BYTES; i++)
		difference = difference | (uint8_t)(a->bytes[i] ^ b->bytes[i]);
	return difference == 0;
}

static int
token_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int
token_digest_parse(const char *hex, size_t size, struct token_digest *ret_digest)
{
	struct token_digest digest;

	if (size != TOKEN_DIGEST_CHARS)
		return ERROR_INVALID;
	for (size_t i = 0; i < TOKEN_DIGEST_BYTES; i++) {
		int high = token_hex_digit(hex[2 * i]), low = token_hex_digit(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return ERROR_INVALID;
		digest.bytes[i] = (uint8_t)(high << 4 | low);
	}
	*ret_digest = digest;
	return 0;
}

void
token_digest_format(const struct token_digest *digest, char ret_hex[TOKEN_DIGEST_CHARS + 1])
{
	static const char DIGITS[] = "0123456789abcdef";

	for (size_t i = 0; i < TOKEN_DIGEST_BYTES; i++) {
		ret_hex[2 * i] = DIGITS[digest->bytes[i] >> 4];
		ret_hex[2 * i + 1] = DIGITS[digest->bytes[i] & 15];
	}
	ret_hex[TOKEN_DIGEST_CHARS] = '\0';
}

int
token_make(char ret_token[TOKEN_CHARS + 1], struct error *err)
{
	static const char LETTERS[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	uint8_t random[TOKEN_RANDOM_BYTES + 1] = {0}; /* and bits to fill the last letter */
	ssize_t got;

	do
		got = getrandom(random, TOKEN_RANDOM_BYTES, 0);
	while (got < 0 && errno == EINTR);
	if (got != TOKEN_RANDOM_BYTES)
		return error_errno(err, "random numbers for a token");
	for (size_t i = 0; i < TOKEN_CHARS; i++) {
		unsigned bit = 6 * (unsigned)i;
		unsigned two = (unsigned)random[bit / 8] << 8 | random[bit / 8 + 1];

		ret_token[i] = LETTERS[two >> (10 - bit % 8) & 63];
	}
	ret_token[TOKEN_CHARS] = '\0';
	explicit_bzero(random, sizeof(random));
	return 0;
}
