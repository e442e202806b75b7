/*
 * A thread of its own that holds running jobs to their CPU and wall limits and kills them: neither
 * a long line being parsed nor a slow disk delays it. It allocates nothing and logs nothing.
 *
 * All functions are for the loop's thread. A slot is armed for one worker at a time; descriptors in
 * the spec are borrowed until watchdog_disarm has returned.
 */
#ifndef STINT_DAEMON_WATCHDOG_H
#define STINT_DAEMON_WATCHDOG_H

#include "daemon/watchdog_look.h"
#include "protocol/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct watchdog;

struct watchdog_spec {
	uint64_t serial;
	clockid_t cpu_clock; /* of the worker's process; -1: unknown, CPU is not watched */
	int pidfd;           /* borrowed: tells whether a reading of cpu_clock was of the living */
	int kill_fd;         /* borrowed: cgroup.kill of the leaf, or -1 */
	int zygote_fd;       /* borrowed: the zygote link, asked to kill when there is no kill_fd */
	uint64_t cpu_start_ns; /* reading of cpu_clock when the job was handed over */
	uint64_t cpu_limit_ns, wall_limit_ns;
	uint64_t started_ns; /* monotonic */
	unsigned parallel;
	uint64_t opcodes; /* budget, or 0 */
	int page_fd;      /* borrowed: its `stop` is written; -1 only when opcodes is 0 */
};

struct watchdog_report {
	enum watchdog_reason reason; /* the limit it reached; NONE: the worker was let be */
	uint64_t cpu_used_ns;        /* at the last good reading */
	uint64_t wall_used_ns;       /* when it was found there */
};

int watchdog_new(struct watchdog **ret_watchdog, struct error *err);
/* Ends the thread. Nothing may be armed that still needs to be killed. */
void watchdog_free(struct watchdog **watchdog);

/* slot < WORKERS_MAX and not armed. */
void watchdog_arm(struct watchdog *watchdog, unsigned slot, const struct watchdog_spec *spec);
/* Stop the worker now, and kill it WATCHDOG_GRACE_NS later. Nothing happens when the slot is not
 * armed for that serial. */
void watchdog_cancel(struct watchdog *watchdog, unsigned slot, uint64_t serial);
/* Give up the slot; waits for a kill that is under way (microseconds). False: was not armed. */
bool watchdog_disarm(struct watchdog *watchdog, unsigned slot, uint64_t serial,
		     struct watchdog_report *ret_report);
/* Monotonic time of the kill, 0 when the slot is not armed for that serial or was not killed. */
uint64_t watchdog_killed_ns(struct watchdog *watchdog, unsigned slot, uint64_t serial);

/* Kill through the leaf, or through the zygote where there is no cgroup.kill. Also for workers that
 * are not armed. Safe from any thread. */
void watchdog_kill(int kill_fd, int zygote_fd, uint64_t serial);
/* Reading of a process's CPU clock; false when there is none. */
bool watchdog_cpu_ns(clockid_t clock, uint64_t *ret_ns);
/* Whether the process has not ended yet. Never blocks. */
bool watchdog_alive(int pidfd);

#endif
