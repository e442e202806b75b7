/*
 * JSON-RPC calls between a connection's lines and the methods.
 *
 * Parsing touches nothing but the line and what is constant, so that a large line can be parsed on
 * the pool thread, its job's parameters checked and packed there too. Running happens on the loop:
 * look up the handler in methods.def's table, answer at once or leave it to reply.c. It never
 * waits, and it never quotes a client's bytes into the log unescaped. Called by connection.c. A
 * client's fault becomes a JSON-RPC error; there are no others.
 */
#include "daemon/rpc.h"

#include "daemon/engine.h"
#include "daemon/method_daemon.h"
#include "daemon/method_durable.h"
#include "daemon/method_job.h"
#include "daemon/method_script.h"
#include "daemon/method_metrics.h"
#include "daemon/metrics.h"
#include "daemon/method_tenant.h"
#include "protocol/base_assert.h"
#include "protocol/base_log.h"
#include "protocol/request_json.h"

#include <stdlib.h>
#include <string.h>

/* No answer that is written here is longer; a job's result is reply.c's. */
#define RPC_ANSWER_BYTES_MAX (2 * METRICS_TEXT_MAX)
#define RPC_LOG_LINES_MINUTE 60u

/* prepare, names */
#define NONE   RPC_PREPARE_NONE, false
#define NAMES  RPC_PREPARE_NONE, true
#define RUN    RPC_PREPARE_RUN, false
#define SUBMIT RPC_PREPARE_SUBMIT, false
#define SCRIPT RPC_PREPARE_SCRIPT, false
static const struct rpc_method METHODS[] = {
#define METHOD(name, handler, kind, params, sentence) {name, handler, kind, params, sentence},
#include "daemon/methods.def"
#undef METHOD
};
#undef NAMES
#undef NONE
#undef RUN
#undef SUBMIT
#undef SCRIPT
#define METHOD_COUNT (sizeof(METHODS) / sizeof(METHODS[0]))

int
rpc_init(struct rpc *ret_rpc, const struct config *config, struct inwork *inwork,
	 struct outbox *outbox, uv_loop_t *loop, struct error *err)
{
	memset(ret_rpc, 0, sizeof(*ret_rpc));
	ret_rpc->config = config;
	ret_rpc->inwork = inwork;
	ret_rpc->outbox = outbox;
	ret_rpc->loop = loop;
	ret_rpc->start_ms = uv_now(loop);
	return json_marks_init(&ret_rpc->marks, err);
}

static const struct rpc_method *
find_method(const char *name)
{
	for (size_t i = 0; i < METHOD_COUNT; i++) {
		if (strcmp(METHODS[i].name, name) == 0)
			return &METHODS[i];
	}
	return NULL;
}

void
rpc_put_methods(struct text_buffer *text)
{
	for (size_t i = 0; i < METHOD_COUNT; i++) {
		text_buffer_put(text, i == 0 ? "[" : ",", 1);
		text_buffer_json_string(text, METHODS[i].name, strlen(METHODS[i].name));
	}
	text_buffer_put(text, "]", 1);
}

void
rpc_fault_parameter(struct rpc_error *ret_fault, const char *name, const char *problem)
{
	char quoted[ERROR_TEXT_BYTES / 2];
	jsonrpc_error_code(ret_fault, RPC_INVALID_PARAMS, "%s %s",
			   base_log_quote(name, strlen(name), quoted, sizeof(quoted)), problem);
}

/* Parameters of job.run to a packed job. */
static int
prepare_job(const struct rpc *rpc, const struct config *config, struct rpc_call *call)
{
	struct error err = ERROR_INIT;
	int rc = request_json_read(&rpc->marks, call->params, config, &call->caller.terms,
				   &call->request, &err);
	if (rc == 0)
		return 0;
	if (rc == ERROR_LIMIT)
		jsonrpc_error_reason(&call->fault, RPC_REASON_LIMIT_TOO_HIGH, "%s", err.text);
	else if (rc == ERROR_INVALID)
		jsonrpc_error_code(&call->fault, RPC_INVALID_PARAMS, "%s", err.text);
	else
		jsonrpc_error_code(&call->fault, RPC_INTERNAL_ERROR, "%s", err.text);
	return rc;
}

