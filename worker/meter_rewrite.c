/*
 * Making metered code objects: take apart, find blocks, place charges, put together, register.
 *
 * The registry entry hangs on the code object itself (co_extra) and goes with it. A code object
 * that somebody makes out of a metered one (code.replace) is a new one: it is not registered, and is
 * metered again at its birth (meter_birth.c). Fails with a Python exception; runs no Python code.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#define Py_BUILD_CORE
#include <internal/pycore_code.h>
#include <internal/pycore_opcode.h>
#include <opcode.h>

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
		rewrite_extra = _PyEval_RequestCodeExtraIndex(free);
	if (rewrite_extra >= 0)
		return 0;
	PyErr_SetString(PyExc_RuntimeError, "no index for the registry of metered code");
	return -1;
}

const struct meter_registered *
meter_registered(PyCodeObject *code)
{
	void *extra = NULL;

	if (code->co_extra == NULL || _PyCode_GetExtra((PyObject *)code, rewrite_extra, &extra) < 0)
		return NULL;
	return extra;
}

/* Units that the LOAD_CONST and the POP_JUMP of a charge take. */
static uint32_t
rewrite_pair_units(uint32_t constant)
{
	return 2u + (constant > 0xff) + (constant > 0xffff) + (constant > 0xffffff);
}

static struct meter_registered *
rewrite_register(const struct meter_blocks *blocks, const struct meter_insert *inserts,
		 const uint32_t *starts)
{
	struct meter_registered *self =
	    malloc(sizeof *self + blocks->count * sizeof self->sites[0]);

	if (self == NULL)
		return NULL;
	self->count = (uint32_t)blocks->count;
	for (size_t b = 0; b < blocks->count; b++) {
		uint32_t site = blocks->site[b], first = blocks->first[b];
		bool charged = blocks->blocks[b].charge != 0;
		uint32_t units = charged ? rewrite_pair_units(inserts[site].constant) : 0;
		self->sites[b] = (struct meter_site){
			.start = starts[first] - (site == first ? units : 0),
			.pair = charged ? starts[site] - units : starts[first],
			.paid = charged ? starts[site] : starts[first],
			.cost = blocks->blocks[b].cost,
			.post = blocks->blocks[b].post,
			.charge = blocks->blocks[b].charge,
		};
	}
	self->prefix = self->sites[0].start;
	return self;
}

static const struct meter_site *
rewrite_site(const struct meter_registered *registered, uint32_t unit)
{
	uint32_t low = 0, high = registered->count;

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;
		if (registered->sites[middle].start <= unit)
			low = middle;
		else
			high = middle;
	}
	return &registered->sites[low];
}

/* Counted instructions of the block that have begun at or before `unit`. */
static uint32_t
rewrite_executed(const struct meter_site *site, PyCodeObject *code, uint32_t unit)
{
	const _Py_CODEUNIT *units = _PyCode_CODE(code);
	uint32_t executed = 0;

	for (uint32_t at = site->start; at <= unit;) {
		if (at == site->pair && site->pair != site->paid) {
			at = site->paid;
			continue;
		}
		uint8_t opcode = _PyOpcode_Deopt[_Py_OPCODE(units[at])];
		executed += opcode != EXTENDED_ARG && opcode != RESUME;
		at += 1u + _PyOpcode_Caches[opcode];
	}
	return executed;
}

uint64_t
meter_registered_prepaid(const struct meter_registered *registered, PyCodeObject *code, int unit)
{
	if (unit < 0 || (uint32_t)unit < registered->prefix)
		return 0;
	const struct meter_site *site = rewrite_site(registered, (uint32_t)unit);
	bool before = site->pair != site->paid && (uint32_t)unit + 1 < site->paid;
	uint32_t executed = rewrite_executed(site, code, (uint32_t)unit);

	if (before) /* its charge is not paid yet: what it was entered with is left */
		return (uint64_t)((int64_t)site->cost + site->post - site->charge);
	return (uint64_t)(site->cost > executed ? site->cost - executed : 0) + site->post;
}

bool
meter_registered_pays(const struct meter_registered *registered, int unit, int32_t charge)
{
	if (unit < 0)
		return false;
	const struct meter_site *site = rewrite_site(registered, (uint32_t)unit);
	return site->pair != site->paid && (uint32_t)unit + 1 == site->paid &&
	       site->charge == charge;
}

uint64_t
meter_registered_next(const struct meter_registered *registered, int unit)
{
	if (unit < 0)
		return 0;
	const struct meter_site *site = rewrite_site(registered, (uint32_t)unit);
	return site->pair != site->paid && (uint32_t)unit + 1 == site->paid ? site->cost : 0;
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
		int32_t charge = blocks->blocks[b].charge;
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
		    (struct meter_insert){ (uint32_t)PyLong_AsUnsignedLong(at), true };
	}
	tuple = PyList_AsTuple(list);
