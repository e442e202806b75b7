/*
 * Finds unmetered code in living objects with the collector's own traversal, so that no holder is
 * forgotten whatever its type, and gives functions metered code through their `__code__`. One
 * metered object takes the place of one code object, also when many functions share it. Called in
 * the zygote by meter_birth.c and python_host.c. Fails with ERROR_SYSTEM and what CPython says.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "worker/meter_alive.h"

#include "worker/meter_rewrite.h"

#include <stdbool.h>
#include <stdio.h>

/* New list of all objects that the collector tracks, or NULL with an exception. */
static PyObject *
alive_objects(void)
{
	PyObject *gc = PyImport_ImportModule("gc"), *objects = NULL;

	if (gc != NULL)
		objects = PyObject_CallMethod(gc, "get_objects", NULL);
	Py_XDECREF(gc);
	return objects;
}

static int
alive_failed(struct error *err, const char *what)
{
	PyObject *type, *value, *traceback, *text;
	const char *why;

	PyErr_Fetch(&type, &value, &traceback);
	text = value != NULL ? PyObject_Str(value) : NULL;
	why = text != NULL ? PyUnicode_AsUTF8(text) : NULL;
	int code = error_set(err, ERROR_SYSTEM, "%s: %s", what, why != NULL ? why : "?");
	PyErr_Clear();
	Py_XDECREF(text);
	Py_XDECREF(type);
	Py_XDECREF(value);
	Py_XDECREF(traceback);
	return code;
}

/* Metered code for `code`, from `done` (dict: address -> metered) or new: borrowed from `done`. */
static PyObject *
alive_metered(PyObject *done, PyObject *code)
{
	PyObject *address = PyLong_FromVoidPtr(code), *made = NULL;

	if (address == NULL)
		return NULL;
	made = PyDict_GetItemWithError(done, address);
	if (made == NULL && !PyErr_Occurred()) {
		PyObject *fresh = meter_rewrite((PyCodeObject *)(void *)code);

		if (fresh != NULL && PyDict_SetItem(done, address, fresh) == 0)
			made = fresh;
		Py_XDECREF(fresh);
	}
	Py_DECREF(address);
	return made;
}

int
meter_alive_convert(struct error *err)
{
	PyObject *objects = alive_objects(), *done = PyDict_New();
	int code = objects == NULL || done == NULL ? -1 : 0;

	for (Py_ssize_t i = 0; code == 0 && i < PyList_GET_SIZE(objects); i++) {
		PyObject *function = PyList_GET_ITEM(objects, i), *made;

		if (!PyFunction_Check(function) ||
		    meter_registered((PyCodeObject *)(void *)PyFunction_GET_CODE(function)))
			continue;
		made = alive_metered(done, PyFunction_GET_CODE(function));
		if (made == NULL || PyObject_SetAttrString(function, "__code__", made) < 0)
			code = -1;
	}
	Py_XDECREF(objects);
	Py_XDECREF(done);
	return code < 0 ? alive_failed(err, "metering what is alive") : 0;
}

static int
alive_visit(PyObject *referent, void *found)
{
	if (PyCode_Check(referent) && !meter_registered((PyCodeObject *)(void *)referent))
		*(PyObject **)found = referent;
	return 0;
}

int
meter_alive_check(struct error *err)
{
	PyObject *objects = alive_objects();
	int code = objects == NULL ? alive_failed(err, "looking for unmetered code") : 0;

	for (Py_ssize_t i = 0; code == 0 && i < PyList_GET_SIZE(objects); i++) {
		PyObject *holder = PyList_GET_ITEM(objects, i), *found = NULL;

		if (Py_TYPE(holder)->tp_traverse == NULL)
			continue;
		(void)Py_TYPE(holder)->tp_traverse(holder, alive_visit, &found);
		if (found != NULL)
			code = error_set(
			    err, ERROR_SYSTEM, "a %.100s holds code that is not metered: %s",
			    Py_TYPE(holder)->tp_name,
			    PyUnicode_AsUTF8(((PyCodeObject *)(void *)found)->co_qualname));
	}
	Py_XDECREF(objects);
	return code;
}
