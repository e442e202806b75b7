/*
 * Making the two types of the output streams, and what both of them need.
 *
 * The types extend _io's by one pointer, which is NULL in every object but the two that stand over
 * the job's own descriptors: an object that a program makes from our types is a plain _io object.
 * They carry _io's names and are immutable like _io's. The globals are here because CPython hands a
 * method nothing but its object, and there is one job per process. Called by python_output.c and
 * the method tables in python_output_buffer.c and _text.c. Fails with a Python exception.
 */
#include "worker/python_output_types.h"

#include <errno.h>
#include <string.h>

struct output_type python_output_buffer_type;
struct output_type python_output_text_type;
PyObject *python_output_file_type;

static int
make_type(struct output_type *output_type, PyObject *io, const char *name, PyType_Spec *spec)
{
	PyObject *base, *type;

	if (output_type->type)
		return 0;
	base = PyObject_GetAttrString(io, name);
	if (base == NULL)
		return -1;
	if (!PyType_Check(base)) {
		PyErr_Format(PyExc_TypeError, "_io.%s is no type", name);
		Py_DECREF(base);
		return -1;
	}
	spec->basicsize = (int)(((PyTypeObject *)base)->tp_basicsize + (Py_ssize_t)sizeof(void *));
	type = PyType_FromSpecWithBases(spec, base);
	if (type == NULL) {
		Py_DECREF(base);
		return -1;
	}
	output_type->base = (PyTypeObject *)base;
	output_type->slot_offset = ((PyTypeObject *)base)->tp_basicsize;
	output_type->type = (PyTypeObject *)type;
	return 0;
}

int
python_output_types_prepare(void)
{
	PyObject *io;
	int rc;

	if (python_output_file_type !=
	    NULL) /* the last to be made; an import costs a worker pages */
		return 0;
	io = PyImport_ImportModule("_io");
	if (io == NULL)
		return -1;
	rc =
	    make_type(&python_output_buffer_type, io, "BufferedWriter", &python_output_buffer_spec);
	if (rc == 0)
		rc = make_type(&python_output_text_type, io, "TextIOWrapper",
			       &python_output_text_spec);
	if (rc == 0)
		python_output_file_type = PyObject_GetAttrString(io, "FileIO");
	if (rc == 0 && python_output_file_type == NULL)
		rc = -1;
	Py_DECREF(io);
	return rc;
}

PyObject *
python_output_types_base_call(const struct output_type *type, const char *name, PyObject *self,
			      PyObject *args, PyObject *kwargs)
{
	PyObject *method = PyObject_GetAttrString((PyObject *)type->base, name);
	PyObject *all, *result;
	Py_ssize_t count = args ? PyTuple_GET_SIZE(args) : 0;

	if (method == NULL)
		return NULL;
	all = PyTuple_New(count + 1);
	if (all == NULL) {
		Py_DECREF(method);
		return NULL;
	}
	PyTuple_SET_ITEM(all, 0, Py_NewRef(self));
	for (Py_ssize_t i = 0; i < count; i++)
		PyTuple_SET_ITEM(all, i + 1, Py_NewRef(PyTuple_GET_ITEM(args, i)));
	result = PyObject_Call(method, all, kwargs);
	Py_DECREF(all);
	Py_DECREF(method);
	return result;
}

PyObject *
python_output_types_fail(int rc)
{
	if (!PyErr_Occurred()) {
		errno = -rc;
		PyErr_SetFromErrno(PyExc_OSError);
	}
	return NULL;
}
