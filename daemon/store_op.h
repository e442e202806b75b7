/*
 * What the loop asks of the store and what it hears back: one struct store_op each way. It is made
 * on the loop, belongs to the store thread while it is worked on, and comes back to the loop, whose
 * it is to free. Everything is keyed by the tenant's name: the id of another tenant's job is not
 * found, by the same path as one that nobody has.
 */
#ifndef STINT_DAEMON_STORE_OP_H
#define STINT_DAEMON_STORE_OP_H

#include "protocol/base_list.h"
#include "protocol/error.h"
#include "protocol/limits.h"
#include "protocol/run_result.h"
#include "protocol/tenant_terms.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_KEY_MAX	 255 /* bytes of an idempotency_key */
#define STORE_TAG_MAX	 255
#define STORE_SCRIPT_MAX 64 /* characters of a script's id */
#define STORE_STATUS_MAX 31
#define STORE_NAME_MAX	 255 /* bytes of a script's file name */
#define STORE_EXCEPT_MAX 32 /* tenants that a feed leaves out */

enum store_kind {
	STORE_SUBMIT,	     /* row in: a new job */
	STORE_STARTED,	     /* row: id, tenant, attempts: it runs for the attempts-th time */
	STORE_RESULT,	     /* row: as at submit; result in; text out */
	STORE_CANCEL,	     /* row: id, tenant; result in, for a job that was not handed out */
	STORE_FETCH,	     /* row: id, tenant; the row out, and with want_text its result */
	STORE_LIST,	     /* filter in; rows out, newest first */
	STORE_FEED,	     /* rows out: stored jobs, handed out by this */
	STORE_PURGE,	     /* some of what has been kept long enough goes; more: there is more */
	STORE_SCRIPT_PUT,    /* row: tenant, script, name; text in; is_code */
	STORE_SCRIPT_DELETE, /* row: tenant, script */
	STORE_SCRIPT_LOAD,   /* rows out: all scripts that are not hidden */
	STORE_KIND_COUNT
};

enum store_outcome {
	STORE_DONE,
	STORE_REPEATED,	     /* SUBMIT: the key's first job is in row.id */
	STORE_OTHER_REQUEST, /* SUBMIT: the key belongs to another request */
	STORE_QUOTA,	     /* the tenant has no room left */
	STORE_FULL,	     /* the store has none for new jobs */
	STORE_NOT_FOUND,
	STORE_FAILED, /* the disk; err says how. Nothing has changed, and it may be tried again */
};

enum store_state { STORE_WAITING, STORE_HANDED_OUT, STORE_RUNNING, STORE_ENDED };

struct store_row {
	char tenant[TENANT_NAME_MAX + 1];
	char id[JOB_ID_CHARS + 1];
	char tag[STORE_TAG_MAX + 1];
	char key[STORE_KEY_MAX + 1];	   /* empty: none */
	char script[STORE_SCRIPT_MAX + 1]; /* empty: none */
	char name[STORE_NAME_MAX + 1];	   /* of a script */
	char status[STORE_STATUS_MAX + 1]; /* of an ended job */
	enum store_state state;
	unsigned attempts;
	bool cancelled;
	bool is_code;			   /* of a script, or of `program`: byte code */
	uint64_t submitted_us, ended_us;   /* since 1970 */
	char *text;			   /* owned: request, result, or a script's content */
	size_t text_size;
	char *limits;			   /* owned: the job's limits as accepted, NUL terminated */
	uint8_t *program;		   /* owned: content of the job's script */
	size_t program_size;
};

struct store_filter {
	bool by_state;
	enum store_state state; /* HANDED_OUT and WAITING are one */
	bool by_tag;
	char tag[STORE_TAG_MAX + 1];
	uint64_t before_us;		  /* 0: from the newest */
	char before_id[JOB_ID_CHARS + 1]; /* of that time, those with a smaller id */
	unsigned count_max;
};

struct store_op {
	struct link link;
	struct store_share *share; /* store_queue.c's */
	enum store_kind kind;
	enum store_outcome outcome;
	struct error err; /* of STORE_QUOTA, STORE_FULL and STORE_FAILED */
	/* On the loop, after the commit; the callee takes the op over. */
	void (*done)(void *context, struct store_op *op);
	void *context;
	uint64_t ticket, note; /* the caller's */
	char found_id[JOB_ID_CHARS + 1]; /* STORE_REPEATED: of the first such job */
	size_t bytes;	 /* counted: memory that it holds */
	bool want_text;
	bool more;
	struct store_row row;
	struct run_result *result; /* owned */
	struct store_filter filter;
	struct store_row *rows; /* owned */
	size_t row_count;
	unsigned count_max;			/* FEED: rows */
	size_t bytes_max;			/* FEED: their texts; the first one always comes */
	char except[STORE_EXCEPT_MAX][TENANT_NAME_MAX + 1];
	unsigned except_count;
	bool recovers;	      /* FEED, out: what an earlier life had handed out waits again */
	uint64_t waiting;     /* FEED with want_text, out: jobs that wait now */
	uint64_t now_us, keep_us; /* PURGE: time, and how long results are kept */
};

struct store_op *store_op_new(enum store_kind kind,
			      void (*done)(void *context, struct store_op *op), void *context);
void store_op_free(struct store_op **op);
/* A row's owned parts. */
void store_row_deinit(struct store_row *row);
/* Bytes that the op holds beside itself; sets op->bytes. */
size_t store_op_weigh(struct store_op *op);

#endif
