/*
 * What the engine tells whoever counts: ended jobs, and the lives of workers and generations. Plain
 * values; both halves of stintd know them.
 */
#ifndef STINT_DAEMON_ENGINE_EVENT_H
#define STINT_DAEMON_ENGINE_EVENT_H

#include "protocol/run_result.h"

#include <stdint.h>

enum engine_event {
	ENGINE_EVENT_WORKER_STARTED,     /* a worker was asked of the zygote; value: its serial */
	ENGINE_EVENT_WORKER_READY,       /* value: microseconds since it was asked for */
	ENGINE_EVENT_WORKER_FAILED,      /* it could not be set up; value: its generation */
	ENGINE_EVENT_GENERATION_STARTED, /* it forks workers from now on; value: its number */
	ENGINE_EVENT_GENERATION_LOST,    /* it failed, with all its workers; value: its number */
	ENGINE_EVENT_CODE_REUSED, /* a job got its script's compiled code; value: its bytes */
	ENGINE_EVENT_MADE_WAY,    /* who has much began nothing new; value: microseconds */
	ENGINE_EVENT_PAUSED,      /* running jobs of who has much stood still; microseconds */
};

/* ENGINE_KILL(constant, word): what made somebody else than the job itself end it. */
#define ENGINE_KILL_TABLE(ENGINE_KILL)                                                             \
	ENGINE_KILL(CPU, "cpu")                                                                    \
	ENGINE_KILL(WALL, "wall")                                                                  \
	ENGINE_KILL(CANCEL, "cancel")                                                              \
	ENGINE_KILL(OPCODES, "opcodes")                                                            \
	ENGINE_KILL(MEMORY, "memory") /* by the kernel; the others by the watchdog */

enum engine_kill {
	ENGINE_KILL_NONE,
#define ENGINE_KILL(constant, word) ENGINE_KILL_##constant,
	ENGINE_KILL_TABLE(ENGINE_KILL)
#undef ENGINE_KILL
	    ENGINE_KILL_COUNT
};

/* A job that has its final result. The texts are borrowed for the call. */
struct engine_ended {
	const char *job, *tenant;
	const char *tag; /* the client's own mark: any UTF-8, may be empty */
	enum job_status status;
	const struct run_usage *usage;
	enum engine_kill kill;
	uint64_t overrun_us; /* CPU, WALL: how far past the limit it came */
};

#endif
