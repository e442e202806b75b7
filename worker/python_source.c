/*
 * The table of a job's sources and its uses: compiling, importing, linecache. The lines that
 * CPython's own C code prints under a traceback come from python_stream.c. Runs no tenant code.
 * Called by python_run and python_finder; fails with an exception set, for lack of memory or for a
 * source that does not compile.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "worker/python_source.h"

#include "worker/python_lines.h"
#include "worker/python_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOURCE_LIBRARY_LINE_BYTES 4096
#define SOURCE_BLOCK_MISSING      "expected an indented block"

/* Forced by CPython: hooks get no context of ours. Written in the zygote (first three) and once in
 * the worker, before tenant code. */
static char *source_stdlib;               /* owned */
static PyObject *source_loader_type;      /* owned: importlib's SourceFileLoader */
static PyObject *source_call;             /* owned: importlib's _call_with_frames_removed */
static struct source_entry *source_table; /* owned */
static size_t source_table_count;

int
python_source_prepare(const char *stdlib, struct error *err)
{
	PyObject *external = PyImport_ImportModule("_frozen_importlib_external");
	PyObject *bootstrap = PyImport_ImportModule("_frozen_importlib");

	source_stdlib = strdup(stdlib);
	if (external != NULL)
		source_loader_type = PyObject_GetAttrString(external, "SourceFileLoader");
	if (bootstrap != NULL)
		source_call = PyObject_GetAttrString(bootstrap, "_call_with_frames_removed");
	Py_XDECREF(external);
	Py_XDECREF(bootstrap);
	if (source_stdlib == NULL || source_loader_type == NULL || source_call == NULL ||
	    python_lines_prepare() < 0)
		return error_set(err, ERROR_SYSTEM, "importlib is not CPython 3.11's");
	return python_stream_prepare(stdlib, err);
}

static PyObject *
source_str(struct job_text text)
{
	return PyUnicode_DecodeUTF8(text.bytes, (Py_ssize_t)text.size, "surrogateescape");
}

static PyObject *
source_bytes(struct job_text text)
{
	return PyBytes_FromStringAndSize(text.bytes, (Py_ssize_t)text.size);
}

/* Does the job bring a module below `name`? */
static bool
source_is_package(const struct python_job *job, struct job_text name)
{
	for (size_t i = 0; i < job->module_count; i++) {
		struct job_text other = job->modules[i].name;

		if (other.size > name.size && other.bytes[name.size] == '.' &&
		    memcmp(other.bytes, name.bytes, name.size) == 0)
			return true;
	}
	return false;
}

/* "a.b" -> "a/b.py", or "a/b/__init__.py" for a package. */
static PyObject *
source_file(struct job_text name, bool package)
{
	char path[NAME_BYTES_MAX + sizeof("/__init__.py")];
	int length = snprintf(path, sizeof(path), "%.*s%s", (int)name.size, name.bytes,
			      package ? "/__init__.py" : ".py");

	for (size_t i = 0; i < name.size; i++)
		if (path[i] == '.')
			path[i] = '/';
	return PyUnicode_DecodeUTF8(path, length, "surrogateescape");
}

static int
source_add(struct job_text name, PyObject *file, PyObject *bytes, bool package)
{
	struct source_entry *entry = &source_table[source_table_count];

	entry->module = source_str(name);
	entry->file = file;
	entry->bytes = bytes;
	entry->package = package;
	source_table_count++;
	return entry->module == NULL || file == NULL || bytes == NULL ? -1 : 0;
}

static bool
source_is_given(const struct python_job *job, struct job_text name)
{
	for (size_t i = 0; i < job->module_count; i++)
		if (job->modules[i].name.size == name.size &&
		    memcmp(job->modules[i].name.bytes, name.bytes, name.size) == 0)
			return true;
	return false;
}

static bool
source_is_known(struct job_text name)
{
	for (size_t i = 0; i < source_table_count; i++) {
		Py_ssize_t size;
		const char *known = PyUnicode_AsUTF8AndSize(source_table[i].module, &size);

		if (known != NULL && (size_t)size == name.size &&
		    memcmp(known, name.bytes, name.size) == 0)
			return true;
	}
	PyErr_Clear();
	return false;
}

/* "a.b.c" makes the empty packages "a" and "a.b" unless the job brings them. */
static int
source_add_parents(const struct python_job *job, struct job_text name)
{
	for (size_t i = 0; i < name.size; i++) {
		struct job_text parent = {name.bytes, i};

		if (name.bytes[i] != '.' || source_is_given(job, parent) || source_is_known(parent))
			continue;
		if (source_add(parent, source_file(parent, true), PyBytes_FromString(""), true) < 0)
			return -1;
	}
	return 0;
}

/* Room for the main program, the modules and the packages that they imply. */
static size_t
source_room(const struct python_job *job)
{
	size_t room = 1 + job->module_count;

	for (size_t i = 0; i < job->module_count; i++)
		for (size_t at = 0; at < job->modules[i].name.size; at++)
			room += job->modules[i].name.bytes[at] == '.';
	return room;
}

