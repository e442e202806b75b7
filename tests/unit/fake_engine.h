/*
 * A stand-in for the inner half of stintd: implements daemon/engine.h, runs nothing, and ends jobs
 * the way a test tells it to.
 */
#ifndef STINT_TESTS_FAKE_ENGINE_H
#define STINT_TESTS_FAKE_ENGINE_H

#include "daemon/engine.h"

#include <stdbool.h>
#include <stdint.h>

#define FAKE_JOBS_MAX	   4096
#define FAKE_STRAY_TICKETS 16

struct fake_job {
	bool live, cancelled;
	char id[JOB_ID_CHARS + 1];
	uint64_t session, ticket;
	struct tenant_terms terms;
	struct run_request request;
};

struct engine {
	struct engine_callbacks callbacks;
	uv_check_t check;
	uv_idle_t idle;
	struct fake_job jobs[FAKE_JOBS_MAX];
	size_t count; /* submitted so far */
	size_t live;
	unsigned last_id, handles_closed;
	bool auto_finish; /* each job ends in the turn after it came; stdout is its source */
	bool full;        /* refuse with ERROR_LIMIT and `refusal` */
	struct engine_refusal refusal;
	bool draining, drained;
	bool lost; /* cannot ask for a drain */
	unsigned drains_asked;
	bool told_ready;
	bool strays;        /* see fake_engine_strays */
	bool breaks;        /* tell of a fatal fault when a job comes */
	uint64_t held_bytes; /* of results whose callee has not given them back */
	unsigned reloads; /* calls of engine_reload */
	const struct config *config; /* of the last of them, or of engine_new */
	unsigned forgotten; /* calls of engine_forget_session */
};

/* The one that engine_new made last; tests reach it through this. */
struct engine *fake_engine(void);
/* Have engines made from now on end jobs by themselves. */
void fake_engine_auto(bool on);
/* Have engines made from now on break down at their first job. */
void fake_engine_breaks(bool on);
/* Have engines made from now on tell output, trace and progress of each durable job that runs, all
 * with the word "stray" in it, under the tickets 1 to FAKE_STRAY_TICKETS, which are others'. */
void fake_engine_strays(bool on);
/* End job `index` with status ok and this stdout. */
void fake_engine_finish(struct engine *engine, size_t index, const void *out, size_t size);
void fake_engine_output(struct engine *engine, size_t index, int stream, const void *bytes,
			size_t size);

#endif
