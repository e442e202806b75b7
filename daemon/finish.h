/*
 * The end of a job: facts, verdict, result, and the call that tells it.
 */
#ifndef STINT_DAEMON_FINISH_H
#define STINT_DAEMON_FINISH_H

#include "protocol/message.h"
#include "protocol/result.h"

struct engine;
struct generation;
struct job;
struct worker;

/* The zygote has reaped a busy worker. */
void finish_exited(struct engine *engine, struct worker *worker,
		   const struct message_exited *about);
/*
 * All threads of a worker are stopped. If it says that its job has ended, and was asked to stop
 * then (TERMS_STOPS), that is the job's end: it is killed, and its result need not wait until the
 * process is taken apart. Any other stopped one is the watchdog's. Callback of succession.h.
 */
void finish_on_stopped(void *engine, struct generation *generation,
		       const struct message_exited *about);
/* One of those was reaped. */
void finish_reaped(struct engine *engine, struct worker *worker);
/* The generation ended under a busy worker. */
void finish_lost(struct engine *engine, struct worker *worker);
/* A waiting job ends without having run. Told in the next turn. */
void finish_waiting(struct engine *engine, struct job *job, enum job_status status,
		    const char *type, const char *message);
/* Read what results there is room for now. */
void finish_admit(struct engine *engine);
/* The engine closes: forget those that wait to be read. */
void finish_drop(struct engine *engine);
/* Tell what has ended, and that a drain is complete. Calls back; only from the loop. */
void finish_tell(struct engine *engine);
/* Say that all was told that there is, before what takes longer begins. */
void finish_told(struct engine *engine);

#endif
