/*
 * Tracing a job: what it executes is written into the trace area of the page (worker_page.h).
 *
 * All Python code that runs between begin and end is traced, whosever it is: the program, its
 * modules, the standard library, finalisers, callbacks, all threads. What is not: code that runs
 * inside a trace function or audit hook of the program's own, and a thread that has given itself a
 * trace function with sys.settrace(), until it takes it away with sys.settrace(None).
 * sys.gettrace() shows nothing of the tracing.
 */
#ifndef STINT_WORKER_TRACE_RUN_H
#define STINT_WORKER_TRACE_RUN_H

#ifndef PY_SSIZE_T_CLEAN
#define PY_SSIZE_T_CLEAN
#endif
#include <Python.h>

#include "protocol/worker_abi.h"

/* In the zygote, once. 0, or -1 with an exception. Costs a job that is not traced nothing. */
int trace_run_prepare(void);
/*
 * In a worker, before the program runs: trace the job from here on. is_charge tells the constants
 * that metering put into code. 0, or -1 with an exception.
 */
int trace_run_begin(enum trace_kind kind, uint64_t events_max, struct worker_page *page,
		    void *page_base, bool (*is_charge)(PyObject *constant));
/* Nothing more is traced. */
void trace_run_end(void);

#endif