int
python_source_load(const struct python_job *job)
{
	struct job_text main_name = {"__main__", 8};

	source_table = calloc(source_room(job), sizeof(*source_table));
	if (source_table == NULL) {
		PyErr_NoMemory();
		return -1;
	}
	if (source_add(main_name, source_str(job->name),
		       job->source.bytes ? source_bytes(job->source) : PyBytes_FromString(""),
		       false) < 0)
		return -1;
	for (size_t i = 0; i < job->module_count; i++) {
		const struct job_module *module = &job->modules[i];
		bool package = source_is_package(job, module->name);

		if (source_add_parents(job, module->name) < 0 ||
		    source_add(module->name, source_file(module->name, package),
			       source_bytes(module->source), package) < 0)
			return -1;
	}
	python_stream_install();
	return 0;
}

const struct source_entry *
python_source_main(void)
{
	return &source_table[0];
}

size_t
python_source_count(void)
{
	return source_table_count;
}

const struct source_entry *
python_source_at(size_t index)
{
	return &source_table[index];
}

const struct source_entry *
python_source_module(PyObject *module)
{
	for (size_t i = 1; i < source_table_count; i++)
		if (PyUnicode_Compare(source_table[i].module, module) == 0)
			return &source_table[i];
	return NULL;
}

const struct source_entry *
python_source_file(PyObject *file)
{
	for (size_t i = 0; i < source_table_count; i++)
		if (PyUnicode_Compare(source_table[i].file, file) == 0)
			return &source_table[i];
	return NULL;
}

/* A line of a file of the standard library, which a job can read anyway. */
static PyObject *
source_library_line(const char *path, long number)
{
	char line[SOURCE_LIBRARY_LINE_BYTES];
	PyObject *text = NULL;
	FILE *file;

	if (strncmp(path, source_stdlib, strlen(source_stdlib)) != 0)
		return NULL;
	file = fopen(path, "re");
	if (file == NULL)
		return NULL;
	while (number > 0 && fgets(line, sizeof(line), file) != NULL)
		number -= strchr(line, '\n') != NULL;
	if (number == 0)
		text = PyUnicode_DecodeUTF8(line, (Py_ssize_t)strcspn(line, "\r\n"), "replace");
	(void)fclose(file);
	return text;
}

PyObject *
python_source_line(PyObject *file, long number)
{
	const struct source_entry *entry = python_source_file(file);
	const char *path = PyUnicode_AsUTF8(file);
	PyObject *line = NULL, *stripped = NULL;

	if (entry != NULL)
		line = python_lines_get(PyBytes_AS_STRING(entry->bytes),
					(size_t)PyBytes_GET_SIZE(entry->bytes), number);
	else if (path != NULL)
		line = source_library_line(path, number);
	if (line != NULL)
		stripped = PyObject_CallMethod(line, "strip", NULL);
	Py_XDECREF(line);
	PyErr_Clear();
	return stripped;
}

/* ---- linecache ------------------------------------------------------------------------------- */

static PyObject *
source_lines(PyObject *bytes, PyObject *unused)
{
	PyObject *lines = python_lines_new(bytes);

	if (lines != NULL)
		return lines;
	PyErr_Clear(); /* linecache has no line of a file that does not decode */
	Py_RETURN_NONE;
}

static PyMethodDef SOURCE_LINES = {"get_source", source_lines, METH_NOARGS, NULL};

int
python_source_seed(const struct source_entry *entry)
{
	PyObject *linecache, *cache = NULL, *function, *item = NULL;
	int code = -1;

	linecache = PyDict_GetItemString(PyImport_GetModuleDict(), "linecache"); /* borrowed */
	if (linecache != NULL)
		cache = PyObject_GetAttrString(linecache, "cache");
	if (cache == NULL || !PyDict_CheckExact(cache)) {
		Py_XDECREF(cache);
		PyErr_Clear();
		return 0; /* a tenant has put something else there: its choice */
	}
	function = PyCFunction_New(&SOURCE_LINES, entry->bytes);
	if (function != NULL)
		item = PyTuple_Pack(1, function);
	if (item != NULL)
		code = PyDict_SetItem(cache, entry->file, item);
	Py_XDECREF(function);
	Py_XDECREF(item);
	Py_DECREF(cache);
	return code;
}

/* ---- compiling ------------------------------------------------------------------------------- */

static PyObject *
source_attribute(PyObject *object, const char *name)
{
	PyObject *value = PyObject_GetAttrString(object, name);

	if (value == NULL)
		PyErr_Clear();
	return value;
}

