/*
 * A walk over the collector's lists, as the collector itself does it: each object's type must be
 * plain, and so must the types of what it refers to, for not every object is in a list. A type is
 * plain if it is one of the tables below, or a class made in Python of plain bases without
 * __del__. Called by python_end.c. Never fails: what it does not know is not plain.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "worker/python_plain.h"

#include "worker/python_output.h"

#define Py_BUILD_CORE
#undef _PyGC_FINALIZED /* both headers define it */
#include <internal/pycore_interp.h>

#include <stdint.h>
#include <string.h>

/* Tuples and dictionaries of simple things are in no list. So deep they are looked into, once for
 * each reference to them, and so many references of theirs are followed. */
#define PLAIN_DEPTH_MAX 16u
#define PLAIN_INNER_MAX 2000000u
/* Types that were found plain before, by their address. */
#define PLAIN_CACHE_SLOTS 64u
#define PLAIN_KEPT_MAX    16u

/* Their destructors free memory and drop references. */
static PyTypeObject *const PLAIN_TYPES[] = {
    &PyBaseObject_Type,   &PyLong_Type,         &PyBool_Type,        &PyFloat_Type,
    &PyComplex_Type,      &PyUnicode_Type,      &PyBytes_Type,       &PyByteArray_Type,
    &PyTuple_Type,        &PyList_Type,         &PyDict_Type,        &PySet_Type,
    &PyFrozenSet_Type,    &PySlice_Type,        &PyRange_Type,       &PyFunction_Type,
    &PyMethod_Type,       &PyCFunction_Type,    &PyCMethod_Type,     &PyCode_Type,
    &PyCell_Type,         &PyModule_Type,       &PyProperty_Type,    &PyClassMethod_Type,
    &PyStaticMethod_Type, &PyWrapperDescr_Type, &PyMethodDescr_Type, &PyClassMethodDescr_Type,
    &PyMemberDescr_Type,  &PyGetSetDescr_Type,  &PyDictProxy_Type,   &PyDictKeys_Type,
    &PyDictValues_Type,   &PyDictItems_Type,    &PyDictIterKey_Type, &PyDictIterValue_Type,
    &PyDictIterItem_Type, &PyListIter_Type,     &PyListRevIter_Type, &PyTupleIter_Type,
    &PySetIter_Type,      &PyRangeIter_Type,    &PyUnicodeIter_Type, &PyBytesIter_Type,
    &PySeqIter_Type,      &PyCallIter_Type,     &PyEnum_Type,        &PyReversed_Type,
    &PyZip_Type,          &PyMap_Type,          &PyFilter_Type,      &PySuper_Type,
    &PyFrame_Type,        &PyTraceBack_Type,    &PyType_Type,        &PyODict_Type,
    &Py_GenericAliasType,
};

/* The same, of extension modules and where CPython does not export them, by name. A program can
 * give a class of its own any name, but those are looked at otherwise. */
static const char *const PLAIN_NAMES[] = {
    "collections.deque",
    "collections.defaultdict",
    "_collections._tuplegetter",
    "datetime.date",
    "datetime.datetime",
    "datetime.time",
    "datetime.timedelta",
    "datetime.timezone",
    "functools.partial",
    "functools._lru_cache_wrapper",
    "functools._lru_list_elem",
    "itertools.chain",
    "itertools.count",
    "itertools.cycle",
    "itertools.repeat",
    "operator.itemgetter",
    "operator.attrgetter",
    "_random.Random",
    "re.Pattern",
    "re.Match",
    "decimal.Decimal",
    "decimal.Context",
    "decimal.SignalDictMixin",
    "hamt",
    "hamt_array_node",
    "hamt_bitmap_node",
    "hamt_collision_node",
    "_contextvars.Context",
    "_contextvars.ContextVar",
    "str_ascii_iterator",
};

/* Forced by CPython: found in the zygote, used in the worker. What a class made in Python has: it
 * finalises, clears its slots and goes on with its base. */
static destructor plain_class_dealloc;
/* Owned: these are never destroyed. */
static PyObject *plain_kept[PLAIN_KEPT_MAX];
static unsigned plain_kept_count;
static uintptr_t plain_frozen; /* the last object that is frozen */

struct plain_walk {
	const PyTypeObject *cache[PLAIN_CACHE_SLOTS];
	unsigned depth;
	uint64_t inner; /* references followed of what is in no list */
};

int
python_plain_prepare(struct error *err)
{
	PyObject *type = PyObject_CallFunction((PyObject *)&PyType_Type, "s(){}", "any");

	if (type == NULL) {
		PyErr_Clear();
		return error_set(err, ERROR_SYSTEM, "no class can be made");
	}
	plain_class_dealloc = ((PyTypeObject *)(void *)type)->tp_dealloc;
	Py_DECREF(type);
	return 0;
}

void
python_plain_keep(PyObject *object)
{
	if (object != NULL && plain_kept_count < PLAIN_KEPT_MAX)
		plain_kept[plain_kept_count++] = Py_NewRef(object);
}

static bool
plain_is_listed(const PyTypeObject *type)
{
	for (size_t i = 0; i < sizeof(PLAIN_TYPES) / sizeof(PLAIN_TYPES[0]); i++)
		if (PLAIN_TYPES[i] == type)
			return true;
	for (size_t i = 0; i < sizeof(PLAIN_NAMES) / sizeof(PLAIN_NAMES[0]); i++)
		if (strcmp(PLAIN_NAMES[i], type->tp_name) == 0)
			return true;
	return type == Py_TYPE(Py_None) || type == Py_TYPE(Py_Ellipsis) ||
	       type == Py_TYPE(Py_NotImplemented);
}

