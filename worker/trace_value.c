/*
 * Texts of values for a trace: see the header for what it shows.
 *
 * The objects belong to a hostile program that is in the midst of an instruction: containers may
 * hold empty slots, texts may hold lone surrogates, subclasses may lie about everything. So only
 * exact types are read, through C structures and functions that call nothing back. Called by
 * trace_event.c. Fails never; lack of memory shows in the text.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#define Py_BUILD_CORE
#include <internal/pycore_moduleobject.h>

#include "worker/trace_value.h"

#include <stdio.h>
#include <string.h>

#define VALUE_DEPTH_MAX  2 /* containers in containers */
#define VALUE_DIGITS_MAX 8 /* of an int, of 30 bits: quadratic beyond, and not readable */
#define VALUE_LOOK_MAX   TRACE_VALUE_BYTES /* characters of a str or bytes looked at */

static void value_put(struct trace_value *self, PyObject *object, int depth);

static void
value_bytes(struct trace_value *self, const char *bytes, size_t size)
{
	if (self->cut || self->size + size > TRACE_VALUE_BYTES) {
		self->cut = true;
		return;
	}
	memcpy(self->text + self->size, bytes, size);
	self->size += size;
}

static void
value_text(struct trace_value *self, const char *text)
{
	size_t size = strlen(text);
	size_t room = TRACE_VALUE_BYTES - self->size;

	if (!self->cut && size > room) {
		value_bytes(self, text, room);
		self->cut = true;
	}
	value_bytes(self, text, size);
}

static void
value_utf8(struct trace_value *self, Py_UCS4 c)
{
	char bytes[4];
	size_t size = 0;

	if (c < 0x80) {
		bytes[size++] = (char)c;
	} else if (c < 0x800) {
		bytes[size++] = (char)(0xc0 | c >> 6);
	} else if (c < 0x10000) {
		bytes[size++] = (char)(0xe0 | c >> 12);
		bytes[size++] = (char)(0x80 | (c >> 6 & 63));
	} else {
		bytes[size++] = (char)(0xf0 | c >> 18);
		bytes[size++] = (char)(0x80 | (c >> 12 & 63));
		bytes[size++] = (char)(0x80 | (c >> 6 & 63));
	}
	if (c >= 0x80)
		bytes[size++] = (char)(0x80 | (c & 63));
	value_bytes(self, bytes, size);
}

/* One character inside quotes, as repr() writes it. */
static void
value_quoted(struct trace_value *self, Py_UCS4 c, char quote, bool is_bytes)
{
	char escape[12];

	if (c == (Py_UCS4)quote || c == '\\')
		(void)snprintf(escape, sizeof(escape), "\\%c", (char)c);
	else if (c == '\n' || c == '\r' || c == '\t')
		(void)snprintf(escape, sizeof(escape), "\\%c",
			       c == '\n'   ? 'n'
			       : c == '\r' ? 'r'
					   : 't');
	else if (c < 0x20 || c == 0x7f || (c >= 0x7f && c <= 0xff && is_bytes) ||
		 (c <= 0xff && !Py_UNICODE_ISPRINTABLE(c)))
		(void)snprintf(escape, sizeof(escape), "\\x%02x", (unsigned)c);
	else if (!Py_UNICODE_ISPRINTABLE(c) && c <= 0xffff)
		(void)snprintf(escape, sizeof(escape), "\\u%04x", (unsigned)c);
	else if (!Py_UNICODE_ISPRINTABLE(c))
		(void)snprintf(escape, sizeof(escape), "\\U%08x", (unsigned)c);
	else {
		value_utf8(self, c);
		return;
	}
	value_bytes(self, escape, strlen(escape));
}

static void
value_str(struct trace_value *self, PyObject *object)
{
	Py_ssize_t length = PyUnicode_GET_LENGTH(object);
	Py_ssize_t look = length < VALUE_LOOK_MAX ? length : VALUE_LOOK_MAX;
	bool single = false, doubled = false;

	for (Py_ssize_t i = 0; i < look; i++) {
		single |= PyUnicode_READ_CHAR(object, i) == '\'';
		doubled |= PyUnicode_READ_CHAR(object, i) == '"';
	}
	char quote = single && !doubled ? '"' : '\'';
	value_bytes(self, &quote, 1);
	for (Py_ssize_t i = 0; i < look; i++)
		value_quoted(self, PyUnicode_READ_CHAR(object, i), quote, false);
	if (look < length)
		self->cut = true;
	value_bytes(self, &quote, 1);
}

