/*
 * A job as a client asked for it, checked and packed: what job.run's parameters become.
 */
#ifndef STINT_PROTOCOL_REQUEST_H
#define STINT_PROTOCOL_REQUEST_H

#include "protocol/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REQUEST_SCRIPT_CHARS 64 /* SHA-256 in hex */

struct run_request {
	struct limits limits; /* complete: defaults filled in, maxima checked */
	bool stream;
	bool evaluates;	      /* mode eval */
	bool named;	      /* the request has a name of its own */
	/* Id of the program, which is yet to be put in; empty: it is there. */
	char script[REQUEST_SCRIPT_CHARS + 1];
	int8_t priority;      /* -PRIORITY_MAX to PRIORITY_MAX, the higher the earlier */
	uint64_t deadline_ms; /* from its arrival: when it must have started; 0: none */
	uint8_t trace;	      /* enum trace_kind (worker_abi.h) */
	bool wants_value;     /* mode eval, entry, outputs or collect: the job owes a result blob */
	bool collects;	      /* files come back */
	uint8_t *blob;	      /* owned: the job blob (worker_abi.h) */
	size_t blob_bytes;
	uint8_t *stdin_bytes; /* owned, or NULL when there is none */
	size_t stdin_size;
	char *tag;	      /* owned: the client's own mark; NULL: none */
};

void run_request_deinit(struct run_request *request);

#endif