/* A token at the end of a file has no column: CPython then shows no caret. */
static bool
source_is_at_end(const struct source_entry *entry, PyObject *value, long at, const char *message,
		 Py_ssize_t length)
{
	PyObject *offset = source_attribute(value, "offset");
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
source_set_text(const struct source_entry *entry, PyObject *value, long at, PyObject *line)
{
	PyObject *object = source_attribute(value, "msg");
	const char *message = object && PyUnicode_Check(object) ? PyUnicode_AsUTF8(object) : NULL;
	PyObject *text = PyUnicode_FromFormat("%U\n", line), *zero = PyLong_FromLong(0);

	/* An error inside an f-string shows the expression. */
	if (message != NULL && text != NULL && strncmp(message, "f-string", 8) != 0)
		(void)PyObject_SetAttrString(value, "text", text);
	if (message != NULL && zero != NULL &&
	    source_is_at_end(entry, value, at, message, PyUnicode_GET_LENGTH(line)))
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
source_add_text(const struct source_entry *entry)
{
	PyObject *type, *value, *traceback, *number, *line = NULL;
	long at = 0;

	if (!PyErr_ExceptionMatches(PyExc_SyntaxError))
		return;
	PyErr_Fetch(&type, &value, &traceback);
	PyErr_NormalizeException(&type, &value, &traceback);
	number = source_attribute(value, "lineno");
	if (number != NULL && PyLong_CheckExact(number))
		at = PyLong_AsLong(number);
	if (at > 0)
		line = python_lines_get(PyBytes_AS_STRING(entry->bytes),
					(size_t)PyBytes_GET_SIZE(entry->bytes), at);
	if (line != NULL)
		source_set_text(entry, value, at, line);
	Py_XDECREF(line);
	Py_XDECREF(number);
	PyErr_Clear();
	PyErr_Restore(type, value, traceback);
}

/* What CPython says of a file that its declared encoding does not fit. 0, or -1 with the exception.
 */
static int
source_check_encoding(const struct source_entry *entry)
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
python_source_compile(const struct source_entry *entry, int start)
{
	PyCompilerFlags flags = {.cf_flags = 0, .cf_feature_version = PY_MINOR_VERSION};
	const char *text = PyBytes_AS_STRING(entry->bytes);
	PyObject *code;

	if (strlen(text) != (size_t)PyBytes_GET_SIZE(entry->bytes)) {
		PyErr_SetString(PyExc_SyntaxError, "source code cannot contain null bytes");
		return NULL;
	}
	if (source_check_encoding(entry) < 0)
		return NULL;
	if (start == Py_eval_input)
		text += strspn(text, " \t");
	code = Py_CompileStringObject(text, entry->file, start, &flags, -1);
	if (code == NULL)
		source_add_text(entry);
	return code;
}

/* ---- importing ------------------------------------------------------------------------------- */

/* self of both functions: the tuple (module, file, bytes), all the job's own. */
static PyObject *
source_get_data(PyObject *self, PyObject *path)
{
	PyObject *bytes = PyTuple_GET_ITEM(self, 2);

	if (!PyUnicode_Check(path) || PyUnicode_Compare(path, PyTuple_GET_ITEM(self, 1)) != 0) {
		PyErr_SetObject(PyExc_FileNotFoundError, path);
		return NULL;
	}
	Py_INCREF(bytes);
	return bytes;
}

static PyObject *
source_compile_module(PyObject *self, PyObject *unused)
{
	const struct source_entry *entry = python_source_module(PyTuple_GET_ITEM(self, 0));

	return python_source_compile(entry, Py_file_input);
}

static PyMethodDef SOURCE_COMPILE = {"compile", source_compile_module, METH_NOARGS, NULL};

/* Through importlib's marker function, so that its frames stay out of a SyntaxError's traceback. */
static PyObject *
source_to_code(PyObject *self, PyObject *args, PyObject *kwargs)
{
	PyObject *compile = PyCFunction_New(&SOURCE_COMPILE, self), *code;

	if (compile == NULL)
		return NULL;
	code = PyObject_CallOneArg(source_call, compile);
	Py_DECREF(compile);
	return code;
}

static PyMethodDef SOURCE_LOADER[] = {
    {"get_data", source_get_data, METH_O, NULL},
    {"source_to_code", (PyCFunction)(void (*)(void))source_to_code, METH_VARARGS | METH_KEYWORDS,
     NULL},
};

PyObject *
python_source_loader(const struct source_entry *entry)
{
	PyObject *loader, *self;
	size_t count = entry == python_source_main() ? 1 : 2;

	self = PyTuple_Pack(3, entry->module, entry->file, entry->bytes);
	if (self == NULL)
		return NULL;
	loader = PyObject_CallFunctionObjArgs(source_loader_type, entry->module, entry->file, NULL);
	for (size_t i = 0; loader != NULL && i < count; i++) {
		PyObject *function = PyCFunction_New(&SOURCE_LOADER[i], self);

		if (function == NULL ||
		    PyObject_SetAttrString(loader, SOURCE_LOADER[i].ml_name, function) < 0)
			Py_CLEAR(loader);
		Py_XDECREF(function);
	}
	Py_DECREF(self);
	return loader;
}
