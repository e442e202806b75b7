/*
 * Makes the structured error of a result from an exception. Never prints. Called by python_failure,
 * after the exception has been shown. What cannot be found out (no memory, a tenant's __str__ that
 * raises) is left empty.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "worker/python_trace.h"

#include "protocol/limits.h"
#include "protocol/worker_abi.h"
#include "worker/python_source.h"

#include <string.h>

/* One text field, cut at a character; `text` may be NULL. */
static void
trace_put_text(struct pack *result, uint32_t tag, PyObject *text)
{
	PyObject *bytes = NULL;
	size_t size = 0;
	const char *data = "";

	if (text != NULL && PyUnicode_Check(text))
		bytes = PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace");
	if (bytes != NULL) {
		data = PyBytes_AS_STRING(bytes);
		size = (size_t)PyBytes_GET_SIZE(bytes);
	}
	if (size > ERROR_TEXT_BYTES_MAX) {
		size = ERROR_TEXT_BYTES_MAX;
		while (size > 0 && ((unsigned char)data[size] & 0xc0) == 0x80)
			size--;
	}
	pack_put(result, tag, data, size);
	Py_XDECREF(bytes);
	PyErr_Clear();
}

static PyObject *
trace_attribute(PyObject *object, const char *name)
{
	PyObject *value = PyObject_GetAttrString(object, name);

	if (value == NULL)
		PyErr_Clear();
	return value;
}

/* "ValueError", "decimal.InvalidOperation": as the printed traceback has it. */
static PyObject *
trace_type_name(PyObject *type)
{
	PyObject *name = trace_attribute(type, "__qualname__");
	PyObject *module = trace_attribute(type, "__module__"), *result = NULL;

	if (name != NULL && PyUnicode_Check(name) && module != NULL && PyUnicode_Check(module)) {
		if (PyUnicode_CompareWithASCIIString(module, "builtins") == 0 ||
		    PyUnicode_CompareWithASCIIString(module, "__main__") == 0) {
			Py_INCREF(name);
			result = name;
		} else {
			result = PyUnicode_FromFormat("%U.%U", module, name);
		}
	}
	Py_XDECREF(name);
	Py_XDECREF(module);
	if (result == NULL)
		result = PyUnicode_FromString(((PyTypeObject *)(void *)type)->tp_name);
	return result;
}

void
python_trace_put_frame(struct pack *result, PyObject *file, long line, PyObject *function,
		       PyObject *text)
{
	trace_put_text(result, RESULT_FRAME_FILE, file);
	pack_put_u32(result, RESULT_FRAME_LINE, line > 0 ? (uint32_t)line : 0);
	trace_put_text(result, RESULT_FRAME_FUNCTION, function);
	trace_put_text(result, RESULT_FRAME_TEXT, text);
}

static void
trace_put_entry(struct pack *result, const PyTracebackObject *entry)
{
	PyCodeObject *code = PyFrame_GetCode(entry->tb_frame);
	long line = entry->tb_lineno;
	PyObject *text;

	if (line < 0)
		line = PyCode_Addr2Line(code, entry->tb_lasti);
	text = python_source_line(code->co_filename, line);
	python_trace_put_frame(result, code->co_filename, line, code->co_name, text);
	Py_XDECREF(text);
	Py_DECREF(code);
}

static void
trace_put_frames(struct pack *result, PyObject *traceback)
{
	size_t count = 0, index = 0, half = TRACEBACK_FRAMES_MAX / 2;
	const PyTracebackObject *first, *entry;

	if (traceback == NULL || !PyTraceBack_Check(traceback))
		return;
	first = (const PyTracebackObject *)(void *)traceback;
	/* A tenant can tie a traceback into a ring; what it gets is a shortened one. */
	for (entry = first; entry != NULL && count < UINT32_MAX; entry = entry->tb_next)
		count++;
	for (entry = first; entry != NULL && index < count; entry = entry->tb_next, index++)
		if (count <= TRACEBACK_FRAMES_MAX || index < half || index >= count - half)
			trace_put_entry(result, entry);
}

/* The place that a SyntaxError names. */
static void
trace_put_place(struct pack *result, PyObject *value)
{
	PyObject *file = trace_attribute(value, "filename");
	PyObject *number = trace_attribute(value, "lineno");
	PyObject *text = trace_attribute(value, "text"), *stripped = NULL;
	PyObject *function = PyUnicode_FromString("<module>");

	if (text != NULL && PyUnicode_Check(text))
		stripped = PyObject_CallMethod(text, "strip", NULL);
	if (file != NULL && PyUnicode_Check(file) && number != NULL && PyLong_Check(number))
		python_trace_put_frame(result, file, PyLong_AsLong(number), function, stripped);
	PyErr_Clear();
	Py_XDECREF(file);
	Py_XDECREF(number);
	Py_XDECREF(text);
	Py_XDECREF(stripped);
	Py_XDECREF(function);
}

void
python_trace_put(PyObject *type, PyObject *value, PyObject *traceback, bool compiling,
		 struct pack *result)
{
	PyObject *name = trace_type_name(type), *message = NULL;

	PyErr_Clear();
	if (value != NULL)
		message = PyObject_Str(value);
	PyErr_Clear();
	trace_put_text(result, RESULT_ERROR_TYPE, name);
	trace_put_text(result, RESULT_ERROR_MESSAGE, message);
	Py_XDECREF(name);
	Py_XDECREF(message);
	if (compiling && PyErr_GivenExceptionMatches(type, PyExc_SyntaxError))
		trace_put_place(result, value);
	trace_put_frames(result, traceback);
	PyErr_Clear();
}
