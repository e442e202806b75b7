/*
 * Making metered code objects: take apart, find blocks, place charges, put together, register.
 *
 * The registry entry hangs on the code object itself (co_extra) and goes with it. A code object
 * that somebody makes out of a metered one (code.replace) is a new one: it is not registered, and
 * is metered again at its birth (meter_birth.c). Fails with a Python exception; runs no Python
 * code.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#define Py_BUILD_CORE
#include <internal/pycore_code.h>

#include "worker/meter_blocks.h"
#include "worker/meter_code.h"
#include "worker/meter_count.h"
#include "worker/meter_rewrite.h"

#include <stdlib.h>

/* CPython hands out one index per interpreter for co_extra; there is one interpreter. */
static Py_ssize_t rewrite_extra = -1;

int
meter_rewrite_prepare(void)
{
	if (rewrite_extra < 0)
		rewrite_extra = _PyEval_RequestCodeExtraIndex(NULL);
	if (rewrite_extra >= 0)
		return 0;
	PyErr_SetString(PyExc_RuntimeError, "no index for the registry of metered code");
	return -1;
}

bool
meter_registered(PyCodeObject *code)
{
	void *mark = NULL;

	return code->co_extra != NULL &&
	       _PyCode_GetExtra((PyObject *)code, rewrite_extra, &mark) == 0 &&
	       mark == &rewrite_extra;
}

int
meter_register(PyCodeObject *code)
{
	return _PyCode_SetExtra((PyObject *)code, rewrite_extra, &rewrite_extra);
}

static void
rewrite_refuse(PyCodeObject *code, int rc, const struct error *err)
{
	if (rc == ERROR_SYSTEM)
		(void)PyErr_NoMemory();
	else
		PyErr_Format(PyExc_ValueError, "code object %R cannot be metered: %s",
			     code->co_name, err->text);
}

/* The constants of the metered code: the given ones, nested code metered, then one per charge. */
static PyObject *
rewrite_constants(PyObject *given, const struct meter_blocks *blocks, struct meter_insert *inserts)
{
	Py_ssize_t count = PyTuple_GET_SIZE(given);
	PyObject *list = PySequence_List(given), *index = PyDict_New(), *tuple = NULL;

	if (list == NULL || index == NULL)
		goto out;
	for (Py_ssize_t i = 0; i < count; i++) {
		if (!PyCode_Check(PyList_GET_ITEM(list, i)))
			continue;
		PyObject *nested = meter_rewrite((PyCodeObject *)PyList_GET_ITEM(list, i));
		if (nested == NULL || PyList_SetItem(list, i, nested) < 0)
			goto out;
	}
	for (size_t b = 0; b < blocks->count; b++) {
		uint32_t charge = blocks->blocks[b].charge;
		if (charge == 0)
			continue;
		PyObject *constant = meter_count_constant(charge);
		PyObject *at = constant ? PyDict_GetItemWithError(index, constant) : NULL;
		if (constant != NULL && at == NULL && !PyErr_Occurred()) {
			PyObject *number = PyLong_FromSsize_t(PyList_GET_SIZE(list));
			if (number != NULL && PyList_Append(list, constant) == 0 &&
			    PyDict_SetItem(index, constant, number) == 0)
				at = PyDict_GetItemWithError(index, constant);
			Py_XDECREF(number);
		}
		Py_XDECREF(constant);
		if (at == NULL)
			goto out;
		inserts[blocks->site[b]] =
		    (struct meter_insert){(uint32_t)PyLong_AsUnsignedLong(at), true};
	}
	tuple = PyList_AsTuple(list);
out:
	Py_XDECREF(list);
	Py_XDECREF(index);
	return tuple;
}

/* `code` with other bytes, tables and constants; `extra` more of stack. The bytes are borrowed. */
static PyObject *
rewrite_build(PyCodeObject *code, PyObject *text, PyObject *lines, PyObject *regions,
	      PyObject *constants, int extra)
{
	PyObject *varnames = PyCode_GetVarnames(code), *freevars = PyCode_GetFreevars(code);
	PyObject *cellvars = PyCode_GetCellvars(code), *made = NULL;

	if (text != NULL && lines != NULL && regions != NULL && varnames != NULL &&
	    freevars != NULL && cellvars != NULL)
		made = (PyObject *)PyCode_NewWithPosOnlyArgs(
		    code->co_argcount, code->co_posonlyargcount, code->co_kwonlyargcount,
		    code->co_nlocals, code->co_stacksize + extra, code->co_flags, text, constants,
		    code->co_names, varnames, freevars, cellvars, code->co_filename, code->co_name,
		    code->co_qualname, code->co_firstlineno, lines, regions);
	Py_XDECREF(varnames);
	Py_XDECREF(freevars);
	Py_XDECREF(cellvars);
	return made;
}

static PyObject *
rewrite_bytes(PyCodeObject *code, const struct meter_bytes *bytes, PyObject *constants, int extra)
{
	PyObject *text =
	    PyBytes_FromStringAndSize((char *)bytes->code, (Py_ssize_t)bytes->code_bytes);
	PyObject *lines =
	    PyBytes_FromStringAndSize((char *)bytes->locations, (Py_ssize_t)bytes->location_bytes);
	PyObject *regions =
	    PyBytes_FromStringAndSize((char *)bytes->regions, (Py_ssize_t)bytes->region_bytes);
	PyObject *made = rewrite_build(code, text, lines, regions, constants, extra);

	Py_XDECREF(text);
	Py_XDECREF(lines);
	Py_XDECREF(regions);
	return made;
}

