/*
 * A job's sys.stdin.
 */
#ifndef STINT_WORKER_PYTHON_INPUT_H
#define STINT_WORKER_PYTHON_INPUT_H

#include "protocol/error.h"

/* In the zygote, once, with the interpreter started: keep the types that it is made of. */
int python_input_prepare(struct error *err);
/*
 * Put a text stream over fd 0, as CPython makes it for a file in UTF-8 mode, into sys; None where
 * fd 0 cannot be read. 0, or -1 with an exception.
 */
int python_input_install(void);
/* Make one and drop it: see python_rehearse.h. Leaves no exception. */
void python_input_rehearse(void);

#endif
