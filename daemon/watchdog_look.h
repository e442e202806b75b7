/*
 * POLICY of the watchdog: is a limit reached, and if not, when to look again. Pure.
 */
#ifndef STINT_DAEMON_WATCHDOG_LOOK_H
#define STINT_DAEMON_WATCHDOG_LOOK_H

#include <stdbool.h>
#include <stdint.h>

enum watchdog_reason {
	WATCHDOG_NONE,
	WATCHDOG_CPU,
	WATCHDOG_WALL,
	WATCHDOG_CANCEL,
	WATCHDOG_OPCODES
};

#define WATCHDOG_LOOK_MIN_NS 1000000u  /* looks at one worker are at least that far apart */
#define WATCHDOG_METER_NS    50000000u /* looks at a worker with a budget, at most */
/*
 * The grace between page.stop and the kill, in which a worker that runs Python code notes where it
 * was. It is measured in CPU time, so that a worker that has to wait for a core keeps it, with an
 * end for one that sleeps; at a wall limit, which holds to milliseconds, in time.
 */
#define WATCHDOG_GRACE_NS         3000000u
#define WATCHDOG_GRACE_CPU_NS     1000000u
#define WATCHDOG_GRACE_CPU_MAX_NS 20000000u

struct watchdog_facts {
	uint64_t now_ns;     /* monotonic */
	uint64_t started_ns; /* monotonic: when the job was handed over */
	uint64_t wall_limit_ns;
	uint64_t cpu_limit_ns;
	uint64_t cpu_used_ns; /* by the job so far, all its threads */
	bool cpu_known;       /* false: the clock could not be read; cpu_used_ns is not looked at */
	bool metered;         /* it has a budget of opcodes */
	bool over;            /* and does not stop although it has used more */
	bool cancel;          /* somebody wants the job gone */
	unsigned parallel; /* threads that can run at one time: min(threads, cores), at least 1 */
	/* Asked to stop already: why, when (monotonic), and with what CPU time. That stands. */
	enum watchdog_reason asked;
	uint64_t asked_ns, asked_cpu_ns;
};

struct watchdog_decision {
	enum watchdog_reason reason; /* not NONE: the job has reached it, whatever it does now */
	bool kill;        /* with a reason; else ask it to stop, and look again at next_ns */
	uint64_t next_ns; /* without kill: monotonic time of the next look */
};

struct watchdog_decision watchdog_look(const struct watchdog_facts *facts);

#endif