static bool
plain_has_finaliser(const PyTypeObject *type)
{
	return type->tp_finalize != NULL || type->tp_del != NULL;
}

/* Down to the type of C that it is made of, each without a finaliser. */
static bool
plain_type(const PyTypeObject *type)
{
	while (type->tp_flags & Py_TPFLAGS_HEAPTYPE) {
		if (plain_has_finaliser(type))
			return false;
		if (type->tp_dealloc != plain_class_dealloc)
			break;
		type = type->tp_base;
	}
	if (plain_has_finaliser(type))
		return false;
	return plain_is_listed(type) || ((type->tp_flags & Py_TPFLAGS_BASE_EXC_SUBCLASS) &&
					 !(type->tp_flags & Py_TPFLAGS_HEAPTYPE));
}

static bool
plain_cached_type(struct plain_walk *walk, const PyTypeObject *type)
{
	const PyTypeObject **slot = &walk->cache[((uintptr_t)type / 64) % PLAIN_CACHE_SLOTS];

	if (*slot == type)
		return true;
	if (!plain_type(type))
		return false;
	*slot = type;
	return true;
}

static int plain_visit(PyObject *object, void *context);

/* Nobody is called when what it refers to goes, but what keeps isinstance()'s memory of classes. */
static bool
plain_weakref(PyObject *object)
{
	PyObject *callback = ((PyWeakReference *)(void *)object)->wr_callback;

	return PyWeakref_CheckRefExact(object) &&
	       (callback == NULL ||
		(PyCFunction_CheckExact(callback) &&
		 strcmp(((PyCFunctionObject *)(void *)callback)->m_ml->ml_name, "_destroy") == 0));
}

/* io.StringIO and io.BytesIO: their finaliser closes them, by a method that an object may have of
 * its own. The type first: asking for the dictionary of an instance of a class makes it. */
static bool
plain_memory_file(PyObject *object)
{
	const PyTypeObject *type = Py_TYPE(object);
	PyObject **dict;

	if (type->tp_dealloc == plain_class_dealloc ||
	    (strcmp(type->tp_name, "_io.StringIO") != 0 &&
	     strcmp(type->tp_name, "_io.BytesIO") != 0))
		return false;
	dict = _PyObject_GetDictPtr(object);
	return dict == NULL || *dict == NULL || PyDict_GET_SIZE(*dict) == 0;
}

static bool
plain_is_kept(const PyObject *object)
{
	for (unsigned i = 0; i < plain_kept_count; i++)
		if (plain_kept[i] == object)
			return true;
	return false;
}

/* Of an object alone. An instance of a class with __del__ may be where nobody looks. */
static bool
plain_object(struct plain_walk *walk, PyObject *object)
{
	if (PyWeakref_Check(object))
		return plain_weakref(object);
	if (PyType_Check(object) && plain_has_finaliser((PyTypeObject *)(void *)object) &&
	    ((PyTypeObject *)(void *)object)->tp_dealloc == plain_class_dealloc)
		return false;
	return plain_cached_type(walk, Py_TYPE(object)) || plain_is_kept(object) ||
	       python_output_holds(object) || plain_memory_file(object);
}

/* What an object in a list refers to. 0: go on. */
static int
plain_visit(PyObject *object, void *context)
{
	struct plain_walk *walk = context;
	int code;

	if ((walk->depth > 0 && ++walk->inner > PLAIN_INNER_MAX) || !plain_object(walk, object))
		return 1;
	if ((!PyTuple_CheckExact(object) && !PyDict_CheckExact(object)) ||
	    PyObject_GC_IsTracked(object))
		return 0;
	if (walk->depth == PLAIN_DEPTH_MAX)
		return 1;
	walk->depth++;
	code = Py_TYPE(object)->tp_traverse(object, plain_visit, walk);
	walk->depth--;
	return code;
}

static bool
plain_list(struct plain_walk *walk, const PyGC_Head *list)
{
	for (const PyGC_Head *at = _PyGCHead_NEXT(list); at != list; at = _PyGCHead_NEXT(at)) {
		PyObject *object = (PyObject *)(void *)((uintptr_t)at + sizeof(*at));

		if (!plain_object(walk, object) ||
		    Py_TYPE(object)->tp_traverse(object, plain_visit, walk) != 0)
			return false;
	}
	return true;
}

static bool
plain_has_none(PyObject *list)
{
	return list == NULL || (PyList_CheckExact(list) && PyList_GET_SIZE(list) == 0);
}

void
python_plain_begin(void)
{
	plain_frozen = PyInterpreterState_Get()->gc.permanent_generation.head._gc_prev;
}

bool
python_plain(void)
{
	const struct _gc_runtime_state *state = &PyInterpreterState_Get()->gc;
	struct plain_walk walk = {.depth = 0};

	/* What a job freezes is in no list that is walked. */
	if (state->permanent_generation.head._gc_prev != plain_frozen || state->debug != 0 ||
	    !plain_has_none(state->callbacks) || !plain_has_none(state->garbage))
		return false;
	for (int i = 0; i < NUM_GENERATIONS; i++)
		if (!plain_list(&walk, &state->generations[i].head))
			return false;
	return true;
}
