/*
 * Import of the modules that a job brings.
 */
#ifndef STINT_WORKER_PYTHON_FINDER_H
#define STINT_WORKER_PYTHON_FINDER_H

#include "protocol/error.h"

/* In the zygote. */
int python_finder_prepare(struct error *err);
/*
 * In the worker, after python_source_load and only for a job with modules: first place on
 * sys.meta_path, and imported modules of the same names forgotten, unless they are what every
 * program starts with. 0, or -1 with an exception.
 */
int python_finder_install(void);

#endif
