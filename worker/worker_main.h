/*
 * A worker's life after the fork.
 */
#ifndef STINT_WORKER_WORKER_MAIN_H
#define STINT_WORKER_WORKER_MAIN_H

#include "worker/sandbox.h"

/* Confine this process, serve one job, end. `sandbox` is as sandbox.h says before the first step.
 */
void worker_main(struct sandbox *sandbox) __attribute__((noreturn));

/*
 * The same confinement, both filters included; then, in the place of the job, find out what holds
 * and send it on the channel: one uint64_t, bits of enum isolation_layer. The descriptor for
 * stdout is the host's /proc here, from which the worker opens its own status file before the first
 * step, to be its stdin.
 */
void worker_prove(struct sandbox *sandbox) __attribute__((noreturn));

#endif
