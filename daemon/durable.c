/*
 * Durable jobs: their table, their store, and what goes on by the clock.
 *
 * A job is in memory from its submission to its stored result, unless too many are: then it waits
 * on the disk alone until durable_feed.c takes it up. What the disk refuses for now is tried again
 * once a second: a result that was made is held until it is stored. Called by daemon.c and the
 * methods, on the loop. Fails only at the start.
 */
#include "daemon/durable_state.h"

#include "protocol/base_assert.h"
#include "protocol/base_log.h"
#include "protocol/base_sys.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DURABLE_US_PER_S  1000000u
#define DURABLE_US_PER_MS 1000u
/* A tenant's share of the store. */
#define DURABLE_SHARE_DIVISOR 4u

uint64_t
durable_now_us(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * DURABLE_US_PER_S + (uint64_t)now.tv_nsec / DURABLE_US_PER_MS;
}

/* ---- the table ---- */

static struct durable_tenant *
find_tenant(const struct durable *durable, const char *name)
{
	uint64_t hash = hash_table_hash(&durable->tenants, 0, name, strlen(name));
	struct hash_link *link = hash_table_first(&durable->tenants, hash);
	for (; link != NULL; link = hash_table_next(link)) {
		struct durable_tenant *tenant = hash_table_item(link, struct durable_tenant, link);
		if (strcmp(tenant->name, name) == 0)
			return tenant;
	}
	return NULL;
}

size_t
durable_tenant_live(const struct durable *durable, const char *tenant)
{
	const struct durable_tenant *found = find_tenant(durable, tenant);
	return found != NULL ? found->live : 0;
}

struct durable_job *
durable_add(struct durable *durable, const char *tenant, const char *id)
{
	struct durable_tenant *owner = find_tenant(durable, tenant);
	struct durable_job *job = calloc(1, sizeof(*job));
	require(job != NULL && strlen(id) == JOB_ID_CHARS);
	if (owner == NULL) {
		owner = calloc(1, sizeof(*owner));
		require(owner != NULL && strlen(tenant) <= TENANT_NAME_MAX);
		memcpy(owner->name, tenant, strlen(tenant));
		hash_table_add(&durable->tenants, &owner->link,
			       hash_table_hash(&durable->tenants, 0, tenant, strlen(tenant)));
	}
	owner->live++;
	job->tenant = owner;
	job->ticket = ++durable->last_ticket;
	memcpy(job->id, id, sizeof(job->id));
	list_append(&durable->all, &job->all);
	hash_table_add(&durable->ids, &job->id_link,
		       hash_table_hash(&durable->ids, 0, id, JOB_ID_CHARS));
	hash_table_add(&durable->tickets, &job->ticket_link,
		       hash_table_hash(&durable->tickets, 0, &job->ticket, sizeof(job->ticket)));
	return job;
}

struct durable_job *
durable_find(struct durable *durable, const char *tenant, const char *id)
{
	uint64_t hash = hash_table_hash(&durable->ids, 0, id, strlen(id));
	struct hash_link *link = hash_table_first(&durable->ids, hash);
	for (; link != NULL; link = hash_table_next(link)) {
		struct durable_job *job = hash_table_item(link, struct durable_job, id_link);
		if (strcmp(job->id, id) == 0)
			return strcmp(job->tenant->name, tenant) == 0 &&
				       job->phase != DURABLE_STORING
				   ? job
				   : NULL;
	}
	return NULL;
}

struct durable_job *
durable_by_ticket(struct durable *durable, uint64_t ticket)
{
	uint64_t hash = hash_table_hash(&durable->tickets, 0, &ticket, sizeof(ticket));
	struct hash_link *link = hash_table_first(&durable->tickets, hash);
	for (; link != NULL; link = hash_table_next(link)) {
		struct durable_job *job = hash_table_item(link, struct durable_job, ticket_link);
		if (job->ticket == ticket)
			return job;
	}
	return NULL;
}

