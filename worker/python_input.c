/*
 * Makes sys.stdin out of FileIO, BufferedReader and TextIOWrapper, which the zygote has looked up:
 * an import in the worker, even of what is there, goes through the importer and copies a dozen
 * pages. Called by python_host.c and python_main.c.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "worker/python_input.h"

/* io.open(): what a raw stream that does not know its block size is buffered by. */
#define INPUT_BUFFER_BYTES 8192

/* Forced by CPython: found in the zygote, used in the worker. Owned. */
static PyObject *input_file, *input_buffer, *input_text;

int
python_input_prepare(struct error *err)
{
	PyObject *io = PyImport_ImportModule("_io");

	if (io != NULL) {
		input_file = PyObject_GetAttrString(io, "FileIO");
		input_buffer = PyObject_GetAttrString(io, "BufferedReader");
		input_text = PyObject_GetAttrString(io, "TextIOWrapper");
	}
	Py_XDECREF(io);
	return input_file != NULL && input_buffer != NULL && input_text != NULL
		   ? 0
		   : error_set(err, ERROR_SYSTEM, "_io is not CPython 3.11's");
}

static PyObject *
input_new_buffer(PyObject *raw)
{
	PyObject *size = PyObject_GetAttrString(raw, "_blksize"), *buffer;
	Py_ssize_t bytes = size ? PyLong_AsSsize_t(size) : -1;

	Py_XDECREF(size);
	if (PyErr_Occurred())
		return NULL;
	buffer = PyObject_CallFunction(input_buffer, "On", raw,
				       bytes > 1 ? bytes : (Py_ssize_t)INPUT_BUFFER_BYTES);
	return buffer;
}

static int
input_set_text(PyObject *object, const char *attribute, const char *text)
{
	PyObject *value = PyUnicode_FromString(text);
	int code = value ? PyObject_SetAttrString(object, attribute, value) : -1;

	Py_XDECREF(value);
	return code;
}

static PyObject *
input_new(void)
{
	PyObject *raw = PyObject_CallFunction(input_file, "isO", 0, "rb", Py_False);
	PyObject *buffer = raw ? input_new_buffer(raw) : NULL, *stream = NULL;

	if (buffer != NULL && input_set_text(raw, "name", "<stdin>") == 0)
		stream = PyObject_CallFunction(input_text, "Osss", buffer, "utf-8",
					       "surrogateescape", "\n");
	if (stream != NULL && input_set_text(stream, "mode", "r") < 0)
		Py_CLEAR(stream);
	Py_XDECREF(buffer);
	Py_XDECREF(raw);
	return stream;
}

int
python_input_install(void)
{
	PyObject *stream = input_new();
	int code;

	if (stream == NULL) {
		PyErr_Clear();
		stream = Py_NewRef(Py_None);
	}
	code = PySys_SetObject("stdin", stream);
	if (code == 0)
		code = PySys_SetObject("__stdin__", stream);
	Py_DECREF(stream);
	return code;
}

void
python_input_rehearse(void)
{
	PyObject *stream = input_new();

	Py_XDECREF(stream);
	PyErr_Clear();
}
