/*
 * Taking a CPython 3.11 code object apart: instructions with their prefixes and inline caches, jump
 * targets and the exception table become arrays of indexes. meter_make.c does the way back.
 *
 * The tables of the interpreter's own headers say which opcodes jump and how many cache units
 * follow; what an opcode does to the flow is in code_flow(): with the two formats, all there is to
 * change for another CPython version. Input is what any Python code may hand to types.CodeType:
 * hostile. Called by meter_rewrite.c; fails with ERROR_INVALID and the offset, or ERROR_LIMIT.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#define NEED_OPCODE_TABLES
#include "worker/meter_tables.h"

#include "worker/meter_code.h"

#include <stdlib.h>

#if PY_VERSION_HEX < 0x030b0000 || PY_VERSION_HEX >= 0x030c0000
#error "this model is of CPython 3.11 code objects"
#endif

static bool
code_bit(const uint32_t table[8], uint8_t opcode)
{
	return (table[opcode >> 5] >> (opcode & 31)) & 1;
}

static enum meter_flow
code_flow(uint8_t opcode)
{
	switch (opcode) {
	case JUMP_FORWARD:
	case JUMP_BACKWARD:
	case JUMP_BACKWARD_NO_INTERRUPT:
		return METER_FLOW_JUMP;
	case RETURN_VALUE:
	case RAISE_VARARGS:
	case RERAISE:
		return METER_FLOW_END;
	case YIELD_VALUE:
	case RETURN_GENERATOR:
		return METER_FLOW_SUSPEND;
	default:
		return code_bit(_PyOpcode_Jump, opcode) ? METER_FLOW_BRANCH : METER_FLOW_NEXT;
	}
}

static bool
code_jumps_back(uint8_t opcode)
{
	switch (opcode) {
	case JUMP_BACKWARD:
	case JUMP_BACKWARD_NO_INTERRUPT:
	case POP_JUMP_BACKWARD_IF_NOT_NONE:
	case POP_JUMP_BACKWARD_IF_NONE:
	case POP_JUMP_BACKWARD_IF_FALSE:
	case POP_JUMP_BACKWARD_IF_TRUE:
		return true;
	default:
		return false;
	}
}

bool
meter_code_is_resume(uint8_t opcode)
{
	return opcode == RESUME;
}

enum meter_setup
meter_code_setup(uint8_t opcode)
{
	switch (opcode) {
	case COPY_FREE_VARS:
		return METER_SETUP_FREE;
	case MAKE_CELL:
		return METER_SETUP_CELL;
	case RETURN_GENERATOR:
		return METER_SETUP_GENERATOR;
	case POP_TOP:
		return METER_SETUP_POP;
	default:
		return METER_SETUP_NONE;
	}
}

bool
meter_code_is_push_exc(uint8_t opcode)
{
	return opcode == PUSH_EXC_INFO;
}

bool
meter_code_is_send(uint8_t opcode)
{
	return opcode == SEND;
}

bool
meter_code_is_yield(uint8_t opcode)
{
	return opcode == YIELD_VALUE;
}

/* Instruction that begins at unit `at`; index[] learns where it is. */
static int
code_instruction(const uint8_t *code, uint32_t units, uint32_t at, struct meter_instruction *ret,
		 struct error *err)
{
	uint32_t arg = 0, unit = at;
	uint8_t opcode;

	for (;; unit++) {
		if (unit >= units)
			return error_set(err, ERROR_INVALID, "code ends inside an instruction");
		opcode = _PyOpcode_Deopt[code[METER_UNIT_BYTES * unit]];
		arg = arg << 8 | code[METER_UNIT_BYTES * unit + 1];
		if (opcode != EXTENDED_ARG)
			break;
		if (unit - at >= 3)
			return error_set(err, ERROR_INVALID,
					 "more than three EXTENDED_ARG in a row at %u", at);
	}
	if (opcode == CACHE)
		return error_set(err, ERROR_INVALID, "stray CACHE at unit %u", unit);
	uint8_t caches = _PyOpcode_Caches[opcode];
	if (caches >= units - unit)
		return error_set(err, ERROR_INVALID, "inline cache of unit %u is cut off", unit);
	*ret = (struct meter_instruction){
	    .offset = at,
	    .arg = arg,
	    .target = METER_NO_TARGET,
	    .opcode = opcode,
	    .units = (uint8_t)(unit - at + 1 + caches),
	    .caches = caches,
	    .flow = code_flow(opcode),
	};
	return 0;
}

/* All instructions; index[unit] is 1 + the number of the instruction that begins there, else 0. */
static int
code_take_instructions(struct meter_code *self, const uint8_t *code, uint32_t *index,
		       struct error *err)
{
	for (uint32_t at = 0; at < self->units;) {
		struct meter_instruction *in = &self->instructions[self->count];
		int rc = code_instruction(code, self->units, at, in, err);
		if (rc < 0)
			return rc;
		index[at] = (uint32_t)++self->count;
		at += in->units;
	}
	uint8_t last = self->instructions[self->count > 0 ? self->count - 1 : 0].flow;
	if (last != METER_FLOW_END && last != METER_FLOW_JUMP)
		return error_set(err, ERROR_INVALID, "code runs off its end");
	return 0;
}

