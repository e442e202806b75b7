/*
 * Durable jobs on the loop: between the methods that clients call, the store that keeps the jobs,
 * and the engine that runs them. Without a state directory there are none, and every call says so.
 *
 * Calls take a tenant's name and find that tenant's jobs alone. Those with a `ticket` answer the
 * request in work with that ticket (inwork.h), at once or later, exactly once.
 */
#ifndef STINT_DAEMON_DURABLE_H
#define STINT_DAEMON_DURABLE_H

#include "daemon/engine.h"
#include "daemon/inwork.h"
#include "daemon/reply.h"
#include "daemon/store.h"
#include "daemon/tenant_table.h"
#include "protocol/config.h"
#include "protocol/json_value.h"
#include "protocol/jsonrpc.h"
#include "protocol/request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* The engine's session number of all durable jobs: no connection ever has it. */
#define DURABLE_SESSION UINT64_MAX

/* A cursor of job.list: time and id of the last one, in hex. */
#define DURABLE_CURSOR_CHARS (16 + JOB_ID_CHARS)

struct durable;
struct script_keep;

struct durable_setup {
	uv_loop_t *loop;		/* all borrowed */
	const struct config *config;
	struct tenant_table *const *tenants; /* as it is now */
	const struct json_marks *marks;
	struct inwork *inwork;
	struct reply *reply;
	const struct script_keep *scripts;
	/* durable_is_idle has become true. */
	void (*idle)(void *context);
	void *context;
};

/* state_fd: taken over; -1: there are none. Fails as store_new. */
int durable_new(const struct durable_setup *setup, int state_fd, struct durable **ret_durable,
		struct error *err);
/* Begin with what an earlier life has left. */
void durable_start(struct durable *durable, struct engine *engine);
/* The loop must run until its handles are closed; then it is freed. The engine calls no more. */
void durable_close(struct durable **durable);

/* NULL when jobs can be stored; else why not, as a fault. */
bool durable_is_off(const struct durable *durable, struct rpc_error *ret_fault);
/* The daemon drains: what waits stays stored, what runs ends; who waits for the former is told. */
void durable_drain(struct durable *durable);
/* Nothing is on its way to the disk. */
bool durable_is_idle(const struct durable *durable);
/* False when there is no store. */
bool durable_health(const struct durable *durable, struct store_health *ret_health,
		    uint64_t *ret_waiting);
/* Jobs in memory, and those that wait on the disk alone; none when there is no store. */
void durable_count(const struct durable *durable, uint64_t *ret_held, uint64_t *ret_stored);
/* The store, for scripts; NULL when there is none. */
struct store *durable_store(const struct durable *durable);

struct durable_submission {
	struct run_request *request; /* moved from on success; its program is in it */
	char *text;		     /* the parameters' JSON text; moved from on success */
	size_t text_size;
	const char *key;	     /* idempotency_key; empty: none */
	const char *script;	     /* its id; empty: the program is in the text */
};
/* False: not taken, with the fault; nothing is answered. */
bool durable_submit(struct durable *durable, const char *tenant, uint64_t ticket,
		    struct durable_submission *submission, struct rpc_error *ret_fault);
/* Answer with the job's result; until it has ended, wait (wait), for at most timeout_ms, and then
 * answer with its state. UINT64_MAX: for ever. */
void durable_result(struct durable *durable, const char *tenant, uint64_t ticket, const char *job,
		    uint64_t timeout_ms);
void durable_status(struct durable *durable, const char *tenant, uint64_t ticket, const char *job);
void durable_cancel(struct durable *durable, const char *tenant, uint64_t ticket, const char *job);
void durable_list(struct durable *durable, const char *tenant, uint64_t ticket,
		  const struct store_filter *filter);

/* The engine's callbacks of DURABLE_SESSION. */
void durable_on_started(struct durable *durable, uint64_t ticket);
void durable_on_result(struct durable *durable, uint64_t ticket, struct run_result *result);

#endif
