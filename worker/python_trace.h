/*
 * An exception as result fields: type, message, frames.
 */
#ifndef STINT_WORKER_PYTHON_TRACE_H
#define STINT_WORKER_PYTHON_TRACE_H

#ifndef PY_SSIZE_T_CLEAN
#define PY_SSIZE_T_CLEAN
#endif
#include <Python.h>

#include "protocol/pack.h"

#include <stdbool.h>

/* Put one frame; `text`, its source line, may be NULL. Runs no tenant code. */
void python_trace_put_frame(struct pack *result, PyObject *file, long line, PyObject *function,
			    PyObject *text);

/*
 * Put RESULT_ERROR_TYPE, RESULT_ERROR_MESSAGE and the frames, outermost first: at most
 * TRACEBACK_FRAMES_MAX, the middle left out. `traceback` may be NULL. A SyntaxError of the main
 * program (`compiling`) gets one frame: the place it names. str() of the exception runs tenant
 * code; when it fails the message is empty. Leaves no exception set.
 */
void python_trace_put(PyObject *type, PyObject *value, PyObject *traceback, bool compiling,
		      struct pack *result);

#endif
