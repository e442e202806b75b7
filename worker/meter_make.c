/*
 * Putting a code object together again, with instructions put in: new positions, jump arguments
 * with the EXTENDED_ARG prefixes that they then need, exception table and location table.
 *
 * Prefixes only ever grow, so the positions settle after a few rounds, each linear in the code.
 * What is put in carries the location of the instruction behind it, so that a line begins where it
 * began. Called by meter_rewrite.c; fails only for lack of memory or size.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#define Py_BUILD_CORE
#include <opcode.h>

#include "worker/meter_code.h"

#include <stdlib.h>
#include <string.h>

#define MAKE_LOCATION_UNITS_MAX 8u /* code units that one location entry can cover */

struct make {
	const struct meter_code *code;      /* borrowed */
	const struct meter_insert *inserts; /* borrowed */
	uint32_t *at;      /* owned: new first unit of what is put in before i; at[count] = end */
	uint8_t *prefixes; /* owned: EXTENDED_ARG units of each instruction now */
	struct meter_bytes out; /* owned until returned */
};

struct make_buffer {
	uint8_t *bytes;
	size_t size, capacity;
};

static uint8_t
make_prefixes_for(uint32_t arg)
{
	return arg > 0xffffff ? 3 : arg > 0xffff ? 2 : arg > 0xff ? 1 : 0;
}

static uint32_t
make_insert_units(const struct make *make, size_t i)
{
	if (!make->inserts[i].present)
		return 0;
	return make_prefixes_for(make->inserts[i].constant) + 2u;
}

static uint32_t
make_start(const struct make *make, size_t i)
{
	return make->at[i] + make_insert_units(make, i);
}

static uint32_t
make_end(const struct make *make, size_t i)
{
	return make_start(make, i) + make->prefixes[i] + 1u + make->code->instructions[i].caches;
}

/* Argument of instruction i where things stand: a jump goes to what is put in before its target. */
static uint32_t
make_arg(const struct make *make, size_t i)
{
	const struct meter_instruction *in = &make->code->instructions[i];
	if (in->target == METER_NO_TARGET)
		return in->arg;
	uint32_t next = make_end(make, i), to = make->at[in->target];
	return to > next ? to - next : next - to;
}

/* Positions for the present prefixes; true when some instruction needs more of them. */
static bool
make_round(struct make *make)
{
	size_t count = make->code->count;
	uint32_t at = 0;
	bool grown = false;

	for (size_t i = 0; i < count; i++) {
		make->at[i] = at;
		at = make_end(make, i);
	}
	make->at[count] = at;
	for (size_t i = 0; i < count; i++) {
		uint8_t needed = make_prefixes_for(make_arg(make, i));
		if (needed > make->prefixes[i]) {
			make->prefixes[i] = needed;
			grown = true;
		}
	}
	return grown;
}

static uint8_t *
make_emit(uint8_t *to, uint8_t opcode, uint32_t arg, uint8_t prefixes)
{
	for (int p = prefixes; p > 0; p--) {
		*to++ = EXTENDED_ARG;
		*to++ = (uint8_t)(arg >> (8 * p));
	}
	*to++ = opcode;
	*to++ = (uint8_t)arg;
	return to;
}

static void
make_code(struct make *make)
{
	uint8_t *to = make->out.code;

	for (size_t i = 0; i < make->code->count; i++) {
		const struct meter_instruction *in = &make->code->instructions[i];
		if (make->inserts[i].present) {
			uint32_t constant = make->inserts[i].constant;
			to = make_emit(to, LOAD_CONST, constant, make_prefixes_for(constant));
			to = make_emit(to, FOR_ITER, 0, 0);
		}
		make->out.starts[i] = make_start(make, i);
		to = make_emit(to, in->opcode, make_arg(make, i), make->prefixes[i]);
		memset(to, 0, METER_UNIT_BYTES * (size_t)in->caches);
		to += METER_UNIT_BYTES * (size_t)in->caches;
	}
}

static void
make_put(struct make_buffer *buffer, uint8_t byte)
{
	buffer->bytes[buffer->size++] = byte;
}

/* A number of the exception table; the first of an entry carries the mark 128. */
static void
make_region_number(struct make_buffer *buffer, uint32_t value, uint8_t mark)
{
	int shift = value >> 24 ? 24 : value >> 18 ? 18 : value >> 12 ? 12 : value >> 6 ? 6 : 0;
	if (value >> 30)
		shift = 30;
	for (; shift > 0; shift -= 6) {
		make_put(buffer, (uint8_t)(((value >> shift) & 63) | 64 | mark));
		mark = 0;
	}
	make_put(buffer, (uint8_t)((value & 63) | mark));
}

static void
make_regions(struct make *make)
{
	struct make_buffer buffer = {.bytes = make->out.regions};

	for (size_t r = 0; r < make->code->region_count; r++) {
		const struct meter_region *region = &make->code->regions[r];
		uint32_t first = make_start(make, region->first), end = make->at[region->end];
		make_region_number(&buffer, first, 128);
		make_region_number(&buffer, end - first, 0);
		make_region_number(&buffer, make->at[region->handler], 0);
		make_region_number(&buffer, region->depth_lasti, 0);
	}
	make->out.region_bytes = buffer.size;
}

