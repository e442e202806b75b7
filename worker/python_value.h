/*
 * JSON text to Python objects and back, for inputs, arguments, outputs and the value of a job.
 * Neither direction runs tenant code: objects are looked at through their C storage only.
 * The GIL is held.
 */
#ifndef STINT_WORKER_PYTHON_VALUE_H
#define STINT_WORKER_PYTHON_VALUE_H

#ifndef PY_SSIZE_T_CLEAN
#define PY_SSIZE_T_CLEAN
#endif
#include <Python.h>

#include <stddef.h>

#define PYTHON_VALUE_REASON_BYTES 512

enum python_value_code {
	PYTHON_VALUE_OK = 0,
	PYTHON_VALUE_REFUSED = -1,   /* JSON cannot hold it: writer->reason says what and where */
	PYTHON_VALUE_TOO_LARGE = -2, /* the text would have more than `max` bytes */
	PYTHON_VALUE_NO_MEMORY = -3,
};

struct value_writer {
	char *bytes; /* owned: the text so far, not NUL terminated */
	size_t size; /* of the text */
	size_t capacity;
	size_t max;       /* largest size */
	const char *root; /* borrowed: how the value is called in a reason, "value" or "vars" */
	char reason[PYTHON_VALUE_REASON_BYTES]; /* one line of UTF-8, NUL terminated; after REFUSED
						 */
};

void python_value_writer_init(struct value_writer *ret_writer, const char *root, size_t max);
void python_value_writer_deinit(struct value_writer *writer);

/*
 * Append the JSON text of `value`. Returns an enum python_value_code; after a failure the text is
 * as before the call. No Python exception is left set. None, bool, int of any size, finite float,
 * str without lone surrogates, list, tuple, dict with str keys, and subclasses of these by their
 * storage; anything else, a cycle, or nesting deeper than JSON_DEPTH_MAX is REFUSED, for example
 * "value.items[3].x: set cannot be expressed in JSON". Several variables in one object: write a
 * dict made by the caller, with root "vars".
 */
int python_value_write(PyObject *value, struct value_writer *writer);

/*
 * New reference to the object of one JSON text, or NULL with an exception (ValueError for what is
 * not JSON, MemoryError). Integers of any size become int whatever sys.set_int_max_str_digits says;
 * a number with a fraction or an exponent becomes float (out of range: ValueError). A repeated key
 * keeps its last value. Safe on any bytes, though they are meant to have been checked.
 */
PyObject *python_value_parse(const char *json, size_t size);

#endif
