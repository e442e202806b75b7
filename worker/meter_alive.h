/*
 * Code objects that are alive already: those of the modules that CPython imports before births can
 * be watched.
 */
#ifndef STINT_WORKER_METER_ALIVE_H
#define STINT_WORKER_METER_ALIVE_H

#include "protocol/error.h"

/* Give every function that is alive metered code. */
int meter_alive_convert(struct error *err);
/* ERROR_SYSTEM, naming it, when any object that the collector knows holds code that is not. */
int meter_alive_check(struct error *err);

#endif
