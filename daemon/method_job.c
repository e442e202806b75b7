/*
 * job.run, job.cancel and job.status.
 *
 * job.run hands a packed job to the engine and is answered by reply.c when the job has ended. The
 * other two look a job up among the requests in work: a caller reaches the jobs of its own tenant,
 * an operator reaches all, and whatever else there is does not exist for it. What
 * is not found there is asked of the stored jobs of the caller's tenant. Nothing here waits or
 * keeps state of its own. Called by rpc.c; faults are the client's, or the engine's refusal of a
 * job.
 */
#include "daemon/method_job.h"

#include "daemon/durable.h"
#include "daemon/engine.h"
#include "daemon/json_members.h"
#include "daemon/reply.h"
#include "daemon/script_keep.h"
#include "protocol/base_log.h"

#include <jansson.h>
#include <string.h>

void
method_job_refusal(struct rpc_error *ret_fault, const struct engine_refusal *refusal,
		   const struct error *err)
{
	enum rpc_reason reason = RPC_REASON_QUEUE_FULL;
	if (refusal->reason == ENGINE_QUOTA)
		reason = RPC_REASON_QUOTA_EXCEEDED;
	else if (refusal->reason == ENGINE_TOO_LARGE)
		reason = RPC_REASON_TOO_LARGE;
	jsonrpc_error_reason(ret_fault, reason, "%s", err->text);
	ret_fault->retry_after_ms = refusal->retry_after_ms;
}

static void
engine_fault(struct rpc_error *ret_fault, int rc, const struct error *err)
{
	switch (rc) {
	case ERROR_CLOSED:
		jsonrpc_error_reason(ret_fault, RPC_REASON_DRAINING,
				     "the daemon is shutting down and takes no more jobs");
		return;
	case ERROR_NOT_FOUND:
		jsonrpc_error_reason(ret_fault, RPC_REASON_NOT_FOUND, "no such job");
		return;
	default:
		log_limited(LOG_LEVEL_ERROR, "job", 60, "a job was not taken: %s", err->text);
		jsonrpc_error_code(ret_fault, RPC_INTERNAL_ERROR, "the job was not taken");
	}
}

enum rpc_outcome
method_job_run(struct rpc *rpc, struct inwork_client *client, struct rpc_call *call,
	       struct text_buffer *result, struct rpc_error *fault)
{
	(void)result;
	if (call->id == NULL) {
		log_limited(LOG_LEVEL_DEBUG, "job", 30,
			    "session %llu: job.run without an id is not run",
			    (unsigned long long)client->session);
		return RPC_LATER;
	}
	struct inwork_request *request =
	    inwork_add(rpc->inwork, client, call->id, call->caller.terms.name);
	if (request == NULL) {
		jsonrpc_error_reason(fault, RPC_REASON_DUPLICATE_ID,
				     "a request with this id is in work on this connection");
		return RPC_FAULT;
	}
	struct error err = ERROR_INIT;
	char job[JOB_ID_CHARS + 1];
	struct compiled *compiled =
	    script_keep_compiled(rpc->scripts, call->caller.terms.name, call->request.script);
	if (!script_keep_fill(rpc->scripts, call->caller.terms.name, &call->request, fault)) {
		inwork_remove(rpc->inwork, &request);
		return RPC_FAULT;
	}
	request->stream = call->request.stream;
	struct engine_owner owner = {client->session, request->ticket, &call->caller.terms, NULL,
				     compiled};
	struct engine_refusal refusal;
	int rc = engine_submit(rpc->engine, &call->request, &owner, job, &refusal, &err);
	if (rc != 0) {
		inwork_remove(rpc->inwork, &request);
		if (rc == ERROR_LIMIT)
			method_job_refusal(fault, &refusal, &err);
		else
			engine_fault(fault, rc, &err);
		return RPC_FAULT;
	}
	inwork_set_job(rpc->inwork, request, job);
	if (request->stream)
		reply_queued(rpc->outbox, request);
	return RPC_LATER;
}

static const char *
text_parameter(const struct rpc *rpc, const json_t *value)
{
	const char *text;
	size_t size;
	if (!json_value_string(&rpc->marks, value, &text, &size) || strlen(text) != size)
		return NULL;
	return text;
}

/* NULL with *ret_job: it may be a stored one; NULL without: the fault. */
static struct inwork_request *
find_by_job(struct rpc *rpc, const struct caller *caller, const json_t *value, const char **ret_job,
	    struct rpc_error *fault)
{
	const char *job = text_parameter(rpc, value);
	if (job == NULL) {
		rpc_fault_parameter(fault, "job", "must be the text of a job's id");
		return NULL;
	}
	struct inwork_request *request = inwork_find_job(rpc->inwork, job);
	if (request != NULL && caller_sees(caller, request->tenant))
		return request;
	jsonrpc_error_reason(fault, RPC_REASON_NOT_FOUND, "no such job");
	if (strlen(job) == JOB_ID_CHARS)
		*ret_job = job;
	return NULL;
}

