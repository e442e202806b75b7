/*
 * A job's sys.stdin.
 */
#ifndef STINT_WORKER_PYTHON_INPUT_H
#define STINT_WORKER_PYTHON_INPUT_H

#include "protocol/error.h"

/* In the zygote, once, with the interpreter started: keep the types that it is made of. */
int python_input_prepare(struct error *err);
/*
 * In the zygote, once, before the freeze: make the stream over fd 0 and put it into sys.stdin and
 * sys.__stdin__. The descriptor must be what a worker has there: a file at its start. Fails with
 * ERROR_SYSTEM.
 */
int python_input_premake(struct error *err);
/*
 * In the worker: a text stream over fd 0, as CPython makes it for a file in UTF-8 mode, in sys: the
 * zygote's, or a new one where that would not be true of fd 0; None where fd 0 cannot be read. 0,
 * or -1 with an exception.
 */
int python_input_install(void);

#endif