/* The tree of the parameters is freed here, on the thread that made it. */
static int
prepare(const struct rpc *rpc, const struct config *config, struct rpc_call *call,
	enum rpc_prepare how)
{
	int rc = 0;
	if (how == RPC_PREPARE_NONE)
		return 0;
	if (how == RPC_PREPARE_SCRIPT)
		rc = method_script_prepare(rpc, call) ? 0 : ERROR_INVALID;
	else if (how == RPC_PREPARE_SUBMIT)
		rc = method_durable_prepare(rpc, config, call) ? 0 : ERROR_INVALID;
	if (rc == 0 && how != RPC_PREPARE_SCRIPT)
		rc = prepare_job(rpc, config, call);
	json_decref(call->params);
	call->params = NULL;
	return rc;
}

static bool
read_text(const struct rpc *rpc, const json_t *value, const char *name, size_t max,
	  const char **ret_text, size_t *ret_size, struct rpc_error *fault)
{
	*ret_text = "";
	*ret_size = 0;
	if (value == NULL ||
	    (json_value_string(&rpc->marks, value, ret_text, ret_size) && *ret_size <= max))
		return true;
	jsonrpc_error_code(fault, RPC_INVALID_PARAMS, "%s must be a text of at most %zu bytes",
			   name, max);
	return false;
}

/* For whom it is: the client's own tenant, or the one it names with a token. Negative: the fault is
 * filled in. The two parameters are gone then, and never reach a method. */
static int
choose_caller(const struct rpc *rpc, const struct identity *identity,
	      const struct rpc_method *method, struct rpc_call *call)
{
	const json_t *tenant = json_object_get(call->params, "tenant");
	const json_t *token = json_object_get(call->params, "token");
	const char *name, *secret;
	size_t name_size, secret_size;
	struct error err = ERROR_INIT;
	call->caller = identity->own;
	if (tenant == NULL && token == NULL)
		return 0;
	if (token == NULL && method->names)
		return 0;
	if (!read_text(rpc, tenant, "tenant", TENANT_NAME_MAX, &name, &name_size, &call->fault) ||
	    !read_text(rpc, token, "token", TOKEN_BYTES_MAX, &secret, &secret_size, &call->fault))
		return ERROR_INVALID;
	if (identity_act(identity, name, name_size, secret, secret_size, &call->caller, &err) !=
	    0) {
		jsonrpc_error_reason(&call->fault, RPC_REASON_NOT_PERMITTED, "%s", err.text);
		return ERROR_PERMISSION;
	}
	(void)json_object_del(call->params, "tenant");
	(void)json_object_del(call->params, "token");
	return 0;
}

struct rpc_call *
rpc_parse(const struct rpc *rpc, const struct identity *identity, const void *line, size_t length)
{
	struct rpc_call *call = calloc(1, sizeof(*call));
	require(call != NULL);
	call->caller = identity->own;
	struct rpc_request envelope;
	/* Not rpc's, which may be replaced meanwhile. */
	const struct config *config = tenant_table_config(identity->table);
	int rc = jsonrpc_parse(&rpc->marks, line, length, config_number(config, request_bytes_max),
			       &envelope, &call->fault);
	if (envelope.id != NULL) {
		call->id = strndup(envelope.id, envelope.id_size);
		require(call->id != NULL);
	}
	if (rc != 0) {
		/* What is no request has an answer even without an id. */
		if (call->id == NULL)
			call->id = strdup("null");
		require(call->id != NULL);
		jsonrpc_request_deinit(&envelope);
		return call;
	}
	call->params = envelope.params;
	envelope.params = NULL;
	call->secret = json_object_get(call->params, "token") != NULL;
	const struct rpc_method *method = find_method(envelope.method);
	if (method == NULL) {
		char quoted[RPC_METHOD_BYTES_MAX * 2];
		jsonrpc_error_code(&call->fault, RPC_METHOD_NOT_FOUND, "no method %s",
				   base_log_quote(envelope.method, strlen(envelope.method), quoted,
						  sizeof(quoted)));
	}
	jsonrpc_request_deinit(&envelope);
	if (method != NULL && choose_caller(rpc, identity, method, call) != 0)
		return call;
	if (method != NULL && call->id != NULL && prepare(rpc, config, call, method->prepare) != 0)
		return call;
	call->method = method;
	return call;
}

