/*
 * Events of a trace as lines of JSON.
 *
 *   {"event":"opcode","file":…,"function":…,"line":1,"offset":6,"opname":"STORE_NAME","arg":"x",
 *    "values":["8"]}
 *   {"event":"line","file":…,"function":…,"line":1}
 *   {"event":"call"|"resume"|"yield"|"return"|"exception",…,"line":1,"depth":0}
 *     yield and return with "value", return by an exception with "raised":true in its place,
 *     exception with "value"
 *   {"event":"settrace",…}: the program took the tracing over with sys.settrace()
 *
 * `line` is null for an instruction without one, `offset` is in bytes and that of the program's own
 * code, `arg` and `values` are there when the instruction has any. A thread that is not the main
 * one adds "thread": 1, 2, …
 */
#ifndef STINT_WORKER_TRACE_EVENT_H
#define STINT_WORKER_TRACE_EVENT_H

#ifndef PY_SSIZE_T_CLEAN
#define PY_SSIZE_T_CLEAN
#endif
#include <Python.h>

#include "worker/trace_map.h"
#include "worker/trace_text.h"

#include <stdint.h>

/* Where an event happens. */
struct trace_place {
	PyFrameObject *frame; /* borrowed: at the event */
	uint32_t thread;      /* 0: main */
	uint32_t depth;       /* Python calls below it */
};

/* The instruction that the frame is about to execute. False: it is none of the program's own, and
 * nothing is to be told. */
bool trace_event_opcode(const struct trace_place *place, const struct trace_map *map,
			struct trace_text *ret_text);
void trace_event_line(const struct trace_place *place, struct trace_text *ret_text);
/* `event` is the word; value NULL: none (raised: left by an exception). */
void trace_event_call(const struct trace_place *place, const char *event, PyObject *value,
		      bool raised, struct trace_text *ret_text);
/* Opcode and argument of the instruction at which the frame is. */
uint8_t trace_event_at(PyFrameObject *frame, uint32_t *ret_arg);

#endif
