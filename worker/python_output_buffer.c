/*
 * The binary stream below sys.stdout and sys.stderr: io.BufferedWriter whose buffer is the stage's
 * buffer level.
 *
 * The base object's own buffer stays empty for as long as the stream is live, so that what the base
 * does by itself (closing, names, positions) needs no copy here. Closed or detached, everything is
 * the base's again, with its error texts. Called by CPython only; fails with a Python exception.
 */
#include "worker/python_output_types.h"

static struct output_stream *
live_stream(PyObject *self)
{
	struct output_stream *stream = python_output_types_stream(&python_output_buffer_type, self);

	return python_output_types_usable(stream) ? stream : NULL;
}

static PyObject *
base_call(PyObject *self, const char *name, PyObject *args)
{
	return python_output_types_base_call(&python_output_buffer_type, name, self, args, NULL);
}

static PyObject *
buffer_write(PyObject *self, PyObject *arg)
{
	struct output_stream *stream;
	Py_ssize_t size;
	Py_buffer view;
	int rc;

	/* Before the stream is looked at: an exporter may run code. */
	if (PyObject_GetBuffer(arg, &view, PyBUF_SIMPLE) < 0)
		return NULL;
	stream = live_stream(self);
	if (stream == NULL) {
		PyObject *args = PyTuple_Pack(1, arg);
		PyObject *result = args ? base_call(self, "write", args) : NULL;

		Py_XDECREF(args);
		PyBuffer_Release(&view);
		return result;
	}
	size = view.len;
	rc = python_output_stage_buffer(&stream->stage, view.buf, (size_t)size);
	PyBuffer_Release(&view);
	return rc < 0 ? python_output_types_fail(rc) : PyLong_FromSsize_t(size);
}

static PyObject *
buffer_flush(PyObject *self, PyObject *unused)
{
	struct output_stream *stream = live_stream(self);
	int rc;

	if (stream == NULL)
		return base_call(self, "flush", NULL);
	rc = python_output_stage_flush(&stream->stage);
	if (rc < 0)
		return python_output_types_fail(rc);
	Py_RETURN_NONE;
}

/* Empty the stage's level, then let the base do it: seek, truncate. */
static PyObject *
flush_then_base(PyObject *self, const char *name, PyObject *args, PyObject *kwargs)
{
	struct output_stream *stream = live_stream(self);
	int rc = stream ? python_output_stage_flush(&stream->stage) : 0;

	if (rc < 0)
		return python_output_types_fail(rc);
	return python_output_types_base_call(&python_output_buffer_type, name, self, args, kwargs);
}

static PyObject *
buffer_seek(PyObject *self, PyObject *args, PyObject *kwargs)
{
	return flush_then_base(self, "seek", args, kwargs);
}

static PyObject *
buffer_truncate(PyObject *self, PyObject *args, PyObject *kwargs)
{
	return flush_then_base(self, "truncate", args, kwargs);
}

static PyObject *
buffer_tell(PyObject *self, PyObject *unused)
{
	struct output_stream *stream = live_stream(self);
	PyObject *position = base_call(self, "tell", NULL);
	PyObject *pending, *sum;

	if (position == NULL || stream == NULL || stream->stage.buffer_bytes == 0)
		return position;
	pending = PyLong_FromUnsignedLong(stream->stage.buffer_bytes);
	sum = pending ? PyNumber_Add(position, pending) : NULL;
	Py_XDECREF(pending);
	Py_DECREF(position);
	return sum;
}

/* After this the stage gets nothing more from this stream. */
static PyObject *
buffer_detach(PyObject *self, PyObject *unused)
{
	struct output_stream *stream = python_output_types_stream(&python_output_buffer_type, self);
	PyObject *raw = base_call(self, "detach", NULL);

	if (raw && stream) {
		stream->live = false;
		python_output_types_bind(&python_output_buffer_type, self, NULL);
	}
	return raw;
}

static int
buffer_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
	struct output_stream *stream = python_output_types_stream(&python_output_buffer_type, self);

	if (stream) {
		int rc = python_output_types_usable(stream)
			     ? python_output_stage_flush(&stream->stage)
			     : 0;

		if (rc < 0) {
			(void)python_output_types_fail(rc);
			return -1;
		}
		stream->live = false;
		python_output_types_bind(&python_output_buffer_type, self, NULL);
	}
	return python_output_buffer_type.base->tp_init(self, args, kwargs);
}

#define WITH_KEYWORDS (METH_VARARGS | METH_KEYWORDS)
static PyMethodDef buffer_methods[] = {
    {"write", buffer_write, METH_O, NULL},
    {"flush", buffer_flush, METH_NOARGS, NULL},
    {"seek", (PyCFunction)(void (*)(void))buffer_seek, WITH_KEYWORDS, NULL},
    {"truncate", (PyCFunction)(void (*)(void))buffer_truncate, WITH_KEYWORDS, NULL},
    {"tell", buffer_tell, METH_NOARGS, NULL},
    {"detach", buffer_detach, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot buffer_slots[] = {
    {Py_tp_init, (void *)buffer_init},
    {Py_tp_methods, buffer_methods},
    {0, NULL},
};

PyType_Spec python_output_buffer_spec = {
    .name = "_io.BufferedWriter",
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = buffer_slots,
};