static void
value_of_bytes(struct trace_value *self, const char *open, const char *bytes, Py_ssize_t length)
{
	Py_ssize_t look = length < VALUE_LOOK_MAX ? length : VALUE_LOOK_MAX;

	value_text(self, open);
	for (Py_ssize_t i = 0; i < look; i++)
		value_quoted(self, (unsigned char)bytes[i], '\'', true);
	if (look < length)
		self->cut = true;
	value_text(self, "'");
}

static void
value_int(struct trace_value *self, PyObject *object)
{
	Py_ssize_t digits = Py_SIZE(object) < 0 ? -Py_SIZE(object) : Py_SIZE(object);
	char text[64];

	if (digits > VALUE_DIGITS_MAX) {
		(void)snprintf(text, sizeof(text), "<int of %zu bits>", _PyLong_NumBits(object));
		PyErr_Clear();
		value_text(self, text);
		return;
	}
	PyObject *decimal = PyLong_Type.tp_repr(object);
	if (decimal == NULL) {
		PyErr_Clear();
		value_text(self, "<int>");
		return;
	}
	value_text(self, (const char *)PyUnicode_1BYTE_DATA(decimal));
	Py_DECREF(decimal);
}

static void
value_float(struct trace_value *self, double number)
{
	char *text = PyOS_double_to_string(number, 'r', 0, Py_DTSF_ADD_DOT_0, NULL);

	if (text == NULL)
		PyErr_Clear();
	value_text(self, text != NULL ? text : "<float>");
	PyMem_Free(text);
}

static void
value_items(struct trace_value *self, const char *open, PyObject *const *items, Py_ssize_t count,
	    const char *close, int depth)
{
	value_text(self, open);
	for (Py_ssize_t i = 0; i < count && !self->cut; i++) {
		if (i > 0)
			value_text(self, ", ");
		value_put(self, items[i], depth + 1);
	}
	value_text(self, close);
}

static void
value_dict(struct trace_value *self, PyObject *object, int depth)
{
	PyObject *key, *value;
	Py_ssize_t at = 0;
	bool first = true;

	value_text(self, "{");
	while (!self->cut && PyDict_Next(object, &at, &key, &value)) {
		value_text(self, first ? "" : ", ");
		first = false;
		value_put(self, key, depth + 1);
		value_text(self, ": ");
		value_put(self, value, depth + 1);
	}
	value_text(self, "}");
}

static void
value_set(struct trace_value *self, PyObject *object, int depth)
{
	PyObject *key;
	Py_hash_t hash;
	Py_ssize_t at = 0;
	bool first = true, frozen = PyFrozenSet_CheckExact(object);

	value_text(self, frozen ? "frozenset({" : "{");
	while (!self->cut && _PySet_NextEntry(object, &at, &key, &hash)) {
		value_text(self, first ? "" : ", ");
		first = false;
		value_put(self, key, depth + 1);
	}
	value_text(self, frozen ? "})" : "}");
}

static void
value_container(struct trace_value *self, PyObject *object, int depth)
{
	if (depth >= VALUE_DEPTH_MAX)
		value_text(self, "...");
	else if (PyTuple_CheckExact(object))
		value_items(self, "(", ((PyTupleObject *)object)->ob_item, Py_SIZE(object),
			    Py_SIZE(object) == 1 ? ",)" : ")", depth);
	else if (PyList_CheckExact(object))
		value_items(self, "[", ((PyListObject *)object)->ob_item, Py_SIZE(object), "]",
			    depth);
	else if (PyDict_CheckExact(object))
		value_dict(self, object, depth);
	else if (PySet_GET_SIZE(object) == 0)
		value_text(self, PyFrozenSet_CheckExact(object) ? "frozenset()" : "set()");
	else
		value_set(self, object, depth);
}

/* "<what name>"; the name may be no str. */
static void
value_named(struct trace_value *self, const char *what, PyObject *name)
{
	value_text(self, "<");
	value_text(self, what);
	if (name != NULL && PyUnicode_Check(name)) {
		struct trace_value text;
		trace_value_name(name, &text);
		value_text(self, " ");
		for (size_t i = 0; i < text.size; i++)
			value_bytes(self, &text.text[i], 1);
	}
	value_text(self, ">");
}

static void
value_type(struct trace_value *self, const char *before, PyTypeObject *type, const char *after)
{
	value_text(self, before);
	value_text(self, type->tp_name != NULL ? type->tp_name : "?");
	value_text(self, after);
}