/* New unit of the old unit `old`, which lies in instruction i (or is the end of the code). */
static uint32_t
make_map(const struct make *make, size_t i, uint32_t old)
{
	if (i >= make->code->count)
		return make->at[make->code->count];
	const struct meter_instruction *in = &make->code->instructions[i];
	if (old == in->offset)
		return make->at[i];
	uint32_t from_end =
	    in->offset + in->units - old; /* caches keep their distance to the end */
	uint32_t end = make_end(make, i);
	return from_end > end - make_start(make, i) ? make_start(make, i) : end - from_end;
}

/* A further entry with the location of the one at entry[0 .. size-1], whose line delta is spent. */
static void
make_location_again(struct make_buffer *buffer, const uint8_t *entry, size_t size, uint32_t units)
{
	uint8_t code = (entry[0] >> 3) & 15;
	size_t skip = 1;

	if (code == 11 || code == 12)
		code = 10; /* one line, no change of line */
	make_put(buffer, (uint8_t)(128 | code << 3 | (units - 1)));
	if (code == 13 || code == 14) { /* replace the line delta by 0 */
		while (skip < size && (entry[skip] & 64))
			skip++;
		skip++;
		make_put(buffer, 0);
	}
	for (; skip < size; skip++)
		make_put(buffer, entry[skip]);
}

static bool
make_reserve(struct make_buffer *buffer, size_t more)
{
	if (buffer->capacity - buffer->size >= more)
		return true;
	size_t capacity = 2 * buffer->capacity + more;
	uint8_t *bytes = realloc(buffer->bytes, capacity);
	if (bytes == NULL)
		return false;
	buffer->bytes = bytes;
	buffer->capacity = capacity;
	return true;
}

/* The location table: every entry covers what its units have become, in as many entries as needed.
 */
static bool
make_locations(struct make *make)
{
	const uint8_t *table = make->code->locations;
	size_t size = make->code->location_bytes, at = 0, i = 0;
	struct make_buffer buffer = {0};
	uint32_t old = 0;

	while (at < size) {
		size_t end = at + 1;
		while (end < size && !(table[end] & 128))
			end++;
		uint32_t from = make_map(make, i, old);
		old += (table[at] & 7u) + 1u;
		while (i < make->code->count &&
		       make->code->instructions[i].offset + make->code->instructions[i].units <=
			   old)
			i++;
		uint32_t units = make_map(make, i, old) - from;
		if (!make_reserve(&buffer, (units / MAKE_LOCATION_UNITS_MAX + 2) * (end - at + 1)))
			break;
		for (bool first = true; units > 0; first = false) {
			uint32_t part =
			    units < MAKE_LOCATION_UNITS_MAX ? units : MAKE_LOCATION_UNITS_MAX;
			if (first) {
				memcpy(buffer.bytes + buffer.size, table + at, end - at);
				buffer.bytes[buffer.size] =
				    (uint8_t)((table[at] & ~7u) | 128u | (part - 1));
				buffer.size += end - at;
			} else {
				make_location_again(&buffer, table + at, end - at, part);
			}
			units -= part;
		}
		at = end;
	}
	make->out.locations = buffer.bytes;
	make->out.location_bytes = buffer.size;
	return at >= size;
}

static int
make_all(struct make *make, struct error *err)
{
	size_t count = make->code->count;

	for (size_t i = 0; i < count; i++)
		make->prefixes[i] = make->code->instructions[i].target == METER_NO_TARGET
					? make_prefixes_for(make->code->instructions[i].arg)
					: 0;
	while (make_round(make))
		;
	if (make->at[count] > METER_UNITS_MAX)
		return error_set(err, ERROR_LIMIT, "code has more than %u units", METER_UNITS_MAX);
	make->out.code_bytes = METER_UNIT_BYTES * (size_t)make->at[count];
	make->out.code = malloc(make->out.code_bytes);
	make->out.starts = malloc(count * sizeof *make->out.starts);
	make->out.regions = malloc(make->code->region_count * 24 + 1);
	if (make->out.code == NULL || make->out.starts == NULL || make->out.regions == NULL ||
	    !make_locations(make))
		return error_set(err, ERROR_SYSTEM, "no memory for a code object");
	make_code(make);
	make_regions(make);
	return 0;
}

int
meter_code_make(const struct meter_code *code, const struct meter_insert *inserts,
		struct meter_bytes *ret_bytes, struct error *err)
{
	struct make make = {.code = code, .inserts = inserts};
	int rc;

	make.at = malloc((code->count + 1) * sizeof *make.at);
	make.prefixes = malloc(code->count);
	if (make.at == NULL || make.prefixes == NULL)
		rc = error_set(err, ERROR_SYSTEM, "no memory for a code object");
	else
		rc = make_all(&make, err);
	free(make.at);
	free(make.prefixes);
	if (rc < 0)
		meter_bytes_deinit(&make.out);
	else
		*ret_bytes = make.out;
	return rc;
}

void
meter_bytes_deinit(struct meter_bytes *bytes)
{
	free(bytes->code);
	free(bytes->locations);
	free(bytes->regions);
	free(bytes->starts);
	*bytes = (struct meter_bytes){0};
}
