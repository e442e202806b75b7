/*
 * Functions of the standard library that would fail without saying so, made to say so.
 */
#ifndef STINT_WORKER_PYTHON_REFUSE_H
#define STINT_WORKER_PYTHON_REFUSE_H

#include "protocol/error.h"

/* Zygote, after the interpreter has started. ERROR_UNSUPPORTED: not CPython 3.11's functions. */
int python_refuse_prepare(struct error *err);

#endif
