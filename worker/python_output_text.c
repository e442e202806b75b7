/*
 * sys.stdout and sys.stderr: io.TextIOWrapper whose pending text is the stage's text level.
 *
 * write() of a string is one copy into the shared page. The base object's own pending list stays
 * empty for as long as the stream is bound, so whatever the base does by itself is right. After
 * reconfigure() to another encoding, error handler or newline, the text is encoded by CPython's
 * codec and still goes to the stage. Detached, closed or initialised anew, everything is the base's
 * again. Called by CPython and python_output.c; fails with a Python exception.
 */
#include "worker/python_output_types.h"

#include "worker/python_output_encode.h"

#include <string.h>

static PyObject *write_name; /* owned: interned "write"; global as the types are */

static struct output_stream *
live_stream(PyObject *self)
{
	struct output_stream *stream = python_output_types_stream(&python_output_text_type, self);

	return python_output_types_usable(stream) ? stream : NULL;
}

static PyObject *
base_call(PyObject *self, const char *name, PyObject *args, PyObject *kwargs)
{
	return python_output_types_base_call(&python_output_text_type, name, self, args, kwargs);
}

static PyObject *
base_write(PyObject *self, PyObject *text)
{
	PyObject *args = PyTuple_Pack(1, text);
	PyObject *result = args ? base_call(self, "write", args, NULL) : NULL;

	Py_XDECREF(args);
	return result;
}

/* Bytes of `text` by the stream's codec; may run tenant code. New reference or NULL. */
static PyObject *
encode(struct output_stream *stream, PyObject *text)
{
	PyObject *lf, *newline, *translated = NULL, *bytes = NULL;

	if (stream->plain)
		return PyUnicode_AsEncodedString(text, "utf-8", PyUnicode_AsUTF8(stream->errors));
	if (stream->newline[0] != '\0') {
		lf = PyUnicode_FromString("\n");
		newline = PyUnicode_FromString(stream->newline);
		if (lf && newline)
			translated = PyUnicode_Replace(text, lf, newline, -1);
		Py_XDECREF(lf);
		Py_XDECREF(newline);
	} else {
		translated = Py_NewRef(text);
	}
	if (translated)
		bytes = PyObject_CallOneArg(stream->encode, translated);
	Py_XDECREF(translated);
	if (bytes && !PyBytes_Check(bytes)) {
		PyErr_Format(PyExc_TypeError, "encoder should return a bytes object, not '%.200s'",
			     Py_TYPE(bytes)->tp_name);
		Py_CLEAR(bytes);
	}
	return bytes;
}

/* Through CPython's codec. -1 with an exception, 1 when the stream is no longer ours. */
static int
write_encoded(PyObject *self, struct output_stream *stream, PyObject *text)
{
	struct output_source source = {0};
	PyObject *bytes = encode(stream, text);
	int rc;

	if (bytes == NULL)
		return -1;
	if (live_stream(self) != stream) {
		Py_DECREF(bytes);
		return 1;
	}
	source.data = PyBytes_AS_STRING(bytes);
	source.length = source.bytes = (size_t)PyBytes_GET_SIZE(bytes);
	rc = python_output_stage_text(&stream->stage, &source);
	Py_DECREF(bytes);
	if (rc < 0)
		(void)python_output_types_fail(rc);
	return rc < 0 ? -1 : 0;
}

static int
write_plain(PyObject *self, struct output_stream *stream, PyObject *text)
{
	struct output_source source = {
	    .data = PyUnicode_DATA(text),
	    .length = (size_t)PyUnicode_GET_LENGTH(text),
	};
	int rc;

	if (PyUnicode_IS_ASCII(text)) {
		source.bytes = source.length;
	} else {
		source.kind = (unsigned)PyUnicode_KIND(text);
		source.bytes = python_output_encode_size(source.kind, source.data, source.length);
		if (source.bytes == OUTPUT_ENCODE_REFUSED)
			return write_encoded(self, stream, text);
	}
	rc = python_output_stage_text(&stream->stage, &source);
	if (rc < 0)
		(void)python_output_types_fail(rc);
	return rc < 0 ? -1 : 0;
}

static bool
has_line_end(PyObject *text)
{
	Py_ssize_t length = PyUnicode_GET_LENGTH(text);

	return PyUnicode_FindChar(text, '\n', 0, length, 1) >= 0 ||
	       PyUnicode_FindChar(text, '\r', 0, length, 1) >= 0;
}

