/*
 * SHA-256 by libmd, in hex. Knows nothing of what is named by it; cannot fail.
 */
#include "daemon/content_hash.h"

#include <sha2.h>
#include <stdint.h>

void
content_hash(char kind, const void *bytes, size_t size, char ret_text[CONTENT_HASH_CHARS + 1])
{
	static const char DIGITS[] = "0123456789abcdef";
	uint8_t digest[SHA256_DIGEST_LENGTH];
	SHA2_CTX context;
	SHA256Init(&context);
	if (kind != '\0')
		SHA256Update(&context, (const uint8_t *)&kind, 1);
	if (size > 0)
		SHA256Update(&context, bytes, size);
	SHA256Final(digest, &context);
	for (size_t i = 0; i < sizeof(digest); i++) {
		ret_text[2 * i] = DIGITS[digest[i] >> 4];
		ret_text[2 * i + 1] = DIGITS[digest[i] & 15];
	}
	ret_text[CONTENT_HASH_CHARS] = '\0';
}

bool
content_hash_is_one(const char *text, size_t size)
{
	if (size != CONTENT_HASH_CHARS)
		return false;
	for (size_t i = 0; i < size; i++) {
		if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f')))
			return false;
	}
	return true;
}
