/*
 * The hand-over from one generation to the next, as far as it concerns workers.
 */
#ifndef STINT_DAEMON_RETIRE_H
#define STINT_DAEMON_RETIRE_H

struct engine;

/* A stage of `later`, after the dead were buried: goes on with a hand-over if there is one. */
void retire_run(struct engine *engine);

#endif
