/*
 * From where a metered code object is to where the code that it was made of would be: a trace shows
 * the program's own instructions and offsets, none of what metering put in. Pure but for the code
 * object that it reads.
 */
#ifndef STINT_WORKER_TRACE_MAP_H
#define STINT_WORKER_TRACE_MAP_H

#include <Python.h>

#include <stdbool.h>
#include <stdint.h>

struct trace_map {
	uint32_t units;     /* code units of the code object */
	uint32_t offsets[]; /* of each unit: TRACE_MAP_HIDDEN, or the offset in bytes it stood at */
};
#define TRACE_MAP_HIDDEN UINT32_MAX

/*
 * New map on the heap (PyMem_RawFree it), or NULL for lack of memory. is_charge tells the constants
 * that metering puts in.
 */
struct trace_map *trace_map_new(PyCodeObject *code, bool (*is_charge)(PyObject *constant));
/* Offset of what a jump to `unit` leads to: that of the first shown instruction there or behind. */
uint32_t trace_map_target(const struct trace_map *map, uint32_t unit);

/* One instruction of an unquickened code text. */
struct trace_step {
	uint32_t unit; /* first unit, EXTENDED_ARG among them */
	uint32_t next; /* first unit behind it and its caches */
	uint32_t arg;
	uint8_t opcode;
};
/* Decode what begins at `unit`, in code that may be quickened. */
void trace_map_step(const uint8_t *code, uint32_t units, uint32_t unit,
		    struct trace_step *ret_step);

#endif
