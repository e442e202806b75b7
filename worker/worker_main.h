/*
 * A worker's life after the fork.
 */
#ifndef STINT_WORKER_WORKER_MAIN_H
#define STINT_WORKER_WORKER_MAIN_H

#include "worker/sandbox.h"

/* Confine this process, serve one job, end. `sandbox` is as sandbox.h says before the first step.
 */
void worker_main(struct sandbox *sandbox) __attribute__((noreturn));

#endif
