/*
 * The trace function and its installation.
 *
 * A C function in the slot that sys.settrace() uses, so it costs nothing while there is no trace.
 * In a traced job sys.settrace() and _thread.start_new_thread() are replaced where their method
 * tables are, so that no name in any namespace still leads to the old ones: the first gives the
 * slot to the program and takes it back, the second installs the function in the new thread. Over a
 * cap the trace ends and the job goes on. State is static, since the slot's argument would be seen
 * by sys.gettrace(); the GIL serialises all access. A lack of memory ends the trace.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#define Py_BUILD_CORE
#include <internal/pycore_frame.h>
#include <opcode.h>

#include "worker/trace_event.h"
#include "worker/trace_run.h"

#include <string.h>

#define RUN_THREADS_MAX 64 /* counted apart; those beyond share a depth */

struct run_thread {
	uint64_t id; /* CPython's */
	uint32_t depth;
};

static struct {
	enum trace_kind kind; /* TRACE_NONE: not tracing */
	bool (*is_charge)(PyObject *constant);
	struct worker_page *page; /* borrowed */
	char *area;               /* borrowed: TRACE_BYTES_MAX */
	uint64_t used, events_left;
	struct run_thread threads[RUN_THREADS_MAX];
	uint32_t thread_count;
	uint64_t newest;                    /* highest thread id seen */
	PyCFunction settrace, start_thread; /* CPython's own */
	struct trace_text text;
} run;

static Py_ssize_t run_extra = -1; /* where a code object keeps its map */

static int run_event(PyObject *self, PyFrameObject *frame, int what, PyObject *value);

static void
run_free_map(void *map)
{
	PyMem_RawFree(map);
}

int
trace_run_prepare(void)
{
	if (run_extra < 0)
		run_extra = _PyEval_RequestCodeExtraIndex(run_free_map);
	if (run_extra >= 0)
		return 0;
	PyErr_SetString(PyExc_RuntimeError, "no index for the maps of traced code");
	return -1;
}

/* Put the function into a thread's slot, or take it out. Not by the API: that raises an audit
 * event, and the program may have a hook on it. */
static void
run_install(PyThreadState *thread, Py_tracefunc function)
{
	if (thread->c_tracefunc != NULL && thread->c_tracefunc != run_event)
		return;
	thread->c_tracefunc = function;
	bool used = thread->c_tracefunc != NULL || thread->c_profilefunc != NULL;
	/* Inside a trace function CPython does this when it is left. */
	thread->cframe->use_tracing = used && thread->tracing == 0 ? 255 : 0;
}

/* Events were left out: tell so, and trace no more. */
static void
run_cut(void)
{
	run.kind = TRACE_NONE;
	__atomic_store_n(&run.page->trace_truncated, 1, __ATOMIC_RELEASE);
}

static void
run_emit(void)
{
	if (run.text.over)
		return;
	if (run.events_left == 0 || run.text.size > TRACE_BYTES_MAX - run.used) {
		run_cut();
		return;
	}
	memcpy(run.area + run.used, run.text.bytes, run.text.size);
	run.used += run.text.size;
	run.events_left--;
	__atomic_store_n(&run.page->trace_bytes, run.used, __ATOMIC_RELEASE);
}

static struct run_thread *
run_thread_of(const PyThreadState *state)
{
	for (uint32_t i = 0; i < run.thread_count; i++)
		if (run.threads[i].id == state->id)
			return &run.threads[i];
	if (run.thread_count == RUN_THREADS_MAX)
		return &run.threads[RUN_THREADS_MAX - 1];
	struct run_thread *thread = &run.threads[run.thread_count++];
	*thread = (struct run_thread){.id = state->id};
	return thread;
}

/* Map of the code object, made when it is first met; borrowed from the code object. */
static const struct trace_map *
run_map(PyCodeObject *code)
{
	void *map = NULL;

	if (code->co_extra != NULL)
		(void)_PyCode_GetExtra((PyObject *)code, run_extra, &map);
	if (map != NULL)
		return map;
	map = trace_map_new(code, run.is_charge);
	if (map != NULL && _PyCode_SetExtra((PyObject *)code, run_extra, map) < 0) {
		PyErr_Clear();
		PyMem_RawFree(map);
		map = NULL;
	}
	return map;
}

static void
run_opcode(const struct trace_place *place)
{
	const struct trace_map *map = run_map(place->frame->f_frame->f_code);

	if (map == NULL)
		run_cut();
	else if (trace_event_opcode(place, map, &run.text))
		run_emit();
}

/* Of calls: how a frame is entered or left. */
static void
run_call(const struct trace_place *place, int what, PyObject *value)
{
	uint32_t arg = 0;
	uint8_t opcode = trace_event_at(place->frame, &arg);
	const char *word = "exception";
	bool raised = false;

	if (what == PyTrace_CALL) {
		word = opcode == RESUME && arg != 0 ? "resume" : "call";
		value = NULL;
	} else if (what == PyTrace_RETURN) {
		word = opcode == YIELD_VALUE && value != NULL ? "yield" : "return";
		raised = value == NULL;
	} else {
		value = PyTuple_GET_ITEM(value, 1);
	}
	trace_event_call(place, word, value, raised, &run.text);
	run_emit();
}

