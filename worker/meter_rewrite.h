/*
 * Metered code objects: making them, and knowing them. What is metered is known by a registry behind
 * the code object (co_extra), never by what its bytes look like.
 */
#ifndef STINT_WORKER_METER_REWRITE_H
#define STINT_WORKER_METER_REWRITE_H

#include <Python.h>

#include <stdbool.h>
#include <stdint.h>

/* One block of a metered code object, in code units of the metered code. */
struct meter_site {
	uint32_t start; /* first unit of the block, its charge included if that comes first */
	uint32_t pair;	/* first unit of the charge, or where it would be */
	uint32_t paid;	/* first unit behind the charge; == pair when there is none */
	uint32_t cost;	/* instructions that count in the block */
	uint32_t post;	/* prepaid when it is left */
	int32_t charge;
};

struct meter_registered {
	uint32_t count;
	uint32_t prefix; /* units before the first block */
	struct meter_site sites[];
};

/* Reserve the registry's index. -1 with an exception. */
int meter_rewrite_prepare(void);
/*
 * New reference to the metered form of `code`, its nested code objects metered too; `code` itself
 * when it is metered already. ValueError for code that no compiler makes and that cannot be charged
 * exactly. Runs no Python code.
 */
PyObject *meter_rewrite(PyCodeObject *code);
/* Borrowed; NULL when code is not metered. */
const struct meter_registered *meter_registered(PyCodeObject *code);
/* Of a frame of that code whose last unit is `unit`: what is prepaid. */
uint64_t meter_registered_prepaid(const struct meter_registered *registered, PyCodeObject *code,
				  int unit);
/* Cost of the block whose charge is being paid at `unit`; 0 when none is. */
uint64_t meter_registered_next(const struct meter_registered *registered, int unit);
/* Whether the charge `charge` is being paid at `unit` (its POP_JUMP) of that code. */
bool meter_registered_pays(const struct meter_registered *registered, int unit, int32_t charge);

#endif
