/*
 * Byte code that a tenant made: the meter takes it apart, finds its blocks, places its charges and
 * puts it together.
 *
 * Input: two bytes of lengths, then code, exception table and location table. What is accepted
 * comes apart again when it was put together, into the same instructions with the charges between
 * them, and every block's charge balances.
 */
#include "fuzz.h"

#include "worker/meter_blocks.h"
#include "worker/meter_code.h"

#include <string.h>

#define FUZZ_CONSTANT 300u /* its index needs an EXTENDED_ARG */

static void
check_blocks(const struct meter_blocks *blocks)
{
	for (size_t i = 0; i < blocks->count; i++) {
		const struct meter_block *block = &blocks->blocks[i];

		FUZZ_HOLDS(!block->enters_unpaid || block->pre == 0);
		FUZZ_HOLDS(!block->no_charge || block->charge == 0);
		FUZZ_HOLDS((uint64_t)block->charge + block->pre ==
			   (uint64_t)block->cost + block->post);
		for (int s = 0; s < 2; s++)
			FUZZ_HOLDS(block->successors[s] == METER_NO_BLOCK ||
				   blocks->blocks[block->successors[s]].pre == block->post);
	}
}

/* The instructions in the order of before, with nothing but inserts between. */
static void
check_made(const struct meter_code *code, const struct meter_insert *inserts,
	   const struct meter_bytes *bytes)
{
	struct meter_code again;
	struct error err = ERROR_INIT;
	size_t at = 0;

	FUZZ_HOLDS(meter_code_take(bytes->code, bytes->code_bytes, bytes->regions,
				   bytes->region_bytes, bytes->locations, bytes->location_bytes,
				   &again, &err) == 0);
	for (size_t i = 0; i < code->count; i++) {
		if (inserts[i].present)
			at += 2;
		FUZZ_HOLDS(at < again.count);
		FUZZ_HOLDS(again.instructions[at].opcode == code->instructions[i].opcode);
		if (code->instructions[i].target == METER_NO_TARGET)
			FUZZ_HOLDS(again.instructions[at].arg == code->instructions[i].arg);
		at++;
	}
	FUZZ_HOLDS(at == again.count);
	FUZZ_HOLDS(again.region_count >= code->region_count);
	meter_code_deinit(&again);
}

static void
meter(struct meter_code *code)
{
	struct meter_insert *inserts = calloc(code->count, sizeof(*inserts));
	struct meter_blocks blocks;
	struct meter_bytes bytes;
	struct error err = ERROR_INIT;

	FUZZ_HOLDS(inserts != NULL);
	if (meter_blocks_find(code, &blocks, &err) == 0) {
		check_blocks(&blocks);
		for (size_t i = 0; i < blocks.count; i++)
			if (blocks.blocks[i].charge > 0)
				inserts[blocks.site[i]] =
				    (struct meter_insert){FUZZ_CONSTANT, true};
		if (meter_code_make(code, inserts, &bytes, &err) == 0) {
			check_made(code, inserts, &bytes);
			meter_bytes_deinit(&bytes);
		}
		meter_blocks_deinit(&blocks);
	}
	free(inserts);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct meter_code code;
	struct error err = ERROR_INIT;
	size_t region_bytes, location_bytes, code_bytes;

	if (size < 2)
		return 0;
	region_bytes = data[0];
	location_bytes = data[1];
	data += 2;
	size -= 2;
	region_bytes = region_bytes < size ? region_bytes : size;
	location_bytes =
	    location_bytes < size - region_bytes ? location_bytes : size - region_bytes;
	code_bytes = size - region_bytes - location_bytes;
	if (meter_code_take(data + region_bytes + location_bytes, code_bytes, data, region_bytes,
			    data + region_bytes, location_bytes, &code, &err) < 0) {
		FUZZ_HOLDS(err.text[0] != '\0');
		return 0;
	}
	meter_code_drop_charges(&code);
	(void)meter_code_constants(&code);
	meter(&code);
	meter_code_deinit(&code);
	return 0;
}
