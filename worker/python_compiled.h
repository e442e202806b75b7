/*
 * Compiled code between the workers of one script: the first job leaves what its source was
 * compiled to, later ones read it in place of compiling. What is left are bytes before metering:
 * who reads them meters them.
 */
#ifndef STINT_WORKER_PYTHON_COMPILED_H
#define STINT_WORKER_PYTHON_COMPILED_H

#ifndef PY_SSIZE_T_CLEAN
#define PY_SSIZE_T_CLEAN
#endif
#include <Python.h>

#include "protocol/error.h"
#include "worker/python_job.h"

/* In the zygote. */
int python_compiled_prepare(struct error *err);
/* The room for the job's code (struct worker_code), mapped; NULL: nobody asks for it. */
void python_compiled_open(void *room);
/*
 * Give the room up: no mapping of its file is left in this process. Must be called before the first
 * instruction of the job's own code, whatever happened. Again and without a room: does nothing.
 */
void python_compiled_close(void);

/* New code object, unmetered, from job->compiled; NULL without an exception: compile the source. */
PyObject *python_compiled_load(const struct python_job *job);
/*
 * Compile the main program as python_compile does, and leave a copy in the room. Nothing is
 * left of a source that says or does something while it is compiled (a warning, a codec that is
 * imported), or whose constants another worker would find in another order: it is compiled each
 * time. New code object, unmetered, or NULL with an exception.
 */
PyObject *python_compiled_make(const struct python_job *job);

#endif
