/*
 * Gets a fresh worker over its page faults before its job comes.
 */
#ifndef STINT_WORKER_PYTHON_REHEARSE_H
#define STINT_WORKER_PYTHON_REHEARSE_H

/* Calls, a class, an exception, a loop, text and numbers: what nearly every program touches. */
extern const char PYTHON_REHEARSE_SOURCE[];

/*
 * In the zygote before its first fork, and in workers where the pages that jobs write to are not
 * known (zygote_touch.h); no tenant byte has been read: do once what every job does. Cannot fail.
 */
void python_rehearse(void);

#endif
