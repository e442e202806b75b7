/*
 * Source to code, with the errors that python3 shows for a file: CPython, given text in memory,
 * leaves out what it would have read from the file. Runs no code but that of a codec. Called by
 * python_compiled.c and, for modules, python_source.c; fails with an exception set.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "worker/python_compile.h"

#include "worker/python_lines.h"

#include <stdbool.h>
#include <string.h>

static PyObject *
compile_attribute(PyObject *object, const char *name)
{
	PyObject *value = PyObject_GetAttrString(object, name);

	if (value == NULL)
		PyErr_Clear();
	return value;
}

/* A token at the end of a file has no column: CPython then shows no caret. */
static bool
compile_is_at_end(const struct source_entry *entry, PyObject *value, long at, const char *message,
		  Py_ssize_t length)
{
	PyObject *offset = compile_attribute(value, "offset");
	PyObject *next = python_lines_get(PyBytes_AS_STRING(entry->bytes),
					  (size_t)PyBytes_GET_SIZE(entry->bytes), at + 1);
	bool beyond = offset != NULL && PyLong_CheckExact(offset) && PyLong_AsLong(offset) > length;
	bool at_end = next == NULL && beyond && strncmp(message, "expected ", 9) == 0 &&
		      strstr(message, "block") != NULL;

	Py_XDECREF(offset);
	Py_XDECREF(next);
	return at_end;
}

static void
compile_set_text(const struct source_entry *entry, PyObject *value, long at, PyObject *line)
{
	PyObject *object = compile_attribute(value, "msg");
	const char *message = object && PyUnicode_Check(object) ? PyUnicode_AsUTF8(object) : NULL;
	PyObject *text = PyUnicode_FromFormat("%U\n", line), *zero = PyLong_FromLong(0);

	/* An error inside an f-string shows the expression. */
	if (message != NULL && text != NULL && strncmp(message, "f-string", 8) != 0)
		(void)PyObject_SetAttrString(value, "text", text);
	if (message != NULL && zero != NULL &&
	    compile_is_at_end(entry, value, at, message, PyUnicode_GET_LENGTH(line)))
		(void)PyObject_SetAttrString(value, "offset", zero);
	Py_XDECREF(object);
	Py_XDECREF(text);
	Py_XDECREF(zero);
}

/*
 * Give a SyntaxError the line that CPython would have read from the file. At the end of a file the
 * tokenizer knows no column, which a source in memory hides. The exception stays set.
 */
static void
compile_add_text(const struct source_entry *entry)
{
	PyObject *type, *value, *traceback, *number, *line = NULL;
	long at = 0;

	if (!PyErr_ExceptionMatches(PyExc_SyntaxError))
		return;
	PyErr_Fetch(&type, &value, &traceback);
	PyErr_NormalizeException(&type, &value, &traceback);
	number = compile_attribute(value, "lineno");
	if (number != NULL && PyLong_CheckExact(number))
		at = PyLong_AsLong(number);
	if (at > 0)
		line = python_lines_get(PyBytes_AS_STRING(entry->bytes),
					(size_t)PyBytes_GET_SIZE(entry->bytes), at);
	if (line != NULL)
		compile_set_text(entry, value, at, line);
	Py_XDECREF(line);
	Py_XDECREF(number);
	PyErr_Clear();
	PyErr_Restore(type, value, traceback);
}

/* What CPython says of a file that its declared encoding does not fit. 0, or -1 with the exception.
 */
static int
compile_check_encoding(const struct source_entry *entry)
{
	const char *text = PyBytes_AS_STRING(entry->bytes);
	size_t size = (size_t)PyBytes_GET_SIZE(entry->bytes);
	bool marked = size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0;
	char encoding[LINES_ENCODING_BYTES];
	PyObject *decoded;

	python_lines_encoding(text, size, encoding);
	if (strcmp(encoding, "utf-8") == 0)
		return 0;
	decoded = marked ? NULL : PyUnicode_Decode(text, (Py_ssize_t)size, encoding, "strict");
	if (decoded != NULL) {
		Py_DECREF(decoded);
		return 0;
	}
	PyErr_Clear();
	PyErr_Format(PyExc_SyntaxError, "encoding problem: %s%s", encoding,
		     marked ? " with BOM" : "");
	return -1;
}

PyObject *
python_compile(const struct source_entry *entry, int start)
{
	PyCompilerFlags flags = {.cf_flags = 0, .cf_feature_version = PY_MINOR_VERSION};
	const char *text = PyBytes_AS_STRING(entry->bytes);
	PyObject *code;

	if (strlen(text) != (size_t)PyBytes_GET_SIZE(entry->bytes)) {
		PyErr_SetString(PyExc_SyntaxError, "source code cannot contain null bytes");
		return NULL;
	}
	if (compile_check_encoding(entry) < 0)
		return NULL;
	if (start == Py_eval_input)
		text += strspn(text, " \t");
	code = Py_CompileStringObject(text, entry->file, start, &flags, -1);
	if (code == NULL)
		compile_add_text(entry);
	return code;
}
