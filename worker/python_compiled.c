/*
 * Leaves a job's compiled code for later jobs of the same source, and takes what another worker has
 * left. Called by python_main and python_run; runs none of the job's code. What does not fit in any
 * way is not used, and the source compiled: nothing here makes a job fail.
 *
 * stintd lets only a worker of the same generation, with the same file name, mode and depth of
 * calls have the bytes; the head says so once more, since byte code that does not fit its
 * interpreter is undefined behaviour. marshal trusts what it reads. So it counts that the room is
 * gone before the job's code runs: a job cannot change what the next one gets.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "worker/python_compiled.h"

#include "protocol/worker_abi.h"
#include "worker/meter_count.h"
#include "worker/python_compile.h"
#include "worker/python_meter.h"
#include "worker/python_source.h"

#include <marshal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define COMPILED_METER_ID_CHARS 16

/* What the bytes after it depend on. */
struct compiled_head {
	uint32_t magic; /* of the interpreter's byte code */
	uint32_t start; /* Py_file_input or Py_eval_input */
	uint32_t depth; /* recursion limit: how deep a source may be nested */
	char meter_id[COMPILED_METER_ID_CHARS]; /* the version in full, and the hash seed */
};

/* One job per process. */
static struct worker_code *compiled_room;
static uint32_t compiled_magic; /* asking for it imports something: done in the zygote */

int
python_compiled_prepare(struct error *err)
{
	compiled_magic = (uint32_t)PyImport_GetMagicNumber();
	if (!PyErr_Occurred())
		return 0;
	PyErr_Clear();
	return error_set(err, ERROR_SYSTEM, "importlib is not CPython 3.11's");
}

void
python_compiled_open(void *room)
{
	if (room != NULL) /* a page that is written to has to be copied */
		compiled_room = room;
}

void
python_compiled_close(void)
{
	if (compiled_room != NULL)
		(void)munmap(compiled_room, CODE_FILE_BYTES);
	compiled_room = NULL;
}

static int
compiled_start(const struct python_job *job)
{
	return job->mode_eval ? Py_eval_input : Py_file_input;
}

static struct compiled_head
compiled_head(const struct python_job *job)
{
	struct compiled_head head = {.magic = compiled_magic,
				     .start = (uint32_t)compiled_start(job),
				     .depth = (uint32_t)Py_GetRecursionLimit()};
	memcpy(head.meter_id, python_meter_id(), sizeof(head.meter_id));
	return head;
}

/* Steals `code`, which may be NULL or anything. */
static PyObject *
compiled_check(PyObject *code)
{
	if (code != NULL &&
	    (!PyCode_Check(code) || PyUnicode_Compare(((PyCodeObject *)(void *)code)->co_filename,
						      python_source_main()->file) != 0))
		Py_CLEAR(code);
	PyErr_Clear();
	return code;
}

PyObject *
python_compiled_load(const struct python_job *job)
{
	const struct compiled_head head = compiled_head(job);

	if (job->compiled.size < sizeof(head) ||
	    memcmp(job->compiled.bytes, &head, sizeof(head)) != 0)
		return NULL;
	return compiled_check(PyMarshal_ReadObjectFromString(
	    job->compiled.bytes + sizeof(head), (Py_ssize_t)(job->compiled.size - sizeof(head))));
}

/* Whether there is a set with an order to it among the constants. */
static bool
compiled_has_sets(PyObject *constant)
{
	if (PyCode_Check(constant))
		return compiled_has_sets(((PyCodeObject *)(void *)constant)->co_consts);
	if (PyFrozenSet_CheckExact(constant))
		return PySet_GET_SIZE(constant) > 1;
	for (Py_ssize_t i = 0; PyTuple_CheckExact(constant) && i < PyTuple_GET_SIZE(constant); i++)
		if (compiled_has_sets(PyTuple_GET_ITEM(constant, i)))
			return true;
	return false;
}

