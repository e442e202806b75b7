/*
 * From instructions to blocks with charges: where a code object is cut, what each block costs, and
 * where its charge is put in. Between meter_code.h (bytes) and meter_place.h (graph); no
 * interpreter.
 *
 * An instruction counts 1, RESUME and what stands before the first RESUME count 0. A block is cut
 * at every jump, jump target, exception handler and suspension.
 */
#ifndef STINT_WORKER_METER_BLOCKS_H
#define STINT_WORKER_METER_BLOCKS_H

#include "protocol/error.h"
#include "worker/meter_code.h"
#include "worker/meter_place.h"

struct meter_blocks {
	struct meter_block *blocks; /* owned, in the order of the code */
	uint32_t *first; /* owned: first instruction of each; first[count] = instructions */
	uint32_t *site;  /* owned: instruction before which the charge is put in */
	size_t count;
	uint32_t prefix; /* instructions before the first block */
};

/* ERROR_INVALID when the code cannot be charged exactly (no compiler makes such), or no memory. */
int meter_blocks_find(const struct meter_code *code, struct meter_blocks *ret_blocks,
		      struct error *err);
void meter_blocks_deinit(struct meter_blocks *blocks);

#endif
