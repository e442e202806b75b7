/*
 * A job in stintd: what was asked for, who asked, where it stands. One list per state; job_move is
 * the only function that changes a state.
 */
#ifndef STINT_DAEMON_JOB_H
#define STINT_DAEMON_JOB_H

#include "daemon/account.h"
#include "daemon/compiled.h"
#include "daemon/engine_event.h"
#include "daemon/pick.h"
#include "daemon/trace_read.h"
#include "protocol/base_list.h"
#include "protocol/error.h"
#include "protocol/request.h"
#include "protocol/run_result.h"

#include <stdbool.h>
#include <stdint.h>

enum job_state {
	JOB_QUEUED,
	JOB_RUNNING,
	JOB_ENDED, /* has its result, which waits to be told */
	JOB_STATE_COUNT
};

struct worker;

struct job {
	struct link link;      /* in the list of its state */
	struct link peers;     /* in the table's list of its session */
	struct job *next_same; /* in the table's chain of ids; borrowed */
	enum job_state state;
	char id[JOB_ID_CHARS + 1];
	struct account *account; /* held: its tenant */
	uint64_t session, ticket;
	bool forgotten; /* the session is gone: tell nobody */
	bool cancelled;
	unsigned broken; /* workers that broke under it before they took it */
	uint64_t bytes;  /* what it counts for in the queue */
	struct pick_job turn; /* in the queue */
	uint64_t queued_ns, started_ns;
	uint64_t deadline_ns; /* when it must have started; 0: none */
	uint64_t progress_ns; /* when a streaming job's client was last told how far it is */
	uint64_t out_told, err_told; /* bytes of output a streaming job's client has got */
	struct trace_cursor trace; /* events of its trace a streaming job's client has got */
	struct run_request request;
	struct compiled *compiled; /* held: its script's code; NULL: it names no source */
	bool leaves_code;          /* its worker is asked to leave that */
	enum engine_kill kill;     /* who has ended it, and how far past its limit it came */
	uint64_t overrun_us;
	struct run_result *result; /* owned; ENDED: never NULL */
	struct worker *worker;    /* RUNNING: borrowed from the pool */
};

struct job_lists {
	struct list of[JOB_STATE_COUNT];
};

void job_lists_init(struct job_lists *ret_lists);
/* Of whom it is, and which: id NULL makes a new one. */
struct job_owner {
	struct account *account;
	uint64_t session, ticket;
	const char *id;
	struct compiled *compiled;
};
/* What a job of that request counts for in the queue. */
uint64_t job_bytes(const struct run_request *request);
/* On success *request is moved from. The job is in no list yet; it counts as one of its account's
 * from here on. */
int job_new(struct run_request *request, const struct job_owner *owner, uint64_t now_ns,
	    struct job **ret_job, struct error *err);
/* A new id: 128 random bits. */
int job_make_id(char ret_id[JOB_ID_CHARS + 1], struct error *err);
/* Takes it out of its lists' links; the table must have let go of it. */
void job_free(struct job **job);
/* What its worker has left of its script's code, which is taken over; NULL: nothing. */
void job_fill_code(struct job *job, const struct compiled_key *key, void *bytes, size_t size);
const char *job_state_name(enum job_state state);
/* Put a new job into its first list, QUEUED. */
void job_enter(struct job_lists *lists, struct job *job);
/* Aborts on a forbidden move. */
void job_move(struct job_lists *lists, struct job *job, enum job_state state);
/* Give it an empty result, in place of one it may have. */
struct run_result *job_new_result(struct job *job);
/* Fill the result of a job that never ran to an end of its own. Texts are copied. */
void job_conclude(struct job *job, enum job_status status, const char *type, const char *message);

#endif
