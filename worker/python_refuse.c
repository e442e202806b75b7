/*
 * os.system() cannot start a process in a worker, but the C library's system() reports that as the
 * exit status 127 of a shell, which a program that looks at nothing takes for success. Here it
 * raises PermissionError, as os.fork and subprocess do by themselves. The C function behind the
 * method is exchanged in the method's definition, so the object that tenants see stays CPython's.
 * The filter refuses the process anyway: this adds a message, no protection. Called by python_host.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "worker/python_refuse.h"

#include <errno.h>

#define REFUSE_FLAGS (METH_FASTCALL | METH_KEYWORDS)

static PyObject *
refuse_system(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
	if (!PySys_Audit("os.system", "(O)", count > 0 ? args[0] : Py_None)) {
		errno = EPERM;
		return PyErr_SetFromErrno(PyExc_OSError);
	}
	return NULL;
}

int
python_refuse_prepare(struct error *err)
{
	PyObject *posix = PyImport_ImportModule("posix");
	PyObject *method = posix ? PyObject_GetAttrString(posix, "system") : NULL;
	int code = 0;

	if (method != NULL && PyCFunction_CheckExact(method) &&
	    ((PyCFunctionObject *)(void *)method)->m_ml->ml_flags == REFUSE_FLAGS)
		((PyCFunctionObject *)(void *)method)->m_ml->ml_meth =
		    (PyCFunction)(void (*)(void))refuse_system;
	else
		code = error_set(err, ERROR_UNSUPPORTED, "os.system is not CPython 3.11's");
	PyErr_Clear();
	Py_XDECREF(method);
	Py_XDECREF(posix);
	return code;
}
