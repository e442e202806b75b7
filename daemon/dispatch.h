/*
 * Once per loop turn: while a job waits, may run, and a worker is ready, join them.
 */
#ifndef STINT_DAEMON_DISPATCH_H
#define STINT_DAEMON_DISPATCH_H

struct engine;

/* Workers that may break under a job before it took it; one more ends the job. */
#define DISPATCH_RETRIES_MAX 2u

void dispatch_run(struct engine *engine);

#endif
