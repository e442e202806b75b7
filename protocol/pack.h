/*
 * Tagged fields in one flat buffer: the job blob and the result blob. Each field is a little-endian
 * header {uint32_t tag; uint32_t length} and `length` bytes, unpadded.
 * The reader works in place on hostile bytes: it never reads past `size`, and says ERROR_INVALID
 * for a field that would.
 */
#ifndef STINT_PROTOCOL_PACK_H
#define STINT_PROTOCOL_PACK_H

#include "protocol/error.h"

#include <stddef.h>
#include <stdint.h>

/* Growing buffer; owns `bytes`. A failed allocation sets `failed` and later puts do nothing. */
struct pack {
	uint8_t *bytes;
	size_t size, capacity;
	size_t max; /* puts that would pass this set `failed` */
	int failed;
};

void pack_init(struct pack *ret_pack, size_t max);
void pack_deinit(struct pack *pack);
void pack_put(struct pack *pack, uint32_t tag, const void *bytes, size_t length);
void pack_put_u32(struct pack *pack, uint32_t tag, uint32_t value);

struct pack_reader {
	const uint8_t *bytes; /* borrowed */
	size_t size, offset;
};
struct pack_field {
	uint32_t tag;
	uint32_t length;
	const uint8_t *bytes; /* borrowed from the reader's buffer */
};

void pack_reader_init(struct pack_reader *ret_reader, const void *bytes, size_t size);
/* 1 and a field, 0 at the end, ERROR_INVALID for a broken buffer. */
int pack_next(struct pack_reader *reader, struct pack_field *ret_field, struct error *err);

#endif
