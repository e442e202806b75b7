/* Tokens: known digests, hex of either case, comparing every byte, making random ones. */
#include "protocol/token.h"
#include "tests/unit/cmocka_headers.h"

#include <string.h>

static void
known_digests(void **state)
{
	static const struct {
		const char *token, *hex;
	} KNOWN[] = {
	    /* FIPS 180-2 and its one-byte-less neighbours */
	    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
	    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
	    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
	    {"test", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
	};
	char hex[TOKEN_DIGEST_CHARS + 1];
	struct token_digest digest;
	(void)state;
	for (size_t i = 0; i < sizeof(KNOWN) / sizeof(KNOWN[0]); i++) {
		token_digest(KNOWN[i].token, strlen(KNOWN[i].token), &digest);
		token_digest_format(&digest, hex);
		assert_string_equal(hex, KNOWN[i].hex);
	}
}

static void
hex_is_read_and_written(void **state)
{
	static const char LOWER[] =
	    "00ff81a0884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
	char hex[TOKEN_DIGEST_CHARS + 1],
	    mixed[] = "00FF81a0884C7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00A08";
	struct token_digest digest;
	(void)state;
	assert_int_equal(token_digest_parse(mixed, TOKEN_DIGEST_CHARS, &digest), 0);
	assert_int_equal(digest.bytes[0], 0x00);
	assert_int_equal(digest.bytes[1], 0xff);
	assert_int_equal(digest.bytes[31], 0x08);
	token_digest_format(&digest, hex);
	assert_string_equal(hex, LOWER);
	assert_int_equal(token_digest_parse(mixed, TOKEN_DIGEST_CHARS - 1, &digest), ERROR_INVALID);
	for (size_t i = 0; i < TOKEN_DIGEST_CHARS; i++) {
		char kept = mixed[i];
		for (const char *bad = "/:@G`g \x80"; *bad; bad++) {
			mixed[i] = *bad;
			assert_int_equal(token_digest_parse(mixed, TOKEN_DIGEST_CHARS, &digest),
					 ERROR_INVALID);
		}
		mixed[i] = kept;
	}
}

static void
every_bit_counts(void **state)
{
	struct token_digest a, b;
	(void)state;
	token_digest("a", 1, &a);
	b = a;
	assert_true(token_digest_equal(&a, &b));
	for (size_t bit = 0; bit < 8 * TOKEN_DIGEST_BYTES; bit++) {
		b.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(token_digest_equal(&a, &b));
		b.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_true(token_digest_equal(&a, &b));
}

static void
made_tokens_differ(void **state)
{
	static const char LETTERS[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	char first[TOKEN_CHARS + 1], token[TOKEN_CHARS + 1];
	bool moved[TOKEN_CHARS] = {false};
	(void)state;
	assert_int_equal(token_make(first, NULL), 0);
	for (int i = 0; i < 200; i++) {
		assert_int_equal(token_make(token, NULL), 0);
		assert_int_equal(strlen(token), TOKEN_CHARS);
		assert_int_equal(strspn(token, LETTERS), TOKEN_CHARS);
		assert_string_not_equal(token, first);
		for (size_t k = 0; k < TOKEN_CHARS; k++)
			moved[k] |= token[k] != first[k];
	}
	for (size_t k = 0; k < TOKEN_CHARS; k++)
		assert_true(moved[k]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(known_digests),
	    cmocka_unit_test(hex_is_read_and_written),
	    cmocka_unit_test(every_bit_counts),
	    cmocka_unit_test(made_tokens_differ),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