void
rpc_call_free(struct rpc_call **call)
{
	struct rpc_call *c = *call;
	if (c == NULL)
		return;
	*call = NULL;
	free(c->id);
	json_decref(c->params);
	free(c->text);
	run_request_deinit(&c->request);
	free(c);
}

static void
send_text(struct rpc *rpc, const struct inwork_client *client, struct text_buffer *text)
{
	size_t size;
	char *line = text_buffer_steal(text, &size);
	if (!check_failed(line != NULL))
		outbox_put(rpc->outbox, client->session, line, size);
}

static void
answer_fault(struct rpc *rpc, const struct inwork_client *client, const char *tenant,
	     const char *id, const struct rpc_error *fault)
{
	char quoted[ERROR_TEXT_BYTES];
	metrics_refused(rpc->metrics, tenant, fault->reason);
	log_limited(LOG_LEVEL_DEBUG, "rpc", RPC_LOG_LINES_MINUTE,
		    "session %llu: refused a line (%d): %s", (unsigned long long)client->session,
		    fault->code,
		    base_log_quote(fault->message, strlen(fault->message), quoted, sizeof(quoted)));
	if (id == NULL)
		return;
	struct text_buffer text;
	text_buffer_init(&text, RPC_ANSWER_BYTES_MAX);
	jsonrpc_write_error(&text, id, strlen(id), fault);
	send_text(rpc, client, &text);
	text_buffer_deinit(&text);
}

static void
answer_result(struct rpc *rpc, const struct inwork_client *client, const char *id,
	      const struct text_buffer *result)
{
	struct text_buffer text;
	if (id == NULL)
		return;
	text_buffer_init(&text, RPC_ANSWER_BYTES_MAX);
	jsonrpc_write_result(&text, id, strlen(id));
	text_buffer_put(&text, result->bytes, result->size);
	jsonrpc_write_end(&text);
	send_text(rpc, client, &text);
	text_buffer_deinit(&text);
}

void
rpc_run(struct rpc *rpc, struct inwork_client *client, struct rpc_call **call)
{
	struct rpc_call *c = *call;
	unsigned number = c->method ? (unsigned)(c->method - METHODS) : METRICS_METHOD_UNKNOWN;
	metrics_add(rpc->metrics, METRIC_requests + number, 1);
	if (c->method == NULL) {
		answer_fault(rpc, client, c->caller.terms.name, c->id, &c->fault);
		rpc_call_free(call);
		return;
	}
	struct text_buffer result;
	text_buffer_init(&result, RPC_ANSWER_BYTES_MAX - RPC_ID_BYTES_MAX * 2);
	switch (c->method->handler(rpc, client, c, &result, &c->fault)) {
	case RPC_ANSWERED:
		if (check_failed(!result.failed))
			break;
		answer_result(rpc, client, c->id, &result);
		break;
	case RPC_FAULT:
		answer_fault(rpc, client, c->caller.terms.name, c->id, &c->fault);
		break;
	case RPC_LATER:
		break;
	}
	text_buffer_deinit(&result);
	rpc_call_free(call);
}

void
rpc_refuse(struct rpc *rpc, const struct inwork_client *client, enum rpc_refusal refusal,
	   size_t line_max)
{
	struct rpc_error fault;
	if (refusal == RPC_REFUSED_TOO_LARGE)
		jsonrpc_error_reason(&fault, RPC_REASON_TOO_LARGE,
				     "the line is longer than %zu bytes", line_max);
	else
		jsonrpc_error_reason(&fault, RPC_REASON_QUEUE_FULL,
				     "the memory for long lines is in use; try again");
	answer_fault(rpc, client, "", "null", &fault);
}

void
rpc_forget(struct rpc *rpc, struct inwork_client *client)
{
	if (client->requests.count > 0)
		engine_forget_session(rpc->engine, client->session);
	inwork_client_remove(rpc->inwork, client);
}
