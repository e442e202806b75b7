/*
 * Gets a fresh worker over its page faults before its job comes.
 */
#ifndef STINT_WORKER_PYTHON_REHEARSE_H
#define STINT_WORKER_PYTHON_REHEARSE_H

/* In the worker, after the fork, with no tenant byte read: do once what every job does. Cannot
 * fail. */
void python_rehearse(void);

#endif
