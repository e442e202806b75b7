/*
 * The job's own sources: what its main program and its modules consist of, by the file name that
 * tracebacks show. They exist in memory only; this makes CPython, linecache and importlib find
 * their lines all the same. One table per process (one job per process).
 */
#ifndef STINT_WORKER_PYTHON_SOURCE_H
#define STINT_WORKER_PYTHON_SOURCE_H

#ifndef PY_SSIZE_T_CLEAN
#define PY_SSIZE_T_CLEAN
#endif
#include <Python.h>

#include "protocol/error.h"
#include "worker/python_job.h"

#include <stdbool.h>

struct source_entry {
	PyObject *file;   /* owned: str, shown in tracebacks */
	PyObject *module; /* owned: str, dotted name; "__main__" for the first entry */
	PyObject *bytes;  /* owned: bytes, the source; empty for a program given as byte code */
	PyObject *self;   /* owned: the tuple (module, file, bytes), for loader and linecache */
	bool package;     /* has submodules */
};

/* In the zygote. `stdlib` is copied. */
int python_source_prepare(const char *stdlib, struct error *err);
/* In the zygote: the main program's entry for jobs that are called `file`, without its source. 0,
 * or -1 with an exception. */
int python_source_premake(const char *file);
/* In the worker, with the sources taken: the main program's entry is still that one. */
bool python_source_is_premade(void);
/* In the worker: take the job's sources. 0, or -1 with an exception set (memory). */
int python_source_load(const struct python_job *job);
/* Borrowed entry of the main program. */
const struct source_entry *python_source_main(void);
/* Borrowed entry of that module, or NULL. `module` is a str. */
const struct source_entry *python_source_module(PyObject *module);
/* Borrowed entry whose file that is, or NULL. `file` is a str. */
const struct source_entry *python_source_file(PyObject *file);
size_t python_source_count(void);
/* Borrowed, index 0 .. count - 1 */
const struct source_entry *python_source_at(size_t index);

/*
 * Line `number` (1 = first) of a job's file, or of a file of the standard library, stripped of
 * white space at both ends: new str, or NULL without an exception when there is none.
 */
PyObject *python_source_line(PyObject *file, long number);

/* Let linecache find the entry's lines when it is asked. 0 or -1 with an exception. */
int python_source_seed(const struct source_entry *entry);

/*
 * importlib's SourceFileLoader for that entry, with its data taken from here: new reference, or
 * NULL with an exception.
 */
PyObject *python_source_loader(const struct source_entry *entry);

#endif
