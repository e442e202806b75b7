/*
 * Values as a trace shows them: like repr(), but of exact built-in types only, one level deep, cut
 * to a length; anything else by the name of its type. Never runs Python code, never leaves an
 * exception set, never keeps a reference.
 */
#ifndef STINT_WORKER_TRACE_VALUE_H
#define STINT_WORKER_TRACE_VALUE_H

#ifndef PY_SSIZE_T_CLEAN
#define PY_SSIZE_T_CLEAN
#endif
#include <Python.h>

#include <stdbool.h>
#include <stddef.h>

#define TRACE_VALUE_BYTES 80 /* of one value's text, the "..." of a cut one not counted */

/* UTF-8 text being written. */
struct trace_value {
	char text[TRACE_VALUE_BYTES + 3];
	size_t size;
	bool cut;
};

/* As repr(). `object` may be NULL (an empty slot). */
void trace_value_repr(PyObject *object, struct trace_value *ret_value);
/* The text of a str itself: a name. Anything else gives its type. */
void trace_value_name(PyObject *object, struct trace_value *ret_value);

#endif
