/*
 * A job's source as code.
 */
#ifndef STINT_WORKER_PYTHON_COMPILE_H
#define STINT_WORKER_PYTHON_COMPILE_H

#ifndef PY_SSIZE_T_CLEAN
#define PY_SSIZE_T_CLEAN
#endif
#include <Python.h>

#include "worker/python_source.h"

/*
 * Compile as python3 compiles a file (byte order mark, coding cookie). start: Py_file_input or
 * Py_eval_input. New code object, or NULL with an exception; a SyntaxError then has the line's
 * text.
 */
PyObject *python_compile(const struct source_entry *entry, int start);

#endif
