/*
 * exec and eval of text compile inside C, past the builtin compile. Here the text is compiled as
 * they would (file name, future flags of the caller, cookie rules), metered, and given to CPython's
 * own function as a code object: that one does the rest, with the caller's globals and locals.
 *
 * Whatever CPython refuses before it compiles (a wrong type, globals that are no dict, closure with
 * text) is passed on untouched, for it to refuse. Errors are exceptions, worded as CPython words
 * them.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "worker/meter_evaluate.h"

#include "worker/meter_rewrite.h"

#include <stdbool.h>
#include <string.h>

#define EVALUATE_ARGS_MAX 4 /* source, globals, locals, closure */

/* Forced by CPython, which calls ours without a context. */
_PyCFunctionFastWithKeywords meter_evaluate_old_exec;
_PyCFunctionFast meter_evaluate_old_eval;

static bool
evaluate_is_text(PyObject *source)
{
	return PyUnicode_Check(source) || PyBytes_Check(source) || PyByteArray_Check(source) ||
	       PyObject_CheckBuffer(source);
}

/* Arguments that CPython refuses, or acts upon, before it compiles are for CPython. */
static bool
evaluate_is_ours(PyObject *const *args, Py_ssize_t count)
{
	if (count < 1 || count > 3 || !evaluate_is_text(args[0]))
		return false;
	if (count > 1 && args[1] != Py_None && !PyDict_Check(args[1]))
		return false;
	return count < 3 || args[2] == Py_None || PyMapping_Check(args[2]);
}

/* New reference to what holds the text, and the text itself, NUL terminated. */
static PyObject *
evaluate_text(PyObject *source, const char **ret_text, Py_ssize_t *ret_size)
{
	PyObject *holder;

	if (PyUnicode_Check(source)) {
		*ret_text = PyUnicode_AsUTF8AndSize(source, ret_size);
		return *ret_text != NULL ? Py_NewRef(source) : NULL;
	}
	holder = PyBytes_Check(source) ? Py_NewRef(source) : PyBytes_FromObject(source);
	if (holder == NULL)
		return NULL;
	*ret_text = PyBytes_AS_STRING(holder);
	*ret_size = PyBytes_GET_SIZE(holder);
	return holder;
}

/* globals["__builtins__"], which CPython puts there before it compiles. */
static int
evaluate_builtins(PyObject *const *args, Py_ssize_t count)
{
	PyObject *globals = count > 1 && args[1] != Py_None ? args[1] : PyEval_GetGlobals();

	if (globals == NULL || PyDict_GetItemString(globals, "__builtins__") != NULL)
		return 0;
	return PyDict_SetItemString(globals, "__builtins__", PyEval_GetBuiltins());
}

/* New reference to the metered code of the text. */
static PyObject *
evaluate_compile(PyObject *source, int start)
{
	PyCompilerFlags flags = _PyCompilerFlags_INIT;
	PyObject *code = NULL, *metered = NULL, *holder;
	const char *text;
	Py_ssize_t size;

	flags.cf_flags = PyCF_SOURCE_IS_UTF8;
	if (PyUnicode_Check(source))
		flags.cf_flags |= PyCF_IGNORE_COOKIE;
	holder = evaluate_text(source, &text, &size);
	if (holder == NULL)
		return NULL;
	if (strlen(text) != (size_t)size) {
		PyErr_SetString(PyExc_ValueError, "source code string cannot contain null bytes");
	} else {
		while (start == Py_eval_input && (*text == ' ' || *text == '\t'))
			text++;
		(void)PyEval_MergeCompilerFlags(&flags);
		code = Py_CompileStringExFlags(text, "<string>", start, &flags, -1);
	}
	Py_DECREF(holder);
	if (code != NULL)
		metered = meter_rewrite((PyCodeObject *)(void *)code);
	Py_XDECREF(code);
	return metered;
}

/* New reference to what takes the source's place: metered code, or the source where CPython is to
 * judge it. */
static PyObject *
evaluate_source(PyObject *const *args, Py_ssize_t count, int start)
{
	if (count >= 1 && PyCode_Check(args[0]))
		return meter_rewrite((PyCodeObject *)(void *)args[0]);
	if (!evaluate_is_ours(args, count))
		return count >= 1 ? Py_NewRef(args[0]) : NULL;
	if (evaluate_builtins(args, count) < 0)
		return NULL;
	return evaluate_compile(args[0], start);
}

PyObject *
meter_evaluate_exec(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
	PyObject *all[EVALUATE_ARGS_MAX], *source, *result;
	Py_ssize_t keywords = names != NULL ? PyTuple_GET_SIZE(names) : 0;

	if (count < 1 || count > 3 || keywords > 1)
		return meter_evaluate_old_exec(self, args, count, names);
	/* A keyword that exec does not know is refused there. */
	if (keywords == 1 &&
	    PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0), "closure") != 0)
		return meter_evaluate_old_exec(self, args, count, names);
	if (keywords == 1 && !PyCode_Check(args[0]) && args[count] != Py_None) {
		PyErr_SetString(PyExc_TypeError,
				"closure can only be used when source is a code object");
		return NULL;
	}
	source = evaluate_source(args, count, Py_file_input);
	if (source == NULL)
		return NULL;
	memcpy(all, args, (size_t)(count + keywords) * sizeof(all[0]));
	all[0] = source;
	result = meter_evaluate_old_exec(self, all, count, names);
	Py_DECREF(source);
	return result;
}

PyObject *
meter_evaluate_eval(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
	PyObject *all[EVALUATE_ARGS_MAX], *source, *result;

	if (count < 1 || count > 3)
		return meter_evaluate_old_eval(self, args, count);
	source = evaluate_source(args, count, Py_eval_input);
	if (source == NULL)
		return NULL;
	memcpy(all, args, (size_t)count * sizeof(all[0]));
	all[0] = source;
	result = meter_evaluate_old_eval(self, all, count);
	Py_DECREF(source);
	return result;
}
