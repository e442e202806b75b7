/*
 * The inner half of stintd: takes checked jobs, runs each in a worker, hands back its result. The
 * outer half (sockets, JSON-RPC) talks to it through this header only; it answers through the
 * callbacks, which it calls from the loop, never from inside engine_submit or engine_cancel.
 *
 * A client's connection is known by a session number and a request on it by a ticket; the engine
 * gives both back and follows no pointer of the outer half: the session may be gone by then.
 */
#ifndef STINT_DAEMON_ENGINE_H
#define STINT_DAEMON_ENGINE_H

#include "daemon/engine_callbacks.h"
#include "daemon/engine_event.h"
#include "daemon/engine_owner.h"
#include "protocol/config.h"
#include "protocol/error.h"
#include "protocol/isolation.h"
#include "protocol/request.h"
#include "protocol/run_result.h"
#include "protocol/tenant_terms.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct engine;
struct engine_job_status;

/* config is borrowed until engine_reload gives another one, or the engine is freed. spawner_fd is
 * owned by the engine from here on. */
int engine_new(uv_loop_t *loop, const struct config *config, int spawner_fd,
	       const struct engine_callbacks *callbacks, struct engine **ret_engine,
	       struct error *err);
/* Close all handles; the loop must run until they are closed, then memory is freed. */
void engine_close(struct engine **engine);

/* The terms of a tenant as they are now; false: it has none any more. */
typedef bool engine_terms(void *context, const char *tenant, struct tenant_terms *ret_terms);
/* Go on with another configuration, borrowed like the one before, which is not used any more. Jobs
 * that wait or run keep their limits; how many may, tenants' shares and rates, are those of now. */
void engine_reload(struct engine *engine, const struct config *config, engine_terms *terms,
		   void *context);

/*
 * Queue a job. On success *request is moved from (left empty) and ret_id gets the job's id.
 * ERROR_LIMIT: refused, ret_refusal says how. ERROR_CLOSED: draining. Then request is untouched.
 * One with an id has passed the tenant's rates before: only the caps on the queue hold.
 */
int engine_submit(struct engine *engine, struct run_request *request,
		  const struct engine_owner *owner, char ret_id[JOB_ID_CHARS + 1],
		  struct engine_refusal *ret_refusal, struct error *err);
/* May a job be stored, and queued later with an id? Its tenant's rates are charged now. */
int engine_admit_stored(struct engine *engine, const struct run_request *request,
			const struct tenant_terms *terms, struct engine_refusal *ret_refusal,
			struct error *err);
/* A new job's id: 128 random bits. */
int engine_new_id(char ret_id[JOB_ID_CHARS + 1], struct error *err);
/* A result, and what the callee made of it, are no longer in memory: others may be read. */
void engine_result_gone(struct engine *engine, uint64_t held_bytes);
/* End a job early; its result (status cancelled) still comes by callback. session 0: any session's.
 * ERROR_NOT_FOUND when no such job is waiting or running. */
int engine_cancel(struct engine *engine, const char *id, uint64_t session, struct error *err);
/* The client is gone: cancel all its jobs and call back no more for that session. */
void engine_forget_session(struct engine *engine, uint64_t session);
/* Take back that session's jobs that still wait: nothing is told of them. Returns how many. */
size_t engine_withdraw(struct engine *engine, uint64_t session);
struct engine_job_status {
	const char *state; /* "queued" or "running", static */
	uint64_t queue_us; /* waited so far, or until it ran */
	uint64_t wall_us;  /* run so far */
	uint64_t cpu_us;   /* used so far, from the kernel */
	uint64_t stdout_bytes, stderr_bytes; /* so far */
	uint64_t opcodes;		     /* so far */
	uint64_t position; /* among its tenant's waiting jobs, 1 is next; 0 when running */
};
/* State of a waiting or running job; ERROR_NOT_FOUND otherwise. */
int engine_status(struct engine *engine, const char *id, uint64_t session,
		  struct engine_job_status *ret_status, struct error *err);

struct engine_info {
	uint64_t jobs_queued, jobs_running, queue_bytes;
	uint64_t results_bytes, results_waiting; /* being read and written; without room yet */
	uint64_t workers_ready, workers_starting;
	uint64_t workers_busy; /* with a job, or still to be reaped after it */
	uint64_t jobs_ended[STATUS_COUNT]; /* since start */
	uint64_t workers_failed;	   /* workers that could not be set up */
	uint64_t generation;
	bool serving;	   /* a zygote is up */
	bool draining;
	bool cgroups, cgroup_v2; /* has any; the newer kind */
	bool rootless;		 /* its workers share the account that runs the service */
	enum isolation_level isolation; /* that is insisted on */
	uint64_t layers;		/* that hold: bits of enum isolation_layer */
	char python[64];
	uint64_t hash_seed;
	char meter_id[32];
};
void engine_info(const struct engine *engine, struct engine_info *ret_info);

/* What a tenant has in work, and has used since this stintd began; nothing, when it gave no job. */
struct engine_tenant_usage {
	uint64_t queued, running, queue_bytes;
	uint64_t jobs_total, refused_total;   /* jobs taken, and not taken */
	uint64_t cpu_us_total, opcodes_total; /* of its ended jobs */
};
void engine_tenant_usage(const struct engine *engine, const char *tenant,
			 struct engine_tenant_usage *ret_usage);

/* Take no new job; `drained` is called when the last one has ended. */
void engine_drain(struct engine *engine);
/* The same, for the whole service: the spawner is asked to stop it, as by SIGTERM. In a drain: no
 * more than that. */
int engine_ask_drain(struct engine *engine, struct error *err);

#endif
