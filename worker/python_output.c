/*
 * Installing a job's sys.stdout and sys.stderr, and flushing them at its end.
 *
 * The objects are made once, in the zygote, for all workers: making them costs a worker 60 of the
 * 190 pages that the smallest job writes to. A worker only binds them to its page.
 *
 * The objects are put together as CPython puts its own together: FileIO, buffer, text, with the
 * same names, modes and flags as python3 has with LC_ALL=C.UTF-8 and output into a file. What they
 * do is in python_output_text.c, _buffer.c and _stage.c. The streams are globals: CPython's methods
 * get nothing but their object, and a process runs one job. Called by python_host.c. Fails with a
 * struct error; leaves no Python exception behind.
 */
#include "worker/python_output_types.h"

#include "worker/python_output.h"

#if PY_VERSION_HEX < 0x030b0000 || PY_VERSION_HEX >= 0x030c0000
#error "the output streams are made for CPython 3.11"
#endif

static struct output_stream streams[PAGE_STREAM_COUNT];

struct stream_shape {
	const char *name, *attribute, *original, *errors;
	bool line_buffering;
};

static const struct stream_shape SHAPES[PAGE_STREAM_COUNT] = {
    [PAGE_STREAM_STDOUT] = {"<stdout>", "stdout", "__stdout__", "surrogateescape", false},
    [PAGE_STREAM_STDERR] = {"<stderr>", "stderr", "__stderr__", "backslashreplace", true},
};

/* Turn the pending Python exception into an error. */
static int
python_error(struct error *err, const char *what)
{
	PyObject *type, *value, *trace, *text;
	const char *utf8;
	int rc;

	PyErr_Fetch(&type, &value, &trace);
	text = value ? PyObject_Str(value) : NULL;
	utf8 = text ? PyUnicode_AsUTF8(text) : NULL;
	rc = error_set(err, ERROR_SYSTEM, "%s: %s", what, utf8 ? utf8 : "no reason given");
	PyErr_Clear();
	Py_XDECREF(text);
	Py_XDECREF(type);
	Py_XDECREF(value);
	Py_XDECREF(trace);
	return rc;
}

int
python_output_prepare(struct error *err)
{
	if (python_output_types_prepare() < 0)
		return python_error(err, "the types of the output streams");
	return 0;
}

/* FileIO over the descriptor, which stays open when the object goes. */
static PyObject *
new_raw(const struct stream_shape *shape, int fd)
{
	PyObject *raw = PyObject_CallFunction(python_output_file_type, "isO", fd, "wb", Py_False);
	PyObject *name = raw ? PyUnicode_FromString(shape->name) : NULL;

	if (name == NULL || PyObject_SetAttrString(raw, "name", name) < 0)
		Py_CLEAR(raw);
	Py_XDECREF(name);
	return raw;
}

static PyObject *
new_text(const struct stream_shape *shape, PyObject *buffer)
{
	PyObject *text = PyObject_CallFunction((PyObject *)python_output_text_type.type, "OsssO",
					       buffer, "utf-8", shape->errors, "\n",
					       shape->line_buffering ? Py_True : Py_False);
	PyObject *mode = text ? PyUnicode_FromString("w") : NULL;

	if (mode == NULL || PyObject_SetAttrString(text, "mode", mode) < 0)
		Py_CLEAR(text);
	Py_XDECREF(mode);
	return text;
}

/* The three objects of a stream, one over the other; NULL: with an exception, none is left. */
static PyObject *
new_objects(const struct stream_shape *shape, int fd, PyObject **ret_raw, PyObject **ret_buffer)
{
	PyObject *raw = new_raw(shape, fd), *buffer = NULL, *text = NULL;

	if (raw)
		buffer = PyObject_CallFunction((PyObject *)python_output_buffer_type.type, "OI",
					       raw, OUTPUT_STAGE_BUFFER_BYTES);
	if (buffer)
		text = new_text(shape, buffer);
	if (text == NULL) {
		Py_XDECREF(buffer);
		Py_XDECREF(raw);
		return NULL;
	}
	*ret_raw = raw;
	*ret_buffer = buffer;
	return text;
}

/* Make one stream's objects and put them into sys; 0 or -1 with an exception. */
static int
make_stream(struct output_stream *stream, const struct stream_shape *shape, int fd)
{
	PyObject *raw = NULL, *buffer = NULL, *text = new_objects(shape, fd, &raw, &buffer);
	bool known = text && python_output_types_raw_known(raw, fd);

	if (text && !known)
		PyErr_SetString(PyExc_SystemError, "_io.FileIO is not that of CPython 3.11");
	if (!known || python_output_text_refresh(stream, text) < 0 ||
	    python_output_text_keep_write(stream, text) < 0 ||
	    PySys_SetObject(shape->attribute, text) < 0 ||
	    PySys_SetObject(shape->original, text) < 0) {
		Py_XDECREF(text);
		Py_XDECREF(buffer);
		Py_XDECREF(raw);
		return -1;
	}
	stream->raw = raw;
	stream->buffer = buffer;
	stream->text = text;
	return 0;
}

int
python_output_premake(struct error *err)
{
	for (int i = 0; i < PAGE_STREAM_COUNT; i++)
		if (make_stream(&streams[i], &SHAPES[i], i + 1) < 0)
			return python_error(err, SHAPES[i].name);
	return 0;
}

