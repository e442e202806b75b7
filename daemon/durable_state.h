/*
 * The parts of struct durable, for durable*.c alone.
 */
#ifndef STINT_DAEMON_DURABLE_STATE_H
#define STINT_DAEMON_DURABLE_STATE_H

#include "daemon/durable.h"
#include "daemon/hash_table.h"
#include "protocol/base_list.h"

/* Jobs in memory, of all and of one tenant; the rest waits on the disk. */
#define DURABLE_LIVE_MAX	2048u
#define DURABLE_TENANT_LIVE_MAX 128u
/* Taken from the disk at one time. */
#define DURABLE_FEED_JOBS  64u
#define DURABLE_FEED_BYTES (8u << 20)
/* Texts above this, together, are read off the loop. */
#define DURABLE_INLINE_BYTES_MAX 65536u
#define DURABLE_TICK_MS		 1000u
#define DURABLE_PURGE_TICKS	 10u

enum durable_phase {
	DURABLE_STORING, /* on its way to the disk: nobody knows its id */
	DURABLE_READING, /* from the disk; its request is being read */
	DURABLE_READY,	 /* for the engine, which had no place yet */
	DURABLE_HANDED,	 /* the engine has it */
	DURABLE_STARTED, /* and a worker */
	DURABLE_ENDED,	 /* its result is on its way to the disk */
};

/* A job in memory. */
struct durable_job {
	struct hash_link id_link, ticket_link;
	struct link all;  /* in durable->all */
	struct link link; /* READY: in durable->ready */
	struct durable_tenant *tenant; /* borrowed */
	enum durable_phase phase;
	uint64_t ticket;	 /* the engine's */
	uint64_t request_ticket; /* STORING: job.submit's */
	char id[JOB_ID_CHARS + 1];
	char tag[STORE_TAG_MAX + 1];
	char script[STORE_SCRIPT_MAX + 1];
	unsigned attempts; /* begun before */
	bool kept;	   /* STORING: it stays in memory when it is stored */
	bool cancelled;
	uint64_t submitted_us, held_bytes;
	struct run_request request; /* until the engine has it */
};

struct durable_tenant {
	struct hash_link link;
	char name[TENANT_NAME_MAX + 1];
	size_t live;
};

struct durable {
	struct durable_setup setup;
	struct engine *engine; /* borrowed */
	struct store *store;   /* owned; NULL: no durable jobs */
	struct hash_table ids, tickets, tenants, waits;
	struct list all, ready; /* of durable_job */
	struct list unsaved; /* of store_op: failed, and tried again */
	uint64_t last_ticket;
	uint64_t backlog;    /* jobs that wait on the disk */
	char round[TENANT_NAME_MAX + 1]; /* where the next feed goes on */
	uv_timer_t tick;
	unsigned ticks, works_open;
	bool recovered; /* the first feed is done: the backlog is known */
	bool feeding, purging, draining, closing, tick_closed;
};

/* durable.c */
uint64_t durable_now_us(void);
struct durable_job *durable_add(struct durable *durable, const char *tenant, const char *id);
/* NULL when it is not in memory, or another tenant's, or not yet stored. */
struct durable_job *durable_find(struct durable *durable, const char *tenant, const char *id);
struct durable_job *durable_by_ticket(struct durable *durable, uint64_t ticket);
void durable_remove(struct durable *durable, struct durable_job **job);
size_t durable_tenant_live(const struct durable *durable, const char *tenant);
struct store_op *durable_op(enum store_kind kind,
			    void (*done)(void *context, struct store_op *op),
			    struct durable *durable, const char *tenant, const char *id);
/* An op that has failed: posted again by and by. */
void durable_again(struct durable *durable, struct store_op *op);
/* A work on the pool thread has ended, or a handle was closed. */
void durable_check_closed(struct durable *durable);
void durable_check_idle(struct durable *durable);
/* The fault of an op's outcome. */
void durable_fault(struct rpc_error *ret_fault, const struct store_op *op);

/* durable_run.c */
/* Hand over what is ready, and feed. */
void durable_turn(struct durable *durable);
/* End a job that the engine does not have. */
void durable_conclude(struct durable *durable, struct durable_job *job, enum job_status status,
		      const char *type, const char *message);
struct run_result *durable_make_result(const char *id, enum job_status status, const char *type,
				       const char *message, unsigned attempts);

/* durable_feed.c */
void durable_feed(struct durable *durable);

/* durable_wait.c */
void durable_wait_init(struct durable *durable);
/* The request waits for the job's end. */
void durable_wait_add(struct durable *durable, uint64_t ticket, const char *tenant,
		      const char *job, uint64_t timeout_ms);
/* The job has ended: answer all that wait for it. */
void durable_wait_tell(struct durable *durable, const char *job, const char *text, size_t size);
/* The daemon drains: answer those whose job will not run in this life. */
void durable_wait_drain(struct durable *durable);

#endif
