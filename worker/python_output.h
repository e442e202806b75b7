/*
 * sys.stdout and sys.stderr of a job: C subclasses of io.TextIOWrapper over io.BufferedWriter whose
 * two levels of pending bytes live in the shared page, so that nothing printed is lost when the
 * worker is killed, and whose caps are byte-exact. Order of bytes between print, .buffer.write,
 * os.write and flush, attributes and error texts are those of python3 with output into a file.
 *
 * Not covered: streams that a program makes itself (open(1, "w"),
 * io.TextIOWrapper(sys.stdout.buffer)) keep their own pending text on their own heap, and lose it
 * to a kill as in CPython.
 *
 * All functions need the GIL. One job per process, hence one set of streams per process.
 */
#ifndef STINT_WORKER_PYTHON_OUTPUT_H
#define STINT_WORKER_PYTHON_OUTPUT_H

#ifndef PY_SSIZE_T_CLEAN
#define PY_SSIZE_T_CLEAN
#endif
#include <Python.h>

#include "protocol/error.h"
#include "protocol/worker_abi.h"

#include <stdbool.h>

/* What CPython exits with when flushing the standard streams fails at the end. */
#define PYTHON_OUTPUT_EXIT_FLUSH 120

/*
 * In the zygote, after Py_Initialize and before the freeze: create the types. Idempotent. Fails
 * with ERROR_SYSTEM when the interpreter is not the CPython this was made for.
 */
int python_output_prepare(struct error *err);

/*
 * In the zygote, once, after python_output_prepare and before the freeze: make the streams over fd
 * 1 and fd 2 and put them into sys.stdout, sys.__stdout__, sys.stderr and sys.__stderr__, where
 * they are CPython's own until a worker installs them. The descriptors must be what a worker has
 * there: memory files, empty, at their start. Fails with ERROR_SYSTEM.
 */
int python_output_premake(struct error *err);

/*
 * At a job's start, in the worker, before any tenant byte: the streams over fd 1 and fd 2, which
 * python_output_premake made or which are made now, write to the job's stages. `page` (borrowed for
 * the life of the process) gets reason and detail at an output limit; `page_base` (borrowed;
 * PAGE_MAPPED_BYTES are mapped, usually page itself) holds the stages. Caps and TERMS_STREAM are
 * copied from terms. No Python exception is left set.
 *
 * When a stream would pass its cap, the process ends at once inside the write: the file and the
 * stage hold at least cap + 1 bytes, page->reason is REASON_OUTPUT_LIMIT, page->detail 1 (stdout)
 * or 2 (stderr), exit code 1.
 */
int python_output_install(struct worker_page *page, void *page_base,
			  const struct worker_terms *terms, struct error *err);

/* Flush premade streams as the end of a job does, for what that leaves in CPython's caches. */
void python_output_rehearse(void);

/* One of the objects of a stream that is whole: it lives as long as the process. */
bool python_output_holds(const PyObject *object);

/* file.flush(), if that is one of the streams and nothing about it was changed; false: it is not,
 * or that failed, and the method is to be called. No exception is set. */
bool python_output_flush(const PyObject *file);

/*
 * What CPython does with its standard streams when it ends: flush what sys.stdout and sys.stderr
 * are now; a tenant's object too, so this can run tenant code. Returns 0, or -1 when a flush
 * failed: an exit code of 0 then becomes PYTHON_OUTPUT_EXIT_FLUSH. Leaves no exception set. May end
 * the process at an output limit, also for bytes that went around the streams with os.write.
 *
 * Py_FinalizeEx's order: threads joined, atexit, python_output_finish(), python_output_restore(),
 * __main__ cleared (and garbage collected), python_output_settle(), _exit().
 */
int python_output_finish(void);
/* sys.stdout = sys.__stdout__ and the same for stderr: drops a tenant's object, which may flush. */
void python_output_restore(void);
/* Last: drop what a closed stream still held, and look at the caps once more, as in finish. What is
 * pending otherwise stays in the stage, which is as good as printed. Runs no tenant code. */
void python_output_settle(void);

#endif