void
durable_remove(struct durable *durable, struct durable_job **job)
{
	struct durable_job *gone = *job;
	*job = NULL;
	hash_table_remove(&durable->ids, &gone->id_link);
	hash_table_remove(&durable->tickets, &gone->ticket_link);
	list_remove(&gone->link);
	list_remove(&gone->all);
	if (--gone->tenant->live == 0) {
		hash_table_remove(&durable->tenants, &gone->tenant->link);
		free(gone->tenant);
	}
	run_request_deinit(&gone->request);
	free(gone);
}

/* ---- the store ---- */

struct store_op *
durable_op(enum store_kind kind, void (*done)(void *context, struct store_op *op),
	   struct durable *durable, const char *tenant, const char *id)
{
	struct store_op *op = store_op_new(kind, done, durable);
	memcpy(op->row.tenant, tenant, strlen(tenant) + 1);
	memcpy(op->row.id, id, strlen(id) + 1);
	return op;
}

void
durable_again(struct durable *durable, struct store_op *op)
{
	list_append(&durable->unsaved, &op->link);
	durable_check_idle(durable);
}

void
durable_fault(struct rpc_error *ret_fault, const struct store_op *op)
{
	switch (op->outcome) {
	case STORE_QUOTA:
		jsonrpc_error_reason(ret_fault, RPC_REASON_QUOTA_EXCEEDED, "%s", op->err.text);
		return;
	case STORE_FULL:
	case STORE_FAILED:
		jsonrpc_error_reason(ret_fault, RPC_REASON_QUEUE_FULL, "not stored: %s",
				     op->err.text);
		return;
	case STORE_OTHER_REQUEST:
		jsonrpc_error_code(ret_fault, RPC_INVALID_PARAMS,
				   "idempotency_key: was used for another request");
		return;
	default:
		jsonrpc_error_reason(ret_fault, RPC_REASON_NOT_FOUND, "no such job");
	}
}

static void purge(struct durable *durable);

static void
on_purged(void *context, struct store_op *op)
{
	struct durable *durable = context;
	bool more = op->outcome == STORE_DONE && op->more;
	durable->purging = false;
	store_op_free(&op);
	/* Steps are small: what others have posted meanwhile comes between them. */
	if (more && !durable->draining)
		purge(durable);
	durable_check_idle(durable);
}

static void
purge(struct durable *durable)
{
	struct store_op *op = durable_op(STORE_PURGE, on_purged, durable, "", "");
	op->now_us = durable_now_us();
	op->keep_us = config_number(durable->setup.config, results_keep_time) * DURABLE_US_PER_MS;
	durable->purging = true;
	(void)store_post(durable->store, op, true);
}

static void
on_tick(uv_timer_t *timer)
{
	struct durable *durable = timer->data;
	struct list again;
	struct link *link;
	list_init(&again);
	while ((link = list_first(&durable->unsaved)) != NULL) {
		list_remove(link);
		list_append(&again, link);
	}
	while ((link = list_first(&again)) != NULL) {
		list_remove(link);
		(void)store_post(durable->store, list_item(link, struct store_op, link), true);
	}
	if (!durable->draining && !durable->purging && ++durable->ticks >= DURABLE_PURGE_TICKS) {
		durable->ticks = 0;
		purge(durable);
	}
	durable_turn(durable);
}

/* ---- life ---- */

int
durable_new(const struct durable_setup *setup, int state_fd, struct durable **ret_durable,
	    struct error *err)
{
	struct durable *durable = calloc(1, sizeof(*durable));
	require(durable != NULL);
	durable->setup = *setup;
	struct hash_table *tables[] = {&durable->ids, &durable->tickets, &durable->tenants,
				       &durable->waits};
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		hash_table_init(tables[i]);
	list_init(&durable->all);
	list_init(&durable->ready);
	list_init(&durable->unsaved);
	if (state_fd >= 0) {
		uint64_t bytes_max = config_number(setup->config, store_bytes_max);
		struct store_settings settings = {
		    .dir_fd = state_fd,
		    .bytes_max = bytes_max,
		    .rules = {bytes_max / DURABLE_SHARE_DIVISOR,
			      config_number(setup->config, results_keep_jobs)}};
		int rc = store_new(setup->loop, &settings, &durable->store, err);
		if (rc < 0) {
			free(durable);
			return rc;
		}
	}
	durable_wait_init(durable);
	require(uv_timer_init(setup->loop, &durable->tick) == 0);
	durable->tick.data = durable;
	*ret_durable = durable;
	return 0;
}

