/*
 * The engine's parts, for the engine's own stages (dispatch, finish, refill, stream, house). Nobody
 * outside daemon's inner half includes it.
 */
#ifndef STINT_DAEMON_ENGINE_STATE_H
#define STINT_DAEMON_ENGINE_STATE_H

#include "daemon/account.h"
#include "daemon/alarm.h"
#include "daemon/cores.h"
#include "daemon/engine.h"
#include "daemon/job.h"
#include "daemon/job_table.h"
#include "daemon/pool.h"
#include "daemon/queue.h"
#include "daemon/quota.h"
#include "daemon/result_room.h"
#include "daemon/succession.h"
#include "daemon/sweep.h"
#include "daemon/watchdog.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#define ENGINE_MAGIC 0x454e474eu

struct engine {
	uint32_t magic;
	uv_loop_t *loop;             /* borrowed from the caller */
	const struct config *config; /* borrowed from the caller */
	struct engine_callbacks callbacks;

	struct succession *succession; /* owned */
	struct generation *generation; /* borrowed from it: the one that forks workers */
	struct watchdog *watchdog;     /* owned */
	struct sweep *sweep;           /* owned */
	struct pool pool;
	struct account_table accounts;
	struct job_lists lists;
	struct job_table table;
	struct queue queue;
	struct quota_caps caps;
	struct result_room results;

	uv_check_t turn; /* once per loop turn: dispatch */
	uv_idle_t later; /* runs in the next turn, while there is something put off */
	unsigned handles_open;
	unsigned works_open; /* results being read on the pool thread */
	struct alarm *refill_alarm, *backoff_alarm, *house_alarm; /* owned */
	struct alarm *trim_alarm, *makeway_alarm;                 /* owned */
	struct alarm *stream_alarm, *deadline_alarm;		     /* owned */
	uint64_t deadline_ns; /* that deadline_alarm is set for */

	unsigned cores; /* of the machine, online */
	struct cores pinning; /* with pin_cores: those that jobs get */
	unsigned last_core;   /* the one given last */
	const void *last_tenant; /* of the job started last: only to be compared */
	struct weigh_seen {   /* what the last look of weigh.c saw */
		uint64_t at_ns;
		double best, young; /* parts */
		bool shares, makes_wait;
	} weighed;
	struct makeway {
		uint64_t serial;    /* of the worker whose job others make way for; 0: none */
		const void *tenant; /* of that job: only to be compared */
		double part;        /* of that job */
		uint64_t since_ns;
		uint64_t ended_ns; /* of that job; 0: it has not */
		bool large; /* large results are held too */
		uint64_t free_ns; /* it does not begin before that */
	} makeway;
	struct paused {
		uint64_t since_ns; /* 0: all jobs go on */
		uint64_t free_ns;  /* nobody is paused before that */
	} paused;
	uint64_t tenants_ns;  /* when it was last another's than the one before; 0: never */
	bool refill_due;
	bool told; /* a result was given, and nobody heard that it was the last */
	bool heap_is_wide; /* large results have gone through since house.c cut the heap */
	bool announced, draining, drained_told, failed, closing;
	bool drain_asked; /* by us: the spawner has not said yet that it stops */
	uint64_t ended[STATUS_COUNT];
};

/* Run the `later` stage in the next turn. */
void engine_later(struct engine *engine);
/* A thing that the closing waited for is gone. */
void engine_check_closed(struct engine *engine);
/* Link of the zygote that has that worker, or -1: for kills where there is no cgroup.kill. */
int engine_zygote_fd(const struct engine *engine, const struct worker *worker);
/* For whoever counts what workers and generations do. */
void engine_note(struct engine *engine, enum engine_event event, uint64_t value);
/* Monotonic. */
uint64_t engine_now_ns(void);
/* More than one tenant has had jobs in the last 10 s. */
bool engine_has_tenants(const struct engine *engine);
/* Fill in what is known of a running job. */
void engine_report_running(const struct job *job, uint64_t now_ns,
			   struct engine_job_status *ret_status);

#endif
