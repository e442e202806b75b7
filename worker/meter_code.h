/*
 * stint's own model of a CPython 3.11 code object: instructions, exception regions and locations,
 * taken apart so that instructions can be put in, and put together again. Knows the byte formats;
 * knows nothing of metering. Works on plain bytes: no interpreter state, no Python object.
 *
 * Everything is refused (ERROR_INVALID) that the compiler cannot have made and that would let a
 * position be read in two ways: a jump that does not land on an instruction, code that runs off its
 * end, an exception region that cuts an instruction.
 */
#ifndef STINT_WORKER_METER_CODE_H
#define STINT_WORKER_METER_CODE_H

#include "protocol/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define METER_NO_TARGET  UINT32_MAX
#define METER_UNITS_MAX  (8u << 20) /* code units of one code object */
#define METER_UNIT_BYTES 2u

enum meter_flow {
	METER_FLOW_NEXT,    /* goes on with the next instruction */
	METER_FLOW_BRANCH,  /* next instruction or target */
	METER_FLOW_JUMP,    /* target only */
	METER_FLOW_SUSPEND, /* leaves the frame; the next instruction runs when it is resumed */
	METER_FLOW_END,     /* leaves the frame or raises */
};

struct meter_instruction {
	uint32_t offset; /* first code unit, EXTENDED_ARG prefixes included */
	uint32_t arg;    /* whole argument; of a jump: recomputed when put together */
	uint32_t target; /* index of the instruction jumped to, or METER_NO_TARGET */
	uint8_t opcode;
	uint8_t units;  /* prefixes, opcode, caches */
	uint8_t caches; /* inline cache units behind the opcode */
	uint8_t flow;   /* enum meter_flow */
};

struct meter_region {        /* an entry of the exception table, in instruction indexes */
	uint32_t first, end; /* end is one past the last */
	uint32_t handler;
	uint32_t depth_lasti; /* stack depth << 1 | push lasti */
};

struct meter_code {
	struct meter_instruction *instructions; /* owned */
	size_t count;
	struct meter_region *regions; /* owned */
	size_t region_count;
	uint32_t units;           /* of the whole code */
	const uint8_t *locations; /* borrowed: the location table */
	size_t location_bytes;
};

/*
 * What is put in before an instruction, a charge: the constant is loaded and iterated, which ends
 * at once: LOAD_CONST, and a FOR_ITER that goes on with the next instruction.
 */
struct meter_insert {
	uint32_t constant; /* index in co_consts */
	bool present;
};

struct meter_bytes { /* owned result of putting together */
	uint8_t *code;
	size_t code_bytes;
	uint8_t *locations;
	size_t location_bytes;
	uint8_t *regions;
	size_t region_bytes;
	uint32_t *starts; /* new first unit of each instruction, behind what was put in before it */
};

int meter_code_take(const uint8_t *code, size_t code_bytes, const uint8_t *regions,
		    size_t region_bytes, const uint8_t *locations, size_t location_bytes,
		    struct meter_code *ret_code, struct error *err);
void meter_code_deinit(struct meter_code *code);

/*
 * Make NOPs of all that looks like a charge: somebody has copied it from metered code, perhaps with
 * other constants, which are no iterators. No compiler makes such a pair.
 */
void meter_code_drop_charges(struct meter_code *code);

/* Put together with inserts[i] before instruction i; count entries. */
int meter_code_make(const struct meter_code *code, const struct meter_insert *inserts,
		    struct meter_bytes *ret_bytes, struct error *err);
void meter_bytes_deinit(struct meter_bytes *bytes);

/* Opcode facts, for those that place charges. */
bool meter_code_is_resume(uint8_t opcode);
bool meter_code_is_push_exc(uint8_t opcode);
bool meter_code_is_send(uint8_t opcode);
bool meter_code_is_yield(uint8_t opcode);
/* Kinds of instructions that set a frame up, in the order in which they stand. */
enum meter_setup {
	METER_SETUP_NONE,
	METER_SETUP_FREE,      /* COPY_FREE_VARS */
	METER_SETUP_CELL,      /* MAKE_CELL: several, with rising arguments */
	METER_SETUP_GENERATOR, /* RETURN_GENERATOR */
	METER_SETUP_POP,       /* POP_TOP */
};
enum meter_setup meter_code_setup(uint8_t opcode);

#endif
