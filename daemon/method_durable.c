/*
 * job.submit, job.wait, job.result and job.list: their parameters. The rest is durable.c's.
 *
 * All are answered later; their requests are in work until then. Called by rpc.c; the faults are
 * the client's, or say that nothing can be stored.
 */
#include "daemon/method_durable.h"

#include "daemon/durable.h"
#include "daemon/method_job.h"
#include "daemon/script_keep.h"
#include "protocol/base_assert.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define METHOD_DURABLE_TEXT_GROWTH    6u
#define METHOD_DURABLE_TEXT_EXTRA     65536u
#define METHOD_DURABLE_TIMEOUT_MAX_MS 86400000
#define METHOD_DURABLE_LIST_DEFAULT   100u

bool
method_durable_prepare(const struct rpc *rpc, const struct config *config, struct rpc_call *call)
{
	json_t *value = json_object_get(call->params, "idempotency_key");
	struct text_buffer text;
	const char *key;
	size_t size;
	if (value != NULL) {
		if (!json_value_string(&rpc->marks, value, &key, &size) || size == 0 ||
		    size > STORE_KEY_MAX || strlen(key) != size) {
			rpc_fault_parameter(&call->fault, "idempotency_key",
					    "must be a text of 1 to 255 bytes without NUL");
			return false;
		}
		memcpy(call->key, key, size + 1);
		(void)json_object_del(call->params, "idempotency_key");
	}
	text_buffer_init(&text,
			 config_number(config, request_bytes_max) * METHOD_DURABLE_TEXT_GROWTH +
			     METHOD_DURABLE_TEXT_EXTRA);
	if (call->params != NULL)
		json_value_write(&rpc->marks, call->params, &text);
	else
		text_buffer_put_text(&text, "{}");
	call->text = text_buffer_steal(&text, &call->text_size);
	text_buffer_deinit(&text);
	if (call->text == NULL)
		jsonrpc_error_code(&call->fault, RPC_INTERNAL_ERROR, "no memory for the job");
	return call->text != NULL;
}

/* A request that is answered later; NULL: nobody could be told (no id), or the fault. */
static struct inwork_request *
begin(struct rpc *rpc, struct inwork_client *client, const struct rpc_call *call,
      struct rpc_error *fault)
{
	if (call->id == NULL)
		return NULL;
	if (durable_is_off(rpc->durable, fault))
		return NULL;
	struct inwork_request *request =
	    inwork_add(rpc->inwork, client, call->id, call->caller.terms.name);
	if (request == NULL)
		jsonrpc_error_reason(fault, RPC_REASON_DUPLICATE_ID,
				     "a request with this id is in work on this connection");
	return request;
}

enum rpc_outcome
method_job_submit(struct rpc *rpc, struct inwork_client *client, struct rpc_call *call,
		  struct text_buffer *result, struct rpc_error *fault)
{
	char script[REQUEST_SCRIPT_CHARS + 1];
	(void)result;
	if (call->request.stream) {
		rpc_fault_parameter(fault, "stream", "is a parameter of job.run alone");
		return RPC_FAULT;
	}
	memcpy(script, call->request.script, sizeof(script));
	if (call->id != NULL &&
	    (durable_is_off(rpc->durable, fault) ||
	     !script_keep_fill(rpc->scripts, call->caller.terms.name, &call->request, fault)))
		return RPC_FAULT;
	struct inwork_request *request = begin(rpc, client, call, fault);
	if (request == NULL)
		return call->id == NULL ? RPC_LATER : RPC_FAULT;
	struct durable_submission submission = {.request = &call->request,
						.text = call->text,
						.text_size = call->text_size,
						.key = call->key,
						.script = script};
	struct engine_refusal refusal;
	struct error err = ERROR_INIT;
	int rc =
	    engine_admit_stored(rpc->engine, &call->request, &call->caller.terms, &refusal, &err);
	if (rc != 0) {
		inwork_remove(rpc->inwork, &request);
		method_job_refusal(fault, &refusal, &err);
		return RPC_FAULT;
	}
	bool taken = durable_submit(rpc->durable, call->caller.terms.name, request->ticket,
				    &submission, fault);
	call->text = submission.text;
	if (taken)
		return RPC_LATER;
	inwork_remove(rpc->inwork, &request);
	return RPC_FAULT;
}

/* `job` as the text of an id; false: the fault. */
static bool
read_job(const struct rpc *rpc, const json_t *value, char ret_job[JOB_ID_CHARS + 1],
	 struct rpc_error *fault)
{
	const char *text;
	size_t size;
	if (value == NULL || !json_value_string(&rpc->marks, value, &text, &size) ||
	    strlen(text) != size) {
		rpc_fault_parameter(fault, "job",
				    value == NULL ? "must be given"
						  : "must be the text of a job's id");
		return false;
	}
	if (size != JOB_ID_CHARS) {
		jsonrpc_error_reason(fault, RPC_REASON_NOT_FOUND, "no such job");
		return false;
	}
	memcpy(ret_job, text, size + 1);
	return true;
}

/* False: a parameter that is not among those, which end with NULL. */
static bool
only(const struct rpc_call *call, const char *const *names, struct rpc_error *fault)
{
	const char *name;
	json_t *value;
	if (call->params == NULL)
		return true;
	json_object_foreach(call->params, name, value)
	{
		const char *const *known = names;
		while (*known != NULL && strcmp(*known, name) != 0)
			known++;
		if (*known != NULL)
			continue;
		rpc_fault_parameter(fault, name, "is not a parameter of this method");
		return false;
	}
	return true;
}

