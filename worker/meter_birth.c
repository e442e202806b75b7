/*
 * The births of code objects: compile, exec and eval, types.CodeType, code.replace, marshal and the
 * frozen modules. The C functions behind them are exchanged in CPython's own method tables and type
 * slots, so it does not matter which object a program got hold of, or whether it makes itself a new
 * `marshal` module. The import system, runpy, zipimport and all else written in Python make code
 * with these.
 *
 * Also here: a frame's f_lineno cannot be set. A trace function could jump over charges with it.
 *
 * Called by python_host.c. What goes wrong in a birth is an exception in the program.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "worker/meter_birth.h"

#include "worker/meter_alive.h"
#include "worker/meter_count.h"
#include "worker/meter_evaluate.h"
#include "worker/meter_fresh.h"
#include "worker/meter_proof.h"
#include "worker/meter_rewrite.h"

#include <stdbool.h>
#include <string.h>

#define FAST     METH_FASTCALL
#define KEYWORDS (METH_FASTCALL | METH_KEYWORDS)

/* What CPython's functions were: forced by CPython, which calls ours without a context. */
static _PyCFunctionFastWithKeywords birth_compile, birth_replace;
static _PyCFunctionFast birth_dump, birth_dumps, birth_frozen;
static PyCFunction birth_load, birth_loads, birth_init_frozen;
static newfunc birth_new;

/* Steals `made`. */
static PyObject *
birth_meter(PyObject *made)
{
	if (made == NULL || !PyCode_Check(made))
		return made;
	PyObject *metered = meter_rewrite((PyCodeObject *)(void *)made);

	Py_DECREF(made);
	return metered;
}

static PyObject *
birth_on_compile(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
	return birth_meter(birth_compile(self, args, count, names));
}

static PyObject *
birth_on_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	return birth_meter(birth_new(type, args, kwargs));
}

/* Does replace() touch what runs? With the same bytes, constants and handlers charges stay true. */
static bool
birth_changes_code(PyObject *names)
{
	static const char *const RUNS[] = {"co_code", "co_consts", "co_exceptiontable"};

	for (Py_ssize_t i = 0; names != NULL && i < PyTuple_GET_SIZE(names); i++)
		for (size_t r = 0; r < sizeof(RUNS) / sizeof(RUNS[0]); r++)
			if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, i), RUNS[r]) ==
			    0)
				return true;
	return false;
}

static PyObject *
birth_on_replace(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
	PyObject *made = birth_replace(self, args, count, names);

	if (made == NULL || birth_changes_code(names) ||
	    !meter_registered((PyCodeObject *)(void *)self))
		return birth_meter(made);
	if (meter_register((PyCodeObject *)(void *)made) < 0)
		Py_CLEAR(made);
	return made;
}

static PyObject *
birth_on_load(PyObject *self, PyObject *argument)
{
	return meter_fresh(birth_load(self, argument));
}

static PyObject *
birth_on_loads(PyObject *self, PyObject *argument)
{
	return meter_fresh(birth_loads(self, argument));
}

/* dump and dumps: code in the form that another CPython can load; see meter_rewrite.h. */
static PyObject *
birth_write(_PyCFunctionFast old, PyObject *self, PyObject *const *args, Py_ssize_t count)
{
	PyObject *both[3] = {NULL}, *result;

	if (count < 1 || count > 3 || !PyCode_Check(args[0]))
		return old(self, args, count);
	for (Py_ssize_t i = 1; i < count; i++)
		both[i] = args[i];
	both[0] = meter_plain((PyCodeObject *)(void *)args[0]);
	if (both[0] == NULL)
		return NULL;
	result = old(self, both, count);
	Py_DECREF(both[0]);
	return result;
}

static PyObject *
birth_on_dump(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
	return birth_write(birth_dump, self, args, count);
}

static PyObject *
birth_on_dumps(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
	return birth_write(birth_dumps, self, args, count);
}

static PyObject *
birth_on_frozen(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
	return meter_fresh(birth_frozen(self, args, count));
}

/* _imp.init_frozen(name): None when there is none, else the module, executed. */
static PyObject *
birth_on_init_frozen(PyObject *self, PyObject *name)
{
	PyObject *code = NULL, *module, *is_package, *result = NULL;
	int package;

	if (!PyUnicode_Check(name))
		return birth_init_frozen(self, name);
	is_package = PyObject_CallMethod(self, "is_frozen_package", "O", name);
	if (is_package == NULL) {
		if (!PyErr_ExceptionMatches(PyExc_ImportError))
			return NULL;
		PyErr_Clear();
		Py_RETURN_NONE;
	}
	package = PyObject_IsTrue(is_package);
	Py_DECREF(is_package);
	code = birth_on_frozen(self, &name, 1);
	module = code != NULL ? PyImport_AddModuleObject(name) : NULL; /* borrowed */
	if (module != NULL && package > 0) {
		PyObject *path = PyList_New(0);

		if (path == NULL || PyObject_SetAttrString(module, "__path__", path) < 0)
			module = NULL;
		Py_XDECREF(path);
	}
	if (module != NULL)
		result = PyImport_ExecCodeModuleObject(name, code, NULL, NULL);
	Py_XDECREF(code);
	return result;
}

