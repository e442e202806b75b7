/*
 * What a worker finds imported before its job comes, and what must be mapped before the filter
 * forbids executable mappings.
 */
#ifndef STINT_WORKER_ZYGOTE_WARM_H
#define STINT_WORKER_ZYGOTE_WARM_H

#include "protocol/error.h"

/*
 * In the zygote, once, with the interpreter started: import the words of `preload`, the modules
 * that are always warm and every extension module that jobs may use; add what `site` adds to
 * builtins; make sys.path = [stdlib]. ERROR_INVALID names a module that cannot be imported and why.
 */
int zygote_warm(const char *preload, const char *stdlib, struct error *err);

/* Empty the caches that the warm-up has filled, and collect. ERROR_SYSTEM when a module has left a
 * thread behind. */
int zygote_warm_empty(struct error *err);
/* The collector leaves alone what there is now. ERROR_SYSTEM as above. */
int zygote_warm_freeze(struct error *err);

#endif
