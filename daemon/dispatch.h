/*
 * Once per loop turn: while a job waits, may run, and a worker is ready, join them.
 */
#ifndef STINT_DAEMON_DISPATCH_H
#define STINT_DAEMON_DISPATCH_H

struct engine;

/* Workers that may break under a job before it took it; one more ends the job. None of its code has
 * run by then, so trying again costs nothing but time; the bound ends it where no worker works. */
#define DISPATCH_RETRIES_MAX 8u

void dispatch_run(struct engine *engine);

#endif
