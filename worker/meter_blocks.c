/*
 * Cutting code into blocks: see the header. Linear in the code.
 *
 * Two places cannot take a charge. gen.throw() reads the code units around a suspended `yield
 * from`, so nothing may stand between SEND, YIELD_VALUE and RESUME: the YIELD_VALUE of such a
 * triple is prepaid by the SEND before it, and what follows a suspension is charged behind its
 * RESUME. And a handler is charged behind its PUSH_EXC_INFO, so that a stop there would find the
 * exception state whole. Called by meter_rewrite.c.
 */
#include "worker/meter_blocks.h"

#include <stdlib.h>

/*
 * Instructions that only set the frame up: those up to the first RESUME, when nothing jumps there.
 * They count nothing, so they are taken for that only in the one form in which compilers write
 * them.
 */
static uint32_t
blocks_prefix(const struct meter_code *code)
{
	uint32_t prefix = 0;
	enum meter_setup last = METER_SETUP_NONE;

	while (prefix < code->count && !meter_code_is_resume(code->instructions[prefix].opcode)) {
		const struct meter_instruction *in = &code->instructions[prefix];
		enum meter_setup setup = meter_code_setup(in->opcode);
		bool next_cell = setup == METER_SETUP_CELL && last == setup && in->arg > in[-1].arg;

		if (setup == METER_SETUP_NONE || (setup <= last && !next_cell))
			return 0;
		last = setup;
		prefix++;
	}
	if (prefix == code->count)
		return 0;
	prefix++;
	for (size_t i = 0; i < code->count; i++)
		if (code->instructions[i].target < prefix)
			return 0;
	for (size_t r = 0; r < code->region_count; r++)
		if (code->regions[r].handler < prefix)
			return 0;
	return prefix < code->count ? prefix : 0;
}

enum { MARK_LEADER = 1, MARK_TARGET = 2, MARK_UNPAID = 4 };

static void
blocks_mark(const struct meter_code *code, uint32_t prefix, uint8_t *marks)
{
	marks[prefix] |= MARK_LEADER | MARK_UNPAID;
	for (size_t i = prefix; i < code->count; i++) {
		const struct meter_instruction *in = &code->instructions[i];
		if (in->target != METER_NO_TARGET)
			marks[in->target] |= MARK_LEADER | MARK_TARGET;
		if (in->flow != METER_FLOW_NEXT && i + 1 < code->count)
			marks[i + 1] |= MARK_LEADER;
		if (in->flow == METER_FLOW_SUSPEND && i + 1 < code->count)
			marks[i + 1] |= MARK_UNPAID;
	}
	for (size_t r = 0; r < code->region_count; r++)
		marks[code->regions[r].handler] |= MARK_LEADER | MARK_TARGET | MARK_UNPAID;
}

/* Where the charge of the block of instructions [first, end) goes; may set no_charge. */
static int
blocks_site(const struct meter_code *code, const uint8_t *marks, uint32_t first, uint32_t end,
	    struct meter_block *block, uint32_t *ret_site, struct error *err)
{
	uint8_t opcode = code->instructions[first].opcode;
	bool after_send = first > 0 && meter_code_is_yield(opcode) &&
			  meter_code_is_send(code->instructions[first - 1].opcode);

	*ret_site = first;
	if (after_send) {
		if (marks[first] & (MARK_TARGET | MARK_UNPAID))
			return error_set(err, ERROR_INVALID, "jump between SEND and YIELD_VALUE");
		block->no_charge = true;
	} else if (meter_code_is_resume(opcode) && first > 0 &&
		   code->instructions[first - 1].flow == METER_FLOW_SUSPEND) {
		if (marks[first] & MARK_TARGET)
			return error_set(err, ERROR_INVALID, "jump to the RESUME of a suspension");
		*ret_site = first + 1;
	} else if (meter_code_is_push_exc(opcode) && first + 1 < end) {
		*ret_site = first + 1;
	}
	return 0;
}

/* The RESUME behind a suspension counts nothing; any other is as good as a NOP. */
static bool
blocks_is_free(const struct meter_code *code, uint32_t i)
{
	return meter_code_is_resume(code->instructions[i].opcode) && i > 0 &&
	       meter_code_is_yield(code->instructions[i - 1].opcode);
}

