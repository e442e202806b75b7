/*
 * The extension modules that jobs may import.
 */
#ifndef STINT_WORKER_ZYGOTE_EXTENSION_H
#define STINT_WORKER_ZYGOTE_EXTENSION_H

#include "protocol/error.h"

/*
 * In the zygote: map every extension module that jobs may use, and stand in for the directory
 * lib-dynload on the path, so that they can be imported, or not, as on any Python, without a file
 * being opened. ERROR_UNSUPPORTED names one that is missing.
 */
int zygote_extension_prepare(const char *stdlib, struct error *err);

#endif