static void
value_exception(struct trace_value *self, PyObject *object, int depth)
{
	PyObject *args = ((PyBaseExceptionObject *)object)->args;

	value_type(self, "", Py_TYPE(object), "");
	if (args != NULL && PyTuple_CheckExact(args) && depth < VALUE_DEPTH_MAX)
		value_items(self, "(", ((PyTupleObject *)args)->ob_item, Py_SIZE(args), ")", depth);
}

/* Attributes of a range are C members of an exact type. */
static void
value_range(struct trace_value *self, PyObject *object)
{
	static const char *const NAMES[] = {"start", "stop", "step"};

	value_text(self, "range(");
	for (int i = 0; i < 3; i++) {
		PyObject *part = PyObject_GetAttrString(object, NAMES[i]);
		bool plain =
		    i == 2 && part != NULL && PyLong_CheckExact(part) && PyLong_AsLong(part) == 1;
		if (part == NULL || PyErr_Occurred())
			PyErr_Clear();
		if (part != NULL && !plain) {
			value_text(self, i > 0 ? ", " : "");
			value_put(self, part, VALUE_DEPTH_MAX);
		}
		Py_XDECREF(part);
	}
	value_text(self, ")");
}

/* What has a name of its own. */
static void
value_other(struct trace_value *self, PyObject *object, int depth)
{
	if (PyFunction_Check(object)) {
		value_named(self, "function", ((PyFunctionObject *)object)->func_qualname);
	} else if (PyMethod_Check(object)) {
		PyObject *function = PyMethod_GET_FUNCTION(object);
		bool plain = function != NULL && PyFunction_Check(function);
		value_named(self, "bound method",
			    plain ? ((PyFunctionObject *)function)->func_qualname : NULL);
	} else if (PyCFunction_Check(object)) {
		value_text(self, "<built-in function ");
		value_text(self, ((PyCFunctionObject *)object)->m_ml->ml_name);
		value_text(self, ">");
	} else if (PyType_Check(object)) {
		value_type(self, "<class ", (PyTypeObject *)object, ">");
	} else if (PyModule_CheckExact(object)) {
		value_named(self, "module", ((PyModuleObject *)object)->md_name);
	} else if (PyCode_Check(object)) {
		value_named(self, "code object", ((PyCodeObject *)object)->co_qualname);
	} else if (PyExceptionInstance_Check(object)) {
		value_exception(self, object, depth);
	} else {
		value_type(self, "<", Py_TYPE(object), " object>");
	}
}

static void
value_put(struct trace_value *self, PyObject *object, int depth)
{
	if (object == NULL)
		value_text(self, "<empty>");
	else if (object == Py_None)
		value_text(self, "None");
	else if (object == Py_Ellipsis)
		value_text(self, "Ellipsis");
	else if (PyBool_Check(object))
		value_text(self, object == Py_True ? "True" : "False");
	else if (PyLong_CheckExact(object))
		value_int(self, object);
	else if (PyFloat_CheckExact(object))
		value_float(self, PyFloat_AS_DOUBLE(object));
	else if (PyUnicode_CheckExact(object))
		value_str(self, object);
	else if (PyBytes_CheckExact(object))
		value_of_bytes(self, "b'", PyBytes_AS_STRING(object), PyBytes_GET_SIZE(object));
	else if (PyTuple_CheckExact(object) || PyList_CheckExact(object) ||
		 PyDict_CheckExact(object) || PyAnySet_CheckExact(object))
		value_container(self, object, depth);
	else if (Py_IS_TYPE(object, &PyRange_Type))
		value_range(self, object);
	else
		value_other(self, object, depth);
}

static void
value_finish(struct trace_value *self)
{
	if (!self->cut)
		return;
	memcpy(self->text + self->size, "...", 3);
	self->size += 3;
}

void
trace_value_repr(PyObject *object, struct trace_value *ret_value)
{
	ret_value->size = 0;
	ret_value->cut = false;
	value_put(ret_value, object, 0);
	value_finish(ret_value);
}

void
trace_value_name(PyObject *object, struct trace_value *ret_value)
{
	ret_value->size = 0;
	ret_value->cut = false;
	if (object == NULL || !PyUnicode_Check(object) || PyUnicode_READY(object) < 0) {
		PyErr_Clear();
		value_text(ret_value, "?");
		return;
	}
	for (Py_ssize_t i = 0; i < PyUnicode_GET_LENGTH(object) && !ret_value->cut; i++) {
		Py_UCS4 c = PyUnicode_READ_CHAR(object, i);
		value_utf8(ret_value, c >= 0xd800 && c < 0xe000 ? '?' : c);
	}
	value_finish(ret_value);
}