static int
birth_on_lineno(PyObject *frame, PyObject *value, void *context)
{
	(void)frame;
	(void)context;
	if (value == NULL)
		PyErr_SetString(PyExc_AttributeError, "cannot delete attribute");
	else
		PyErr_SetString(PyExc_ValueError, "f_lineno cannot be set: jobs are metered");
	return -1;
}

static int
birth_unsupported(struct error *err, const char *what)
{
	PyErr_Clear();
	return error_set(err, ERROR_UNSUPPORTED, "%s is not CPython 3.11's", what);
}

/* Definition of a module's function with these flags. */
static PyMethodDef *
birth_function(const char *module_name, const char *name, int flags)
{
	PyObject *module = PyImport_ImportModule(module_name), *function = NULL;
	PyMethodDef *definition = NULL;

	if (module != NULL)
		function = PyObject_GetAttrString(module, name);
	if (function != NULL && PyCFunction_CheckExact(function)) {
		definition = ((PyCFunctionObject *)(void *)function)->m_ml;
		if (definition->ml_flags != flags)
			definition = NULL;
	}
	Py_XDECREF(function);
	Py_XDECREF(module);
	return definition;
}

/* Exchange the C function of module.name; *ret_old is what it was. */
static int
birth_exchange(const char *module, const char *name, int flags, PyCFunction with,
	       PyCFunction *ret_old, struct error *err)
{
	PyMethodDef *definition = birth_function(module, name, flags);

	if (definition == NULL)
		return birth_unsupported(err, name);
	*ret_old = definition->ml_meth;
	definition->ml_meth = with;
	return 0;
}

#define BIRTH_EXCHANGE(module, name, flags, with, old)                                             \
	birth_exchange(module, name, flags, (PyCFunction)(void (*)(void))(with),                   \
		       (PyCFunction *)(void *)&(old), err)

static int
birth_functions(struct error *err)
{
	int code;

	if ((code = BIRTH_EXCHANGE("builtins", "compile", KEYWORDS, birth_on_compile,
				   birth_compile)) < 0 ||
	    (code = BIRTH_EXCHANGE("builtins", "exec", KEYWORDS, meter_evaluate_exec,
				   meter_evaluate_old_exec)) < 0 ||
	    (code = BIRTH_EXCHANGE("builtins", "eval", FAST, meter_evaluate_eval,
				   meter_evaluate_old_eval)) < 0 ||
	    (code = BIRTH_EXCHANGE("marshal", "load", METH_O, birth_on_load, birth_load)) < 0 ||
	    (code = BIRTH_EXCHANGE("marshal", "loads", METH_O, birth_on_loads, birth_loads)) < 0 ||
	    (code = BIRTH_EXCHANGE("marshal", "dump", FAST, birth_on_dump, birth_dump)) < 0 ||
	    (code = BIRTH_EXCHANGE("marshal", "dumps", FAST, birth_on_dumps, birth_dumps)) < 0 ||
	    (code = BIRTH_EXCHANGE("_imp", "get_frozen_object", FAST, birth_on_frozen,
				   birth_frozen)) < 0)
		return code;
	return BIRTH_EXCHANGE("_imp", "init_frozen", METH_O, birth_on_init_frozen,
			      birth_init_frozen);
}

/* What types do: CodeType(...), code.replace(), frame.f_lineno = ... */
static int
birth_types(struct error *err)
{
	PyObject *replace = PyDict_GetItemString(PyCode_Type.tp_dict, "replace");
	PyObject *lineno = PyDict_GetItemString(PyFrame_Type.tp_dict, "f_lineno");
	PyMethodDef *definition;

	if (replace == NULL || !Py_IS_TYPE(replace, &PyMethodDescr_Type))
		return birth_unsupported(err, "code.replace");
	definition = ((PyMethodDescrObject *)(void *)replace)->d_method;
	if (definition->ml_flags != KEYWORDS)
		return birth_unsupported(err, "code.replace");
	if (lineno == NULL || !Py_IS_TYPE(lineno, &PyGetSetDescr_Type))
		return birth_unsupported(err, "frame.f_lineno");
	birth_replace = (_PyCFunctionFastWithKeywords)(void (*)(void))definition->ml_meth;
	definition->ml_meth = (PyCFunction)(void (*)(void))birth_on_replace;
	((PyGetSetDescrObject *)(void *)lineno)->d_getset->set = birth_on_lineno;
	birth_new = PyCode_Type.tp_new;
	PyCode_Type.tp_new = birth_on_new;
	return 0;
}

int
meter_birth_prepare(struct error *err)
{
	int code;

	if (meter_count_prepare() < 0 || meter_rewrite_prepare() < 0)
		return birth_unsupported(err, "the registry of code");
	code = birth_functions(err);
	if (code == 0)
		code = birth_types(err);
	if (code == 0)
		code = meter_alive_convert(err);
	if (code == 0)
		meter_proof_install();
	return code;
}
