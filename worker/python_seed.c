/*
 * random.Random.seed() without an argument is the seed() of its base, which takes bytes of the
 * kernel, and forgets a number that gauss() has left over, of which the zygote has none. Called by
 * python_host.c.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "worker/python_seed.h"

#define Py_BUILD_CORE
#undef _PyGC_FINALIZED /* both headers define it */
#include <internal/pycore_interp.h>

#include <stdbool.h>

/* Forced by CPython: found in the zygote, used in the worker. Owned; NULL: random is not there. */
static PyObject *seed_generator; /* that the module's functions use */
static PyObject *seed_method;    /* of its base */

static bool
seed_is_hook(PyObject *hook, PyObject *generator, PyObject *function)
{
	return PyMethod_Check(hook) && PyMethod_GET_SELF(hook) == generator &&
	       PyMethod_GET_FUNCTION(hook) == function;
}

/* Take it out of what CPython calls in a child. */
static bool
seed_take_hook(PyObject *generator, PyObject *function)
{
	PyObject *hooks = PyInterpreterState_Get()->after_forkers_child;
	Py_ssize_t count = hooks && PyList_CheckExact(hooks) ? PyList_GET_SIZE(hooks) : 0;

	for (Py_ssize_t i = 0; i < count; i++)
		if (seed_is_hook(PyList_GET_ITEM(hooks, i), generator, function))
			return PyList_SetSlice(hooks, i, i + 1, NULL) == 0;
	return false;
}

static bool
seed_is_empty(PyObject *generator)
{
	PyObject *left = PyObject_GetAttrString(generator, "gauss_next");

	Py_XDECREF(left);
	return left == Py_None;
}

int
python_seed_prepare(struct error *err)
{
	PyObject *random = PyDict_GetItemString(PyImport_GetModuleDict(), "random");
	PyObject *generator = random ? PyObject_GetAttrString(random, "_inst") : NULL;
	PyObject *class = random ? PyObject_GetAttrString(random, "Random") : NULL;
	PyObject *function = class ? PyObject_GetAttrString(class, "seed") : NULL;
	PyObject *base = class && PyType_Check(class)
			     ? (PyObject *)((PyTypeObject *)(void *)class)->tp_base
			     : NULL;
	PyObject *method = base ? PyObject_GetAttrString(base, "seed") : NULL;

	if (generator != NULL && function != NULL && method != NULL &&
	    Py_IS_TYPE(generator, (PyTypeObject *)(void *)class) && seed_is_empty(generator) &&
	    seed_take_hook(generator, function)) {
		seed_generator = Py_NewRef(generator);
		seed_method = Py_NewRef(method);
	}
	Py_XDECREF(method);
	Py_XDECREF(function);
	Py_XDECREF(class);
	Py_XDECREF(generator);
	if (!PyErr_Occurred())
		return 0;
	PyErr_Clear();
	return error_set(err, ERROR_SYSTEM, "the module random is not CPython 3.11's");
}

void
python_seed_after_fork(void)
{
	PyObject *none = NULL;

	if (seed_generator == NULL)
		return;
	none = PyObject_CallOneArg(seed_method, seed_generator);
	if (none == NULL)
		PyErr_WriteUnraisable(seed_method);
	Py_XDECREF(none);
}