static struct inwork_request *
find_by_id(struct rpc *rpc, const struct inwork_client *client, const struct caller *caller,
	   const json_t *value, struct rpc_error *fault)
{
	struct text_buffer text;
	struct inwork_request *request = NULL;
	text_buffer_init(&text, RPC_ID_BYTES_MAX * 8);
	json_value_write(&rpc->marks, value, &text);
	text_buffer_put(&text, "", 1);
	if (!text.failed)
		request = inwork_find_id(rpc->inwork, client, text.bytes);
	text_buffer_deinit(&text);
	if (request != NULL && caller_sees(caller, request->tenant))
		return request;
	jsonrpc_error_reason(fault, RPC_REASON_NOT_FOUND,
			     "no job.run with this id is in work on this connection");
	return NULL;
}

/* The request whose job the caller means, or NULL with the fault filled in. */
static struct inwork_request *
find_request(struct rpc *rpc, const struct inwork_client *client, const struct rpc_call *call,
	     bool id_allowed, const char **ret_job, struct rpc_error *fault)
{
	const json_t *job = NULL, *id = NULL;
	const char *name;
	json_t *value;
	if (call->params != NULL) {
		json_object_foreach(call->params, name, value)
		{
			if (strcmp(name, "job") == 0) {
				job = value;
			} else if (id_allowed && strcmp(name, "id") == 0) {
				id = value;
			} else {
				rpc_fault_parameter(fault, name,
						    "is not a parameter of this method");
				return NULL;
			}
		}
	}
	if ((job == NULL) == (id == NULL)) {
		rpc_fault_parameter(fault, "job",
				    id_allowed ? "or id must be given, and not both"
					       : "must be given");
		return NULL;
	}
	if (job != NULL)
		return find_by_job(rpc, &call->caller, job, ret_job, fault);
	return find_by_id(rpc, client, &call->caller, id, fault);
}

/* No request in work has this job: a stored one may. job NULL: the fault is there already. */
static enum rpc_outcome
on_stored(struct rpc *rpc, struct inwork_client *client, const struct rpc_call *call,
	  const char *job,
	  void (*act)(struct durable *durable, const char *tenant, uint64_t ticket,
		      const char *job),
	  struct rpc_error *fault)
{
	struct rpc_error off;
	if (job == NULL || durable_is_off(rpc->durable, &off))
		return RPC_FAULT;
	if (call->id == NULL)
		return RPC_LATER;
	struct inwork_request *request =
	    inwork_add(rpc->inwork, client, call->id, call->caller.terms.name);
	if (request == NULL) {
		jsonrpc_error_reason(fault, RPC_REASON_DUPLICATE_ID,
				     "a request with this id is in work on this connection");
		return RPC_FAULT;
	}
	act(rpc->durable, call->caller.terms.name, request->ticket, job);
	return RPC_LATER;
}

enum rpc_outcome
method_job_cancel(struct rpc *rpc, struct inwork_client *client, struct rpc_call *call,
		  struct text_buffer *result, struct rpc_error *fault)
{
	const char *job = NULL;
	struct inwork_request *request = find_request(rpc, client, call, true, &job, fault);
	if (request == NULL)
		return on_stored(rpc, client, call, job, durable_cancel, fault);
	struct error err = ERROR_INIT;
	int rc = engine_cancel(rpc->engine, request->job, 0, &err);
	if (rc != 0) {
		engine_fault(fault, rc, &err);
		return RPC_FAULT;
	}
	struct json_members members = json_members_begin(result);
	json_members_text(&members, "job", request->job);
	json_members_flag(&members, "cancelled", true);
	json_members_end(&members);
	return RPC_ANSWERED;
}

enum rpc_outcome
method_job_status(struct rpc *rpc, struct inwork_client *client, struct rpc_call *call,
		  struct text_buffer *result, struct rpc_error *fault)
{
	const char *job = NULL;
	struct inwork_request *request = find_request(rpc, client, call, false, &job, fault);
	if (request == NULL)
		return on_stored(rpc, client, call, job, durable_status, fault);
	struct engine_job_status status;
	struct error err = ERROR_INIT;
	int rc = engine_status(rpc->engine, request->job, 0, &status, &err);
	if (rc != 0) {
		engine_fault(fault, rc, &err);
		return RPC_FAULT;
	}
	struct json_members members = json_members_begin(result);
	json_members_text(&members, "job", request->job);
	json_members_text(&members, "state", status.state);
	json_members_u64(&members, "position", status.position);
	json_members_u64(&members, "queue_us", status.queue_us);
	json_members_u64(&members, "wall_us", status.wall_us);
	json_members_u64(&members, "cpu_us", status.cpu_us);
	json_members_u64(&members, "stdout_bytes", status.stdout_bytes);
	json_members_u64(&members, "stderr_bytes", status.stderr_bytes);
	json_members_u64(&members, "opcodes", status.opcodes);
	json_members_end(&members);
	return RPC_ANSWERED;
}