static enum rpc_outcome
ask(struct rpc *rpc, struct inwork_client *client, struct rpc_call *call, uint64_t timeout_ms,
    struct rpc_error *fault)
{
	char job[JOB_ID_CHARS + 1];
	if (!read_job(rpc, json_object_get(call->params, "job"), job, fault))
		return RPC_FAULT;
	struct inwork_request *request = begin(rpc, client, call, fault);
	if (request == NULL)
		return call->id == NULL ? RPC_LATER : RPC_FAULT;
	durable_result(rpc->durable, call->caller.terms.name, request->ticket, job, timeout_ms);
	return RPC_LATER;
}

enum rpc_outcome
method_job_wait(struct rpc *rpc, struct inwork_client *client, struct rpc_call *call,
		struct text_buffer *result, struct rpc_error *fault)
{
	static const char *const NAMES[] = {"job", "timeout_ms", NULL};
	const json_t *value = json_object_get(call->params, "timeout_ms");
	uint64_t timeout_ms = UINT64_MAX;
	(void)result;
	if (!only(call, NAMES, fault))
		return RPC_FAULT;
	if (value != NULL) {
		if (!json_is_integer(value) || json_integer_value(value) < 0 ||
		    json_integer_value(value) > METHOD_DURABLE_TIMEOUT_MAX_MS) {
			rpc_fault_parameter(fault, "timeout_ms",
					    "must be an integer from 0 to 86400000");
			return RPC_FAULT;
		}
		timeout_ms = (uint64_t)json_integer_value(value);
	}
	return ask(rpc, client, call, timeout_ms, fault);
}

enum rpc_outcome
method_job_result(struct rpc *rpc, struct inwork_client *client, struct rpc_call *call,
		  struct text_buffer *result, struct rpc_error *fault)
{
	static const char *const NAMES[] = {"job", NULL};
	(void)result;
	return only(call, NAMES, fault) ? ask(rpc, client, call, 0, fault) : RPC_FAULT;
}

static bool
read_state(const struct rpc *rpc, const json_t *value, struct store_filter *filter)
{
	static const struct {
		const char *name;
		enum store_state state;
	} STATES[] = {
	    {"queued", STORE_WAITING}, {"running", STORE_RUNNING}, {"ended", STORE_ENDED}};
	const char *text;
	size_t size;
	if (!json_value_string(&rpc->marks, value, &text, &size))
		return false;
	for (size_t i = 0; i < sizeof(STATES) / sizeof(STATES[0]); i++) {
		if (strcmp(STATES[i].name, text) != 0)
			continue;
		filter->by_state = true;
		filter->state = STATES[i].state;
		return true;
	}
	return false;
}

static bool
read_cursor(const struct rpc *rpc, const json_t *value, struct store_filter *filter)
{
	char digits[17];
	const char *text;
	size_t size;
	if (!json_value_string(&rpc->marks, value, &text, &size) || size != DURABLE_CURSOR_CHARS ||
	    strspn(text, "0123456789abcdef") != size)
		return false;
	memcpy(digits, text, 16);
	digits[16] = '\0';
	filter->before_us = strtoull(digits, NULL, 16);
	memcpy(filter->before_id, text + 16, JOB_ID_CHARS + 1);
	return filter->before_us > 0 && filter->before_us <= INT64_MAX;
}

/* NULL, or what is wrong with the parameter. */
static const char *
read_filter(const struct rpc *rpc, const char *name, const json_t *value,
	    struct store_filter *filter)
{
	const char *text;
	size_t size;
	if (strcmp(name, "state") == 0)
		return read_state(rpc, value, filter)
			   ? NULL
			   : "must be \"queued\", \"running\" or \"ended\"";
	if (strcmp(name, "cursor") == 0)
		return read_cursor(rpc, value, filter) ? NULL
						       : "must be a cursor that job.list gave";
	if (strcmp(name, "tag") == 0) {
		if (!json_value_string(&rpc->marks, value, &text, &size) || size > STORE_TAG_MAX ||
		    strlen(text) != size)
			return "must be a text of at most 255 bytes";
		filter->by_tag = true;
		memcpy(filter->tag, text, size + 1);
		return NULL;
	}
	if (strcmp(name, "limit") == 0) {
		if (!json_is_integer(value) || json_integer_value(value) < 1 ||
		    json_integer_value(value) > (json_int_t)STORE_LIST_MAX)
			return "must be an integer from 1 to 1000";
		filter->count_max = (unsigned)json_integer_value(value);
		return NULL;
	}
	return "is not a parameter of this method";
}

enum rpc_outcome
method_job_list(struct rpc *rpc, struct inwork_client *client, struct rpc_call *call,
		struct text_buffer *result, struct rpc_error *fault)
{
	struct store_filter filter = {.count_max = METHOD_DURABLE_LIST_DEFAULT};
	const char *name, *problem;
	json_t *value;
	(void)result;
	if (call->params != NULL) {
		json_object_foreach(call->params, name, value)
		{
			problem = read_filter(rpc, name, value, &filter);
			if (problem == NULL)
				continue;
			rpc_fault_parameter(fault, name, problem);
			return RPC_FAULT;
		}
	}
	struct inwork_request *request = begin(rpc, client, call, fault);
	if (request == NULL)
		return call->id == NULL ? RPC_LATER : RPC_FAULT;
	durable_list(rpc->durable, call->caller.terms.name, request->ticket, &filter);
	return RPC_LATER;
}
