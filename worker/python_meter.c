/*
 * Binds the meter to a job's terms and page. At the end of the budget, and when stintd sets
 * page.stop, there is no exception: the process ends inside the charge, so no handler, finaliser or
 * hook of the program runs. What it has printed lies in the shared page and in its files already;
 * this adds the frames that were running, innermost last, read without running any Python code.
 *
 * Called by python_run.c and python_host.c. Where memory is short at a stop the frames are left
 * out.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#define Py_BUILD_CORE
#include <internal/pycore_frame.h>

#include "worker/python_meter.h"

#include "protocol/pack.h"
#include "worker/meter_alive.h"
#include "worker/meter_count.h"
#include "worker/python_source.h"
#include "worker/python_trace.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define METER_FNV_BASIS 14695981039346656037u
#define METER_FNV_PRIME 1099511628211u
#define METER_ERROR     "OpcodeLimit"

/* One job per process. Borrowed. */
static struct worker_page *meter_page;
static char *meter_page_base;
static char meter_id[17];

static void
meter_put_frame(struct pack *result, const _PyInterpreterFrame *frame)
{
	PyCodeObject *code = frame->f_code;
	int at = (int)(_PyInterpreterFrame_LASTI(frame) * (int)sizeof(_Py_CODEUNIT));
	int line = PyCode_Addr2Line(code, at);
	PyObject *text = python_source_line(code->co_filename, line);

	python_trace_put_frame(result, code->co_filename, line, code->co_name, text);
	Py_XDECREF(text);
}

static _PyInterpreterFrame *
meter_outer(_PyInterpreterFrame *frame)
{
	do
		frame = frame->previous;
	while (frame != NULL && _PyFrame_IsIncomplete(frame));
	return frame;
}

/* The frames of this thread, outermost first; of many the outer and inner ones. */
static void
meter_put_frames(struct pack *result)
{
	const _PyInterpreterFrame *kept[TRACEBACK_FRAMES_MAX];
	size_t count = 0, half = TRACEBACK_FRAMES_MAX / 2, index = 0, used = 0;
	_PyInterpreterFrame *first = PyThreadState_Get()->cframe->current_frame, *frame;

	for (frame = first; frame != NULL; frame = meter_outer(frame))
		count++;
	for (frame = first; frame != NULL; frame = meter_outer(frame), index++)
		if (count <= TRACEBACK_FRAMES_MAX || index < half || index >= count - half)
			kept[used++] = frame;
	while (used > 0)
		meter_put_frame(result, kept[--used]);
}

static void
meter_stopped(uint64_t count, bool asked)
{
	struct pack result;
	char text[128];

	pack_init(&result, RESULT_BYTES_MAX);
	if (!asked) { /* stintd knows why it asks */
		(void)snprintf(text, sizeof(text), "stopped after %" PRIu64 " opcodes", count);
		pack_put(&result, RESULT_ERROR_TYPE, METER_ERROR, strlen(METER_ERROR));
		pack_put(&result, RESULT_ERROR_MESSAGE, text, strlen(text));
	}
	meter_put_frames(&result);
	if (!result.failed)
		memcpy(meter_page_base + PAGE_RESULT_OFFSET, result.bytes, result.size);
	__atomic_store_n(&meter_page->result_bytes, result.failed ? 0 : result.size,
			 __ATOMIC_RELEASE);
	__atomic_store_n(&meter_page->reason, asked ? REASON_STOPPED : REASON_OPCODE_LIMIT,
			 __ATOMIC_RELEASE);
	__atomic_store_n(&meter_page->phase, PHASE_ENDED, __ATOMIC_RELEASE);
	_exit(PYTHON_METER_EXIT);
}

void
python_meter_begin(const struct worker_terms *terms, struct worker_page *page, void *page_base)
{
	struct meter_terms meter = {
	    .counter = &page->meter,
	    .stop = &page->stop,
	    .budget = terms->limits.opcodes,
	    .per_second = terms->limits.opcodes_per_second,
	    .stopped = meter_stopped,
	};

	meter_page = page;
	meter_page_base = page_base;
	meter_count_begin(&meter);
}

static uint64_t
meter_hash(uint64_t hash, const char *text)
{
	for (;; text++) {
		hash = (hash ^ (unsigned char)*text) * METER_FNV_PRIME;
		if (*text == '\0')
			return hash;
	}
}

int
python_meter_prepare(uint64_t hash_seed, struct error *err)
{
	PyObject *names = PyDict_Keys(PyImport_GetModuleDict());
	uint64_t hash = METER_FNV_BASIS;
	char seed[24];

	if (names == NULL || PyList_Sort(names) < 0) {
		PyErr_Clear();
		return error_set(err, ERROR_SYSTEM, "sys.modules has a name that is not text");
	}
	(void)snprintf(seed, sizeof(seed), "%" PRIu64, hash_seed);
	hash = meter_hash(hash, meter_count_version());
	hash = meter_hash(hash, Py_GetVersion());
	hash = meter_hash(hash, seed);
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(names); i++) {
		const char *name = PyUnicode_AsUTF8(PyList_GET_ITEM(names, i));

		hash = meter_hash(hash, name != NULL ? name : "");
	}
	Py_DECREF(names);
	(void)snprintf(meter_id, sizeof(meter_id), "%016" PRIx64, hash);
	return meter_alive_check(err);
}

const char *
python_meter_id(void)
{
	return meter_id;
}
