/*
 * Outwards: what the engine tells of a job becomes lines for the client that asked for it.
 */
#ifndef STINT_DAEMON_REPLY_H
#define STINT_DAEMON_REPLY_H

#include "daemon/engine.h"
#include "daemon/inwork.h"
#include "daemon/outbox.h"
#include "protocol/jsonrpc.h"
#include "protocol/run_result.h"
#include "protocol/text_buffer.h"

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* Answers with more than this to write are written off the loop. */
#define REPLY_INLINE_BYTES_MAX 65536u
/* Streamed output goes out in pieces of at most this much. */
#define REPLY_PIECE_BYTES_MAX 65536u

/* A result that is yet to be written as JSON. */
struct reply_source {
	/* On any thread, once; it may let go of what is needed no more. */
	void (*write)(void *what, struct text_buffer *text);
	/* On the loop, when it is written, or nobody waits for it any more. */
	void (*done)(void *what);
	void *what;
	size_t bytes; /* about so many are to be written */
};

struct reply {
	uv_loop_t *loop;       /* borrowed */
	struct inwork *inwork; /* borrowed */
	struct outbox *outbox; /* borrowed */
	size_t writing;        /* answers that are being written off the loop */
	/* A result and its line are no longer held here. May be NULL. */
	void (*gone)(void *context, uint64_t held_bytes);
	void *context;
};

void reply_init(struct reply *ret_reply, uv_loop_t *loop, struct inwork *inwork,
		struct outbox *outbox);

/* A job ended. Takes the result over; answers the request and takes it out of work. */
void reply_result(struct reply *reply, uint64_t ticket, struct run_result *result);
/* Answer a request that waits for its answer, and take it out of work. The text is the result's
 * JSON, borrowed. Nothing happens when its client is gone. */
void reply_text(struct reply *reply, uint64_t ticket, const char *text, size_t size);
/* The same; the text is written by the source, off the loop when it is large. */
void reply_written(struct reply *reply, uint64_t ticket, const struct reply_source *source);
void reply_fault(struct reply *reply, uint64_t ticket, const struct rpc_error *fault);
/* New output of a streaming job; stream is 1 or 2. */
void reply_output(struct reply *reply, uint64_t ticket, int stream, const void *bytes, size_t size);
/* New events of a streaming job's trace, a line end after each. */
void reply_trace(struct reply *reply, uint64_t ticket, const void *lines, size_t size);
/* How far a streaming job is. */
void reply_progress(struct reply *reply, uint64_t ticket, const struct engine_job_status *status);
/* Tell a streaming client the id of its job. */
void reply_queued(struct outbox *outbox, const struct inwork_request *request);

#endif
