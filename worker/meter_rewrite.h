/*
 * Metered code objects: making them, and knowing them. What is metered is known by a registry
 * behind the code object (co_extra), never by what its bytes look like.
 */
#ifndef STINT_WORKER_METER_REWRITE_H
#define STINT_WORKER_METER_REWRITE_H

#include <Python.h>

#include <stdbool.h>

/* Reserve the registry's index; before any code is metered. -1 with an exception. */
int meter_rewrite_prepare(void);
/*
 * New reference to the metered form of `code`, its nested code objects metered too; `code` itself
 * when it is metered already. ValueError for code that no compiler makes and that cannot be charged
 * exactly, MemoryError, RecursionError. Runs no Python code.
 */
PyObject *meter_rewrite(PyCodeObject *code);
/*
 * New reference to `code` without charges, nested code too: NOPs in their place, so that every
 * position stays; None for the constants. The form that marshal can write. Not registered: nobody
 * may get to evaluate it.
 */
PyObject *meter_plain(PyCodeObject *code);
/* Whether `code` was made by meter_rewrite. */
bool meter_registered(PyCodeObject *code);
/* Register code that needs no charges of its own (checked by the caller). -1 with an exception. */
int meter_register(PyCodeObject *code);

#endif
