/*
 * Finds lines in a source text, without the file that CPython's own code would read them from. No
 * tenant code runs here: the coding cookie picks one of Python's codecs, whose failure means "no
 * such line". Called by python_source and python_failure.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "worker/python_lines.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

/* Forced by CPython: a type is made once, in the zygote. Owned. */
static PyTypeObject *lines_type;

struct lines_object {
	PyObject ob_base;
	PyObject *text; /* owned: str */
};

/* Bytes of the line that begins at `at`, its end included. */
static size_t
lines_length(const char *bytes, size_t size, size_t at)
{
	size_t end = at;

	while (end < size && bytes[end] != '\n' && bytes[end] != '\r')
		end++;
	if (end < size)
		end += bytes[end] == '\r' && end + 1 < size && bytes[end + 1] == '\n' ? 2 : 1;
	return end - at;
}

/* PEP 263: a comment line with "coding:" or "coding=" and a name. ret_go_on: the next line may have
 * it. */
static bool
lines_cookie(const char *line, size_t length, char ret_name[LINES_ENCODING_BYTES], bool *ret_go_on)
{
	size_t at = 0;

	while (at < length && strchr(" \t\f\r\n", line[at]) != NULL && line[at] != '\0')
		at++;
	*ret_go_on = at == length || line[at] == '#';
	if (at == length || line[at] != '#')
		return false;
	for (; at + 7 <= length; at++) {
		size_t name = at + 7, used = 0;

		if (memcmp(line + at, "coding", 6) != 0 ||
		    (line[at + 6] != ':' && line[at + 6] != '='))
			continue;
		while (name < length && (line[name] == ' ' || line[name] == '\t'))
			name++;
		while (name < length && used + 1 < LINES_ENCODING_BYTES &&
		       (isalnum((unsigned char)line[name]) || strchr("-_.", line[name])))
			ret_name[used++] = line[name++];
		ret_name[used] = '\0';
		if (used > 0)
			return true;
	}
	return false;
}

/* The spellings that CPython's tokenizer takes for these two: any case, '_' as '-', a suffix after
 * '-'. */
static void
lines_normalize(char encoding[LINES_ENCODING_BYTES])
{
	static const char *const names[][2] = {
	    {"utf-8", "utf-8"},
	    {"latin-1", "iso-8859-1"},
	    {"iso-8859-1", "iso-8859-1"},
	    {"iso-latin-1", "iso-8859-1"},
	};
	char lower[LINES_ENCODING_BYTES];
	size_t length;

	for (length = 0; encoding[length] != '\0'; length++)
		lower[length] =
		    encoding[length] == '_' ? '-' : (char)tolower((unsigned char)encoding[length]);
	lower[length] = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t known = strlen(names[i][0]);

		if (strncmp(lower, names[i][0], known) == 0 &&
		    (lower[known] == '\0' || lower[known] == '-'))
			(void)strcpy(encoding, names[i][1]);
	}
}

void
python_lines_encoding(const char *bytes, size_t size, char ret_encoding[LINES_ENCODING_BYTES])
{
	size_t at = 0;
	bool go_on = true;

	if (size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
		at = 3;
	for (int line = 0; line < 2 && go_on && at < size; line++) {
		size_t length = lines_length(bytes, size, at);

		if (lines_cookie(bytes + at, length, ret_encoding, &go_on)) {
			lines_normalize(ret_encoding);
			return;
		}
		at += length;
	}
	(void)strcpy(ret_encoding, "utf-8");
}

PyObject *
python_lines_get(const char *bytes, size_t size, long number)
{
	char encoding[LINES_ENCODING_BYTES];
	PyObject *line;
	size_t at = 0, length;

	if (number < 1)
		return NULL;
	if (size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
		at = 3;
	for (; number > 1 && at < size; number--)
		at += lines_length(bytes, size, at);
	if (at >= size)
		return NULL;
	length = lines_length(bytes, size, at);
	while (length > 0 && (bytes[at + length - 1] == '\n' || bytes[at + length - 1] == '\r'))
		length--;
	python_lines_encoding(bytes, size, encoding);
	line = PyUnicode_Decode(bytes + at, (Py_ssize_t)length, encoding, "replace");
	PyErr_Clear();
	return line;
}

static PyObject *
lines_decode(PyObject *bytes)
{
	char encoding[LINES_ENCODING_BYTES];
	const char *data = PyBytes_AS_STRING(bytes);
	Py_ssize_t size = PyBytes_GET_SIZE(bytes);

	python_lines_encoding(data, (size_t)size, encoding);
	if (size >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0) {
		data += 3;
		size -= 3;
	}
	return PyUnicode_Decode(data, size, encoding, "strict");
}

PyObject *
python_lines_utf8(PyObject *bytes)
{
	char encoding[LINES_ENCODING_BYTES];
	PyObject *text, *result = NULL;

	python_lines_encoding(PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes), encoding);
	if (strcmp(encoding, "utf-8") == 0) {
		Py_INCREF(bytes);
		return bytes;
	}
	text = lines_decode(bytes);
	if (text != NULL)
		result = PyUnicode_AsUTF8String(text);
	Py_XDECREF(text);
	return result;
}

static Py_ssize_t
lines_len(PyObject *self)
{
	return PyUnicode_GET_LENGTH(((struct lines_object *)(void *)self)->text);
}

static int
lines_append(PyObject *list, PyObject *text, Py_ssize_t start, Py_ssize_t end)
{
	PyObject *line = PyUnicode_Substring(text, start, end);
	int code = line == NULL ? -1 : PyList_Append(list, line);

	Py_XDECREF(line);
	return code;
}

static PyObject *
lines_splitlines(PyObject *self, PyObject *unused)
{
	PyObject *text = ((struct lines_object *)(void *)self)->text;
	Py_ssize_t size = PyUnicode_GET_LENGTH(text), start = 0;
	PyObject *list = PyList_New(0);

	if (list == NULL)
		return NULL;
	while (start < size) {
		Py_ssize_t end = start;
		Py_UCS4 c = 0;

		while (end < size && (c = PyUnicode_READ_CHAR(text, end)) != '\n' && c != '\r')
			end++;
		if (lines_append(list, text, start, end) < 0) {
			Py_DECREF(list);
			return NULL;
		}
		start = end + 1;
		if (c == '\r' && start < size && PyUnicode_READ_CHAR(text, start) == '\n')
			start++;
	}
	return list;
}

static void
lines_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	Py_XDECREF(((struct lines_object *)(void *)self)->text);
	type->tp_free(self);
	Py_DECREF(type);
}

static PyMethodDef LINES_METHODS[] = {
    {"splitlines", lines_splitlines, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot LINES_SLOTS[] = {
    {Py_tp_dealloc, lines_dealloc},
    {Py_sq_length, lines_len},
    {Py_tp_methods, LINES_METHODS},
    {0, NULL},
};

static PyType_Spec LINES_SPEC = {
    "builtins.source",
    sizeof(struct lines_object),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    LINES_SLOTS,
};

int
python_lines_prepare(void)
{
	if (lines_type == NULL)
		lines_type = (PyTypeObject *)(void *)PyType_FromSpec(&LINES_SPEC);
	return lines_type == NULL ? -1 : 0;
}

PyObject *
python_lines_new(PyObject *bytes)
{
	PyObject *text = lines_decode(bytes), *self;

	if (text == NULL)
		return NULL;
	self = lines_type->tp_alloc(lines_type, 0);
	if (self == NULL)
		Py_DECREF(text);
	else
		((struct lines_object *)(void *)self)->text = text;
	return self;
}
