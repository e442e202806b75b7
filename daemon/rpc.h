/*
 * JSON-RPC calls: from a line to a checked call (rpc_parse, on any thread) and from a call to its
 * method (rpc_run, on the loop). Answers leave through the outbox.
 */
#ifndef STINT_DAEMON_RPC_H
#define STINT_DAEMON_RPC_H

#include "daemon/identity.h"
#include "daemon/inwork.h"
#include "daemon/outbox.h"
#include "protocol/config.h"
#include "protocol/jsonrpc.h"
#include "protocol/request.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct durable;
struct engine;
struct script_keep;
struct metrics;
struct usage_log;
struct rpc;
struct rpc_call;

#define RPC_KEY_MAX 255 /* bytes of an idempotency_key */

enum rpc_outcome {
	RPC_ANSWERED, /* the handler has written the result's JSON text */
	RPC_FAULT,    /* the handler has filled in the error */
	RPC_LATER,    /* the answer comes from elsewhere, or never (a notification) */
};

/* What becomes of the parameters while the line is parsed, off the loop for a large one. */
enum rpc_prepare {
	RPC_PREPARE_NONE,   /* the handler reads them: they are few and small */
	RPC_PREPARE_RUN,    /* call->request */
	RPC_PREPARE_SUBMIT, /* the same, and call->text, call->key */
	RPC_PREPARE_SCRIPT, /* call->text, call->script, call->name, call->is_code */
};

/* Called with an empty result and fault; writes to one of them. */
typedef enum rpc_outcome rpc_handler(struct rpc *rpc, struct inwork_client *client,
				     struct rpc_call *call, struct text_buffer *result,
				     struct rpc_error *fault);

struct rpc_method {
	const char *name;
	rpc_handler *handler;
	enum rpc_prepare prepare;
	bool names; /* a `tenant` without a token is its own parameter */
	const char *params;   /* for the manual */
	const char *sentence; /* for the manual */
};

/* A line that was taken apart. Handlers may move `request` out of it. */
struct rpc_call {
	const struct rpc_method *method; /* NULL: refused, see fault */
	char *id;                        /* owned: JSON text; NULL: a notification */
	struct caller caller;            /* for whom it is run */
	bool secret;                     /* the line holds a token */
	json_t *params;                  /* owned: an object; NULL: none, or all in `request` */
	struct run_request request;      /* owned: of a method that prepares one */
	char *text;			 /* owned: parameters to be stored, or a script's content */
	size_t text_size;
	char key[RPC_KEY_MAX + 1];			 /* idempotency_key; empty: none */
	char script[REQUEST_SCRIPT_CHARS + 1], name[NAME_BYTES_MAX + 1]; /* of a script */
	bool is_code;
	struct rpc_error fault;
};

struct rpc {
	const struct config *config; /* borrowed: as it is now; for the loop's thread alone */
	struct engine *engine;       /* borrowed */
	struct durable *durable;     /* borrowed, or NULL */
	struct script_keep *scripts; /* borrowed */
	struct inwork *inwork;       /* borrowed */
	struct outbox *outbox;       /* borrowed */
	struct tenant_table *tenants; /* borrowed: as they are now */
	struct metrics *metrics;     /* borrowed; NULL: nobody counts */
	struct usage_log *usage_log; /* borrowed; NULL: there is none */
	uv_loop_t *loop;             /* borrowed: for the time */
	uint64_t start_ms;           /* loop time at start */
	struct json_marks marks;     /* of this process */
	bool ready;                  /* a worker has been ready */
};

enum rpc_refusal {
	RPC_REFUSED_TOO_LARGE, /* the line is above request_bytes_max */
	RPC_REFUSED_NO_ROOM,   /* the memory for large lines is in use */
};

/* tenants is to be set before the first client. */
int rpc_init(struct rpc *ret_rpc, const struct config *config, struct inwork *inwork,
	     struct outbox *outbox, uv_loop_t *loop, struct error *err);

/* Check and take apart one line of a settled client. The configuration is that of the identity's
 * table, whatever a reload brings meanwhile: any thread may, while the identity stands still. Never
 * NULL. */
struct rpc_call *rpc_parse(const struct rpc *rpc, const struct identity *identity, const void *line,
			   size_t length);
void rpc_call_free(struct rpc_call **call);
/* Run the method, or answer why not. Takes the call over. */
void rpc_run(struct rpc *rpc, struct inwork_client *client, struct rpc_call **call);
/* Answer a line that never became one. line_max: the longest that this client may send. */
void rpc_refuse(struct rpc *rpc, const struct inwork_client *client, enum rpc_refusal refusal,
		size_t line_max);
/* Fault of a handler: parameter `name` (any bytes) `problem`. */
void rpc_fault_parameter(struct rpc_error *ret_fault, const char *name, const char *problem);
/* JSON array of the methods' names. */
void rpc_put_methods(struct text_buffer *text);
/* The client is gone: its jobs are cancelled, nothing more is sent to it. */
void rpc_forget(struct rpc *rpc, struct inwork_client *client);

#endif
