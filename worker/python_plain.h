/*
 * Whether anything could be seen of a job's objects being destroyed.
 *
 * The end of a program takes its objects apart: that runs finalisers, callbacks of weak references
 * and what generators have left to do, closes and writes files. With none of these in the process
 * it can be left out, since the process itself ends.
 */
#ifndef STINT_WORKER_PYTHON_PLAIN_H
#define STINT_WORKER_PYTHON_PLAIN_H

#ifndef PY_SSIZE_T_CLEAN
#define PY_SSIZE_T_CLEAN
#endif
#include <Python.h>

#include "protocol/error.h"

#include <stdbool.h>

/* In the zygote: look at how CPython destroys objects of a class. */
int python_plain_prepare(struct error *err);

/* This object (up to 16; NULL: none) is never destroyed: a job may refer to it. */
void python_plain_keep(PyObject *object);

/* In the zygote, when it has frozen what there is. */
void python_plain_begin(void);

/*
 * True: destroying what is tracked by the garbage collector and not frozen, and what that refers
 * to, runs no code and writes nothing; nothing listens to the collector either. It is false for
 * whatever is not known: a type of an extension, very deep nesting. Reads only; takes time in
 * proportion to the number of objects and references. The GIL is held.
 */
bool python_plain(void);

#endif