static PyObject *
rewrite_plain_constant(PyObject *item)
{
	if (meter_count_is_constant(item))
		item = Py_None;
	else if (PyCode_Check(item))
		return meter_plain((PyCodeObject *)item);
	return Py_NewRef(item);
}

/*
 * Take `code` apart, without what looks like charges. False with an exception. The code units are
 * read where they are: PyCode_GetCode() writes behind the end of its copy when the last
 * instruction's caches are cut off, and nobody has looked at this code yet.
 */
static bool
rewrite_parts(PyCodeObject *code, struct meter_code *ret_parts)
{
	struct error err = ERROR_INIT;
	int rc = meter_code_take((const uint8_t *)_PyCode_CODE(code), (size_t)_PyCode_NBYTES(code),
				 (uint8_t *)PyBytes_AS_STRING(code->co_exceptiontable),
				 (size_t)PyBytes_GET_SIZE(code->co_exceptiontable),
				 (uint8_t *)PyBytes_AS_STRING(code->co_linetable),
				 (size_t)PyBytes_GET_SIZE(code->co_linetable), ret_parts, &err);
	if (rc == 0)
		meter_code_drop_charges(ret_parts);
	/* It would reach ours, which come behind. */
	if (rc == 0 &&
	    meter_code_constants(ret_parts) > (size_t)PyTuple_GET_SIZE(code->co_consts)) {
		meter_code_deinit(ret_parts);
		rc = error_set(&err, ERROR_INVALID, "a constant that it has not got");
	}
	if (rc < 0) {
		rewrite_refuse(code, rc, &err);
		return false;
	}
	return true;
}

static PyObject *
rewrite_plain_constants(PyCodeObject *code)
{
	Py_ssize_t count = PyTuple_GET_SIZE(code->co_consts);
	PyObject *constants = PyTuple_New(count);

	for (Py_ssize_t i = 0; constants != NULL && i < count; i++) {
		PyObject *item = rewrite_plain_constant(PyTuple_GET_ITEM(code->co_consts, i));

		if (item == NULL)
			Py_CLEAR(constants);
		else
			PyTuple_SET_ITEM(constants, i, item);
	}
	return constants;
}

PyObject *
meter_plain(PyCodeObject *code)
{
	PyObject *constants, *made = NULL;
	struct error err = ERROR_INIT;
	struct meter_bytes bytes;
	struct meter_code parts;

	if (Py_EnterRecursiveCall(" while code is copied"))
		return NULL;
	constants = rewrite_plain_constants(code);
	Py_LeaveRecursiveCall();
	if (constants != NULL && rewrite_parts(code, &parts)) {
		struct meter_insert *none = PyMem_Calloc(parts.count, sizeof *none);
		int rc = none == NULL ? ERROR_SYSTEM : meter_code_make(&parts, none, &bytes, &err);

		if (rc < 0) {
			rewrite_refuse(code, rc, &err);
		} else {
			made = rewrite_bytes(code, &bytes, constants, 0);
			meter_bytes_deinit(&bytes);
		}
		PyMem_Free(none);
		meter_code_deinit(&parts);
	}
	Py_XDECREF(constants);
	return made;
}

/* blocks are found; make the new object and register it. */
static PyObject *
rewrite_finish(PyCodeObject *code, const struct meter_code *parts,
	       const struct meter_blocks *blocks)
{
	struct meter_insert *inserts = PyMem_Calloc(parts->count, sizeof *inserts);
	struct meter_bytes bytes = {0};
	struct error err = ERROR_INIT;
	PyObject *made = NULL;

	if (inserts == NULL)
		return PyErr_NoMemory();
	PyObject *constants = rewrite_constants(code->co_consts, blocks, inserts);
	if (constants != NULL) {
		if (meter_code_make(parts, inserts, &bytes, &err) < 0)
			PyErr_SetString(PyExc_ValueError, err.text);
		else
			made = rewrite_bytes(code, &bytes, constants, 1);
	}
	if (made != NULL && meter_register((PyCodeObject *)made) < 0)
		Py_CLEAR(made);
	Py_XDECREF(constants);
	meter_bytes_deinit(&bytes);
	PyMem_Free(inserts);
	return made;
}

static PyObject *
rewrite_take(PyCodeObject *code)
{
	struct error err = ERROR_INIT;
	struct meter_blocks blocks;
	struct meter_code parts;
	PyObject *made = NULL;

	if (Py_EnterRecursiveCall(" while code is metered"))
		return NULL;
	if (rewrite_parts(code, &parts)) {
		int rc = meter_blocks_find(&parts, &blocks, &err);

		if (rc < 0) {
			rewrite_refuse(code, rc, &err);
		} else {
			made = rewrite_finish(code, &parts, &blocks);
			meter_blocks_deinit(&blocks);
		}
		meter_code_deinit(&parts);
	}
	Py_LeaveRecursiveCall();
	return made;
}

/*
 * The collector rests meanwhile: what is made for a moment here must not bring a collection forward
 * that the program would have seen later, by the order of its finalisers.
 */
PyObject *
meter_rewrite(PyCodeObject *code)
{
	if (meter_registered(code))
		return Py_NewRef(code);
	int collected = PyGC_Disable();
	PyObject *made = rewrite_take(code);

	if (collected)
		(void)PyGC_Enable();
	return made;
}
