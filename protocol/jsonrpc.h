/*
 * The JSON-RPC 2.0 envelope, strict: one object per line, no batches, no member that the standard
 * does not have, `params` an object. Writers append whole lines, line end included.
 */
#ifndef STINT_PROTOCOL_JSONRPC_H
#define STINT_PROTOCOL_JSONRPC_H

#include "protocol/error.h"
#include "protocol/json_value.h"
#include "protocol/text_buffer.h"

#include <stddef.h>

/* Bytes of an id as JSON text; of a method's name. */
#define RPC_ID_BYTES_MAX     1024u
#define RPC_METHOD_BYTES_MAX 64u
/* `retry_after_ms` of refusals that pass by themselves, where nothing better is known. */
#define RPC_RETRY_AFTER_MS 1000u

enum rpc_code {
	RPC_PARSE_ERROR = -32700,
	RPC_INVALID_REQUEST = -32600,
	RPC_METHOD_NOT_FOUND = -32601,
	RPC_INVALID_PARAMS = -32602,
	RPC_INTERNAL_ERROR = -32603,
};

/* REASON(constant, data.reason, error code) */
#define RPC_REASON_TABLE(REASON)                                                                   \
	REASON(QUEUE_FULL, "queue_full", -32000)                                                   \
	REASON(QUOTA_EXCEEDED, "quota_exceeded", -32001)                                           \
	REASON(LIMIT_TOO_HIGH, "limit_too_high", -32002)                                           \
	REASON(NOT_FOUND, "not_found", -32003)                                                     \
	REASON(NOT_PERMITTED, "not_permitted", -32004)                                             \
	REASON(TOO_LARGE, "too_large", -32005)                                                     \
	REASON(DRAINING, "draining", -32006)                                                       \
	REASON(DUPLICATE_ID, "duplicate_id", -32007)                                               \
	REASON(SESSION_BUSY, "session_busy", -32008)                                               \
	REASON(SESSION_ENDED, "session_ended", -32009)

enum rpc_reason {
	RPC_REASON_NONE,
#define REASON(constant, name, code) RPC_REASON_##constant,
	RPC_REASON_TABLE(REASON)
#undef REASON
	    RPC_REASON_COUNT
};

const char *jsonrpc_reason_name(enum rpc_reason reason); /* NULL for NONE */
int jsonrpc_reason_code(enum rpc_reason reason);

struct rpc_error {
	int code; /* enum rpc_code, or a reason's code */
	enum rpc_reason reason;
	uint64_t retry_after_ms; /* when to try again; 0: nothing is said of it */
	char message[ERROR_TEXT_BYTES];
};

/* Fill *ret_error with a code of enum rpc_code, or with a reason and its code. With QUEUE_FULL,
 * QUOTA_EXCEEDED and DRAINING retry_after_ms is RPC_RETRY_AFTER_MS. */
void jsonrpc_error_code(struct rpc_error *ret_error, enum rpc_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void jsonrpc_error_reason(struct rpc_error *ret_error, enum rpc_reason reason, const char *format,
			  ...) __attribute__((format(printf, 3, 4)));

struct rpc_request {
	char *id; /* owned: JSON text, not NUL terminated; NULL: a notification */
	size_t id_size;
	char method[RPC_METHOD_BYTES_MAX + 1];
	json_t *params; /* owned reference to an object, or NULL when there are none */
};

/*
 * Read one line (with or without its line end). 0: *ret_request is complete. Negative: *ret_error
 * says why and the request holds the id as far as it could be read; a line that is no request has
 * id null in its answer (jsonrpc_write_error with id NULL). *ret_request is always the caller's to
 * deinit.
 */
int jsonrpc_parse(const struct json_marks *marks, const char *line, size_t size, size_t size_max,
		  struct rpc_request *ret_request, struct rpc_error *ret_error);
void jsonrpc_request_deinit(struct rpc_request *request);

/* Start of an answer; the result's JSON text follows, then jsonrpc_write_end(). */
void jsonrpc_write_result(struct text_buffer *buffer, const char *id, size_t id_size);
/* Start of a notification; the params' JSON text follows, then jsonrpc_write_end(). */
void jsonrpc_write_notification(struct text_buffer *buffer, const char *method);
void jsonrpc_write_end(struct text_buffer *buffer);
/* A whole line. id NULL: null. */
void jsonrpc_write_error(struct text_buffer *buffer, const char *id, size_t id_size,
			 const struct rpc_error *error);
/* A whole line, as a client sends it; params is JSON text of an object, or NULL. */
void jsonrpc_write_request(struct text_buffer *buffer, uint64_t id, const char *method,
			   const char *params, size_t params_size);

#endif