static int
run_event(PyObject *self, PyFrameObject *frame, int what, PyObject *value)
{
	PyThreadState *state = PyThreadState_Get();
	struct run_thread *thread = run.kind != TRACE_NONE ? run_thread_of(state) : NULL;

	(void)self;
	if (thread == NULL) {
		run_install(state, NULL);
		return 0;
	}
	struct trace_place place = {.frame = frame,
				    .thread = (uint32_t)(thread - run.threads),
				    .depth = thread->depth > 0 ? thread->depth - 1 : 0};
	if (what == PyTrace_CALL) {
		place.depth = thread->depth++;
		frame->f_trace_opcodes = run.kind == TRACE_OPCODES;
	} else if (what == PyTrace_RETURN && thread->depth > 0) {
		thread->depth--;
	}
	if (run.kind == TRACE_OPCODES && what == PyTrace_OPCODE)
		run_opcode(&place);
	else if (run.kind == TRACE_LINES && what == PyTrace_LINE) {
		trace_event_line(&place, &run.text);
		run_emit();
	} else if (run.kind == TRACE_CALLS &&
		   (what == PyTrace_CALL || what == PyTrace_RETURN || what == PyTrace_EXCEPTION))
		run_call(&place, what, value);
	if (run.kind == TRACE_NONE)
		run_install(state, NULL);
	return 0;
}

/* Prepare the frames of the calling thread for a trace that begins, or ends, in their midst; their
 * number. */
static uint32_t
run_mark_frames(PyThreadState *state, bool opcodes)
{
	PyFrameObject *frame = PyThreadState_GetFrame(state);
	uint32_t depth = 0;

	while (frame != NULL) {
		PyFrameObject *back = PyFrame_GetBack(frame);
		frame->f_trace_opcodes = opcodes;
		depth++;
		Py_DECREF(frame);
		frame = back;
	}
	return depth;
}

/* sys.settrace() of a traced job. */
static PyObject *
run_settrace(PyObject *module, PyObject *function)
{
	PyThreadState *state = PyThreadState_Get();

	if (run.kind != TRACE_NONE && function != Py_None && state->c_tracefunc == run_event) {
		uint32_t depth = run_thread_of(state)->depth;
		struct trace_place place = {.frame = PyEval_GetFrame(),
					    .depth = depth > 0 ? depth - 1 : 0,
					    .thread =
						(uint32_t)(run_thread_of(state) - run.threads)};
		if (place.frame != NULL) {
			trace_event_call(&place, "settrace", NULL, false, &run.text);
			run_emit();
		}
		(void)run_mark_frames(state, false);
	}
	PyObject *result = run.settrace(module, function);
	if (run.kind != TRACE_NONE && state->c_tracefunc == NULL) {
		run_thread_of(state)->depth = run_mark_frames(state, run.kind == TRACE_OPCODES);
		run_install(state, run_event);
	}
	return result;
}

/* Install the function in threads that are new. */
static void
run_new_threads(void)
{
	uint64_t newest = run.newest;

	for (PyThreadState *state = PyInterpreterState_ThreadHead(PyInterpreterState_Get());
	     state != NULL; state = PyThreadState_Next(state)) {
		if (state->id <= run.newest)
			continue;
		newest = state->id > newest ? state->id : newest;
		(void)run_thread_of(state);
		run_install(state, run_event);
	}
	run.newest = newest;
}

/* _thread.start_new_thread() of a traced job. The new thread waits for the GIL, which we have. */
static PyObject *
run_start_thread(PyObject *module, PyObject *args)
{
	PyObject *result = run.start_thread(module, args);

	if (result != NULL && run.kind != TRACE_NONE)
		run_new_threads();
	return result;
}

/* Put `function` into the method table behind module.name; the old one, or NULL. */
static PyCFunction
run_replace(const char *module_name, const char *name, PyCFunction function)
{
	PyObject *module = PyImport_ImportModule(module_name);
	PyObject *object = module ? PyObject_GetAttrString(module, name) : NULL;
	PyCFunction old = NULL;

	if (object != NULL && PyCFunction_Check(object)) {
		PyMethodDef *method = ((PyCFunctionObject *)object)->m_ml;
		old = method->ml_meth != function ? method->ml_meth : NULL;
		method->ml_meth = function;
	}
	Py_XDECREF(object);
	Py_XDECREF(module);
	return old;
}

int
trace_run_begin(enum trace_kind kind, uint64_t events_max, struct worker_page *page,
		void *page_base, bool (*is_charge)(PyObject *constant))
{
	PyThreadState *state = PyThreadState_Get();

	run.settrace = run_replace("sys", "settrace", run_settrace);
	run.start_thread = run_replace("_thread", "start_new_thread", run_start_thread);
	(void)run_replace("_thread", "start_new", run_start_thread);
	if (run.settrace == NULL || run.start_thread == NULL) {
		if (!PyErr_Occurred())
			PyErr_SetString(PyExc_RuntimeError, "sys or _thread is not CPython's");
		return -1;
	}
	run.is_charge = is_charge;
	run.page = page;
	run.area = (char *)page_base + PAGE_TRACE_OFFSET;
	run.events_left = events_max;
	run.newest = state->id;
	run.kind = kind;
	(void)run_thread_of(state);
	run_install(state, run_event);
	return 0;
}

void
trace_run_end(void)
{
	if (run.kind == TRACE_NONE)
		return;
	run.kind = TRACE_NONE;
	run_install(PyThreadState_Get(), NULL);
}
