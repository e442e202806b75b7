/*
 * Python objects to JSON text, for the value and the variables that a job gives back.
 *
 * The objects are the tenant's, so nothing of them is called: a type is judged by the flag bits
 * that CPython keeps in it, and contents are read from the C storage of dict, list, tuple, str, int
 * and float, whatever a subclass overrides. Since no code runs, nothing changes while it is read.
 * What JSON lacks is refused with the path to it. Called by python_host.c with the GIL held; fails
 * with an enum python_value_code, never with a Python exception.
 */
#include "worker/python_value.h"

#include "protocol/limits.h"
#include "worker/python_output_encode.h"
#include "worker/python_value_digits.h"

#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BYTES     4096u
#define PATH_NAME_CHARS 32 /* of a key in a path */
#define TYPE_NAME_CHARS 64

/* Where the writer is: one step per container that is open, for cycles and for the path. */
struct step {
	PyObject *container; /* borrowed */
	PyObject *key;       /* borrowed: str; NULL in a list or tuple */
	Py_ssize_t index;
};

struct walk {
	struct value_writer *writer; /* borrowed */
	struct step steps[JSON_DEPTH_MAX];
	unsigned depth;
};

static int write_object(struct walk *walk, PyObject *value);

void
python_value_writer_init(struct value_writer *ret_writer, const char *root, size_t max)
{
	memset(ret_writer, 0, sizeof(*ret_writer));
	ret_writer->root = root;
	ret_writer->max = max;
}

void
python_value_writer_deinit(struct value_writer *writer)
{
	PyMem_RawFree(writer->bytes);
	writer->bytes = NULL;
	writer->size = writer->capacity = 0;
}

/* Room for `size` more bytes, which the caller then fills at bytes + size. */
static int
reserve(struct value_writer *writer, size_t size)
{
	size_t need, capacity = writer->capacity ? writer->capacity : FIRST_BYTES;
	char *bytes;

	if (size > writer->max - writer->size)
		return PYTHON_VALUE_TOO_LARGE;
	need = writer->size + size;
	if (need <= writer->capacity)
		return 0;
	while (capacity < need)
		capacity *= 2;
	if (capacity > writer->max)
		capacity = writer->max;
	bytes = PyMem_RawRealloc(writer->bytes, capacity);
	if (bytes == NULL)
		return PYTHON_VALUE_NO_MEMORY;
	writer->bytes = bytes;
	writer->capacity = capacity;
	return 0;
}

static int
put(struct value_writer *writer, const void *bytes, size_t size)
{
	int rc = reserve(writer, size);

	if (rc < 0)
		return rc;
	memcpy(writer->bytes + writer->size, bytes, size);
	writer->size += size;
	return 0;
}

static int
put_text(struct value_writer *writer, const char *text)
{
	return put(writer, text, strlen(text));
}

/* ---- reasons ------------------------------------------------------------------------------- */

