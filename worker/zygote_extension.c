/*
 * A worker cannot map a file executable, so shared objects are loaded here, before the first fork,
 * and stay loaded; importing one later gives dlopen() a path that it already has, which opens
 * nothing (and lib-dynload is hidden from jobs). They are not imported: _asyncio alone pulls in all
 * of asyncio, and what is imported makes every fork slower. The finder takes the place of
 * importlib's own for that directory in sys.path_importer_cache. Runs no tenant code but for import
 * requests.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "worker/zygote_extension.h"

#include <dlfcn.h>
#include <stdio.h>

#define EXTENSION_SUFFIX     ".cpython-311-" EXTENSION_TRIPLET ".so"
#define EXTENSION_PATH_BYTES 4352
#if defined(__x86_64__)
#define EXTENSION_TRIPLET "x86_64-linux-gnu"
#elif defined(__aarch64__)
#define EXTENSION_TRIPLET "aarch64-linux-gnu"
#else
#error "name the platform triplet of Debian's extension modules"
#endif

/*
 * Left out: what reaches around the interpreter (_ctypes, _posixshmem, _multiprocessing),
 * terminals and databases of the machine, _ssl (there is no network) and the test modules.
 */
static const char *const EXTENSION_NAMES[] = {
    "_asyncio",   "_bz2",       "_codecs_cn",      "_codecs_hk", "_codecs_iso2022", "_codecs_jp",
    "_codecs_kr", "_codecs_tw", "_contextvars",    "_decimal",   "_hashlib",        "_json",
    "_lsprof",    "_lzma",      "_multibytecodec", "_queue",     "_sqlite3",        "_typing",
    "_uuid",      "_zoneinfo",  "audioop",         "mmap",       "resource",
};
#define EXTENSION_COUNT (sizeof(EXTENSION_NAMES) / sizeof(EXTENSION_NAMES[0]))

/* Forced by CPython: set in the zygote, read in the worker. */
static char extension_directory[EXTENSION_PATH_BYTES - 128];
static PyTypeObject *extension_type;  /* owned */
static PyObject *extension_loader;    /* owned: importlib's ExtensionFileLoader */
static PyObject *extension_make_spec; /* owned: spec_from_file_location */

static void
extension_path(const char *name, char ret_path[EXTENSION_PATH_BYTES])
{
	(void)snprintf(ret_path, EXTENSION_PATH_BYTES, "%s/%s%s", extension_directory, name,
		       EXTENSION_SUFFIX);
}

static PyObject *
extension_spec(const char *name)
{
	char path[EXTENSION_PATH_BYTES];
	PyObject *loader, *args = NULL, *kwargs = NULL, *spec = NULL;

	extension_path(name, path);
	loader = PyObject_CallFunction(extension_loader, "ss", name, path);
	if (loader != NULL)
		args = Py_BuildValue("(ss)", name, path);
	if (args != NULL)
		kwargs = Py_BuildValue("{sO}", "loader", loader);
	if (kwargs != NULL)
		spec = PyObject_Call(extension_make_spec, args, kwargs);
	Py_XDECREF(loader);
	Py_XDECREF(args);
	Py_XDECREF(kwargs);
	return spec;
}

/* find_spec(fullname, target=None), positional as importlib calls it */
static PyObject *
extension_find_spec(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
	if (count < 1 || count > 2 || !PyUnicode_Check(args[0])) {
		PyErr_SetString(PyExc_TypeError, "find_spec() takes a name and a target");
		return NULL;
	}
	for (size_t i = 0; i < EXTENSION_COUNT; i++)
		if (PyUnicode_CompareWithASCIIString(args[0], EXTENSION_NAMES[i]) == 0)
			return extension_spec(EXTENSION_NAMES[i]);
	Py_RETURN_NONE;
}

static PyMethodDef EXTENSION_METHODS[] = {
    {"find_spec", (PyCFunction)(void (*)(void))extension_find_spec, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot EXTENSION_SLOTS[] = {
    {Py_tp_methods, EXTENSION_METHODS},
    {0, NULL},
};

static PyType_Spec EXTENSION_SPEC = {
    "importlib.ExtensionFinder",
    sizeof(PyObject),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    EXTENSION_SLOTS,
};

static int
extension_load(struct error *err)
{
	for (size_t i = 0; i < EXTENSION_COUNT; i++) {
		char path[EXTENSION_PATH_BYTES];

		extension_path(EXTENSION_NAMES[i], path);
		if (dlopen(path, RTLD_NOW) == NULL)
			return error_set(err, ERROR_UNSUPPORTED,
					 "extension module %s does not load: %s (install "
					 "libpython3.11-stdlib)",
					 EXTENSION_NAMES[i], dlerror());
	}
	return 0;
}

int
zygote_extension_prepare(const char *stdlib, struct error *err)
{
	PyObject *external = PyImport_ImportModule("_frozen_importlib_external");
	PyObject *cache = PySys_GetObject("path_importer_cache"), *finder = NULL; /* borrowed */
	int length =
	    snprintf(extension_directory, sizeof(extension_directory), "%s/lib-dynload", stdlib);
	int failed = 1, code;

	if (length < 0 || (size_t)length >= sizeof(extension_directory))
		return error_set(err, ERROR_INVALID, "the standard library's path is too long");
	code = extension_load(err);
	if (code < 0)
		return code;
	if (external != NULL) {
		extension_loader = PyObject_GetAttrString(external, "ExtensionFileLoader");
		extension_make_spec = PyObject_GetAttrString(external, "spec_from_file_location");
	}
	Py_XDECREF(external);
	extension_type = (PyTypeObject *)(void *)PyType_FromSpec(&EXTENSION_SPEC);
	if (extension_type != NULL)
		finder = extension_type->tp_alloc(extension_type, 0);
	if (finder != NULL && cache != NULL)
		failed = PyDict_SetItemString(cache, extension_directory, finder) < 0;
	Py_XDECREF(finder);
	if (failed || extension_loader == NULL || extension_make_spec == NULL)
		return error_set(err, ERROR_SYSTEM, "importlib is not CPython 3.11's");
	return 0;
}
