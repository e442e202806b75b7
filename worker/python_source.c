/*
 * The table of a job's sources and its uses: importing, linecache. The lines that CPython's own C
 * code prints under a traceback come from python_stream.c. Runs no tenant code. Called by
 * python_main and python_finder; fails with an exception set, for lack of memory.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "worker/python_source.h"

#include "worker/python_compile.h"
#include "worker/python_lines.h"
#include "worker/python_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOURCE_MAIN_NAME          "__main__"
#define SOURCE_LIBRARY_LINE_BYTES 4096

/* Forced by CPython: hooks get no context of ours. Written in the zygote (first three) and once in
 * the worker, before tenant code. */
static char *source_stdlib;               /* owned */
static PyObject *source_loader_type;      /* owned: importlib's SourceFileLoader */
static PyObject *source_call;             /* owned: importlib's _call_with_frames_removed */
static struct source_entry *source_table; /* owned */
static size_t source_table_count;
static bool source_premade; /* the first entry is the zygote's, with its file's name */

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

/* linecache's, or NULL, without an exception. */
static PyObject *
source_cache(void)
{
	PyObject *linecache = PyDict_GetItemString(PyImport_GetModuleDict(), "linecache");
	PyObject *cache = linecache ? PyObject_GetAttrString(linecache, "cache") : NULL;

	if (cache == NULL || !PyDict_CheckExact(cache))
		Py_CLEAR(cache);
	PyErr_Clear();
	return cache;
}

static int
source_add(struct job_text name, PyObject *file, PyObject *bytes, bool package)
{
	struct source_entry *entry = &source_table[source_table_count];

	entry->module = source_str(name);
	entry->file = file;
	entry->bytes = bytes;
	entry->package = package;
	entry->self = NULL;
	source_table_count++;
	if (entry->module == NULL || file == NULL || bytes == NULL)
		return -1;
	entry->self = PyTuple_Pack(3, entry->module, file, bytes);
	return entry->self == NULL ? -1 : 0;
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

/* Is it that text? */
static bool
source_is(struct job_text text, PyObject *str)
{
	Py_ssize_t size;
	const char *bytes = PyUnicode_AsUTF8AndSize(str, &size);

	if (bytes == NULL)
		PyErr_Clear();
	return bytes != NULL && (size_t)size == text.size &&
	       memcmp(bytes, text.bytes, text.size) == 0;
}

static bool
source_is_known(struct job_text name)
{
	for (size_t i = 0; i < source_table_count; i++)
		if (source_is(name, source_table[i].module))
			return true;
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

static int
source_make_room(size_t count)
{
	struct source_entry *table = realloc(source_table, count * sizeof(*source_table));

	if (table == NULL) {
		PyErr_NoMemory();
		return -1;
	}
	source_table = table;
	return 0;
}

int
python_source_premake(const char *file)
{
	static const struct job_text name = {SOURCE_MAIN_NAME, sizeof(SOURCE_MAIN_NAME) - 1};

	if (source_make_room(1) < 0 ||
	    source_add(name, PyUnicode_FromString(file), PyBytes_FromString(""), false) < 0)
		return -1;
	source_premade = true;
	python_stream_install();
	return 0;
}

bool
python_source_is_premade(void)
{
	return source_premade;
}

/* The source of the zygote's entry, and of all that looks into its tuple, which nobody else has. */
static int
source_set_bytes(struct source_entry *entry, PyObject *bytes)
{
	PyObject *before = PyTuple_GET_ITEM(entry->self, 2);

	if (bytes == NULL)
		return -1;
	PyTuple_SET_ITEM(entry->self, 2, Py_NewRef(bytes));
	Py_DECREF(before);
	Py_SETREF(entry->bytes, bytes);
	return 0;
}

/* Not as if there had been one: linecache does not know its file. */
static void
source_drop_premade(void)
{
	PyObject *cache = source_cache();

	if (cache != NULL && PyDict_DelItem(cache, source_table[0].file) < 0)
		PyErr_Clear();
	Py_XDECREF(cache);
	Py_CLEAR(source_table[0].self);
	Py_CLEAR(source_table[0].bytes);
	Py_CLEAR(source_table[0].file);
	Py_CLEAR(source_table[0].module);
	source_table_count = 0;
	source_premade = false;
}

/* The main program's entry. */
static int
source_load_main(const struct python_job *job)
{
	static const struct job_text name = {SOURCE_MAIN_NAME, sizeof(SOURCE_MAIN_NAME) - 1};
	PyObject *bytes = job->source.bytes ? source_bytes(job->source) : PyBytes_FromString("");

	if (source_premade && source_is(job->name, source_table[0].file))
		return source_set_bytes(&source_table[0], bytes);
	if (source_premade)
		source_drop_premade();
	return source_add(name, source_str(job->name), bytes, false);
}

int
python_source_load(const struct python_job *job)
{
	size_t room = source_room(job);

	if ((room > 1 || !source_premade) && source_make_room(room) < 0)
		return -1;
	if (source_load_main(job) < 0)
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
source_lines(PyObject *self, PyObject *unused)
{
	PyObject *lines = python_lines_new(PyTuple_GET_ITEM(self, 2));

	if (lines != NULL)
		return lines;
	PyErr_Clear(); /* linecache has no line of a file that does not decode */
	Py_RETURN_NONE;
}

static PyMethodDef SOURCE_LINES = {"get_source", source_lines, METH_NOARGS, NULL};

int
python_source_seed(const struct source_entry *entry)
{
	PyObject *cache = source_cache(), *function, *item = NULL;
	int code = -1;

	if (cache == NULL)
		return 0; /* a tenant has put something else there: its choice */
	function = PyCFunction_New(&SOURCE_LINES, entry->self);
	if (function != NULL)
		item = PyTuple_Pack(1, function);
	if (item != NULL)
		code = PyDict_SetItem(cache, entry->file, item);
	Py_XDECREF(function);
	Py_XDECREF(item);
	Py_DECREF(cache);
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

	return python_compile(entry, Py_file_input);
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
	size_t count = entry == python_source_main() ? 1 : 2;
	PyObject *loader =
	    PyObject_CallFunctionObjArgs(source_loader_type, entry->module, entry->file, NULL);

	for (size_t i = 0; loader != NULL && i < count; i++) {
		PyObject *function = PyCFunction_New(&SOURCE_LOADER[i], entry->self);

		if (function == NULL ||
		    PyObject_SetAttrString(loader, SOURCE_LOADER[i].ml_name, function) < 0)
			Py_CLEAR(loader);
		Py_XDECREF(function);
	}
	return loader;
}
