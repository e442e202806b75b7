/*
 * The warm-up of the zygote: imports, the shared objects behind them, and gc.freeze, so that
 * workers share it all copy-on-write. Runs no tenant code and leaves no thread, no name of ours in
 * builtins or __main__, and no cache that a job could tell from a fresh interpreter's. Called by
 * python_host_start() alone. A module that is missing or fails is an error that names it: the
 * operator's `preload` is wrong, or the machine's Python is not whole.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "worker/zygote_warm.h"

#include "worker/zygote_extension.h"

#include <dirent.h>
#include <errno.h>
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define WARM_NAME_BYTES 256

/*
 * Always there: `site` for what it adds to builtins; linecache, which shows source lines in errors;
 * warnings, which the interpreter looks for when it issues one.
 */
static const char *const WARM_ALWAYS[] = {"site", "warnings", "linecache"};

/* Take the pending exception as one line of text. */
static void
warm_reason(char *ret_text, size_t size)
{
	PyObject *type, *value, *traceback, *text = NULL;
	const char *bytes = NULL;

	PyErr_Fetch(&type, &value, &traceback);
	if (value != NULL)
		text = PyObject_Str(value);
	if (text != NULL)
		bytes = PyUnicode_AsUTF8(text);
	(void)snprintf(ret_text, size, "%s: %s",
		       type ? ((PyTypeObject *)(void *)type)->tp_name : "?", bytes ? bytes : "?");
	PyErr_Clear();
	Py_XDECREF(text);
	Py_XDECREF(type);
	Py_XDECREF(value);
	Py_XDECREF(traceback);
}

static int
warm_failed(struct error *err, const char *what)
{
	char reason[160];

	warm_reason(reason, sizeof(reason));
	return error_set(err, ERROR_INVALID, "%s: %s", what, reason);
}

static int
warm_import(const char *name, struct error *err)
{
	char what[WARM_NAME_BYTES + 32];
	PyObject *module = PyImport_ImportModule(name);

	if (module != NULL) {
		Py_DECREF(module);
		return 0;
	}
	(void)snprintf(what, sizeof(what), "module '%s' cannot be imported", name);
	return warm_failed(err, what);
}

/* Workers are forked: none may have more than the one thread. */
static int
warm_threads(struct error *err)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *entry;
	unsigned count = 0;
	int error;

	if (tasks == NULL)
		return error_errno(err, "/proc/self/task");
	errno = 0;
	while ((entry = readdir(tasks)) != NULL)
		count += entry->d_name[0] != '.';
	error = errno;
	(void)closedir(tasks);
	errno = error;
	if (error != 0)
		return error_errno(err, "/proc/self/task");
	if (count != 1)
		return error_set(err, ERROR_SYSTEM, "the warm-up left %u threads, not 1", count);
	return 0;
}

static int
warm_preload(const char *names, struct error *err)
{
	while (*(names += strspn(names, " \t,")) != '\0') {
		char name[WARM_NAME_BYTES];
		size_t length = strcspn(names, " \t,");
		int code;

		if (length >= sizeof(name))
			return error_set(err, ERROR_INVALID, "preload: a name is too long");
		memcpy(name, names, length);
		name[length] = '\0';
		names += length;
		code = warm_import(name, err);
		if (code < 0)
			return error_wrap(err, "preload");
		code = warm_threads(err);
		if (code < 0)
			return error_wrap(err, "preload: module '%s'", name);
	}
	return 0;
}

static int
warm_call(const char *module_name, const char *function, struct error *err)
{
	char what[WARM_NAME_BYTES];
	PyObject *module = PyImport_ImportModule(module_name), *result = NULL;

	if (module != NULL)
		result = PyObject_CallMethod(module, function, NULL);
	Py_XDECREF(module);
	if (result != NULL) {
		Py_DECREF(result);
		return 0;
	}
	(void)snprintf(what, sizeof(what), "%s.%s()", module_name, function);
	return warm_failed(err, what);
}

int
zygote_warm(const char *preload, const char *stdlib, struct error *err)
{
	int code;

	/* pthread_exit and pthread_cancel load it when first used. */
	if (dlopen("libgcc_s.so.1", RTLD_NOW | RTLD_GLOBAL) == NULL)
		return error_set(err, ERROR_UNSUPPORTED, "libgcc_s.so.1: %s", dlerror());
	code = zygote_extension_prepare(stdlib, err);
	for (size_t i = 0; code == 0 && i < sizeof(WARM_ALWAYS) / sizeof(WARM_ALWAYS[0]); i++)
		code = warm_import(WARM_ALWAYS[i], err);
	if (code == 0)
		code = warm_preload(preload, err);
	/* What `python3` has and an embedded interpreter has not: exit, quit, copyright, help ...
	 */
	if (code == 0)
		code = warm_call("site", "setquit", err);
	if (code == 0)
		code = warm_call("site", "setcopyright", err);
	if (code == 0)
		code = warm_call("site", "sethelper", err);
	return code;
}

static bool
warm_is_imported(const char *name)
{
	PyObject *modules = PyImport_GetModuleDict(); /* borrowed */

	return PyDict_GetItemString(modules, name) != NULL;
}

int
zygote_warm_empty(struct error *err)
{
	int code = warm_threads(err);

	if (code == 0)
		code = warm_call("linecache", "clearcache", err);
	if (code == 0 && warm_is_imported("re"))
		code = warm_call("re", "purge", err);
	if (code == 0)
		code = warm_call("gc", "collect", err);
	return code;
}

int
zygote_warm_freeze(struct error *err)
{
	int code = warm_threads(err);

	if (code == 0)
		code = warm_call("gc", "freeze", err);
	return code;
}
