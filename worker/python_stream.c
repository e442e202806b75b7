/*
 * io.open(file, "rb"), and nothing else about it, also finds the job's own sources when the file
 * system has no such file. Tenants can use it too; it gives them only what they sent. The C
 * function is exchanged in the method's definition: the object, its name and text stay CPython's.
 *
 * The printer wants a descriptor besides (to look for a coding cookie), so the stream opens a file
 * of the standard library that has none; lines come from memory. When no descriptor is left it
 * fails as a real open would. Called from CPython; installed by python_source.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "worker/python_stream.h"

#include "worker/python_lines.h"
#include "worker/python_source.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define STREAM_LANDMARK "/os.py" /* its first two lines declare no encoding */

/* Forced by CPython: see python_source.c. */
static _PyCFunctionFastWithKeywords stream_original;
static PyTypeObject *stream_type; /* owned: subclass of io.BytesIO */
static PyTypeObject *stream_base; /* owned: io.BytesIO */
static char stream_landmark[4096 + sizeof(STREAM_LANDMARK)];
static bool stream_installed;

static int *
stream_fd(PyObject *self)
{
	return (int *)(void *)((char *)self + stream_base->tp_basicsize);
}

static PyObject *
stream_fileno(PyObject *self, PyObject *unused)
{
	return PyLong_FromLong(*stream_fd(self));
}

static PyObject *
stream_close(PyObject *self, PyObject *unused)
{
	int fd = *stream_fd(self);

	*stream_fd(self) = -1;
	if (fd >= 0)
		(void)close(fd);
	return PyObject_CallMethod((PyObject *)(void *)stream_base, "close", "O", self);
}

static PyMethodDef STREAM_METHODS[] = {
    {"fileno", stream_fileno, METH_NOARGS, NULL},
    {"close", stream_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot STREAM_SLOTS[] = {
    {Py_tp_methods, STREAM_METHODS},
    {0, NULL},
};

static PyObject *
stream_new(const struct source_entry *entry)
{
	PyObject *bytes, *self;
	int fd = open(stream_landmark, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, entry->file);
	bytes = python_lines_utf8(entry->bytes);
	self = bytes ? PyObject_CallOneArg((PyObject *)(void *)stream_type, bytes) : NULL;
	Py_XDECREF(bytes);
	if (self == NULL)
		(void)close(fd);
	else
		*stream_fd(self) = fd;
	return self;
}

static PyObject *
stream_open(PyObject *module, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
	PyObject *file = stream_original(module, args, count, names), *type, *value, *traceback;
	const struct source_entry *entry;

	if (file != NULL || !stream_installed || count != 2 || names != NULL ||
	    !PyUnicode_CheckExact(args[0]) || !PyUnicode_CheckExact(args[1]) ||
	    PyUnicode_CompareWithASCIIString(args[1], "rb") != 0 ||
	    !PyErr_ExceptionMatches(PyExc_FileNotFoundError))
		return file;
	PyErr_Fetch(&type, &value, &traceback);
	entry = python_source_file(args[0]);
	if (entry == NULL) {
		PyErr_Restore(type, value, traceback);
		return NULL;
	}
	Py_XDECREF(type);
	Py_XDECREF(value);
	Py_XDECREF(traceback);
	return stream_new(entry);
}

static int
stream_make_type(PyObject *io)
{
	PyType_Spec spec = {"io.BytesIO", 0, 0, Py_TPFLAGS_DEFAULT, STREAM_SLOTS};
	PyObject *bases;

	stream_base = (PyTypeObject *)(void *)PyObject_GetAttrString(io, "BytesIO");
	if (stream_base == NULL)
		return -1;
	spec.basicsize = (int)(stream_base->tp_basicsize + (Py_ssize_t)sizeof(long));
	bases = PyTuple_Pack(1, stream_base);
	if (bases == NULL)
		return -1;
	stream_type = (PyTypeObject *)(void *)PyType_FromSpecWithBases(&spec, bases);
	Py_DECREF(bases);
	return stream_type == NULL ? -1 : 0;
}

int
python_stream_prepare(const char *stdlib, struct error *err)
{
	PyObject *io = PyImport_ImportModule("io"), *method = NULL;
	PyMethodDef *definition;

	(void)snprintf(stream_landmark, sizeof(stream_landmark), "%s%s", stdlib, STREAM_LANDMARK);
	if (io != NULL)
		method = PyObject_GetAttrString(io, "open");
	if (method == NULL || !PyCFunction_CheckExact(method) || stream_make_type(io) < 0)
		return error_set(err, ERROR_UNSUPPORTED, "io.open is not CPython 3.11's");
	definition = ((PyCFunctionObject *)(void *)method)->m_ml;
	if (definition->ml_flags != (METH_FASTCALL | METH_KEYWORDS))
		return error_set(err, ERROR_UNSUPPORTED, "io.open is not CPython 3.11's");
	stream_original = (_PyCFunctionFastWithKeywords)(void (*)(void))definition->ml_meth;
	definition->ml_meth = (PyCFunction)(void (*)(void))stream_open;
	Py_DECREF(method);
	Py_DECREF(io);
	return 0;
}

void
python_stream_install(void)
{
	if (!stream_installed) /* a page that is written to has to be copied */
		stream_installed = true;
}