/* From here on its objects write to the stage. 0 or -1 with an exception. */
static int
bind_stream(struct output_stream *stream, bool line_buffering)
{
	PyObject *reconfigure, *none, *kwargs, *result = NULL;

	stream->live = true;
	python_output_types_bind(&python_output_buffer_type, stream->buffer, stream);
	python_output_types_bind(&python_output_text_type, stream->text, stream);
	Py_DECREF(stream->buffer);
	if (!line_buffering || stream->line_buffering)
		return 0;
	reconfigure = PyObject_GetAttrString(stream->text, "reconfigure");
	none = PyTuple_New(0);
	kwargs = Py_BuildValue("{s:O}", "line_buffering", Py_True);
	if (reconfigure && none && kwargs)
		result = PyObject_Call(reconfigure, none, kwargs);
	Py_XDECREF(result);
	Py_XDECREF(kwargs);
	Py_XDECREF(none);
	Py_XDECREF(reconfigure);
	return result ? 0 : -1;
}

int
python_output_install(struct worker_page *page, void *page_base, const struct worker_terms *terms,
		      struct error *err)
{
	const struct limits *limits = &terms->limits;
	int rc = python_output_prepare(err);

	for (int i = 0; i < PAGE_STREAM_COUNT && rc == 0; i++) {
		bool watched = i == PAGE_STREAM_STDOUT && (terms->flags & TERMS_STREAM) != 0;
		uint64_t cap =
		    i == PAGE_STREAM_STDOUT ? limits->stdout_bytes : limits->stderr_bytes;
		uint64_t base = limits_output_base(limits, cap);

		python_output_stage_init(&streams[i].stage, page, page_base, (enum page_stream)i,
					 i + 1, base + cap);
		streams[i].stage.file_bytes = base; /* stintd made it so */
		if ((streams[i].text == NULL && make_stream(&streams[i], &SHAPES[i], i + 1) < 0) ||
		    bind_stream(&streams[i], watched) < 0)
			rc = python_error(err, SHAPES[i].name);
	}
	return rc;
}

/* Neither closed nor detached: the text object has the buffer object, and that the file object. */
static bool
is_whole(const struct output_stream *stream)
{
	return python_output_types_usable(stream) &&
	       python_output_types_stream(&python_output_text_type, stream->text) == stream;
}

bool
python_output_holds(const PyObject *object)
{
	for (int i = 0; i < PAGE_STREAM_COUNT; i++)
		if (is_whole(&streams[i]) &&
		    (object == streams[i].text || object == streams[i].buffer ||
		     object == streams[i].raw))
			return true;
	return false;
}

/* It stands over the stage as it was made: not closed, detached, or given a "flush" of its own. */
static bool
is_untouched(const struct output_stream *stream)
{
	return is_whole(stream) && python_output_text_is_unchanged(stream);
}

bool
python_output_flush(const PyObject *file)
{
	for (int i = 0; i < PAGE_STREAM_COUNT; i++)
		if (file == streams[i].text && is_untouched(&streams[i]))
			return python_output_stage_text_down(&streams[i].stage) == 0 &&
			       python_output_stage_flush(&streams[i].stage) == 0;
	return false;
}

/* Is it an object that says it is closed? */
static bool
is_closed(PyObject *file)
{
	PyObject *closed = PyObject_GetAttrString(file, "closed");
	int truth = closed ? PyObject_IsTrue(closed) : 0;

	Py_XDECREF(closed);
	if (truth >= 0 && closed)
		return truth > 0;
	PyErr_Clear();
	return false;
}

/* Flush what stands in sys under that name now; -1 when that failed. */
static int
flush_named(const struct stream_shape *shape, bool report)
{
	PyObject *file = PySys_GetObject(shape->attribute), *result;

	if (file == NULL || file == Py_None || python_output_flush(file))
		return 0;
	Py_INCREF(file);
	if (is_closed(file)) {
		Py_DECREF(file);
		return 0;
	}
	result = PyObject_CallMethod(file, "flush", NULL);
	if (result == NULL) {
		if (report)
			PyErr_WriteUnraisable(file);
		else
			PyErr_Clear();
	}
	Py_DECREF(file);
	Py_XDECREF(result);
	return result ? 0 : -1;
}

void
python_output_rehearse(void)
{
	for (int i = 0; i < PAGE_STREAM_COUNT; i++)
		(void)flush_named(&SHAPES[i], false);
}

/* What is left in the stage of a stream whose file is gone: CPython loses it. */
static void
drop_unwritable(struct output_stream *stream)
{
	if (python_output_types_usable(stream) &&
	    (python_output_stage_text_down(&stream->stage) < 0 ||
	     python_output_stage_flush(&stream->stage) < 0))
		python_output_stage_discard(&stream->stage);
}

int
python_output_finish(void)
{
	int rc = 0;

	for (int i = 0; i < PAGE_STREAM_COUNT; i++) {
		if (flush_named(&SHAPES[i], i == PAGE_STREAM_STDOUT) < 0) {
			drop_unwritable(&streams[i]);
			rc = -1;
		}
		if (streams[i].raw)
			python_output_stage_check(&streams[i].stage);
	}
	return rc;
}

void
python_output_restore(void)
{
	for (int i = 0; i < PAGE_STREAM_COUNT; i++) {
		PyObject *original = PySys_GetObject(SHAPES[i].original);

		if (PySys_SetObject(SHAPES[i].attribute, original ? original : Py_None) < 0)
			PyErr_Clear();
	}
}

void
python_output_settle(void)
{
	for (int i = 0; i < PAGE_STREAM_COUNT; i++) {
		if (streams[i].raw == NULL)
			continue;
		if (!python_output_types_usable(&streams[i]))
			python_output_stage_discard(&streams[i].stage);
		python_output_stage_check(&streams[i].stage);
	}
}
