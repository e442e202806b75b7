/*
 * daemon.info, daemon.health and daemon.drain.
 *
 * They tell what a client needs to use the daemon well and an operator to see how it does: counts
 * of all tenants are for operators; nothing about any one client's jobs, and nothing of the
 * machine's paths or accounts. daemon.drain is an operator's SIGTERM: the engine has the spawner
 * begin what a signal would have begun. Called by rpc.c; faults are a parameter, for they take
 * none, and a drain that is not the caller's to ask for.
 */
#include "daemon/method_daemon.h"

#include "daemon/durable.h"
#include "daemon/engine.h"
#include "daemon/json_members.h"
#include "protocol/base_log.h"
#include "protocol/limits.h"
#include "protocol/result.h"

#include "config.h"

#include <jansson.h>
#include <string.h>

#define METHOD_DAEMON_PROTOCOL 1u

struct feature {
	const char *name;
	bool present;
};

/* What a client can ask for today; grows with the daemon. */
static const struct feature FEATURES[] = {
    {"stream", true},  {"inputs", true}, {"outputs", true}, {"entry", true},
    {"modules", true}, {"eval", true},   {"code", true},    {"cancel", true},
    {"opcodes", true}, {"trace", true},  {"submit", true},  {"sessions", false},
    {"judge", false},  {"files", true},  {"tenants", true}, {"scripts", true},
};

static bool
has_parameters(const struct rpc_call *call, struct rpc_error *fault)
{
	if (call->params == NULL || json_object_size(call->params) == 0)
		return false;
	const char *name = json_object_iter_key(json_object_iter(call->params));
	rpc_fault_parameter(fault, name, "is not a parameter of this method");
	return true;
}

void
method_daemon_put_limits(struct json_members *info, const struct tenant_terms *terms)
{
	const struct limits *const sets[] = {&terms->limits_default, &terms->limits_max};
	static const char *const NAMES[] = {"default", "max"};
	json_members_name(info, "limits");
	struct json_members both = json_members_begin(info->text);
	for (size_t i = 0; i < 2; i++) {
		json_members_name(&both, NAMES[i]);
		struct json_members set = json_members_begin(info->text);
		for (int id = 0; id < LIMIT_COUNT; id++)
			json_members_u64(&set, LIMITS[id].name, limits_get(sets[i], id));
		json_members_end(&set);
	}
	json_members_end(&both);
}

static void
put_settings(struct json_members *info, const struct config *config)
{
	json_members_name(info, "settings");
	struct json_members settings = json_members_begin(info->text);
#define PUT_SETTING(name) json_members_u64(&settings, #name, config_number(config, name))
	PUT_SETTING(request_bytes_max);
	PUT_SETTING(connections_max);
	PUT_SETTING(connection_jobs_max);
	PUT_SETTING(connection_output_max);
	PUT_SETTING(queue_jobs_max);
	PUT_SETTING(queue_bytes_max);
#undef PUT_SETTING
	json_members_flag(&settings, "asyncio", config_number(config, asyncio) != 0);
	json_members_flag(&settings, "pin_cores", config_number(config, pin_cores) != 0);
	json_members_text(&settings, "preload", config_text(config, preload));
	json_members_end(&settings);
}

static void
put_layers(struct json_members *info, const char *name, const char *first, uint64_t layers)
{
	const char *between = first[0] != '\0' ? "," : "";
	json_members_name(info, name);
	text_buffer_put_text(info->text, "[");
	text_buffer_put_text(info->text, first);
	for (unsigned i = 0; i < ISOLATION_LAYER_COUNT; i++) {
		if (!(layers & UINT64_C(1) << i))
			continue;
		text_buffer_put_text(info->text, between);
		text_buffer_put_text(info->text, "\"");
		text_buffer_put_text(info->text, ISOLATION_LAYERS[i].name);
		text_buffer_put_text(info->text, "\"");
		between = ",";
	}
	text_buffer_put_text(info->text, "]");
}

