/*
 * Programs that come as byte code: the bytes of a .pyc file.
 */
#ifndef STINT_WORKER_PYTHON_CODE_H
#define STINT_WORKER_PYTHON_CODE_H

#ifndef PY_SSIZE_T_CLEAN
#define PY_SSIZE_T_CLEAN
#endif
#include <Python.h>

#include "worker/python_job.h"

#define PYTHON_CODE_ERROR_TYPE "WrongBytecode"

/*
 * New code object, or NULL without an exception and with the reason in ret_why: it is of another
 * Python (named when known), or no code. The content is not verified: CPython cannot.
 */
PyObject *python_code_load(struct job_text pyc, char *ret_why, size_t size);

#endif
