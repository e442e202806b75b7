/*
 * What Py_FinalizeEx() does that a program can see, in its order, without taking the interpreter
 * down: modules of the warm-up stay, the process ends by _exit(). Called by python_run when the
 * body has ended, however it did. Errors of callbacks and finalisers are printed as CPython prints
 * them and change nothing.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "worker/python_end.h"

#include "worker/python_output.h"
#include "worker/python_plain.h"

#include <stdbool.h>

/* Forced by CPython: set in the zygote, read in the worker. Owned. */
static PyObject *end_warm_modules; /* dict: what the zygote has imported */
static PyObject *end_run_exitfuncs;

/* Set to None by CPython before modules go, so that finalisers find them so. */
static const char *const END_SYS_DELETED[] = {
    "path",
    "argv",
    "ps1",
    "ps2",
    "last_type",
    "last_value",
    "last_traceback",
    "path_hooks",
    "path_importer_cache",
    "meta_path",
    "__interactivehook__",
};

static const char *const END_SYS_RESTORED[][2] = {
    {"stdin", "__stdin__"},
    {"stdout", "__stdout__"},
    {"stderr", "__stderr__"},
};

int
python_end_prepare(struct error *err)
{
	PyObject *atexit = PyImport_ImportModule("atexit");

	if (atexit != NULL)
		end_run_exitfuncs = PyObject_GetAttrString(atexit, "_run_exitfuncs");
	Py_XDECREF(atexit);
	end_warm_modules = PyDict_Copy(PyImport_GetModuleDict());
	if (end_run_exitfuncs == NULL || end_warm_modules == NULL ||
	    PyDict_DelItemString(end_warm_modules, "__main__") < 0)
		return error_set(err, ERROR_SYSTEM, "atexit is not CPython 3.11's");
	return python_plain_prepare(err);
}

/* This thread's is the only one. */
static bool
end_is_alone(void)
{
	return PyThreadState_Next(PyThreadState_Get()) == NULL &&
	       PyInterpreterState_ThreadHead(PyInterpreterState_Get()) == PyThreadState_Get();
}

static void
end_join_threads(void)
{
	PyObject *threading = PyDict_GetItemString(PyImport_GetModuleDict(), "threading"), *result;

	/* With the module from the warm-up and no second thread there is nothing to wait for. */
	if (threading == NULL ||
	    (end_is_alone() && PyDict_GetItemString(end_warm_modules, "threading") == threading))
		return;
	Py_INCREF(threading);
	result = PyObject_CallMethod(threading, "_shutdown", NULL);
	if (result == NULL)
		PyErr_WriteUnraisable(threading);
	Py_XDECREF(result);
	Py_DECREF(threading);
}

static void
end_run_atexit(void)
{
	PyObject *result = PyObject_CallNoArgs(end_run_exitfuncs);

	if (result == NULL)
		PyErr_WriteUnraisable(end_run_exitfuncs);
	Py_XDECREF(result);
}

static void
end_sys(void)
{
	PyObject *builtins = PyEval_GetBuiltins(); /* borrowed */

	if (PyDict_SetItemString(builtins, "_", Py_None) < 0)
		PyErr_Clear();
	for (size_t i = 0; i < sizeof(END_SYS_DELETED) / sizeof(END_SYS_DELETED[0]); i++)
		if (PySys_SetObject(END_SYS_DELETED[i], Py_None) < 0)
			PyErr_Clear();
	for (size_t i = 0; i < sizeof(END_SYS_RESTORED) / sizeof(END_SYS_RESTORED[0]); i++) {
		PyObject *stream = PySys_GetObject(END_SYS_RESTORED[i][1]); /* borrowed */

		if (PySys_SetObject(END_SYS_RESTORED[i][0], stream ? stream : Py_None) < 0)
			PyErr_Clear();
	}
}

/* Also when the program has switched the collector off. */
static void
end_collect(void)
{
	(void)PyGC_Enable();
	(void)PyGC_Collect();
}

/* Names in sys.modules that the warm-up did not put there: new list, NULL for lack of memory. Looks
 * at the others without touching their reference counts, which would copy their pages. */
static PyObject *
end_job_names(PyObject *modules)
{
	PyObject *names = PyList_New(0), *name, *module;
	Py_ssize_t at = 0;

	while (names != NULL && PyDict_Next(modules, &at, &name, &module))
		if (PyUnicode_CheckExact(name) && module != Py_None &&
		    PyDict_GetItemWithError(end_warm_modules, name) != module &&
		    PyList_Append(names, name) < 0)
			Py_CLEAR(names);
	PyErr_Clear();
	return names;
}

/*
 * Take the job's modules out of sys.modules. Returns a list of weak references to them in the order
 * of their import, __main__ first; NULL for lack of memory.
 */
static PyObject *
end_take_modules(void)
{
	PyObject *modules = PyImport_GetModuleDict(), *names = end_job_names(modules);
	PyObject *weak = PyList_New(0);

	/* CPython does this with every module. It is seen in io: the traceback printer then shows a
	 * finaliser's error without its source line. */
	if (PyDict_SetItemString(modules, "io", Py_None) < 0)
		PyErr_Clear();
	for (Py_ssize_t i = 0; names && weak && i < PyList_GET_SIZE(names); i++) {
		PyObject *name = PyList_GET_ITEM(names, i), *reference;
		PyObject *module = PyDict_GetItemWithError(modules, name); /* borrowed */

		if (module != NULL && PyModule_Check(module)) {
			reference = PyWeakref_NewRef(module, NULL);
			if (reference == NULL || PyList_Append(weak, reference) < 0)
				PyErr_Clear();
			Py_XDECREF(reference);
		}
		if (PyDict_SetItem(modules, name, Py_None) < 0)
			PyErr_Clear();
		/* In CPython's collection the main program's objects come before its modules'. */
		if (i == 0 && PyList_GET_SIZE(names) > 1)
			end_collect();
	}
	Py_XDECREF(names);
	PyErr_Clear();
	return weak;
}

/* Modules that something still holds are emptied, the last imported first. true: there were some.
 */
static bool
end_clear_modules(PyObject *weak)
{
	bool cleared = false;

	for (Py_ssize_t i = weak ? PyList_GET_SIZE(weak) - 1 : -1; i >= 0; i--) {
		PyObject *module = PyWeakref_GetObject(PyList_GET_ITEM(weak, i)); /* borrowed */

		if (module == NULL || module == Py_None)
			continue;
		Py_INCREF(module);
		_PyModule_Clear(module);
		Py_DECREF(module);
		cleared = true;
	}
	return cleared;
}

static void
end_take_apart(void)
{
	PyObject *weak;

	(void)PyGC_Collect();
	end_sys();
	weak = end_take_modules();
	end_collect();
	if (end_clear_modules(weak))
		end_collect();
	Py_XDECREF(weak);
	PyErr_Clear();
}

int
python_end(void)
{
	int code;

	end_join_threads();
	end_run_atexit();
	code = python_output_finish();
	if (!end_is_alone() || !python_plain())
		end_take_apart();
	python_output_settle();
	return code;
}