/* What the running generation was found to have; nothing before there is one. */
static void
put_isolation(struct json_members *info, const struct engine_info *engine)
{
	const char *groups = engine->cgroup_v2 ? "\"cgroup_v2\"" : "\"cgroup_v1\"";
	put_layers(info, "isolation", engine->cgroups ? groups : "", engine->layers);
	json_members_text(info, "isolation_level", isolation_level_name(engine->isolation));
	put_layers(info, "isolation_missing", "", ISOLATION_ALL & ~engine->layers);
	json_members_flag(info, "rootless", engine->rootless);
}

enum rpc_outcome
method_daemon_info(struct rpc *rpc, struct inwork_client *client, struct rpc_call *call,
		   struct text_buffer *result, struct rpc_error *fault)
{
	struct engine_info engine;
	(void)client;
	if (has_parameters(call, fault))
		return RPC_FAULT;
	engine_info(rpc->engine, &engine);
	struct json_members info = json_members_begin(result);
	json_members_text(&info, "name", PACKAGE_NAME);
	json_members_text(&info, "version", PACKAGE_VERSION);
	json_members_u64(&info, "protocol", METHOD_DAEMON_PROTOCOL);
	json_members_name(&info, "methods");
	rpc_put_methods(result);
	json_members_name(&info, "features");
	struct json_members features = json_members_begin(result);
	for (size_t i = 0; i < sizeof(FEATURES) / sizeof(FEATURES[0]); i++) {
		bool off = strcmp(FEATURES[i].name, "submit") == 0 && !durable_store(rpc->durable);
		json_members_flag(&features, FEATURES[i].name, FEATURES[i].present && !off);
	}
	json_members_end(&features);
	json_members_name(&info, "runtimes");
	struct json_members runtimes = json_members_begin(result);
	json_members_text(&runtimes, "python", engine.python);
	json_members_end(&runtimes);
	json_members_text(&info, "tenant", call->caller.terms.name);
	json_members_flag(&info, "operator", call->caller.operates);
	method_daemon_put_limits(&info, &call->caller.terms);
	put_settings(&info, rpc->config);
	put_isolation(&info, &engine);
	json_members_u64(&info, "hash_seed", engine.hash_seed);
	json_members_text(&info, "meter_id", engine.meter_id);
	json_members_end(&info);
	return RPC_ANSWERED;
}

static void
put_jobs(struct json_members *object, uint64_t queued, uint64_t running)
{
	json_members_name(object, "jobs");
	struct json_members jobs = json_members_begin(object->text);
	json_members_u64(&jobs, "queued", queued);
	json_members_u64(&jobs, "running", running);
	json_members_end(&jobs);
}

static void
put_load(struct json_members *health, const struct engine_info *engine)
{
	put_jobs(health, engine->jobs_queued, engine->jobs_running);
	json_members_name(health, "workers");
	struct json_members workers = json_members_begin(health->text);
	json_members_u64(&workers, "ready", engine->workers_ready);
	json_members_u64(&workers, "starting", engine->workers_starting);
	json_members_u64(&workers, "busy", engine->workers_busy);
	json_members_u64(&workers, "failed", engine->workers_failed);
	json_members_end(&workers);
	json_members_u64(health, "queue_bytes", engine->queue_bytes);
	json_members_u64(health, "generation", engine->generation);
	json_members_name(health, "ended");
	struct json_members ended = json_members_begin(health->text);
	for (int status = 0; status < STATUS_COUNT; status++)
		json_members_u64(&ended, status_name(status), engine->jobs_ended[status]);
	json_members_end(&ended);
}

