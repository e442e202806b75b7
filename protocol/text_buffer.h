/*
 * A growing buffer of output text, up to a maximum. The first failure (no memory, maximum, a string
 * that is not UTF-8 where it must be) sets `failed`; later appends do nothing. Look at it once, at
 * the end.
 */
#ifndef STINT_PROTOCOL_TEXT_BUFFER_H
#define STINT_PROTOCOL_TEXT_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text_buffer {
	char *bytes; /* owned; not NUL terminated */
	size_t size, capacity, max;
	bool failed;
};

void text_buffer_init(struct text_buffer *ret_buffer, size_t max);
void text_buffer_deinit(struct text_buffer *buffer);
/* Empty it and clear `failed`; the memory stays. */
void text_buffer_clear(struct text_buffer *buffer);
/* Move the bytes out (the caller frees them); the buffer is empty after. NULL when it failed. */
char *text_buffer_steal(struct text_buffer *buffer, size_t *ret_size);

void text_buffer_put(struct text_buffer *buffer, const void *bytes, size_t size);
void text_buffer_put_text(struct text_buffer *buffer, const char *text);
void text_buffer_put_u64(struct text_buffer *buffer, uint64_t value);
void text_buffer_put_i64(struct text_buffer *buffer, int64_t value);

/* A JSON string with its quotes. The bytes must be UTF-8 (else: failed). */
void text_buffer_json_string(struct text_buffer *buffer, const void *bytes, size_t size);
/* The same; each byte that is not part of UTF-8 becomes U+FFFD. */
void text_buffer_json_lossy(struct text_buffer *buffer, const void *bytes, size_t size);
/*
 * A JSON string, or {"base64":"..."} when the bytes are not UTF-8, or are more than 1 MiB with more
 * than an eighth of control characters. Above 1 MiB no text more than about doubles (x 2.5).
 */
void text_buffer_json_bytes(struct text_buffer *buffer, const void *bytes, size_t size);
/* Whether that would be a string. */
bool text_buffer_is_text(const void *bytes, size_t size);
/* A JSON string with the base64 text of the bytes. */
void text_buffer_json_base64(struct text_buffer *buffer, const void *bytes, size_t size);
/* Room for `size` more bytes, to be written by the caller, or NULL; they count at once. */
char *text_buffer_extend(struct text_buffer *buffer, size_t size);

#endif
