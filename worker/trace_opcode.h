/*
 * What a trace says of an instruction by its opcode alone: name, kind of argument, operands. Pure.
 */
#ifndef STINT_WORKER_TRACE_OPCODE_H
#define STINT_WORKER_TRACE_OPCODE_H

#include <stdbool.h>
#include <stdint.h>

enum trace_argument {
	TRACE_ARGUMENT_NONE,
	TRACE_ARGUMENT_NUMBER,
	TRACE_ARGUMENT_CONST,
	TRACE_ARGUMENT_NAME,
	TRACE_ARGUMENT_GLOBAL, /* a name, above a flag in the lowest bit */
	TRACE_ARGUMENT_LOCAL,  /* local, cell or free variable */
	TRACE_ARGUMENT_JUMP,   /* forward from the next instruction, in code units */
	TRACE_ARGUMENT_JUMP_BACK,
	TRACE_ARGUMENT_COMPARE,
	TRACE_ARGUMENT_BINARY,
	TRACE_ARGUMENT_IS,
	TRACE_ARGUMENT_IN,
};

/* Name of an opcode that is not specialised, static; NULL when there is no such instruction. */
const char *trace_opcode_name(uint8_t opcode);
enum trace_argument trace_opcode_argument(uint8_t opcode);
/* How many values on top of the stack it works on. */
uint32_t trace_opcode_operands(uint8_t opcode, uint32_t arg);
/* The operator of a comparison or binary operation: "<", "**="; NULL when there is none. */
const char *trace_opcode_operator(enum trace_argument kind, uint32_t arg);

#endif
