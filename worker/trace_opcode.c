/*
 * The table of instructions (trace_opcode.def) and what follows from it. For another CPython
 * version this table is all there is to change here. Called by trace_event.c. Never fails: what is
 * not in the table has no name.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "worker/trace_opcode.h"

#include <opcode.h>

enum trace_operands {
	OPERANDS_FIXED_0,
	OPERANDS_FIXED_1,
	OPERANDS_FIXED_2,
	OPERANDS_FIXED_3,
	OPERANDS_N,       /* as many as the argument says */
	OPERANDS_N1,      /* one more */
	OPERANDS_N2,      /* twice as many */
	OPERANDS_NTH,     /* down to the one that the argument counts */
	OPERANDS_MAKE,    /* the code, and one for each bit */
	OPERANDS_FORMAT,  /* the value, and a format when bit 2 is set */
	OPERANDS_CALL,    /* callable or method, self or callable, arguments */
	OPERANDS_CALL_EX, /* callable, arguments, keywords when bit 0 is set */
};

static const struct {
	const char *name;
	uint8_t argument, operands;
} OPCODES[256] = {
#define OPCODE(name, argument, operands)                                                           \
	[name] = {#name, TRACE_ARGUMENT_##argument, OPERANDS_##operands},
#include "worker/trace_opcode.def"
#undef OPCODE
};

static const char *const COMPARES[] = {"<", "<=", "==", "!=", ">", ">="};
static const char *const BINARIES[] = {
    "+",  "&",  "//",  "<<",  "@",  "*",  "%",  "|",  "**",  ">>",  "-",  "/",  "^",
    "+=", "&=", "//=", "<<=", "@=", "*=", "%=", "|=", "**=", ">>=", "-=", "/=", "^=",
};

const char *
trace_opcode_name(uint8_t opcode)
{
	return OPCODES[opcode].name;
}

enum trace_argument
trace_opcode_argument(uint8_t opcode)
{
	return (enum trace_argument)OPCODES[opcode].argument;
}

uint32_t
trace_opcode_operands(uint8_t opcode, uint32_t arg)
{
	switch ((enum trace_operands)OPCODES[opcode].operands) {
	case OPERANDS_FIXED_0:
	case OPERANDS_FIXED_1:
	case OPERANDS_FIXED_2:
	case OPERANDS_FIXED_3:
		return OPCODES[opcode].operands;
	case OPERANDS_N:
	case OPERANDS_NTH:
		return arg;
	case OPERANDS_N1:
		return arg + 1;
	case OPERANDS_N2:
		return 2 * arg;
	case OPERANDS_MAKE:
		return 1 + (uint32_t)__builtin_popcount(arg & 15);
	case OPERANDS_FORMAT:
		return arg & 4 ? 2 : 1;
	case OPERANDS_CALL:
		return arg + 2;
	case OPERANDS_CALL_EX:
		return 2 + (arg & 1);
	}
	return 0;
}

const char *
trace_opcode_operator(enum trace_argument kind, uint32_t arg)
{
	switch (kind) {
	case TRACE_ARGUMENT_COMPARE:
		return arg < sizeof(COMPARES) / sizeof(COMPARES[0]) ? COMPARES[arg] : NULL;
	case TRACE_ARGUMENT_BINARY:
		return arg < sizeof(BINARIES) / sizeof(BINARIES[0]) ? BINARIES[arg] : NULL;
	case TRACE_ARGUMENT_IS:
		return arg ? "is not" : "is";
	case TRACE_ARGUMENT_IN:
		return arg ? "not in" : "in";
	default:
		return NULL;
	}
}