static void reason_add(struct value_writer *writer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void
reason_add(struct value_writer *writer, const char *format, ...)
{
	size_t used = strlen(writer->reason);
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(writer->reason + used, sizeof(writer->reason) - used, format, arguments);
	va_end(arguments);
}

/* A key of the path: letters, digits and '_' as they are, else quoted with what is odd left out. */
static void
reason_key(struct value_writer *writer, PyObject *key)
{
	Py_ssize_t length = PyUnicode_GET_LENGTH(key), shown = 0;
	char name[PATH_NAME_CHARS + 1];
	int plain = length > 0 && length <= PATH_NAME_CHARS;

	for (; shown < length && shown < PATH_NAME_CHARS; shown++) {
		Py_UCS4 c = PyUnicode_READ_CHAR(key, shown);

		name[shown] = c >= 0x20 && c < 0x7f && c != '"' && c != '\\' ? (char)c : '?';
		plain = plain && (Py_ISALNUM(name[shown]) || c == '_');
	}
	name[shown] = '\0';
	if (plain)
		reason_add(writer, ".%s", name);
	else
		reason_add(writer, "[\"%s%s\"]", name, shown < length ? "..." : "");
}

/* A type's name is the tenant's text: shown as one short run of printable ASCII. */
static void
reason_type(struct value_writer *writer, PyObject *value)
{
	const char *name = Py_TYPE(value)->tp_name;
	char shown[TYPE_NAME_CHARS + 1];
	size_t i = 0;

	for (; i < TYPE_NAME_CHARS && name[i] != '\0'; i++)
		shown[i] = name[i] >= 0x20 && name[i] < 0x7f ? name[i] : '?';
	shown[i] = '\0';
	reason_add(writer, "%s ", shown);
}

/* PYTHON_VALUE_REFUSED with "path: type what". `type` may be NULL. */
static int
refuse(struct walk *walk, PyObject *value, const char *what)
{
	struct value_writer *writer = walk->writer;

	writer->reason[0] = '\0';
	reason_add(writer, "%s", writer->root);
	for (unsigned i = 0; i < walk->depth; i++) {
		const struct step *step = &walk->steps[i];

		if (step->key)
			reason_key(writer, step->key);
		else
			reason_add(writer, "[%zd]", step->index);
	}
	reason_add(writer, ": ");
	if (value)
		reason_type(writer, value);
	reason_add(writer, "%s", what);
	return PYTHON_VALUE_REFUSED;
}

/* ---- scalars ------------------------------------------------------------------------------- */

static int
write_int(struct walk *walk, PyObject *value)
{
	struct value_writer *writer = walk->writer;
	char few[64], *text = few;
	size_t room = python_value_digits_max(value), size;
	int rc;

	/* Said before the digits are worked out, which takes long for many. */
	if (python_value_digits_min(value) > writer->max - writer->size)
		return PYTHON_VALUE_TOO_LARGE;
	if (room > sizeof(few))
		text = PyMem_RawMalloc(room);
	if (text == NULL)
		return PYTHON_VALUE_NO_MEMORY;
	size = python_value_digits_write(value, text);
	rc = size > 0 ? put(writer, text, size) : PYTHON_VALUE_NO_MEMORY;
	if (text != few)
		PyMem_RawFree(text);
	return rc;
}

static int
write_float(struct walk *walk, PyObject *value)
{
	double number = PyFloat_AS_DOUBLE(value);
	char *text;
	int rc;

	if (!isfinite(number))
		return refuse(walk, NULL,
			      isnan(number) ? "nan cannot be expressed in JSON"
					    : "inf cannot be expressed in JSON");
	text = PyOS_double_to_string(number, 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
	if (text == NULL) {
		PyErr_Clear();
		return PYTHON_VALUE_NO_MEMORY;
	}
	rc = put_text(walk->writer, text);
	PyMem_Free(text);
	return rc;
}

/* Characters that stand for themselves between quotes, from `at` on. */
static Py_ssize_t
clean_run(unsigned kind, const void *data, Py_ssize_t at, Py_ssize_t length)
{
	Py_ssize_t end = at;

	for (; end < length; end++) {
		Py_UCS4 c = PyUnicode_READ(kind, data, end);

		if (c < 0x20 || c == '"' || c == '\\')
			break;
	}
	return end - at;
}

static int
write_escape(struct value_writer *writer, Py_UCS4 c)
{
	static const char LETTERS[] = "\b\t\n\f\r\"\\", SHORT[] = "btnfr\"\\";
	const char *letter = c > 0 ? strchr(LETTERS, (int)c) : NULL;
	char text[8];

	if (letter)
		(void)snprintf(text, sizeof(text), "\\%c", SHORT[letter - LETTERS]);
	else
		(void)snprintf(text, sizeof(text), "\\u%04x", (unsigned)c & 0xff);
	return put_text(writer, text);
}

static int
write_run(struct walk *walk, unsigned kind, const void *data, Py_ssize_t at, Py_ssize_t run)
{
	struct value_writer *writer = walk->writer;
	const uint8_t *start = (const uint8_t *)data + (size_t)at * kind;
	size_t size = python_output_encode_size(kind, start, (size_t)run), done = 0;
	int rc;

	if (size == OUTPUT_ENCODE_REFUSED)
		return refuse(walk, NULL, "a lone surrogate cannot be expressed in JSON");
	rc = reserve(writer, size);
	if (rc < 0)
		return rc;
	(void)python_output_encode(kind, start, (size_t)run, &done,
				   (uint8_t *)writer->bytes + writer->size, size);
	writer->size += size;
	return 0;
}

static int
write_string(struct walk *walk, PyObject *value)
{
	unsigned kind;
	const void *data;
	Py_ssize_t length, at = 0;
	int rc;

	if (PyUnicode_READY(value) < 0) {
		PyErr_Clear();
		return PYTHON_VALUE_NO_MEMORY;
	}
	kind = (unsigned)PyUnicode_KIND(value);
	data = PyUnicode_DATA(value);
	length = PyUnicode_GET_LENGTH(value);
	rc = put_text(walk->writer, "\"");
	while (rc == 0 && at < length) {
		Py_ssize_t run = clean_run(kind, data, at, length);

		if (run > 0)
			rc = write_run(walk, kind, data, at, run);
		at += run;
		if (rc == 0 && at < length) {
			rc = write_escape(walk->writer, PyUnicode_READ(kind, data, at));
			at++;
		}
	}
	return rc < 0 ? rc : put_text(walk->writer, "\"");
}

/* ---- containers ---------------------------------------------------------------------------- */

/* Open a container, or refuse it. */
static int
enter(struct walk *walk, PyObject *container)
{
	for (unsigned i = 0; i < walk->depth; i++)
		if (walk->steps[i].container == container)
			return refuse(walk, container, "contains itself");
	if (walk->depth == JSON_DEPTH_MAX)
		return refuse(walk, NULL, "nested too deep for JSON");
	walk->steps[walk->depth++] = (struct step){.container = container};
	return 0;
}

static int
write_sequence(struct walk *walk, PyObject *sequence)
{
	int is_list = PyList_Check(sequence);
	Py_ssize_t count = is_list ? PyList_GET_SIZE(sequence) : PyTuple_GET_SIZE(sequence);
	int rc = enter(walk, sequence);

	if (rc < 0)
		return rc;
	rc = put_text(walk->writer, "[");
	for (Py_ssize_t i = 0; i < count && rc == 0; i++) {
		walk->steps[walk->depth - 1].index = i;
		if (i > 0)
			rc = put_text(walk->writer, ",");
		if (rc == 0)
			rc = write_object(walk, is_list ? PyList_GET_ITEM(sequence, i)
							: PyTuple_GET_ITEM(sequence, i));
	}
	if (rc < 0)
		return rc;
	walk->depth--;
	return put_text(walk->writer, "]");
}

static int
write_pair(struct walk *walk, PyObject *key, PyObject *value)
{
	int rc;

	if (!PyUnicode_Check(key)) {
		walk->depth--; /* the path names the dict */
		return refuse(walk, key, "key cannot be expressed in JSON");
	}
	if (PyUnicode_READY(key) < 0) {
		PyErr_Clear();
		return PYTHON_VALUE_NO_MEMORY;
	}
	walk->steps[walk->depth - 1].key = key;
	rc = write_string(walk, key);
	if (rc == 0)
		rc = put_text(walk->writer, ":");
	return rc < 0 ? rc : write_object(walk, value);
}

static int
write_dict(struct walk *walk, PyObject *dict)
{
	PyObject *key, *value;
	Py_ssize_t position = 0, count = 0;
	int rc = enter(walk, dict);

	if (rc < 0)
		return rc;
	rc = put_text(walk->writer, "{");
	while (rc == 0 && PyDict_Next(dict, &position, &key, &value)) {
		if (count++ > 0)
			rc = put_text(walk->writer, ",");
		if (rc == 0)
			rc = write_pair(walk, key, value);
	}
	if (rc < 0)
		return rc;
	walk->depth--;
	return put_text(walk->writer, "}");
}

static int
write_object(struct walk *walk, PyObject *value)
{
	if (value == NULL) /* a slot of a list that is being changed by a thread that was stopped */
		return refuse(walk, NULL, "missing item cannot be expressed in JSON");
	if (value == Py_None)
		return put_text(walk->writer, "null");
	if (PyBool_Check(value))
		return put_text(walk->writer, value == Py_True ? "true" : "false");
	if (PyLong_Check(value))
		return write_int(walk, value);
	if (PyFloat_Check(value))
		return write_float(walk, value);
	if (PyUnicode_Check(value))
		return write_string(walk, value);
	if (PyList_Check(value) || PyTuple_Check(value))
		return write_sequence(walk, value);
	if (PyDict_Check(value))
		return write_dict(walk, value);
	return refuse(walk, value, "cannot be expressed in JSON");
}

int
python_value_write(PyObject *value, struct value_writer *writer)
{
	struct walk walk = {.writer = writer};
	PyObject *type, *error, *trace;
	size_t before = writer->size;
	int rc;

	PyErr_Fetch(&type, &error, &trace);
	writer->reason[0] = '\0';
	rc = write_object(&walk, value);
	if (rc < 0)
		writer->size = before;
	PyErr_Restore(type, error, trace);
	return rc;
}
