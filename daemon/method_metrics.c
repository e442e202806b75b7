/*
 * daemon.metrics: what scrape.c serves over HTTP, for those who speak the protocol already.
 *
 * The names and the use of all tenants are in it, so it is the operators' alone. Called by rpc.c;
 * its faults are the caller's.
 */
#include "daemon/method_metrics.h"

#include "daemon/json_members.h"
#include "daemon/metrics.h"
#include "daemon/metrics_gather.h"
#include "protocol/base_assert.h"

#include <jansson.h>

enum rpc_outcome
method_metrics(struct rpc *rpc, struct inwork_client *client, struct rpc_call *call,
	       struct text_buffer *result, struct rpc_error *fault)
{
	struct text_buffer text;
	if (call->params != NULL && json_object_size(call->params) > 0) {
		rpc_fault_parameter(fault, json_object_iter_key(json_object_iter(call->params)),
				    "is not a parameter of this method");
		return RPC_FAULT;
	}
	if (!call->caller.operates) {
		jsonrpc_error_reason(fault, RPC_REASON_NOT_PERMITTED,
				     "daemon.metrics is for operators (setting operators)");
		return RPC_FAULT;
	}
	if (rpc->metrics == NULL) {
		jsonrpc_error_code(fault, RPC_INTERNAL_ERROR, "nothing is counted");
		return RPC_FAULT;
	}
	text_buffer_init(&text, METRICS_TEXT_MAX);
	metrics_gather(rpc, &text);
	struct json_members members = json_members_begin(result);
	json_members_text(&members, "content_type", METRICS_CONTENT_TYPE);
	json_members_name(&members, "text");
	text_buffer_json_string(result, text.bytes, text.size);
	json_members_end(&members);
	bool failed = text.failed || result->failed;
	text_buffer_deinit(&text);
	if (!failed)
		return RPC_ANSWERED;
	jsonrpc_error_code(fault, RPC_INTERNAL_ERROR, "no memory for the metrics");
	return RPC_FAULT;
}
