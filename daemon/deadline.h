/*
 * Waiting jobs whose deadline has passed.
 */
#ifndef STINT_DAEMON_DEADLINE_H
#define STINT_DAEMON_DEADLINE_H

struct engine;

/* End those that should have started by now, and see to being called when the next one should. */
void deadline_run(struct engine *engine);
void deadline_on_alarm(void *engine);

#endif
