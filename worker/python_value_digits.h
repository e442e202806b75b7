/*
 * Integers of any size to and from decimal digits, whatever sys.set_int_max_str_digits says and
 * without running tenant code.
 */
#ifndef STINT_WORKER_PYTHON_VALUE_DIGITS_H
#define STINT_WORKER_PYTHON_VALUE_DIGITS_H

#ifndef PY_SSIZE_T_CLEAN
#define PY_SSIZE_T_CLEAN
#endif
#include <Python.h>

#include <stddef.h>

/* New reference, or NULL with MemoryError. `digits`: one or more decimal digits. */
PyObject *python_value_digits_parse(const char *digits, size_t count, int negative);

/* No more than this many characters are needed, sign included. Exact to a few characters. */
size_t python_value_digits_max(PyObject *integer);
/* No fewer than this many are needed. */
size_t python_value_digits_min(PyObject *integer);
/*
 * Write the digits of an int (or a subclass, by its storage) into ret_text, which has
 * python_value_digits_max bytes. Returns how many, or 0 when memory is short.
 */
size_t python_value_digits_write(PyObject *integer, char *ret_text);

#endif
