/*
 * Lets CPython's own traceback printer see the job's sources. It reads the lines below
 * 'File "main.py", line 3' with io.open(file, "rb"), from C, for uncaught exceptions, for those in
 * threads and for unraisable ones; there is no such file in a worker.
 */
#ifndef STINT_WORKER_PYTHON_STREAM_H
#define STINT_WORKER_PYTHON_STREAM_H

#include "protocol/error.h"

/* In the zygote: hook io.open; it does nothing yet. `stdlib` is copied. */
int python_stream_prepare(const char *stdlib, struct error *err);
/* In the worker, when python_source has its table. */
void python_stream_install(void);

#endif