/* Text level down, and on to the file if `whole`; None or NULL. */
static PyObject *
flush_stage(struct output_stream *stream, bool whole)
{
	int rc = python_output_stage_text_down(&stream->stage);

	if (rc == 0 && whole)
		rc = python_output_stage_flush(&stream->stage);
	if (rc < 0)
		return python_output_types_fail(rc);
	Py_RETURN_NONE;
}

static PyObject *
text_write(PyObject *self, PyObject *text)
{
	struct output_stream *stream = live_stream(self);
	int rc;

	if (stream == NULL || !PyUnicode_Check(text))
		return base_write(self, text);
	if (PyUnicode_READY(text) < 0)
		return NULL;
	rc = stream->plain ? write_plain(self, stream, text) : write_encoded(self, stream, text);
	if (rc < 0)
		return NULL;
	if (rc > 0)
		return base_write(self, text);
	if (stream->line_buffering || stream->write_through) {
		bool whole = stream->line_buffering && has_line_end(text);

		if (whole || stream->write_through) {
			PyObject *none = flush_stage(stream, whole);

			if (none == NULL)
				return NULL;
			Py_DECREF(none);
		}
	}
	return PyLong_FromSsize_t(PyUnicode_GET_LENGTH(text));
}

static PyObject *
text_flush(PyObject *self, PyObject *unused)
{
	struct output_stream *stream = live_stream(self);

	return stream ? flush_stage(stream, true) : base_call(self, "flush", NULL, NULL);
}

/* The object gives the stage up. What is still pending is lost then, as in TextIOWrapper. */
static void
let_go(PyObject *self)
{
	struct output_stream *stream = python_output_types_stream(&python_output_text_type, self);

	if (stream)
		python_output_stage_discard_text(&stream->stage);
	python_output_types_bind(&python_output_text_type, self, NULL);
}

static PyObject *
text_detach(PyObject *self, PyObject *unused)
{
	PyObject *buffer = base_call(self, "detach", NULL, NULL); /* flushes first */

	if (buffer)
		let_go(self);
	return buffer;
}

static int
text_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
	let_go(self);
	return python_output_text_type.base->tp_init(self, args, kwargs);
}

/* What '\n' becomes, from reconfigure's argument, which the base has checked. */
static void
take_newline(struct output_stream *stream, PyObject *newline)
{
	memset(stream->newline, 0, sizeof(stream->newline));
	if (PyUnicode_Check(newline) && PyUnicode_READ_CHAR(newline, 0) == '\r') {
		stream->newline[0] = '\r';
		if (PyUnicode_GET_LENGTH(newline) == 2)
			stream->newline[1] = '\n';
	}
}

static PyObject *
text_reconfigure(PyObject *self, PyObject *args, PyObject *kwargs)
{
	struct output_stream *stream = live_stream(self);
	PyObject *result, *newline;

	if (stream == NULL)
		return base_call(self, "reconfigure", args, kwargs);
	result = base_call(self, "reconfigure", args, kwargs);
	if (result == NULL || live_stream(self) != stream)
		return result;
	newline = kwargs ? PyDict_GetItemString(kwargs, "newline") : NULL;
	if (newline)
		take_newline(stream, newline);
	if (python_output_text_refresh(stream, self) < 0)
		Py_CLEAR(result);
	return result;
}

static int
flag(PyObject *self, const char *name, bool *ret_flag)
{
	PyObject *value = PyObject_GetAttrString(self, name);
	int truth = value ? PyObject_IsTrue(value) : -1;

	Py_XDECREF(value);
	if (truth >= 0)
		*ret_flag = truth != 0;
	return truth < 0 ? -1 : 0;
}

/* The encode method of a new incremental encoder; one that writes a mark first starts without it
 * when there is output already, as TextIOWrapper's does. */
static PyObject *
new_encode(const struct output_stream *stream, const char *encoding)
{
	PyObject *encoder = PyCodec_IncrementalEncoder(encoding, PyUnicode_AsUTF8(stream->errors));
	PyObject *method = NULL, *done = NULL;

	if (encoder == NULL)
		return NULL;
	if (stream->stage.file_bytes > 0 || stream->stage.buffer_bytes > 0)
		done = PyObject_CallMethod(encoder, "setstate", "i", 0);
	else
		done = Py_NewRef(Py_None);
	if (done)
		method = PyObject_GetAttrString(encoder, "encode");
	Py_XDECREF(done);
	Py_DECREF(encoder);
	return method;
}

