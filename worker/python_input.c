/*
 * Makes sys.stdin out of FileIO, BufferedReader and TextIOWrapper, which the zygote has looked up:
 * an import in the worker, even of what is there, goes through the importer and copies a dozen
 * pages. The zygote makes one for all workers, over a file like theirs. Called by python_host.c and
 * python_main.c.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "worker/python_input.h"

#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

/* io.open(): what a raw stream that does not know its block size is buffered by. */
#define INPUT_BUFFER_BYTES 8192

/* Forced by CPython: found in the zygote, used in the worker. Owned. */
static PyObject *input_file, *input_buffer, *input_text;
/* Made in the zygote; NULL: it was not. Owned. */
static PyObject *input_made;
static blksize_t input_block_bytes; /* of what it was made over */

int
python_input_prepare(struct error *err)
{
	PyObject *io = PyImport_ImportModule("_io");

	if (io != NULL) {
		input_file = PyObject_GetAttrString(io, "FileIO");
		input_buffer = PyObject_GetAttrString(io, "BufferedReader");
		input_text = PyObject_GetAttrString(io, "TextIOWrapper");
	}
	Py_XDECREF(io);
	return input_file != NULL && input_buffer != NULL && input_text != NULL
		   ? 0
		   : error_set(err, ERROR_SYSTEM, "_io is not CPython 3.11's");
}

static PyObject *
input_new_buffer(PyObject *raw)
{
	PyObject *size = PyObject_GetAttrString(raw, "_blksize"), *buffer;
	Py_ssize_t bytes = size ? PyLong_AsSsize_t(size) : -1;

	Py_XDECREF(size);
	if (PyErr_Occurred())
		return NULL;
	buffer = PyObject_CallFunction(input_buffer, "On", raw,
				       bytes > 1 ? bytes : (Py_ssize_t)INPUT_BUFFER_BYTES);
	return buffer;
}

static int
input_set_text(PyObject *object, const char *attribute, const char *text)
{
	PyObject *value = PyUnicode_FromString(text);
	int code = value ? PyObject_SetAttrString(object, attribute, value) : -1;

	Py_XDECREF(value);
	return code;
}

static PyObject *
input_new(void)
{
	PyObject *raw = PyObject_CallFunction(input_file, "isO", 0, "rb", Py_False);
	PyObject *buffer = raw ? input_new_buffer(raw) : NULL, *stream = NULL;

	if (buffer != NULL && input_set_text(raw, "name", "<stdin>") == 0)
		stream = PyObject_CallFunction(input_text, "Osss", buffer, "utf-8",
					       "surrogateescape", "\n");
	if (stream != NULL && input_set_text(stream, "mode", "r") < 0)
		Py_CLEAR(stream);
	Py_XDECREF(buffer);
	Py_XDECREF(raw);
	return stream;
}

static int
input_set(PyObject *stream)
{
	return PySys_SetObject("stdin", stream) < 0 || PySys_SetObject("__stdin__", stream) < 0 ? -1
												: 0;
}

int
python_input_premake(struct error *err)
{
	struct stat st;

	input_made = input_new();
	if (input_made == NULL || input_set(input_made) < 0 || fstat(STDIN_FILENO, &st) < 0) {
		PyErr_Clear();
		Py_CLEAR(input_made);
		return error_set(err, ERROR_SYSTEM, "the stream of standard input");
	}
	input_block_bytes = st.st_blksize;
	return 0;
}

/* What the objects have looked up of fd 0 is true of the one that is there now. */
static bool
input_is_as_made(void)
{
	struct stat st;

	return input_made != NULL && fstat(STDIN_FILENO, &st) == 0 && !S_ISDIR(st.st_mode) &&
	       st.st_blksize == input_block_bytes && lseek(STDIN_FILENO, 0, SEEK_CUR) == 0;
}

int
python_input_install(void)
{
	PyObject *stream;
	int code;

	if (input_is_as_made())
		return 0;
	stream = input_new();
	if (stream == NULL) {
		PyErr_Clear();
		stream = Py_NewRef(Py_None);
	}
	code = input_set(stream);
	Py_DECREF(stream);
	return code;
}
