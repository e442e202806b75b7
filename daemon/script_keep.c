/*
 * Scripts between clients, memory and disk.
 *
 * A script is answered for when it is on the disk, where there is one; it can be run from that
 * moment. What was read at start is bounded by what could be put. Called by the methods, on the
 * loop; what the disk refuses is the client's to hear.
 */
#include "daemon/script_keep.h"

#include "daemon/json_members.h"
#include "protocol/base_assert.h"
#include "protocol/base_log.h"
#include "protocol/request_json.h"
#include "protocol/text_buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
script_keep_init(struct script_keep *ret_keep, const struct config *config, struct reply *reply)
{
	memset(ret_keep, 0, sizeof(*ret_keep));
	script_table_init(&ret_keep->table, config_number(config, scripts_tenant_max),
			  config_number(config, scripts_bytes_max),
			  config_number(config, scripts_code_max));
	ret_keep->reply = reply;
}

void
script_keep_deinit(struct script_keep *keep)
{
	script_table_deinit(&keep->table);
}

static void
on_loaded(void *context, struct store_op *op)
{
	struct script_keep *keep = context;
	keep->loaded = true;
	if (op->outcome != STORE_DONE)
		log_error("script", "the scripts were not read: %s", op->err.text);
	for (size_t i = 0; i < op->row_count; i++) {
		struct store_row *row = &op->rows[i];
		if (script_table_find(&keep->table, row->tenant, row->script) != NULL)
			continue;
		(void)script_table_add(&keep->table, row->tenant, row->script, row->name,
				       row->is_code, row->text, row->text_size);
		row->text = NULL;
	}
	store_op_free(&op);
	keep->done(keep->context);
}

void
script_keep_start(struct script_keep *keep, struct store *store, void (*done)(void *context),
		  void *context)
{
	keep->done = done;
	keep->context = context;
	keep->store = store;
	if (store != NULL)
		(void)store_post(store, store_op_new(STORE_SCRIPT_LOAD, on_loaded, keep), true);
}

static void
answer_id(struct script_keep *keep, uint64_t ticket, const char *id, bool deleted)
{
	struct text_buffer text;
	text_buffer_init(&text, 1024);
	struct json_members members = json_members_begin(&text);
	json_members_text(&members, "script", id);
	if (deleted)
		json_members_flag(&members, "deleted", true);
	json_members_end(&members);
	reply_text(keep->reply, ticket, text.bytes, text.size);
	text_buffer_deinit(&text);
}

static void
fault_none(const struct script_keep *keep, struct rpc_error *ret_fault)
{
	if (keep->store != NULL && !keep->loaded)
		jsonrpc_error_reason(ret_fault, RPC_REASON_QUEUE_FULL,
				     "the scripts are being read from the disk; try again");
	else
		jsonrpc_error_reason(ret_fault, RPC_REASON_NOT_FOUND, "no such script");
}

static void
answer_none(struct script_keep *keep, uint64_t ticket)
{
	struct rpc_error fault;
	fault_none(keep, &fault);
	reply_fault(keep->reply, ticket, &fault);
}

static void
answer_failed(struct script_keep *keep, uint64_t ticket, const struct store_op *op)
{
	struct rpc_error fault;
	jsonrpc_error_reason(
	    &fault, op->outcome == STORE_QUOTA ? RPC_REASON_QUOTA_EXCEEDED : RPC_REASON_QUEUE_FULL,
	    "not stored: %s", op->err.text);
	reply_fault(keep->reply, ticket, &fault);
}

static void
on_put(void *context, struct store_op *op)
{
	struct script_keep *keep = context;
	struct store_row *row = &op->row;
	script_table_release(&keep->table, row->tenant, row->text_size);
	if (op->outcome != STORE_DONE) {
		answer_failed(keep, op->ticket, op);
	} else {
		/* Two of the same may have been on their way. */
		if (script_table_find(&keep->table, row->tenant, row->script) == NULL) {
			(void)script_table_add(&keep->table, row->tenant, row->script, row->name,
					       row->is_code, row->text, row->text_size);
			row->text = NULL;
		}
		answer_id(keep, op->ticket, row->script, false);
	}
	store_op_free(&op);
	keep->done(keep->context);
}

static bool
post(struct script_keep *keep, struct store_op *op)
{
	uint64_t ticket = op->ticket;
	struct rpc_error fault;
	if (store_post(keep->store, op, false))
		return true;
	store_op_free(&op);
	jsonrpc_error_reason(&fault, RPC_REASON_QUEUE_FULL,
			     "too many requests, yours or all, wait for the disk of state_dir");
	reply_fault(keep->reply, ticket, &fault);
	return false;
}