/* 1 for UTF-8 by any of its names, 0 for another codec, -1 with an exception. */
static int
is_utf8(const char *encoding)
{
	PyObject *info, *name;
	int same;

	if (strcmp(encoding, "utf-8") == 0)
		return 1;
	info = _PyCodec_Lookup(encoding);
	name = info ? PyObject_GetAttrString(info, "name") : NULL;
	Py_XDECREF(info);
	if (name == NULL)
		return -1;
	same = PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, "utf-8") == 0;
	Py_DECREF(name);
	return same;
}

int
python_output_text_refresh(struct output_stream *stream, PyObject *self)
{
	PyObject *encoding = PyObject_GetAttrString(self, "encoding");
	PyObject *errors = encoding ? PyObject_GetAttrString(self, "errors") : NULL;
	const char *name = errors ? PyUnicode_AsUTF8(encoding) : NULL;
	PyObject *method = NULL;
	int plain, rc = -1;

	if (name == NULL || PyUnicode_AsUTF8(errors) == NULL)
		goto out;
	plain = is_utf8(name);
	if (plain < 0)
		goto out;
	Py_XSETREF(stream->errors, Py_NewRef(errors));
	plain = plain && stream->newline[0] == '\0';
	if (!plain) {
		method = new_encode(stream, name);
		if (method == NULL)
			goto out;
	}
	Py_XSETREF(stream->encode, method);
	stream->plain = plain != 0;
	rc = flag(self, "line_buffering", &stream->line_buffering);
	if (rc == 0)
		rc = flag(self, "write_through", &stream->write_through);
out:
	Py_XDECREF(errors);
	Py_XDECREF(encoding);
	return rc;
}

/* The version of the object's __dict__: another one after every change in it. 0: no __dict__ yet.
 */
static uint64_t
dict_version(PyObject *self)
{
	Py_ssize_t offset = python_output_text_type.base->tp_dictoffset;
	PyObject *dict = *(PyObject **)(void *)((char *)self + offset);

	return dict ? ((PyDictObject *)(void *)dict)->ma_version_tag : 0;
}

int
python_output_text_keep_write(struct output_stream *stream, PyObject *self)
{
	PyObject *name = PyUnicode_InternFromString("write"), *method = NULL;

	if (python_output_text_type.base->tp_dictoffset <= 0) {
		PyErr_SetString(PyExc_SystemError, "_io.TextIOWrapper is not that of CPython 3.11");
		Py_XDECREF(name);
		return -1;
	}
	if (name)
		method = PyObject_GenericGetAttr(self, name);
	if (method == NULL) {
		Py_XDECREF(name);
		return -1;
	}
	Py_XSETREF(write_name, name);
	Py_XSETREF(stream->write, method);
	stream->write_version = dict_version(self);
	return 0;
}

bool
python_output_text_is_unchanged(const struct output_stream *stream)
{
	return stream->write_version == dict_version(stream->text);
}

/*
 * print() looks "write" up twice for a line and throws the bound method away each time, which costs
 * as much as the write itself; here it gets the one that is kept, as long as nobody has put another
 * "write" into the object (the type cannot be changed).
 */
static PyObject *
text_getattr(PyObject *self, PyObject *name)
{
	if (name == write_name) {
		struct output_stream *stream =
		    python_output_types_stream(&python_output_text_type, self);

		if (stream && stream->write && stream->write_version == dict_version(self))
			return Py_NewRef(stream->write);
	}
	return PyObject_GenericGetAttr(self, name);
}

static PyMethodDef text_methods[] = {
    {"write", text_write, METH_O, NULL},
    {"flush", text_flush, METH_NOARGS, NULL},
    {"detach", text_detach, METH_NOARGS, NULL},
    {"reconfigure", (PyCFunction)(void (*)(void))text_reconfigure, METH_VARARGS | METH_KEYWORDS,
     NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot text_slots[] = {
    {Py_tp_getattro, (void *)text_getattr},
    {Py_tp_init, (void *)text_init},
    {Py_tp_methods, text_methods},
    {0, NULL},
};

PyType_Spec python_output_text_spec = {
    .name = "_io.TextIOWrapper",
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = text_slots,
};
