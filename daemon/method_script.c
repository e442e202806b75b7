/*
 * script.put, script.get and script.delete: their parameters. The rest is script_keep.c's.
 *
 * What is put is checked, decoded and hashed while the line is parsed, off the loop for a large
 * one. Byte code begins with the mark of a .pyc file, which no text has: so a text and byte code
 * never share an id. Called by rpc.c; the faults are the client's.
 */
#include "daemon/method_script.h"

#include "daemon/content_hash.h"
#include "daemon/script_keep.h"
#include "protocol/base64.h"
#include "protocol/base_assert.h"
#include "protocol/base_utf8.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define METHOD_SCRIPT_PYC_HEADER_BYTES 16u

static bool
read_source(const struct rpc *rpc, const json_t *value, struct rpc_call *call)
{
	const char *text;
	size_t size;
	if (!json_value_string(&rpc->marks, value, &text, &size)) {
		rpc_fault_parameter(&call->fault, "source", "must be a string");
		return false;
	}
	call->text = malloc(size + 1);
	require(call->text != NULL);
	memcpy(call->text, text, size + 1);
	call->text_size = size;
	return true;
}

static bool
read_code(const struct rpc *rpc, const json_t *value, struct rpc_call *call)
{
	const char *text;
	size_t size;
	call->is_code = true;
	if (json_value_string(&rpc->marks, value, &text, &size)) {
		uint8_t *bytes = NULL;
		if (base64_decode(text, size, &bytes, &call->text_size, NULL) == 0 &&
		    call->text_size >= METHOD_SCRIPT_PYC_HEADER_BYTES &&
		    !base_utf8_valid(bytes, call->text_size)) {
			call->text = (char *)bytes;
			return true;
		}
		free(bytes);
	}
	rpc_fault_parameter(&call->fault, "code", "must be the base64 text of a .pyc file");
	return false;
}

static bool
read_name(const struct rpc *rpc, const json_t *value, struct rpc_call *call)
{
	const char *text;
	size_t size;
	if (!json_value_string(&rpc->marks, value, &text, &size) || size == 0 ||
	    size >= sizeof(call->name) || strlen(text) != size) {
		rpc_fault_parameter(&call->fault, "name",
				    "must be a text of 1 to 255 bytes without NUL");
		return false;
	}
	memcpy(call->name, text, size + 1);
	return true;
}

bool
method_script_prepare(const struct rpc *rpc, struct rpc_call *call)
{
	const json_t *source = json_object_get(call->params, "source");
	const json_t *code = json_object_get(call->params, "code");
	const char *name;
	json_t *value;
	json_object_foreach(call->params, name, value)
	{
		if (strcmp(name, "source") == 0 || strcmp(name, "code") == 0)
			continue;
		if (strcmp(name, "name") == 0) {
			if (!read_name(rpc, value, call))
				return false;
			continue;
		}
		rpc_fault_parameter(&call->fault, name, "is not a parameter of this method");
		return false;
	}
	if ((source == NULL) == (code == NULL)) {
		rpc_fault_parameter(&call->fault, "source", "or code must be given, and not both");
		return false;
	}
	if (source != NULL ? !read_source(rpc, source, call) : !read_code(rpc, code, call))
		return false;
	content_hash('\0', call->text, call->text_size, call->script);
	return true;
}

static struct inwork_request *
begin(struct rpc *rpc, struct inwork_client *client, const struct rpc_call *call,
      struct rpc_error *fault)
{
	struct inwork_request *request =
	    inwork_add(rpc->inwork, client, call->id, call->caller.terms.name);
	if (request == NULL)
		jsonrpc_error_reason(fault, RPC_REASON_DUPLICATE_ID,
				     "a request with this id is in work on this connection");
	return request;
}

enum rpc_outcome
method_script_put(struct rpc *rpc, struct inwork_client *client, struct rpc_call *call,
		  struct text_buffer *result, struct rpc_error *fault)
{
	(void)result;
	if (call->id == NULL)
		return RPC_LATER;
	struct inwork_request *request = begin(rpc, client, call, fault);
	if (request == NULL)
		return RPC_FAULT;
	script_keep_put(rpc->scripts, call->caller.terms.name, request->ticket, call->script,
			call->name, call->is_code, call->text, call->text_size);
	call->text = NULL;
	return RPC_LATER;
}

/* The id that `script` names, alone; false: the fault. */
static bool
read_id(const struct rpc *rpc, const struct rpc_call *call, char ret_id[CONTENT_HASH_CHARS + 1],
	struct rpc_error *fault)
{
	const json_t *value = json_object_get(call->params, "script");
	const char *text;
	size_t size;
	if (value == NULL || json_object_size(call->params) != 1) {
		rpc_fault_parameter(fault, "script", "must be given, and nothing else");
		return false;
	}
	if (!json_value_string(&rpc->marks, value, &text, &size) || strlen(text) != size) {
		rpc_fault_parameter(fault, "script", "must be the text of a script's id");
		return false;
	}
	if (!content_hash_is_one(text, size)) {
		jsonrpc_error_reason(fault, RPC_REASON_NOT_FOUND, "no such script");
		return false;
	}
	memcpy(ret_id, text, size + 1);
	return true;
}

static enum rpc_outcome
on_id(struct rpc *rpc, struct inwork_client *client, const struct rpc_call *call,
      void (*act)(struct script_keep *keep, const char *tenant, uint64_t ticket, const char *id),
      struct rpc_error *fault)
{
	char id[CONTENT_HASH_CHARS + 1];
	if (!read_id(rpc, call, id, fault))
		return RPC_FAULT;
	if (call->id == NULL)
		return RPC_LATER;
	struct inwork_request *request = begin(rpc, client, call, fault);
	if (request == NULL)
		return RPC_FAULT;
	act(rpc->scripts, call->caller.terms.name, request->ticket, id);
	return RPC_LATER;
}

enum rpc_outcome
method_script_get(struct rpc *rpc, struct inwork_client *client, struct rpc_call *call,
		  struct text_buffer *result, struct rpc_error *fault)
{
	(void)result;
	return on_id(rpc, client, call, script_keep_get, fault);
}

enum rpc_outcome
method_script_delete(struct rpc *rpc, struct inwork_client *client, struct rpc_call *call,
		     struct text_buffer *result, struct rpc_error *fault)
{
	(void)result;
	return on_id(rpc, client, call, script_keep_delete, fault);
}