static struct store_op *
script_op(struct script_keep *keep, enum store_kind kind,
	  void (*done)(void *context, struct store_op *op), const char *tenant, uint64_t ticket,
	  const char *id)
{
	struct store_op *op = store_op_new(kind, done, keep);
	op->ticket = ticket;
	(void)snprintf(op->row.tenant, sizeof(op->row.tenant), "%s", tenant);
	(void)snprintf(op->row.script, sizeof(op->row.script), "%s", id);
	return op;
}

void
script_keep_put(struct script_keep *keep, const char *tenant, uint64_t ticket, const char *id,
		const char *name, bool is_code, char *content, size_t size)
{
	struct script *known = script_table_find(&keep->table, tenant, id);
	struct error err = ERROR_INIT;
	if (known == NULL && script_table_admit(&keep->table, tenant, size, &err) < 0) {
		struct rpc_error fault;
		jsonrpc_error_reason(&fault, RPC_REASON_QUOTA_EXCEEDED, "%s", err.text);
		reply_fault(keep->reply, ticket, &fault);
		free(content);
	} else if (known != NULL) {
		free(content);
		answer_id(keep, ticket, id, false);
	} else if (keep->store == NULL) {
		(void)script_table_add(&keep->table, tenant, id, name, is_code, content, size);
		answer_id(keep, ticket, id, false);
	} else {
		struct store_op *op = script_op(keep, STORE_SCRIPT_PUT, on_put, tenant, ticket, id);
		(void)snprintf(op->row.name, sizeof(op->row.name), "%s", name);
		op->row.is_code = is_code;
		op->row.text = content;
		op->row.text_size = size;
		if (post(keep, op))
			script_table_hold(&keep->table, tenant, size);
	}
}

static void
script_write(void *what, struct text_buffer *text)
{
	const struct script *script = what;
	struct json_members members = json_members_begin(text);
	json_members_text(&members, "script", script->id);
	json_members_name(&members, "name");
	if (script->name[0] != '\0')
		text_buffer_json_string(text, script->name, strlen(script->name));
	else
		text_buffer_put_text(text, "null");
	json_members_u64(&members, "bytes", script->size);
	json_members_name(&members, script->is_code ? "code" : "source");
	if (script->is_code)
		text_buffer_json_base64(text, script->content, script->size);
	else
		text_buffer_json_string(text, script->content, script->size);
	json_members_end(&members);
}

static void
script_written(void *what)
{
	struct script *script = what;
	script_release(&script);
}

/* One that is deleted while its text is written is written all the same. */
void
script_keep_get(struct script_keep *keep, const char *tenant, uint64_t ticket, const char *id)
{
	struct script *script = script_table_find(&keep->table, tenant, id);
	if (script == NULL) {
		answer_none(keep, ticket);
		return;
	}
	struct reply_source source = {
	    .write = script_write,
	    .done = script_written,
	    .what = script_hold(script),
	    .bytes = script->size,
	};
	reply_written(keep->reply, ticket, &source);
}

static void
on_deleted(void *context, struct store_op *op)
{
	struct script_keep *keep = context;
	struct script *script = script_table_find(&keep->table, op->row.tenant, op->row.script);
	if (op->outcome == STORE_FAILED) {
		answer_failed(keep, op->ticket, op);
	} else if (script == NULL) {
		answer_none(keep, op->ticket);
	} else {
		script_table_remove(&keep->table, &script);
		answer_id(keep, op->ticket, op->row.script, true);
	}
	store_op_free(&op);
	keep->done(keep->context);
}

void
script_keep_delete(struct script_keep *keep, const char *tenant, uint64_t ticket, const char *id)
{
	struct script *script = script_table_find(&keep->table, tenant, id);
	if (script == NULL) {
		answer_none(keep, ticket);
	} else if (keep->store != NULL) {
		(void)post(keep,
			   script_op(keep, STORE_SCRIPT_DELETE, on_deleted, tenant, ticket, id));
	} else {
		script_table_remove(&keep->table, &script);
		answer_id(keep, ticket, id, true);
	}
}

struct compiled *
script_keep_compiled(const struct script_keep *keep, const char *tenant, const char *id)
{
	const struct script *script =
	    id[0] != '\0' ? script_table_find(&keep->table, tenant, id) : NULL;
	return script != NULL ? script->compiled : NULL;
}

bool
script_keep_fill(const struct script_keep *keep, const char *tenant, struct run_request *request,
		 struct rpc_error *ret_fault)
{
	struct error err = ERROR_INIT;
	if (request->script[0] == '\0')
		return true;
	const struct script *script = script_table_find(&keep->table, tenant, request->script);
	if (script == NULL) {
		fault_none(keep, ret_fault);
		return false;
	}
	int rc = request_json_put_program(request, script->is_code, script->content, script->size,
					  script->name, &err);
	if (rc == 0)
		return true;
	jsonrpc_error_code(ret_fault, rc == ERROR_INVALID ? RPC_INVALID_PARAMS : RPC_INTERNAL_ERROR,
			   "%s", err.text);
	return false;
}
