/*
 * Writer and reader of tagged fields (pack.h).
 *
 * The writer grows its buffer up to a maximum; after a failure it does nothing more and says so in
 * `failed`. The reader points into the caller's bytes, copies nothing, and treats them as hostile:
 * every length is compared with what is left before it is used. No field has a meaning here.
 */
#include "protocol/pack.h"

#include <stdlib.h>
#include <string.h>

#define PACK_HEADER_BYTES 8u
#define PACK_FIRST_BYTES  256u

void
pack_init(struct pack *ret_pack, size_t max)
{
	memset(ret_pack, 0, sizeof(*ret_pack));
	ret_pack->max = max;
}

void
pack_deinit(struct pack *pack)
{
	free(pack->bytes);
	memset(pack, 0, sizeof(*pack));
}

static void
pack_store_u32(uint8_t *to, uint32_t value)
{
	to[0] = (uint8_t)value;
	to[1] = (uint8_t)(value >> 8);
	to[2] = (uint8_t)(value >> 16);
	to[3] = (uint8_t)(value >> 24);
}

static uint32_t
pack_load_u32(const uint8_t *from)
{
	return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 |
	       (uint32_t)from[3] << 24;
}

/* Room for `more` bytes, or failed. */
static int
pack_reserve(struct pack *pack, size_t more)
{
	size_t capacity = pack->capacity;
	uint8_t *bytes;

	if (pack->failed || more > pack->max || pack->size > pack->max - more) {
		pack->failed = 1;
		return 0;
	}
	if (pack->size + more <= capacity)
		return 1;
	if (capacity < PACK_FIRST_BYTES)
		capacity = PACK_FIRST_BYTES;
	while (capacity < pack->size + more)
		capacity = capacity > pack->max / 2 ? pack->max : capacity * 2;
	bytes = realloc(pack->bytes, capacity);
	if (bytes == NULL) {
		pack->failed = 1;
		return 0;
	}
	pack->bytes = bytes;
	pack->capacity = capacity;
	return 1;
}

void
pack_put(struct pack *pack, uint32_t tag, const void *bytes, size_t length)
{
	uint8_t *to;

	if (length > UINT32_MAX || length > SIZE_MAX - PACK_HEADER_BYTES) {
		pack->failed = 1;
		return;
	}
	if (!pack_reserve(pack, PACK_HEADER_BYTES + length))
		return;
	to = pack->bytes + pack->size;
	pack_store_u32(to, tag);
	pack_store_u32(to + 4, (uint32_t)length);
	if (length > 0)
		memcpy(to + PACK_HEADER_BYTES, bytes, length);
	pack->size += PACK_HEADER_BYTES + length;
}

void
pack_put_u32(struct pack *pack, uint32_t tag, uint32_t value)
{
	uint8_t bytes[4];

	pack_store_u32(bytes, value);
	pack_put(pack, tag, bytes, sizeof(bytes));
}

void
pack_reader_init(struct pack_reader *ret_reader, const void *bytes, size_t size)
{
	ret_reader->bytes = bytes;
	ret_reader->size = size;
	ret_reader->offset = 0;
}

int
pack_next(struct pack_reader *reader, struct pack_field *ret_field, struct error *err)
{
	size_t left = reader->size - reader->offset;
	const uint8_t *at;
	uint32_t length;

	if (left == 0)
		return 0;
	if (left < PACK_HEADER_BYTES)
		return error_set(err, ERROR_INVALID, "packed field at %zu: header is cut off",
				 reader->offset);
	at = reader->bytes + reader->offset;
	length = pack_load_u32(at + 4);
	if (length > left - PACK_HEADER_BYTES)
		return error_set(err, ERROR_INVALID,
				 "packed field at %zu: %u bytes announced, %zu there",
				 reader->offset, length, left - PACK_HEADER_BYTES);
	ret_field->tag = pack_load_u32(at);
	ret_field->length = length;
	ret_field->bytes = at + PACK_HEADER_BYTES;
	reader->offset += PACK_HEADER_BYTES + length;
	return 1;
}
