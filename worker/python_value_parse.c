/*
 * JSON text to Python objects, for the inputs and arguments of a job.
 *
 * The text has been checked by stintd before it came here; this reader is strict all the same, and
 * never reads past its end. It builds exact dicts, lists, strings, ints, floats, so no code of the
 * tenant's runs, and depends on no module that a tenant could have changed. Nesting is bounded.
 * Called by python_host.c with the GIL held; fails with NULL and a Python exception.
 */
#include "worker/python_value.h"

#include "protocol/limits.h"
#include "worker/python_value_digits.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Room above a request's own nesting: inputs are themselves members of the request. */
#define DEPTH_MAX (JSON_DEPTH_MAX + 2u)

struct reader {
	const char *json; /* borrowed */
	size_t size, at;
	unsigned depth;
};

static PyObject *read_value(struct reader *reader);

static PyObject *
fault(const struct reader *reader, const char *what)
{
	if (!PyErr_Occurred())
		PyErr_Format(PyExc_ValueError, "JSON text, byte %zu: %s", reader->at, what);
	return NULL;
}

static void
skip_space(struct reader *reader)
{
	while (reader->at < reader->size) {
		char c = reader->json[reader->at];

		if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
			break;
		reader->at++;
	}
}

/* The next byte after blanks, or 0 at the end. */
static char
peek(struct reader *reader)
{
	skip_space(reader);
	return reader->at < reader->size ? reader->json[reader->at] : '\0';
}

static bool
take(struct reader *reader, char c)
{
	if (peek(reader) != c || reader->at >= reader->size)
		return false;
	reader->at++;
	return true;
}

static PyObject *
read_word(struct reader *reader, const char *word, PyObject *object)
{
	size_t length = strlen(word);

	if (reader->size - reader->at < length ||
	    memcmp(reader->json + reader->at, word, length) != 0)
		return fault(reader, "not a JSON value");
	reader->at += length;
	return Py_NewRef(object);
}

/* ---- numbers ------------------------------------------------------------------------------- */

static size_t
digit_run(const struct reader *reader, size_t at)
{
	size_t end = at;

	while (end < reader->size && reader->json[end] >= '0' && reader->json[end] <= '9')
		end++;
	return end - at;
}

static PyObject *
read_float(struct reader *reader, size_t start, size_t end)
{
	size_t length = end - start;
	char few[128], *text = length < sizeof(few) ? few : PyMem_RawMalloc(length + 1);
	PyObject *result = NULL;
	double number;

	if (text == NULL)
		return PyErr_NoMemory();
	memcpy(text, reader->json + start, length);
	text[length] = '\0';
	number = PyOS_string_to_double(text, NULL, NULL);
	if (text != few)
		PyMem_RawFree(text);
	if (!PyErr_Occurred())
		result = isfinite(number) ? PyFloat_FromDouble(number)
					  : fault(reader, "number out of range");
	return result;
}

static PyObject *
read_number(struct reader *reader)
{
	size_t start = reader->at, at = start, digits, first;
	bool is_float = false;

	if (reader->json[at] == '-')
		at++;
	first = at;
	digits = digit_run(reader, at);
	if (digits == 0 || (digits > 1 && reader->json[at] == '0'))
		return fault(reader, "not a JSON number");
	at += digits;
	if (at < reader->size && reader->json[at] == '.') {
		size_t fraction = digit_run(reader, at + 1);

		if (fraction == 0)
			return fault(reader, "not a JSON number");
		at += 1 + fraction;
		is_float = true;
	}
	if (at < reader->size && (reader->json[at] == 'e' || reader->json[at] == 'E')) {
		size_t exponent;

		at++;
		if (at < reader->size && (reader->json[at] == '+' || reader->json[at] == '-'))
			at++;
		exponent = digit_run(reader, at);
		if (exponent == 0)
			return fault(reader, "not a JSON number");
		at += exponent;
		is_float = true;
	}
	reader->at = at;
	if (is_float)
		return read_float(reader, start, at);
	return python_value_digits_parse(reader->json + first, digits, first > start);
}

/* ---- strings ------------------------------------------------------------------------------- */

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Four hex digits at *at; -1 when there are none. */
static int32_t
hex4(const char *text, size_t size, size_t *at)
{
	int32_t value = 0;

	if (size - *at < 4)
		return -1;
	for (size_t i = 0; i < 4; i++) {
		int nibble = hex_value(text[*at + i]);

		if (nibble < 0)
			return -1;
		value = value << 4 | nibble;
	}
	*at += 4;
	return value;
}

