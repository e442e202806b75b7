/*
 * tenant.usage: what a tenant is granted and what it has used.
 *
 * A caller sees its own tenant; an operator any that there is, by name. Changes nothing. Called by
 * rpc.c; faults are the caller's.
 */
#include "daemon/method_tenant.h"

#include "daemon/engine.h"
#include "daemon/json_members.h"
#include "daemon/method_daemon.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* On the wire each quantity has its unit in its name. */
#define UNIT_COUNT ""
#define UNIT_SIZE  ""
#define UNIT_TIME  "_ms"
static const char *const NAMES_ON_WIRE[TENANT_SETTING_COUNT] = {
#define TENANT_SETTING(name, type, def, min, max, text) #name UNIT_##type,
#include "protocol/tenant_settings.def"
#undef TENANT_SETTING
};

/* "uid-<number>", as the name of a user that no section names. */
static bool
is_users_name(const struct tenant_table *table, const char *name)
{
	char again[TENANT_NAME_MAX + 1];
	if (!tenant_name_is_uid(name, strlen(name)))
		return false;
	errno = 0;
	unsigned long number = strtoul(name + 4, NULL, 10);
	if (errno != 0 || number >= (uid_t)-1)
		return false;
	tenant_name_of_uid((uid_t)number, again);
	return strcmp(name, again) == 0 && tenant_table_of_user(table, (uid_t)number) == NULL;
}

static bool
find_terms(const struct rpc *rpc, const struct caller *caller, const char *name, size_t size,
	   struct tenant_terms *ret_terms, struct rpc_error *fault)
{
	if (strlen(caller->terms.name) == size && memcmp(caller->terms.name, name, size) == 0) {
		*ret_terms = caller->terms;
		return true;
	}
	if (!caller->operates) {
		jsonrpc_error_reason(fault, RPC_REASON_NOT_PERMITTED,
				     "only operators may ask for another tenant");
		return false;
	}
	const struct tenant *tenant = tenant_table_find(rpc->tenants, name, size);
	if (tenant != NULL) {
		*ret_terms = tenant->terms;
		return true;
	}
	if (tenant_name_valid(name, size) && is_users_name(rpc->tenants, name)) {
		*ret_terms = *tenant_table_other(rpc->tenants);
		(void)snprintf(ret_terms->name, sizeof(ret_terms->name), "%s", name);
		return true;
	}
	jsonrpc_error_reason(fault, RPC_REASON_NOT_FOUND, "no such tenant");
	return false;
}

/* The tenant that is asked for. */
static bool
read_parameters(const struct rpc *rpc, const struct rpc_call *call, struct tenant_terms *ret_terms,
		struct rpc_error *fault)
{
	const char *name, *text = call->caller.terms.name;
	size_t size = strlen(text);
	json_t *value;
	if (call->params != NULL) {
		json_object_foreach(call->params, name, value)
		{
			if (strcmp(name, "tenant") != 0) {
				rpc_fault_parameter(fault, name,
						    "is not a parameter of this method");
				return false;
			}
			if (!json_value_string(&rpc->marks, value, &text, &size)) {
				rpc_fault_parameter(fault, name, "must be a tenant's name");
				return false;
			}
		}
	}
	return find_terms(rpc, &call->caller, text, size, ret_terms, fault);
}

enum rpc_outcome
method_tenant_usage(struct rpc *rpc, struct inwork_client *client, struct rpc_call *call,
		    struct text_buffer *result, struct rpc_error *fault)
{
	struct engine_tenant_usage usage;
	struct tenant_terms terms;
	(void)client;
	if (!read_parameters(rpc, call, &terms, fault))
		return RPC_FAULT;
	engine_tenant_usage(rpc->engine, terms.name, &usage);
	struct json_members answer = json_members_begin(result);
	json_members_text(&answer, "tenant", terms.name);
	json_members_name(&answer, "terms");
	struct json_members granted = json_members_begin(result);
	for (size_t i = 0; i < TENANT_SETTING_COUNT; i++)
		json_members_u64(&granted, NAMES_ON_WIRE[i], terms.values[i]);
	json_members_end(&granted);
	method_daemon_put_limits(&answer, &terms);
	json_members_name(&answer, "usage");
	struct json_members used = json_members_begin(result);
	json_members_u64(&used, "queued", usage.queued);
	json_members_u64(&used, "running", usage.running);
	json_members_u64(&used, "queue_bytes", usage.queue_bytes);
	json_members_u64(&used, "jobs_total", usage.jobs_total);
	json_members_u64(&used, "refused_total", usage.refused_total);
	json_members_u64(&used, "cpu_us_total", usage.cpu_us_total);
	json_members_u64(&used, "opcodes_total", usage.opcodes_total);
	json_members_end(&used);
	json_members_end(&answer);
	return RPC_ANSWERED;
}
