/*
 * What becomes of an exception that nobody caught. CPython itself prints it, so the text is its
 * own; this file does around that what PyErr_Print() does, but for ending the process. Called by
 * python_run. Needs little memory: the caller has given its reserve back. A failure inside (no
 * memory, a tenant's hook that raises) shortens the text and never the report of the reason.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "worker/python_failure.h"

#include "worker/python_output.h"
#include "worker/python_trace.h"

#include <string.h>

struct failure_exception {
	PyObject *type, *value, *traceback; /* owned; traceback may be NULL */
};

/* ---- printing -------------------------------------------------------------------------------- */

static void
failure_display(struct failure_exception *exception)
{
	PyErr_Display(exception->type, exception->value, exception->traceback);
}

static void
failure_fetch(struct failure_exception *ret_exception)
{
	PyErr_Fetch(&ret_exception->type, &ret_exception->value, &ret_exception->traceback);
	PyErr_NormalizeException(&ret_exception->type, &ret_exception->value,
				 &ret_exception->traceback);
	if (ret_exception->value != NULL && ret_exception->traceback != NULL)
		(void)PyException_SetTraceback(ret_exception->value, ret_exception->traceback);
}

static void
failure_drop(struct failure_exception *exception)
{
	Py_CLEAR(exception->type);
	Py_CLEAR(exception->value);
	Py_CLEAR(exception->traceback);
}

/* The exit code that a SystemExit asks for; prints what is neither a number nor None. */
static int
failure_exit_code(struct failure_exception *exception)
{
	PyObject *code = PyObject_GetAttrString(exception->value, "code"), *err;
	int result = 1;

	if (code == NULL) {
		PyErr_Clear();
		code = exception->value;
		Py_INCREF(code);
	}
	if (code == Py_None) {
		result = 0;
	} else if (PyLong_Check(code)) {
		result = (int)PyLong_AsLong(code);
	} else {
		err = PySys_GetObject("stderr"); /* borrowed */
		if (err != NULL && err != Py_None)
			(void)PyFile_WriteObject(code, err, Py_PRINT_RAW);
		PyErr_Clear();
		PySys_WriteStderr("\n");
	}
	Py_DECREF(code);
	PyErr_Clear();
	return result & 0xff;
}

/* sys.last_type and its companions, for hooks that look there. */
static void
failure_set_last(struct failure_exception *exception, PyObject *traceback)
{
	if (PySys_SetObject("last_type", exception->type) < 0 ||
	    PySys_SetObject("last_value", exception->value) < 0 ||
	    PySys_SetObject("last_traceback", traceback) < 0)
		PyErr_Clear();
}

/* The hook itself has failed: show both. true: it asked for an exit instead. */
static bool
failure_of_hook(struct failure_exception *exception, int *ret_exit_code)
{
	struct failure_exception second;
	bool exits;

	failure_fetch(&second);
	exits = PyErr_GivenExceptionMatches(second.type, PyExc_SystemExit);
	if (exits) {
		*ret_exit_code = failure_exit_code(&second);
	} else {
		PySys_WriteStderr("Error in sys.excepthook:\n");
		failure_display(&second);
		PySys_WriteStderr("\nOriginal exception was:\n");
		failure_display(exception);
	}
	failure_drop(&second);
	return exits;
}

/* true: a hook ended the program with the exit code. */
static bool
failure_print(struct failure_exception *exception, int *ret_exit_code)
{
	PyObject *traceback = exception->traceback ? exception->traceback : Py_None;
	PyObject *hook = PySys_GetObject("excepthook"), *result; /* borrowed */
	bool exits = false;

	failure_set_last(exception, traceback);
	if (hook == NULL) {
		PySys_WriteStderr("sys.excepthook is missing\n");
		failure_display(exception);
		return false;
	}
	Py_INCREF(hook);
	result =
	    PyObject_CallFunctionObjArgs(hook, exception->type, exception->value, traceback, NULL);
	if (result == NULL)
		exits = failure_of_hook(exception, ret_exit_code);
	Py_XDECREF(result);
	Py_DECREF(hook);
	return exits;
}

static void
failure_flush_stream(const char *name)
{
	PyObject *stream = PySys_GetObject(name), *result; /* borrowed */

	if (stream == NULL || python_output_flush(stream))
		return;
	Py_INCREF(stream);
	result = PyObject_CallMethod(stream, "flush", NULL);
	if (result == NULL)
		PyErr_Clear();
	Py_XDECREF(result);
	Py_DECREF(stream);
}

void
python_failure_flush(void)
{
	PyObject *type, *value, *traceback;

	PyErr_Fetch(&type, &value, &traceback);
	failure_flush_stream("stderr");
	failure_flush_stream("stdout");
	PyErr_Restore(type, value, traceback);
}

/* ---- reporting ------------------------------------------------------------------------------- */

static enum worker_reason
failure_reason(PyObject *type, bool compiling)
{
	if (compiling)
		return REASON_COMPILE_ERROR;
	if (PyErr_GivenExceptionMatches(type, PyExc_MemoryError))
		return REASON_MEMORY_ERROR;
	if (PyErr_GivenExceptionMatches(type, PyExc_RecursionError))
		return REASON_RECURSION_ERROR;
	return REASON_EXCEPTION;
}

void
python_failure_take(bool compiling, struct pack *result, struct python_failure *ret_failure)
{
	struct failure_exception exception;

	failure_fetch(&exception);
	if (exception.type == NULL)
		return;
	ret_failure->exit_code = 1;
	if (PyErr_GivenExceptionMatches(exception.type, PyExc_SystemExit)) {
		ret_failure->reason = REASON_EXIT;
		ret_failure->exit_code = failure_exit_code(&exception);
	} else if (failure_print(&exception, &ret_failure->exit_code)) {
		ret_failure->reason = REASON_EXIT;
	} else {
		ret_failure->reason = failure_reason(exception.type, compiling);
		ret_failure->interrupted = exception.type == PyExc_KeyboardInterrupt;
		python_trace_put(exception.type, exception.value, exception.traceback, compiling,
				 result);
	}
	failure_drop(&exception);
	PyErr_Clear();
}

void
python_failure_say(enum worker_reason reason, const char *type, const char *message, bool print,
		   struct pack *result, struct python_failure *ret_failure)
{
	if (print)
		PySys_FormatStderr("%s: %s\n", type, message);
	pack_put(result, RESULT_ERROR_TYPE, type, strlen(type));
	pack_put(result, RESULT_ERROR_MESSAGE, message, strlen(message));
	ret_failure->reason = reason;
	ret_failure->exit_code = 1;
}

/*
 * Print one exception into the void: imports and caches what the printer needs on the way, so that
 * no worker does.
 */
int
python_failure_prepare(struct error *err)
{
	PyObject *io = PyImport_ImportModule("io"), *old = PySys_GetObject("stderr"), *sink = NULL;
	struct failure_exception exception;

	Py_XINCREF(old);
	if (io != NULL)
		sink = PyObject_CallMethod(io, "StringIO", NULL);
	Py_XDECREF(io);
	if (sink == NULL || PySys_SetObject("stderr", sink) < 0)
		return error_set(err, ERROR_SYSTEM, "io.StringIO does not work");
	(void)PyErr_Format(PyExc_ZeroDivisionError, "warm");
	failure_fetch(&exception);
	failure_display(&exception);
	failure_drop(&exception);
	(void)PySys_SetObject("stderr", old);
	Py_XDECREF(old);
	Py_DECREF(sink);
	PyErr_Clear();
	return 0;
}