/* The character of \uXXXX, with a second \uXXXX when it starts a pair; -1 when it is not valid. */
static int32_t
unicode_escape(const char *text, size_t size, size_t *at)
{
	int32_t high = hex4(text, size, at), low;

	if (high < 0xd800 || high > 0xdfff)
		return high;
	if (high > 0xdbff || size - *at < 6 || text[*at] != '\\' || text[*at + 1] != 'u')
		return -1;
	*at += 2;
	low = hex4(text, size, at);
	if (low < 0xdc00 || low > 0xdfff)
		return -1;
	return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

static size_t
put_utf8(char *out, int32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* Undo the escapes of `size` bytes into ret_text (as many bytes: an escape is longer than what it
 * means). Returns the size, or SIZE_MAX. */
static size_t
unescape(const char *text, size_t size, char *ret_text)
{
	static const char LETTERS[] = "btnfr\"\\/", MEANT[] = "\b\t\n\f\r\"\\/";
	size_t at = 0, out = 0;

	while (at < size) {
		const char *letter;

		if (text[at] != '\\') {
			ret_text[out++] = text[at++];
			continue;
		}
		if (++at >= size)
			return SIZE_MAX;
		letter = text[at] != '\0' ? strchr(LETTERS, text[at]) : NULL;
		if (letter) {
			ret_text[out++] = MEANT[letter - LETTERS];
			at++;
		} else if (text[at] == 'u') {
			int32_t c;

			at++;
			c = unicode_escape(text, size, &at);
			if (c < 0)
				return SIZE_MAX;
			out += put_utf8(ret_text + out, c);
		} else {
			return SIZE_MAX;
		}
	}
	return out;
}

static PyObject *
read_string(struct reader *reader)
{
	const char *start = reader->json + reader->at + 1;
	size_t room = reader->size - reader->at - 1, length = 0;
	bool escaped = false;
	PyObject *result;
	char *text;

	while (length < room && start[length] != '"') {
		if ((unsigned char)start[length] < 0x20)
			return fault(reader, "control character in a string");
		if (start[length] == '\\') {
			escaped = true;
			length++;
		}
		length++;
	}
	if (length >= room)
		return fault(reader, "string without an end");
	reader->at += length + 2;
	if (!escaped)
		return PyUnicode_DecodeUTF8(start, (Py_ssize_t)length, "strict");
	text = PyMem_RawMalloc(length);
	if (text == NULL)
		return PyErr_NoMemory();
	length = unescape(start, length, text);
	result = length == SIZE_MAX ? fault(reader, "escape without a meaning")
				    : PyUnicode_DecodeUTF8(text, (Py_ssize_t)length, "strict");
	PyMem_RawFree(text);
	return result;
}

/* ---- containers ---------------------------------------------------------------------------- */

static PyObject *
read_array(struct reader *reader)
{
	PyObject *list = PyList_New(0);

	reader->at++;
	if (list == NULL || take(reader, ']'))
		return list;
	do {
		PyObject *item = read_value(reader);
		int rc = item ? PyList_Append(list, item) : -1;

		Py_XDECREF(item);
		if (rc < 0)
			goto fail;
	} while (take(reader, ','));
	if (take(reader, ']'))
		return list;
	(void)fault(reader, "',' or ']' expected");
fail:
	Py_DECREF(list);
	return NULL;
}

static int
read_pair(struct reader *reader, PyObject *dict)
{
	PyObject *key = NULL, *value = NULL;
	int rc = -1;

	if (peek(reader) == '"')
		key = read_string(reader);
	else
		(void)fault(reader, "key expected");
	if (key) /* they become names of globals, or repeat */
		PyUnicode_InternInPlace(&key);
	if (key && !take(reader, ':'))
		(void)fault(reader, "':' expected");
	else if (key)
		value = read_value(reader);
	if (value)
		rc = PyDict_SetItem(dict, key, value);
	Py_XDECREF(key);
	Py_XDECREF(value);
	return rc;
}

static PyObject *
read_object(struct reader *reader)
{
	PyObject *dict = PyDict_New();

	reader->at++;
	if (dict == NULL || take(reader, '}'))
		return dict;
	do {
		if (read_pair(reader, dict) < 0)
			goto fail;
	} while (take(reader, ','));
	if (take(reader, '}'))
		return dict;
	(void)fault(reader, "',' or '}' expected");
fail:
	Py_DECREF(dict);
	return NULL;
}

static PyObject *
read_container(struct reader *reader, bool is_object)
{
	PyObject *result;

	if (reader->depth == DEPTH_MAX)
		return fault(reader, "nested too deep");
	reader->depth++;
	result = is_object ? read_object(reader) : read_array(reader);
	reader->depth--;
	return result;
}

static PyObject *
read_value(struct reader *reader)
{
	char c = peek(reader);

	switch (c) {
	case '{':
		return read_container(reader, true);
	case '[':
		return read_container(reader, false);
	case '"':
		return read_string(reader);
	case 'n':
		return read_word(reader, "null", Py_None);
	case 't':
		return read_word(reader, "true", Py_True);
	case 'f':
		return read_word(reader, "false", Py_False);
	default:
		if (c == '-' || (c >= '0' && c <= '9'))
			return read_number(reader);
		return fault(reader, "not a JSON value");
	}
}

PyObject *
python_value_parse(const char *json, size_t size)
{
	struct reader reader = {.json = json, .size = size};
	PyObject *result = read_value(&reader);

	if (result && (skip_space(&reader), reader.at < reader.size)) {
		(void)fault(&reader, "more than one value");
		Py_CLEAR(result);
	}
	return result;
}