out:
	Py_XDECREF(list);
	Py_XDECREF(index);
	return tuple;
}

static PyObject *
rewrite_build(PyCodeObject *code, const struct meter_bytes *bytes, PyObject *constants)
{
	PyObject *text = PyBytes_FromStringAndSize((char *)bytes->code, (Py_ssize_t)bytes->code_bytes);
	PyObject *lines = PyBytes_FromStringAndSize((char *)bytes->locations,
						    (Py_ssize_t)bytes->location_bytes);
	PyObject *regions = PyBytes_FromStringAndSize((char *)bytes->regions,
						      (Py_ssize_t)bytes->region_bytes);
	PyObject *varnames = PyCode_GetVarnames(code), *freevars = PyCode_GetFreevars(code);
	PyObject *cellvars = PyCode_GetCellvars(code), *made = NULL;

	if (text != NULL && lines != NULL && regions != NULL && varnames != NULL &&
	    freevars != NULL && cellvars != NULL)
		made = (PyObject *)PyCode_NewWithPosOnlyArgs(
		    code->co_argcount, code->co_posonlyargcount, code->co_kwonlyargcount,
		    code->co_nlocals, code->co_stacksize + 1, code->co_flags, text, constants,
		    code->co_names, varnames, freevars, cellvars, code->co_filename, code->co_name,
		    code->co_qualname, code->co_firstlineno, lines, regions);
	Py_XDECREF(text);
	Py_XDECREF(lines);
	Py_XDECREF(regions);
	Py_XDECREF(varnames);
	Py_XDECREF(freevars);
	Py_XDECREF(cellvars);
	return made;
}

/* blocks are found; make the new object and register it. */
static PyObject *
rewrite_finish(PyCodeObject *code, const struct meter_code *parts, const struct meter_blocks *blocks)
{
	struct meter_insert *inserts = PyMem_Calloc(parts->count, sizeof *inserts);
	struct meter_bytes bytes = { 0 };
	struct meter_registered *registered = NULL;
	struct error err = ERROR_INIT;
	PyObject *made = NULL;

	if (inserts == NULL)
		return PyErr_NoMemory();
	PyObject *constants = rewrite_constants(code->co_consts, blocks, inserts);
	if (constants != NULL) {
		if (meter_code_make(parts, inserts, &bytes, &err) < 0)
			PyErr_SetString(PyExc_ValueError, err.text);
		else
			made = rewrite_build(code, &bytes, constants);
	}
	if (made != NULL) {
		registered = rewrite_register(blocks, inserts, bytes.starts);
		if (registered == NULL || _PyCode_SetExtra(made, rewrite_extra, registered) < 0) {
			free(registered);
			Py_CLEAR(made);
			if (!PyErr_Occurred())
				PyErr_NoMemory();
		}
	}
	Py_XDECREF(constants);
	meter_bytes_deinit(&bytes);
	PyMem_Free(inserts);
	return made;
}

PyObject *
meter_rewrite(PyCodeObject *code)
{
	struct meter_code parts;
	struct meter_blocks blocks;
	struct error err = ERROR_INIT;
	PyObject *made = NULL;

	if (meter_registered(code) != NULL)
		return Py_NewRef(code);
	if (Py_EnterRecursiveCall(" while code is metered"))
		return NULL;
	PyObject *text = PyCode_GetCode(code);
	if (text == NULL) {
		Py_LeaveRecursiveCall();
		return NULL;
	}
	int rc = meter_code_take((uint8_t *)PyBytes_AS_STRING(text), (size_t)PyBytes_GET_SIZE(text),
				 (uint8_t *)PyBytes_AS_STRING(code->co_exceptiontable),
				 (size_t)PyBytes_GET_SIZE(code->co_exceptiontable),
				 (uint8_t *)PyBytes_AS_STRING(code->co_linetable),
				 (size_t)PyBytes_GET_SIZE(code->co_linetable), &parts, &err);
	if (rc == 0) {
		rc = meter_blocks_find(&parts, &blocks, &err);
		if (rc == 0) {
			made = rewrite_finish(code, &parts, &blocks);
			meter_blocks_deinit(&blocks);
		}
		meter_code_deinit(&parts);
	}
	if (rc < 0)
		PyErr_Format(rc == ERROR_SYSTEM ? PyExc_MemoryError : PyExc_ValueError,
			     "code object %R cannot be metered: %s", code->co_name, err.text);
	Py_DECREF(text);
	Py_LeaveRecursiveCall();
	return made;
}
