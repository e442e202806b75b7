/*
 * A job may call sys.setrecursionlimit with what it likes; above limits.call_depth it gets
 * call_depth. The C function behind the method is exchanged in the method's definition, so that the
 * object tenants see, its name and its text stay CPython's, also after a new import of sys. Called
 * by python_host and python_run. Fails only where the interpreter has no such method.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "worker/python_ceiling.h"

#define CEILING_CALL_DEPTH 1000 /* the limit CPython starts with */

/* Forced by CPython: a method definition's function gets no context of ours. */
static PyCFunction ceiling_original;
static long ceiling_depth = CEILING_CALL_DEPTH;

static PyObject *
ceiling_setrecursionlimit(PyObject *self, PyObject *argument)
{
	PyObject *lowered, *result;
	int overflow = 0;
	long asked;

	if (!PyLong_CheckExact(argument))
		return ceiling_original(self, argument);
	asked = PyLong_AsLongAndOverflow(argument, &overflow);
	if (overflow != 0 || asked > INT_MAX || asked <= ceiling_depth)
		return ceiling_original(self, argument);
	lowered = PyLong_FromLong(ceiling_depth);
	if (lowered == NULL)
		return NULL;
	result = ceiling_original(self, lowered);
	Py_DECREF(lowered);
	return result;
}

int
python_ceiling_prepare(struct error *err)
{
	PyObject *method = PySys_GetObject("setrecursionlimit"); /* borrowed */
	PyMethodDef *definition;

	if (method == NULL || !PyCFunction_CheckExact(method) ||
	    ((PyCFunctionObject *)(void *)method)->m_ml->ml_flags != METH_O)
		return error_set(err, ERROR_UNSUPPORTED,
				 "sys.setrecursionlimit is not CPython 3.11's");
	definition = ((PyCFunctionObject *)(void *)method)->m_ml;
	ceiling_original = definition->ml_meth;
	definition->ml_meth = ceiling_setrecursionlimit;
	return 0;
}

void
python_ceiling_set(const struct worker_terms *terms)
{
	ceiling_depth = (long)terms->limits.call_depth;
	if (ceiling_depth < CEILING_CALL_DEPTH)
		Py_SetRecursionLimit((int)ceiling_depth);
	if ((terms->flags & TERMS_THREADS) != 0)
		(void)PyThread_set_stacksize(THREAD_STACK_BYTES);
}
