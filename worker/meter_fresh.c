/*
 * Walks an object graph fresh from marshal and puts metered code in the place of all code in it,
 * however deep: `marshal.loads` gives lists of code, and the constants of a code object may be
 * containers with more of it. Only the types that marshal makes are entered. Called by
 * meter_birth.c; runs no Python code. Fails with an exception, the graph then half done: the caller
 * drops it.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "worker/meter_fresh.h"

#include "worker/meter_rewrite.h"

#include <stdbool.h>

/*
 * Levels that are entered. marshal itself reads 2000, and this walk enters things in the order in
 * which they were read, so never more; Python's recursion limit would refuse what marshal reads.
 */
#define FRESH_DEPTH_MAX 2048

struct fresh {
	PyObject *seen; /* owned: set of the addresses of containers, since lists can be rings */
	int depth;      /* levels entered */
};

static PyObject *fresh_walk(struct fresh *fresh, PyObject *object);

static bool
fresh_is_container(PyObject *object)
{
	return PyTuple_CheckExact(object) || PyList_CheckExact(object) ||
	       PyDict_CheckExact(object) || PyAnySet_CheckExact(object);
}

/* 1 when this container was not seen before, 0 when it was, -1 with an exception. */
static int
fresh_first(struct fresh *fresh, PyObject *container)
{
	PyObject *address = PyLong_FromVoidPtr(container);
	int seen = address != NULL ? PySet_Contains(fresh->seen, address) : -1;

	if (seen == 0 && PySet_Add(fresh->seen, address) < 0)
		seen = -1;
	Py_XDECREF(address);
	return seen < 0 ? -1 : !seen;
}

/* One level deeper: -1 with an exception where that is too deep. Leave with fresh->depth--. */
static int
fresh_enter(struct fresh *fresh)
{
	if (fresh->depth >= FRESH_DEPTH_MAX) {
		PyErr_SetString(PyExc_RecursionError, "marshal data is nested too deep to meter");
		return -1;
	}
	fresh->depth++;
	return 0;
}

/* What stands in a place that cannot be changed must hold no code. */
static int
fresh_refuse(struct fresh *fresh, PyObject *object)
{
	PyObject *same;

	if (PyCode_Check(object)) {
		PyErr_SetString(PyExc_ValueError,
				"bad marshal data (code in a set or a dict's key)");
		return -1;
	}
	if (PyTuple_CheckExact(object)) {
		int code = fresh_enter(fresh);

		if (code < 0)
			return -1;
		for (Py_ssize_t i = 0; code == 0 && i < PyTuple_GET_SIZE(object); i++)
			code = fresh_refuse(fresh, PyTuple_GET_ITEM(object, i));
		fresh->depth--;
		return code;
	}
	if (!fresh_is_container(object))
		return 0;
	same = fresh_walk(fresh, Py_NewRef(object));
	Py_XDECREF(same);
	return same == NULL ? -1 : 0;
}

/* The items of a tuple or list. */
static int
fresh_items(struct fresh *fresh, PyObject **items, Py_ssize_t count)
{
	for (Py_ssize_t i = 0; i < count; i++) {
		if (!PyCode_Check(items[i]) && !fresh_is_container(items[i]))
			continue;
		PyObject *made = fresh_walk(fresh, Py_NewRef(items[i]));

		if (made == NULL)
			return -1;
		Py_SETREF(items[i], made);
	}
	return 0;
}

static int
fresh_dict(struct fresh *fresh, PyObject *dict)
{
	PyObject *key, *value;
	Py_ssize_t at = 0;

	while (PyDict_Next(dict, &at, &key, &value)) {
		if (fresh_refuse(fresh, key) < 0)
			return -1;
		if (!PyCode_Check(value) && !fresh_is_container(value))
			continue;
		PyObject *made = fresh_walk(fresh, Py_NewRef(value));
		/* An existing key: the dict keeps its order and size. */
		int code = made == NULL ? -1 : made == value ? 0 : PyDict_SetItem(dict, key, made);

		Py_XDECREF(made);
		if (code < 0)
			return -1;
	}
	return 0;
}

static int
fresh_set(struct fresh *fresh, PyObject *set)
{
	PyObject *key;
	Py_hash_t hash;
	Py_ssize_t at = 0;

	while (_PySet_NextEntry(set, &at, &key, &hash))
		if (fresh_refuse(fresh, key) < 0)
			return -1;
	return 0;
}

/* Containers among the constants; code that stands there directly is meter_rewrite's. */
static int
fresh_constants(struct fresh *fresh, PyCodeObject *code)
{
	PyObject *constants = code->co_consts;

	for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(constants); i++) {
		PyObject *item = PyTuple_GET_ITEM(constants, i), *same;
		int done = 0;

		if (PyCode_Check(item)) {
			done = fresh_enter(fresh);
			if (done == 0) {
				done = fresh_constants(fresh, (PyCodeObject *)(void *)item);
				fresh->depth--;
			}
		} else if (fresh_is_container(item)) {
			same = fresh_walk(fresh, Py_NewRef(item));
			Py_XDECREF(same);
			done = same == NULL ? -1 : 0;
		}
		if (done < 0)
			return -1;
	}
	return 0;
}

/* Steals `object`. */
static PyObject *
fresh_walk(struct fresh *fresh, PyObject *object)
{
	int code = 0, first;

	if (fresh_enter(fresh) < 0) {
		Py_DECREF(object);
		return NULL;
	}
	if (PyCode_Check(object)) {
		PyCodeObject *given = (PyCodeObject *)(void *)object;
		PyObject *made = NULL;

		if (meter_registered(given))
			made = Py_NewRef(object);
		else if (fresh_constants(fresh, given) == 0)
			made = meter_rewrite(given);
		Py_DECREF(object);
		fresh->depth--;
		return made;
	}
	first = fresh_is_container(object) ? fresh_first(fresh, object) : 0;
	if (first < 0)
		code = -1;
	else if (first == 0)
		code = 0;
	else if (PyTuple_CheckExact(object))
		code = fresh_items(fresh, ((PyTupleObject *)(void *)object)->ob_item,
				   PyTuple_GET_SIZE(object));
	else if (PyList_CheckExact(object))
		code = fresh_items(fresh, ((PyListObject *)(void *)object)->ob_item,
				   PyList_GET_SIZE(object));
	else if (PyDict_CheckExact(object))
		code = fresh_dict(fresh, object);
	else
		code = fresh_set(fresh, object);
	if (code < 0)
		Py_CLEAR(object);
	fresh->depth--;
	return object;
}

PyObject *
meter_fresh(PyObject *object)
{
	struct fresh fresh;

	if (object == NULL || (!PyCode_Check(object) && !fresh_is_container(object)))
		return object;
	fresh.depth = 0;
	fresh.seen = PySet_New(NULL);
	if (fresh.seen == NULL) {
		Py_DECREF(object);
		return NULL;
	}
	object = fresh_walk(&fresh, object);
	Py_DECREF(fresh.seen);
	return object;
}