/* The job store: whether it takes jobs, and how full it is. */
static void
put_store(struct json_members *health, const struct durable *durable, bool whole)
{
	struct store_health store;
	uint64_t waiting = 0;
	json_members_name(health, "store");
	struct json_members members = json_members_begin(health->text);
	if (!durable_health(durable, &store, &waiting)) {
		json_members_text(&members, "status", "off");
		json_members_end(&members);
		return;
	}
	json_members_text(&members, "status", store.failing ? "failing" : "ok");
	json_members_name(&members, "error");
	if (store.failing)
		text_buffer_json_lossy(health->text, store.why, strlen(store.why));
	else
		text_buffer_put_text(health->text, "null");
	if (!whole) { /* the rest would tell of others */
		json_members_end(&members);
		return;
	}
	json_members_u64(&members, "jobs_waiting", waiting);
	json_members_u64(&members, "bytes", store.bytes);
	json_members_u64(&members, "bytes_max", store.bytes_max);
	json_members_u64(&members, "set_aside", store.aside_count);
	json_members_name(&members, "set_aside_name");
	if (store.aside_count > 0)
		text_buffer_json_string(health->text, store.aside, strlen(store.aside));
	else
		text_buffer_put_text(health->text, "null");
	json_members_u64(&members, "commits", store.commits);
	json_members_u64(&members, "operations", store.operations);
	json_members_end(&members);
}

/* What any client may know of the load: its own tenant's part. */
static void
put_own_load(struct json_members *health, const struct engine_tenant_usage *usage,
	     const struct engine_info *engine)
{
	put_jobs(health, usage->queued, usage->running);
	json_members_u64(health, "queue_bytes", usage->queue_bytes);
	json_members_u64(health, "generation", engine->generation);
}

enum rpc_outcome
method_daemon_health(struct rpc *rpc, struct inwork_client *client, struct rpc_call *call,
		     struct text_buffer *result, struct rpc_error *fault)
{
	struct engine_info engine;
	(void)client;
	if (has_parameters(call, fault))
		return RPC_FAULT;
	engine_info(rpc->engine, &engine);
	const char *status = "starting";
	if (engine.draining)
		status = "draining";
	else if (rpc->ready && engine.serving)
		status = "ok";
	struct json_members health = json_members_begin(result);
	json_members_text(&health, "status", status);
	json_members_u64(&health, "uptime_ms", uv_now(rpc->loop) - rpc->start_ms);
	/* Rootless, for development, root itself is a stranger: all are told all. */
	if (call->caller.operates || engine.rootless) {
		put_load(&health, &engine);
	} else {
		struct engine_tenant_usage usage;
		engine_tenant_usage(rpc->engine, call->caller.terms.name, &usage);
		put_own_load(&health, &usage, &engine);
	}
	put_store(&health, rpc->durable, call->caller.operates || engine.rootless);
	json_members_end(&health);
	return RPC_ANSWERED;
}

enum rpc_outcome
method_daemon_drain(struct rpc *rpc, struct inwork_client *client, struct rpc_call *call,
		    struct text_buffer *result, struct rpc_error *fault)
{
	struct engine_info engine;
	struct error err = ERROR_INIT;
	if (has_parameters(call, fault))
		return RPC_FAULT;
	if (!call->caller.operates) {
		jsonrpc_error_reason(fault, RPC_REASON_NOT_PERMITTED,
				     "daemon.drain is for operators (setting operators)");
		return RPC_FAULT;
	}
	log_info("daemon", "session %llu of %s: daemon.drain", (unsigned long long)client->session,
		 call->caller.terms.name);
	if (engine_ask_drain(rpc->engine, &err) < 0) {
		log_error("daemon", "no drain: %s", err.text);
		jsonrpc_error_code(fault, RPC_INTERNAL_ERROR, "the drain could not be asked for");
		return RPC_FAULT;
	}
	engine_info(rpc->engine, &engine);
	struct json_members answer = json_members_begin(result);
	json_members_text(&answer, "status", "draining");
	put_jobs(&answer, engine.jobs_queued, engine.jobs_running);
	json_members_end(&answer);
	return RPC_ANSWERED;
}