void
durable_start(struct durable *durable, struct engine *engine)
{
	durable->engine = engine;
	if (durable->store == NULL)
		return;
	require(uv_timer_start(&durable->tick, on_tick, DURABLE_TICK_MS, DURABLE_TICK_MS) == 0);
	durable_feed(durable);
}

void
durable_check_closed(struct durable *durable)
{
	struct link *link;
	if (!durable->closing || !durable->tick_closed || durable->works_open > 0)
		return;
	LIST_FOREACH_SAFE (&durable->all, all, next) {
		struct durable_job *job = list_item(all, struct durable_job, all);
		durable_remove(durable, &job);
	}
	while ((link = list_first(&durable->unsaved)) != NULL) {
		struct store_op *op = list_item(link, struct store_op, link);
		list_remove(link);
		store_op_free(&op);
	}
	struct hash_table *tables[] = {&durable->ids, &durable->tickets, &durable->tenants,
				       &durable->waits};
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		hash_table_deinit(tables[i]);
	free(durable);
}

static void
on_tick_closed(uv_handle_t *handle)
{
	struct durable *durable = handle->data;
	durable->tick_closed = true;
	durable_check_closed(durable);
}

void
durable_close(struct durable **durable)
{
	struct durable *gone = *durable;
	if (gone == NULL)
		return;
	*durable = NULL;
	gone->closing = true;
	store_close(&gone->store);
	uv_close((uv_handle_t *)&gone->tick, on_tick_closed);
}

bool
durable_is_off(const struct durable *durable, struct rpc_error *ret_fault)
{
	if (durable != NULL && durable->store != NULL)
		return false;
	jsonrpc_error_reason(ret_fault, RPC_REASON_NOT_PERMITTED,
			     "this daemon keeps no durable jobs: its state_dir is empty or cannot "
			     "be used (remedy: set state_dir; or use job.run)");
	return true;
}

void
durable_drain(struct durable *durable)
{
	if (durable == NULL || durable->store == NULL || durable->draining)
		return;
	durable->draining = true;
	size_t kept = engine_withdraw(durable->engine, DURABLE_SESSION);
	log_info("durable", "draining: %llu jobs stay stored",
		 (unsigned long long)(kept + durable->ready.count + durable->backlog));
	durable_wait_drain(durable);
}

/* What the disk does not take stays undone: such a job is run again by the next life. */
bool
durable_is_idle(const struct durable *durable)
{
	return durable == NULL || durable->store == NULL || store_is_idle(durable->store);
}

void
durable_check_idle(struct durable *durable)
{
	if (!durable->closing && durable->draining && durable_is_idle(durable))
		durable->setup.idle(durable->setup.context);
}

bool
durable_health(const struct durable *durable, struct store_health *ret_health,
	       uint64_t *ret_waiting)
{
	if (durable == NULL || durable->store == NULL)
		return false;
	store_health(durable->store, ret_health);
	*ret_waiting = durable->backlog + durable->ready.count;
	return true;
}

void
durable_count(const struct durable *durable, uint64_t *ret_held, uint64_t *ret_stored)
{
	bool none = durable == NULL || durable->store == NULL;
	*ret_held = none ? 0 : durable->all.count;
	*ret_stored = none ? 0 : durable->backlog;
}

struct store *
durable_store(const struct durable *durable)
{
	return durable != NULL ? durable->store : NULL;
}
