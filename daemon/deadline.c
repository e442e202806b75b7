/*
 * Ends waiting jobs that have a deadline and have not started by then. The next deadline is at the
 * top of a heap (pick.h), so that no walk over the queue is needed; one alarm waits for it. A job
 * that has its worker is not concerned any more. Called once per turn by dispatch.c, before jobs
 * are given to workers, and by the alarm. Cannot fail.
 */
#include "daemon/deadline.h"

#include "daemon/engine_state.h"
#include "daemon/finish.h"
#include "protocol/base_clock.h"

#include <inttypes.h>
#include <stdio.h>

#define DEADLINE_PER_TURN_MAX 1000u

static void
deadline_end(struct engine *engine, struct job *job)
{
	char message[96];
	(void)snprintf(message, sizeof(message),
		       "the job had not started within its deadline_ms of %" PRIu64,
		       job->request.deadline_ms);
	finish_waiting(engine, job, STATUS_CANCELLED, "DeadlineExceeded", message);
}

void
deadline_run(struct engine *engine)
{
	uint64_t next_ns = pick_expires_ns(&engine->queue.pick);
	if (next_ns == 0) /* no job has one */
		return;
	uint64_t now_ns = engine_now_ns();
	struct job *job;
	unsigned ended = 0;
	while (ended < DEADLINE_PER_TURN_MAX &&
	       (job = queue_expired(&engine->queue, now_ns)) != NULL) {
		deadline_end(engine, job); /* and by that there is a next turn */
		ended++;
	}
	next_ns = pick_expires_ns(&engine->queue.pick);
	if (next_ns == engine->deadline_ns)
		return;
	engine->deadline_ns = next_ns;
	uint64_t left_ns = next_ns > now_ns ? next_ns - now_ns : 0;
	if (next_ns > 0)
		alarm_set(engine->deadline_alarm, left_ns / NS_PER_MS + 1);
}

void
deadline_on_alarm(void *context)
{
	struct engine *engine = context;
	if (engine->closing || engine->failed)
		return;
	engine->deadline_ns = 0;
	deadline_run(engine);
}
