/*
 * What the engine calls back with: results, output, and what else the outer half has to know. Each
 * is called from the loop, with the context that is given here, and never from inside a call of
 * engine.h.
 */
#ifndef STINT_DAEMON_ENGINE_CALLBACKS_H
#define STINT_DAEMON_ENGINE_CALLBACKS_H

#include "daemon/engine_event.h"
#include "protocol/error.h"
#include "protocol/run_result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct engine_job_status;

struct engine_callbacks {
	/* The job ended; *result is the callee's to deinit, and then its held_bytes to give back by
	 * engine_result_gone, when what was made of it is on its way too. Exactly once per accepted
	 * job. */
	void (*result)(void *context, uint64_t session, uint64_t ticket, struct run_result *result);
	/* All results that there are now were given, and what comes in this turn (workers that
	 * are made) may take longer than they should wait. May be NULL. */
	void (*told)(void *context);
	/* From now on, and until it is over, what takes long is not to be done for clients that
	 * have much to get: a short job of who has little runs (makeway.h). May be NULL. */
	void (*makes_way)(void *context, bool on);
	/* New output of a streaming job; stream is 1 or 2; bytes are borrowed for the call. The
	 * rest of the output comes before the result. */
	void (*output)(void *context, uint64_t session, uint64_t ticket, const char *job,
		       int stream, const void *bytes, size_t size);
	/* How far a streaming job is, now and then while it runs. May be NULL. */
	void (*progress)(void *context, uint64_t session, uint64_t ticket,
			 const struct engine_job_status *status);
	/* New events of a streaming job's trace: JSON objects, a line end after each, borrowed for
	 * the call. The rest of them comes before the result. May be NULL. */
	void (*trace)(void *context, uint64_t session, uint64_t ticket, const char *job,
		      const void *lines, size_t size);
	/* A job was handed to a worker; again, should that one break. May be NULL. */
	void (*started)(void *context, uint64_t session, uint64_t ticket);
	/* A drain begins, asked for by the spawner or by engine_ask_drain, which calls it itself.
	 * May be NULL. */
	void (*draining)(void *context);
	/* First worker is ready: the daemon can say it serves. Once. */
	void (*ready)(void *context);
	/* A drain (by whatever) is complete: no job is left. */
	void (*drained)(void *context);
	/* A job has ended, whether anybody is told or not; before `result`. May be NULL. */
	void (*ended)(void *context, const struct engine_ended *ended);
	/* What workers and generations do. May be NULL. */
	void (*event)(void *context, enum engine_event event, uint64_t value);
	/* The configuration was read again (see spawner_link.h). May call engine_reload. */
	int (*config)(void *context, int fd, struct error *err);
	/* The engine cannot go on (spawner link lost, protocol breach). The process must end. */
	void (*fatal)(void *context, const struct error *err);
	void *context;
};

#endif
