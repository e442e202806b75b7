/*
 * A finder for sys.meta_path over the table of python_source. Its specs are importlib's own, with
 * importlib's SourceFileLoader, so packages, relative imports, reload, inspect and tracebacks are
 * as with files. It exists only in jobs that bring modules. Called by importlib; fails with an
 * exception.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "worker/python_finder.h"

#include "worker/python_source.h"

#include <string.h>

/* As with a script's directory first on the path: these are imported before any program begins. */
static const char *const FINDER_CORE[] = {
    "__main__",
    "sys",
    "builtins",
    "_imp",
    "_thread",
    "_warnings",
    "_weakref",
    "_io",
    "marshal",
    "posix",
    "time",
    "zipimport",
    "_codecs",
    "codecs",
    "encodings",
    "_signal",
    "_abc",
    "abc",
    "io",
    "_stat",
    "stat",
    "_collections_abc",
    "genericpath",
    "posixpath",
    "os.path",
    "os",
    "_sitebuiltins",
    "site",
    "_frozen_importlib",
    "_frozen_importlib_external",
};

/* Forced by CPython: see python_source.c. Owned. */
static PyTypeObject *finder_type;
static PyObject *finder_module_spec; /* importlib.machinery.ModuleSpec */

/* "a/b/__init__.py" -> ["a/b"]: modules below are found by name, not there. NULL with an exception.
 */
static PyObject *
finder_locations(const struct source_entry *entry)
{
	Py_ssize_t tail = (Py_ssize_t)strlen("/__init__.py");
	PyObject *directory =
	    PyUnicode_Substring(entry->file, 0, PyUnicode_GET_LENGTH(entry->file) - tail);

	return directory ? Py_BuildValue("[N]", directory) : NULL;
}

/* Not spec_from_file_location(): that puts the current directory before the name. */
static PyObject *
finder_make_spec(const struct source_entry *entry)
{
	PyObject *loader = python_source_loader(entry), *args = NULL, *kwargs = NULL, *spec = NULL;
	PyObject *locations = NULL;
	int failed = 0;

	if (loader != NULL)
		args = PyTuple_Pack(2, entry->module, loader);
	if (args != NULL)
		kwargs = Py_BuildValue("{sO}", "origin", entry->file);
	if (kwargs != NULL && python_source_seed(entry) == 0)
		spec = PyObject_Call(finder_module_spec, args, kwargs);
	if (spec != NULL && entry->package) {
		locations = finder_locations(entry);
		failed = locations == NULL ||
			 PyObject_SetAttrString(spec, "submodule_search_locations", locations) < 0;
	}
	if (spec != NULL && !failed)
		failed = PyObject_SetAttrString(spec, "has_location", Py_True) < 0;
	if (failed)
		Py_CLEAR(spec);
	Py_XDECREF(loader);
	Py_XDECREF(args);
	Py_XDECREF(kwargs);
	Py_XDECREF(locations);
	return spec;
}

/* find_spec(fullname, path=None, target=None), positional as importlib calls it */
static PyObject *
finder_find_spec(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
	const struct source_entry *entry;

	if (count < 1 || count > 3 || !PyUnicode_Check(args[0])) {
		PyErr_SetString(PyExc_TypeError, "find_spec() takes a name, a path and a target");
		return NULL;
	}
	entry = python_source_module(args[0]);
	if (entry == NULL)
		Py_RETURN_NONE;
	return finder_make_spec(entry);
}

static PyMethodDef FINDER_METHODS[] = {
    {"find_spec", (PyCFunction)(void (*)(void))finder_find_spec, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot FINDER_SLOTS[] = {
    {Py_tp_methods, FINDER_METHODS},
    {0, NULL},
};

static PyType_Spec FINDER_SPEC = {
    "importlib.JobImporter",
    sizeof(PyObject),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    FINDER_SLOTS,
};

int
python_finder_prepare(struct error *err)
{
	PyObject *bootstrap = PyImport_ImportModule("_frozen_importlib");

	if (bootstrap != NULL)
		finder_module_spec = PyObject_GetAttrString(bootstrap, "ModuleSpec");
	Py_XDECREF(bootstrap);
	finder_type = (PyTypeObject *)(void *)PyType_FromSpec(&FINDER_SPEC);
	if (finder_module_spec == NULL || finder_type == NULL)
		return error_set(err, ERROR_SYSTEM, "importlib is not CPython 3.11's");
	return 0;
}

static bool
finder_is_core(PyObject *name)
{
	for (size_t i = 0; i < sizeof(FINDER_CORE) / sizeof(FINDER_CORE[0]); i++)
		if (PyUnicode_CompareWithASCIIString(name, FINDER_CORE[i]) == 0)
			return true;
	return false;
}

/* Is `name` the module `shadowed` or one below it? 1, 0, or -1 with an exception. */
static int
finder_is_below(PyObject *name, PyObject *shadowed)
{
	Py_ssize_t length = PyUnicode_GET_LENGTH(shadowed);
	Py_ssize_t match = PyUnicode_Tailmatch(name, shadowed, 0, PY_SSIZE_T_MAX, -1);

	if (match <= 0)
		return (int)match;
	return PyUnicode_GET_LENGTH(name) == length || PyUnicode_READ_CHAR(name, length) == '.';
}

static int
finder_forget(PyObject *modules, PyObject *shadowed)
{
	PyObject *names = PyDict_Keys(modules);
	int code = names == NULL ? -1 : 0;

	for (Py_ssize_t i = 0; code == 0 && i < PyList_GET_SIZE(names); i++) {
		PyObject *name = PyList_GET_ITEM(names, i);
		int below = PyUnicode_Check(name) ? finder_is_below(name, shadowed) : 0;

		if (below < 0 || (below > 0 && PyDict_DelItem(modules, name) < 0))
			code = -1;
	}
	Py_XDECREF(names);
	return code;
}

int
python_finder_install(void)
{
	PyObject *modules = PyImport_GetModuleDict();       /* borrowed */
	PyObject *meta_path = PySys_GetObject("meta_path"); /* borrowed */
	PyObject *finder = finder_type->tp_alloc(finder_type, 0);
	int code = finder == NULL ? -1 : PyList_Insert(meta_path, 0, finder);

	Py_XDECREF(finder);
	for (size_t i = 1; code == 0 && i < python_source_count(); i++) {
		PyObject *name = python_source_at(i)->module;

		if (!finder_is_core(name) && PyDict_Contains(modules, name) > 0)
			code = finder_forget(modules, name);
	}
	return code;
}
