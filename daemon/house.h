/*
 * Housekeeping a few times a second while there is something to watch: workers that do not get
 * ready, workers that do not die.
 */
#ifndef STINT_DAEMON_HOUSE_H
#define STINT_DAEMON_HOUSE_H

struct engine;

/* Keep house until no worker is starting, busy or still to be reaped. */
void house_wake(struct engine *engine);
void house_on_alarm(void *engine);

#endif
