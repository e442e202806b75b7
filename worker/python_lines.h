/*
 * Lines of a source in memory, counted as Python's tokenizer and io count them: LF, CR LF and CR
 * end a line, nothing else does.
 */
#ifndef STINT_WORKER_PYTHON_LINES_H
#define STINT_WORKER_PYTHON_LINES_H

#ifndef PY_SSIZE_T_CLEAN
#define PY_SSIZE_T_CLEAN
#endif
#include <Python.h>

#include <stddef.h>

/* Encoding that the source declares, NUL terminated: "utf-8" without a declaration. */
#define LINES_ENCODING_BYTES 64
void python_lines_encoding(const char *bytes, size_t size, char ret_encoding[LINES_ENCODING_BYTES]);

/* Line `number` (1 = first) without its end: new str, or NULL without an exception. */
PyObject *python_lines_get(const char *bytes, size_t size, long number);

/* The source in UTF-8: new bytes, or NULL with an exception. */
PyObject *python_lines_utf8(PyObject *bytes);

/*
 * New object that linecache takes for a source: it has len() and splitlines(), which cuts where
 * this module cuts (str.splitlines would also cut at form feeds). NULL with an exception.
 */
PyObject *python_lines_new(PyObject *bytes);

/* In the zygote: make the type. 0 or -1 with an exception. */
int python_lines_prepare(void);

#endif