/* One block per leader: cost, site, successors (as instructions for now). */
static int
blocks_cut(const struct meter_code *code, const uint8_t *marks, struct meter_blocks *self,
	   struct error *err)
{
	for (uint32_t first = self->prefix, end; first < code->count; first = end) {
		struct meter_block *block = &self->blocks[self->count];
		uint32_t cost = 0;

		end = first;
		do
			cost += !blocks_is_free(code, end++);
		while (end < code->count && !(marks[end] & MARK_LEADER));
		const struct meter_instruction *last = &code->instructions[end - 1];
		bool falls = last->flow == METER_FLOW_NEXT || last->flow == METER_FLOW_BRANCH;
		*block = (struct meter_block){
		    .successors = {falls ? (int32_t)end : METER_NO_BLOCK,
				   last->target != METER_NO_TARGET ? (int32_t)last->target
								   : METER_NO_BLOCK},
		    .cost = cost,
		    .enters_unpaid = marks[first] & MARK_UNPAID,
		};
		int rc = blocks_site(code, marks, first, end, block, &self->site[self->count], err);
		if (rc < 0)
			return rc;
		self->first[self->count++] = first;
	}
	self->first[self->count] = (uint32_t)code->count;
	return 0;
}

/* Successors become block numbers; a block that is nothing but a RESUME prepays nothing. */
static int
blocks_link(const struct meter_code *code, struct meter_blocks *self, struct error *err)
{
	uint32_t *block_of = malloc(code->count * sizeof *block_of);

	if (block_of == NULL)
		return error_set(err, ERROR_SYSTEM, "no memory for a code object");
	for (size_t b = 0; b < self->count; b++)
		block_of[self->first[b]] = (uint32_t)b;
	for (size_t b = 0; b < self->count; b++)
		for (int s = 0; s < 2; s++)
			if (self->blocks[b].successors[s] != METER_NO_BLOCK)
				self->blocks[b].successors[s] =
				    (int32_t)block_of[self->blocks[b].successors[s]];
	for (size_t b = 0; b + 1 < self->count; b++)
		if (self->site[b] == self->first[b + 1])
			self->blocks[b + 1].enters_unpaid = true;
	free(block_of);
	return 0;
}

/* Place charges; what a triple's YIELD_VALUE cannot have prepaid is paid by the SEND before it. */
static int
blocks_place(struct meter_blocks *self, struct error *err)
{
	bool moved = false;

	if (!meter_place(self->blocks, self->count))
		return error_set(err, ERROR_SYSTEM, "no memory for a code object");
	for (size_t b = 1; b < self->count; b++) {
		struct meter_block *block = &self->blocks[b];
		if (!block->no_charge || block->charge == 0)
			continue;
		self->blocks[b - 1].cost += block->cost;
		block->cost = 0;
		moved = true;
	}
	if (!moved)
		return 0;
	if (!meter_place(self->blocks, self->count))
		return error_set(err, ERROR_SYSTEM, "no memory for a code object");
	for (size_t b = 0; b < self->count; b++)
		if (self->blocks[b].no_charge && self->blocks[b].charge != 0)
			return error_set(err, ERROR_INVALID, "code cannot be charged exactly");
	return 0;
}

int
meter_blocks_find(const struct meter_code *code, struct meter_blocks *ret_blocks, struct error *err)
{
	struct meter_blocks self = {.prefix = blocks_prefix(code)};
	uint8_t *marks = calloc(code->count + 1, 1);
	size_t leaders = 0;
	int rc = -1;

	if (marks != NULL) {
		blocks_mark(code, self.prefix, marks);
		for (size_t i = self.prefix; i < code->count; i++)
			leaders += marks[i] & MARK_LEADER;
		self.blocks = calloc(leaders, sizeof *self.blocks);
		self.first = calloc(leaders + 1, sizeof *self.first);
		self.site = calloc(leaders, sizeof *self.site);
	}
	if (self.blocks == NULL || self.first == NULL || self.site == NULL)
		rc = error_set(err, ERROR_SYSTEM, "no memory for a code object");
	else if ((rc = blocks_cut(code, marks, &self, err)) == 0 &&
		 (rc = blocks_link(code, &self, err)) == 0)
		rc = blocks_place(&self, err);
	free(marks);
	if (rc < 0)
		meter_blocks_deinit(&self);
	else
		*ret_blocks = self;
	return rc;
}

void
meter_blocks_deinit(struct meter_blocks *blocks)
{
	free(blocks->blocks);
	free(blocks->first);
	free(blocks->site);
	*blocks = (struct meter_blocks){0};
}