static int
code_take_targets(struct meter_code *self, const uint32_t *index, struct error *err)
{
	for (size_t i = 0; i < self->count; i++) {
		struct meter_instruction *in = &self->instructions[i];
		if (!code_bit(_PyOpcode_Jump, in->opcode))
			continue;
		uint64_t next = in->offset + in->units;
		uint64_t to = code_jumps_back(in->opcode) ? next - in->arg : next + in->arg;
		if (to >= self->units || index[to] == 0)
			return error_set(err, ERROR_INVALID,
					 "jump at unit %u does not land on an instruction",
					 in->offset);
		in->target = index[to] - 1;
	}
	return 0;
}

/* One number of the exception table: six bits a byte, most significant first, 64: more follows. */
static bool
code_region_number(const uint8_t **at, const uint8_t *end, uint32_t *ret_value)
{
	uint32_t value = 0;
	for (int bytes = 0; *at < end && bytes < 5; bytes++) {
		uint8_t byte = *(*at)++;
		value = value << 6 | (byte & 63);
		if (!(byte & 64)) {
			*ret_value = value;
			return true;
		}
	}
	return false;
}

static int
code_take_regions(struct meter_code *self, const uint8_t *table, size_t bytes,
		  const uint32_t *index, struct error *err)
{
	const uint8_t *at = table, *end = table + bytes;

	while (at < end) {
		uint32_t start, size, target, depth_lasti;
		if (!code_region_number(&at, end, &start) || !code_region_number(&at, end, &size) ||
		    !code_region_number(&at, end, &target) ||
		    !code_region_number(&at, end, &depth_lasti))
			return error_set(err, ERROR_INVALID, "exception table is cut off");
		uint64_t stop = (uint64_t)start + size;
		if (stop > self->units || size == 0 || target >= self->units || index[start] == 0 ||
		    index[target] == 0 || (stop < self->units && index[stop] == 0))
			return error_set(err, ERROR_INVALID, "exception table cuts an instruction");
		self->regions[self->region_count++] = (struct meter_region){
		    .first = index[start] - 1,
		    .end = stop < self->units ? index[stop] - 1 : (uint32_t)self->count,
		    .handler = index[target] - 1,
		    .depth_lasti = depth_lasti,
		};
	}
	return 0;
}

int
meter_code_take(const uint8_t *code, size_t code_bytes, const uint8_t *regions, size_t region_bytes,
		const uint8_t *locations, size_t location_bytes, struct meter_code *ret_code,
		struct error *err)
{
	struct meter_code self = {.locations = locations, .location_bytes = location_bytes};
	uint32_t *index = NULL;
	int rc;

	if (code_bytes == 0 || code_bytes % METER_UNIT_BYTES != 0)
		return error_set(err, ERROR_INVALID, "code is empty or has half a unit");
	if (code_bytes / METER_UNIT_BYTES > METER_UNITS_MAX)
		return error_set(err, ERROR_LIMIT, "code has more than %u units", METER_UNITS_MAX);
	self.units = (uint32_t)(code_bytes / METER_UNIT_BYTES);
	self.instructions = calloc(self.units, sizeof *self.instructions);
	self.regions = malloc((region_bytes / 4 + 1) * sizeof *self.regions);
	index = calloc(self.units, sizeof *index);
	if (self.instructions == NULL || self.regions == NULL || index == NULL)
		rc = error_set(err, ERROR_SYSTEM, "no memory for a code object");
	else if ((rc = code_take_instructions(&self, code, index, err)) == 0 &&
		 (rc = code_take_targets(&self, index, err)) == 0)
		rc = code_take_regions(&self, regions, region_bytes, index, err);
	free(index);
	if (rc < 0) {
		meter_code_deinit(&self);
		return rc;
	}
	*ret_code = self;
	return 0;
}

void
meter_code_drop_charges(struct meter_code *code)
{
	for (size_t i = 0; i + 2 < code->count; i++) {
		struct meter_instruction *load = &code->instructions[i], *iterate = load + 1;

		if (load->opcode != LOAD_CONST || iterate->opcode != FOR_ITER ||
		    iterate->target != i + 2)
			continue;
		load->opcode = iterate->opcode = NOP;
		load->arg = iterate->arg = 0;
		iterate->target = METER_NO_TARGET;
		iterate->flow = METER_FLOW_NEXT;
	}
}

size_t
meter_code_constants(const struct meter_code *code)
{
	size_t needed = 0;

	for (size_t i = 0; i < code->count; i++) {
		const struct meter_instruction *in = &code->instructions[i];

		if ((in->opcode == LOAD_CONST || in->opcode == KW_NAMES) && in->arg >= needed)
			needed = (size_t)in->arg + 1;
	}
	return needed;
}

void
meter_code_deinit(struct meter_code *code)
{
	free(code->instructions);
	free(code->regions);
	*code = (struct meter_code){0};
}
