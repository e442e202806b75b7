/*
 * Every way in which Python code can come by a new code object gives it a metered one.
 */
#ifndef STINT_WORKER_METER_BIRTH_H
#define STINT_WORKER_METER_BIRTH_H

#include "protocol/error.h"

/*
 * Right after the interpreter's start and before anything is imported: prepare the counter and the
 * registry, take over the constructors of code objects, and meter what is alive. Once. Fails with
 * ERROR_UNSUPPORTED where CPython is not the one that this was written for.
 */
int meter_birth_prepare(struct error *err);

#endif
