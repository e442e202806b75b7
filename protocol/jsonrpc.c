/*
 * Reading requests and writing answers of JSON-RPC 2.0.
 *
 * Reads one line of a client's bytes: json_value checks and parses, this file checks the envelope.
 * Every refusal has the code that the standard gives it and a text that names the reason; the id is
 * echoed when it could be read. Knows no method and no parameter; logs nothing.
 */
#define _GNU_SOURCE
#include "protocol/jsonrpc.h"
#include "protocol/base_assert.h"
#include "protocol/base_log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RPC_QUOTE_BYTES 80

static const struct {
	const char *name;
	int code;
} REASONS[RPC_REASON_COUNT] = {
#define REASON(constant, name_, code_) [RPC_REASON_##constant] = {name_, code_},
    RPC_REASON_TABLE(REASON)
#undef REASON
};

const char *
jsonrpc_reason_name(enum rpc_reason reason)
{
	require((unsigned)reason < RPC_REASON_COUNT);
	return REASONS[reason].name;
}

int
jsonrpc_reason_code(enum rpc_reason reason)
{
	require((unsigned)reason < RPC_REASON_COUNT && reason != RPC_REASON_NONE);
	return REASONS[reason].code;
}

/* A text that error_set's rules make fit and one line. */
static void jsonrpc_error_text(struct rpc_error *error, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
static void
jsonrpc_error_text(struct rpc_error *error, const char *format, va_list args)
{
	char text[2 * ERROR_TEXT_BYTES];
	struct error tidy;

	(void)vsnprintf(text, sizeof(text), format, args);
	(void)error_set(&tidy, ERROR_INVALID, "%s", text);
	memcpy(error->message, tidy.text, sizeof(error->message));
}

void
jsonrpc_error_code(struct rpc_error *ret_error, enum rpc_code code, const char *format, ...)
{
	va_list args;

	ret_error->code = code;
	ret_error->reason = RPC_REASON_NONE;
	ret_error->retry_after_ms = 0;
	va_start(args, format);
	jsonrpc_error_text(ret_error, format, args);
	va_end(args);
}

void
jsonrpc_error_reason(struct rpc_error *ret_error, enum rpc_reason reason, const char *format, ...)
{
	va_list args;

	ret_error->code = jsonrpc_reason_code(reason);
	ret_error->reason = reason;
	ret_error->retry_after_ms = 0;
	if (reason == RPC_REASON_QUEUE_FULL || reason == RPC_REASON_QUOTA_EXCEEDED ||
	    reason == RPC_REASON_DRAINING)
		ret_error->retry_after_ms = RPC_RETRY_AFTER_MS;
	va_start(args, format);
	jsonrpc_error_text(ret_error, format, args);
	va_end(args);
}

void
jsonrpc_request_deinit(struct rpc_request *request)
{
	if (request == NULL)
		return;
	free(request->id);
	json_decref(request->params);
	memset(request, 0, sizeof(*request));
}

/* The id as JSON text, when it is one that may be. */
static int
jsonrpc_read_id(const struct json_marks *marks, const json_t *id, struct rpc_request *request,
		struct rpc_error *ret_error)
{
	struct text_buffer text;

	if (!json_is_string(id) && !json_is_integer(id) && !json_is_null(id)) {
		jsonrpc_error_code(ret_error, RPC_INVALID_REQUEST,
				   "id: %s; must be a string, an integer or null",
				   json_value_kind(marks, id));
		return ERROR_INVALID;
	}
	text_buffer_init(&text, RPC_ID_BYTES_MAX);
	json_value_write(marks, id, &text);
	request->id = text_buffer_steal(&text, &request->id_size);
	text_buffer_deinit(&text);
	if (request->id == NULL) {
		request->id_size = 0;
		jsonrpc_error_code(ret_error, RPC_INVALID_REQUEST,
				   "id: longer than %u bytes as JSON", RPC_ID_BYTES_MAX);
		return ERROR_LIMIT;
	}
	return 0;
}

static int
jsonrpc_read_method(const struct json_marks *marks, const json_t *method,
		    struct rpc_request *request, struct rpc_error *ret_error)
{
	char quoted[RPC_QUOTE_BYTES];
	const char *name;
	size_t size;

	if (method == NULL) {
		jsonrpc_error_code(ret_error, RPC_INVALID_REQUEST, "method: missing");
		return ERROR_INVALID;
	}
	if (!json_value_string(marks, method, &name, &size)) {
		jsonrpc_error_code(ret_error, RPC_INVALID_REQUEST, "method: %s; must be a string",
				   json_value_kind(marks, method));
		return ERROR_INVALID;
	}
	if (size > RPC_METHOD_BYTES_MAX || memchr(name, '\0', size) != NULL) {
		jsonrpc_error_code(ret_error, RPC_METHOD_NOT_FOUND, "unknown method \"%s\"",
				   base_log_quote(name, size, quoted, sizeof(quoted)));
		return ERROR_NOT_FOUND;
	}
	memcpy(request->method, name, size);
	request->method[size] = '\0';
	return 0;
}

/* No member but the four of the standard. */
static int
jsonrpc_check_members(json_t *root, struct rpc_error *ret_error)
{
	static const char *const MEMBERS[] = {"jsonrpc", "id", "method", "params"};
	char quoted[RPC_QUOTE_BYTES];

	for (void *at = json_object_iter(root); at != NULL; at = json_object_iter_next(root, at)) {
		const char *key = json_object_iter_key(at);
		bool known = false;

		for (size_t i = 0; i < sizeof(MEMBERS) / sizeof(MEMBERS[0]); i++)
			known = known || strcmp(key, MEMBERS[i]) == 0;
		if (known)
			continue;
		jsonrpc_error_code(ret_error, RPC_INVALID_REQUEST, "unknown member \"%s\"",
				   base_log_quote(key, strlen(key), quoted, sizeof(quoted)));
		return ERROR_INVALID;
	}
	return 0;
}

static int
jsonrpc_read_version(const struct json_marks *marks, const json_t *version,
		     struct rpc_error *ret_error)
{
	const char *text;
	size_t size;

	if (version != NULL && json_value_string(marks, version, &text, &size) && size == 3 &&
	    memcmp(text, "2.0", 3) == 0)
		return 0;
	jsonrpc_error_code(ret_error, RPC_INVALID_REQUEST,
			   version == NULL ? "jsonrpc: missing; must be \"2.0\""
					   : "jsonrpc: must be \"2.0\"");
	return ERROR_INVALID;
}

static int
jsonrpc_read_root(const struct json_marks *marks, json_t *root, struct rpc_request *request,
		  struct rpc_error *ret_error)
{
	const json_t *id = json_object_get(root, "id");
	json_t *params = json_object_get(root, "params");
	int r;

	if (!json_is_object(root)) {
		jsonrpc_error_code(ret_error, RPC_INVALID_REQUEST,
				   json_is_array(root) ? "batches are not supported"
						       : "a request is an object");
		return ERROR_INVALID;
	}
	/* First, so that every other refusal can echo it. */
	r = id != NULL ? jsonrpc_read_id(marks, id, request, ret_error) : 0;
	if (r == 0)
		r = jsonrpc_read_version(marks, json_object_get(root, "jsonrpc"), ret_error);
	if (r == 0)
		r = jsonrpc_check_members(root, ret_error);
	if (r == 0)
		r = jsonrpc_read_method(marks, json_object_get(root, "method"), request, ret_error);
	if (r == 0 && params != NULL && !json_is_object(params)) {
		jsonrpc_error_code(ret_error, RPC_INVALID_PARAMS, "params: %s; must be an object",
				   json_value_kind(marks, params));
		r = ERROR_INVALID;
	}
	if (r == 0)
		request->params = json_incref(params);
	return r;
}

int
jsonrpc_parse(const struct json_marks *marks, const char *line, size_t size, size_t size_max,
	      struct rpc_request *ret_request, struct rpc_error *ret_error)
{
	struct error err = ERROR_INIT;
	json_t *root = NULL;
	int r;

	memset(ret_request, 0, sizeof(*ret_request));
	r = json_value_parse(marks, line, size, size_max, &root, &err);
	if (r == 0) {
		r = jsonrpc_read_root(marks, root, ret_request, ret_error);
		json_decref(root);
		return r;
	}
	if (err.code == ERROR_SYSTEM)
		jsonrpc_error_code(ret_error, RPC_INTERNAL_ERROR, "%s", err.text);
	else if (size > size_max)
		jsonrpc_error_reason(ret_error, RPC_REASON_TOO_LARGE, "%s", err.text);
	else
		jsonrpc_error_code(ret_error, RPC_PARSE_ERROR, "%s", err.text);
	return r;
}

static void
jsonrpc_write_id(struct text_buffer *buffer, const char *id, size_t id_size)
{
	if (id != NULL)
		text_buffer_put(buffer, id, id_size);
	else
		text_buffer_put_text(buffer, "null");
}

void
jsonrpc_write_result(struct text_buffer *buffer, const char *id, size_t id_size)
{
	text_buffer_put_text(buffer, "{\"jsonrpc\":\"2.0\",\"id\":");
	jsonrpc_write_id(buffer, id, id_size);
	text_buffer_put_text(buffer, ",\"result\":");
}

void
jsonrpc_write_notification(struct text_buffer *buffer, const char *method)
{
	text_buffer_put_text(buffer, "{\"jsonrpc\":\"2.0\",\"method\":");
	text_buffer_json_string(buffer, method, strlen(method));
	text_buffer_put_text(buffer, ",\"params\":");
}

void
jsonrpc_write_end(struct text_buffer *buffer)
{
	text_buffer_put(buffer, "}\n", 2);
}

void
jsonrpc_write_error(struct text_buffer *buffer, const char *id, size_t id_size,
		    const struct rpc_error *error)
{
	const char *reason = jsonrpc_reason_name(error->reason);

	text_buffer_put_text(buffer, "{\"jsonrpc\":\"2.0\",\"id\":");
	jsonrpc_write_id(buffer, id, id_size);
	text_buffer_put_text(buffer, ",\"error\":{\"code\":");
	text_buffer_put_i64(buffer, error->code);
	text_buffer_put_text(buffer, ",\"message\":");
	text_buffer_json_lossy(buffer, error->message, strlen(error->message));
	if (reason != NULL) {
		text_buffer_put_text(buffer, ",\"data\":{\"reason\":");
		text_buffer_json_string(buffer, reason, strlen(reason));
		if (error->retry_after_ms > 0) {
			text_buffer_put_text(buffer, ",\"retry_after_ms\":");
			text_buffer_put_u64(buffer, error->retry_after_ms);
		}
		text_buffer_put(buffer, "}", 1);
	}
	text_buffer_put_text(buffer, "}}\n");
}

void
jsonrpc_write_request(struct text_buffer *buffer, uint64_t id, const char *method,
		      const char *params, size_t params_size)
{
	text_buffer_put_text(buffer, "{\"jsonrpc\":\"2.0\",\"id\":");
	text_buffer_put_u64(buffer, id);
	text_buffer_put_text(buffer, ",\"method\":");
	text_buffer_json_string(buffer, method, strlen(method));
	if (params != NULL) {
		text_buffer_put_text(buffer, ",\"params\":");
		text_buffer_put(buffer, params, params_size);
	}
	text_buffer_put_text(buffer, "}\n");
}