static bool compiled_same_order(PyObject *constant, PyObject *copy);

/* Elements that collide stand in the order in which they came, and marshal sorts them. */
static bool
compiled_same_set(PyObject *set, PyObject *copy)
{
	PyObject *key, *other;
	Py_ssize_t at = 0, at_copy = 0;
	Py_hash_t hash;

	while (_PySet_NextEntry(set, &at, &key, &hash))
		if (!_PySet_NextEntry(copy, &at_copy, &other, &hash) ||
		    PyObject_RichCompareBool(key, other, Py_EQ) != 1 ||
		    !compiled_same_order(key, other))
			return false;
	return true;
}

static bool
compiled_same_order(PyObject *constant, PyObject *copy)
{
	if (Py_TYPE(constant) != Py_TYPE(copy))
		return false;
	if (PyCode_Check(constant))
		return compiled_same_order(((PyCodeObject *)(void *)constant)->co_consts,
					   ((PyCodeObject *)(void *)copy)->co_consts);
	if (PyFrozenSet_CheckExact(constant))
		return compiled_same_set(constant, copy);
	if (!PyTuple_CheckExact(constant))
		return true;
	if (PyTuple_GET_SIZE(constant) != PyTuple_GET_SIZE(copy))
		return false;
	for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(constant); i++)
		if (!compiled_same_order(PyTuple_GET_ITEM(constant, i), PyTuple_GET_ITEM(copy, i)))
			return false;
	return true;
}

/* Whether who reads these bytes gets what was compiled. */
static bool
compiled_is_faithful(PyObject *code, PyObject *bytes)
{
	PyObject *copy;
	bool same;

	if (!compiled_has_sets(code))
		return true;
	copy = PyMarshal_ReadObjectFromString(PyBytes_AS_STRING(bytes), PyBytes_GET_SIZE(bytes));
	same = copy != NULL && compiled_same_order(code, copy);
	Py_XDECREF(copy);
	return same;
}

static void
compiled_say(uint64_t bytes)
{
	__atomic_store_n(&compiled_room->bytes, bytes, __ATOMIC_RELEASE);
}

static void
compiled_leave(const struct python_job *job, PyObject *code)
{
	const struct compiled_head head = compiled_head(job);
	PyObject *bytes = PyMarshal_WriteObjectToString(code, Py_MARSHAL_VERSION);
	char *to = (char *)compiled_room + CODE_OFFSET;
	size_t size;

	/* For lack of memory: the next job may have it. */
	if (bytes == NULL && PyErr_ExceptionMatches(PyExc_MemoryError)) {
		PyErr_Clear();
		return;
	}
	size = bytes != NULL ? (size_t)PyBytes_GET_SIZE(bytes) : SIZE_MAX;
	if (size > CODE_BYTES_MAX - sizeof(head) || !compiled_is_faithful(code, bytes)) {
		compiled_say(CODE_BYTES_NEVER);
	} else {
		memcpy(to, &head, sizeof(head));
		memcpy(to + sizeof(head), PyBytes_AS_STRING(bytes), size);
		compiled_say(sizeof(head) + size);
	}
	PyErr_Clear();
	Py_XDECREF(bytes);
}

/* What has been printed as an error so far: a warning of the compiler goes there at once. */
static off_t
compiled_stderr_size(void)
{
	struct stat status;

	return fstat(STDERR_FILENO, &status) < 0 ? -1 : status.st_size;
}

PyObject *
python_compiled_make(const struct python_job *job)
{
	uint64_t count = meter_count_now();
	off_t printed = compiled_stderr_size();
	PyObject *code = python_compile(python_source_main(), compiled_start(job));

	if (code == NULL || compiled_room == NULL)
		return code;
	if (count == meter_count_now() && printed == compiled_stderr_size())
		compiled_leave(job, code);
	else
		compiled_say(CODE_BYTES_NEVER);
	return code;
}
