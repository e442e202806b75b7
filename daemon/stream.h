/*
 * Output of running jobs, told while they run.
 */
#ifndef STINT_DAEMON_STREAM_H
#define STINT_DAEMON_STREAM_H

struct engine;
struct job;

/* Look at the streaming jobs from time to time, until none is running. */
void stream_wake(struct engine *engine);
void stream_on_alarm(void *engine);
/* Tell what was not told yet of a job that has its result. */
void stream_rest(struct engine *engine, struct job *job);

#endif
