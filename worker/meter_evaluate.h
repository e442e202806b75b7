/*
 * The builtins exec and eval, for metered code: text is compiled through the rewriter, what else
 * they are given is theirs. Installed by meter_birth.c.
 */
#ifndef STINT_WORKER_METER_EVALUATE_H
#define STINT_WORKER_METER_EVALUATE_H

#include <Python.h>

/* CPython's own, set by meter_birth.c before ours are called. */
extern _PyCFunctionFastWithKeywords meter_evaluate_old_exec;
extern _PyCFunctionFast meter_evaluate_old_eval;

/* exec(source, globals=None, locals=None, /, *, closure=None) */
PyObject *meter_evaluate_exec(PyObject *self, PyObject *const *args, Py_ssize_t count,
			      PyObject *names);
/* eval(source, globals=None, locals=None, /) */
PyObject *meter_evaluate_eval(PyObject *self, PyObject *const *args, Py_ssize_t count);

#endif
