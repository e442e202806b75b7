/*
 * What the engine says of itself and of one job, on request. Changes nothing. Called by the outer
 * half through engine.h, which is why these functions bear the engine's prefix; they are apart from
 * engine.c since none of them takes part in the flow.
 */
#include "daemon/engine.h"

#include "daemon/engine_state.h"
#include "daemon/page_read.h"
#include "protocol/base_clock.h"

#include <string.h>
#include <sys/stat.h>

static uint64_t
engine_report_file_bytes(int fd, const struct limits *limits, uint64_t cap)
{
	uint64_t base = limits_output_base(limits, cap), size;
	struct stat status;
	if (fd < 0 || fstat(fd, &status) < 0)
		return 0;
	size = (uint64_t)status.st_size > base ? (uint64_t)status.st_size - base : 0;
	return size < cap ? size : cap;
}

void
engine_report_running(const struct job *job, uint64_t now_ns, struct engine_job_status *status)
{
	const struct worker *worker = job->worker;
	const struct limits *limits = &job->request.limits;
	uint64_t cpu_ns;
	status->state = job_state_name(JOB_RUNNING);
	status->queue_us = (job->started_ns - job->queued_ns) / NS_PER_US;
	status->wall_us = (now_ns - job->started_ns) / NS_PER_US;
	if (watchdog_cpu_ns(worker->cpu_clock, &cpu_ns) && cpu_ns > worker->cpu_start_ns)
		status->cpu_us = (cpu_ns - worker->cpu_start_ns) / NS_PER_US;
	status->opcodes = page_read_opcodes(worker->page_fd);
	if (limits->opcodes > 0 && status->opcodes > limits->opcodes)
		status->opcodes = limits->opcodes;
	status->stdout_bytes =
	    engine_report_file_bytes(worker->out_fd, limits, limits->stdout_bytes);
	status->stderr_bytes =
	    engine_report_file_bytes(worker->err_fd, limits, limits->stderr_bytes);
}

int
engine_status(struct engine *engine, const char *id, uint64_t session,
	      struct engine_job_status *ret_status, struct error *err)
{
	const struct job *job = job_table_find(&engine->table, id, session);
	uint64_t now_ns = engine_now_ns();
	if (!job || job->state == JOB_ENDED)
		return error_set(err, ERROR_NOT_FOUND, "no such job waits or runs");
	memset(ret_status, 0, sizeof(*ret_status));
	if (job->state == JOB_RUNNING) {
		engine_report_running(job, now_ns, ret_status);
		return 0;
	}
	ret_status->state = job_state_name(JOB_QUEUED);
	ret_status->queue_us = (now_ns - job->queued_ns) / NS_PER_US;
	ret_status->position = queue_position(&engine->queue, job);
	return 0;
}

void
engine_tenant_usage(const struct engine *engine, const char *tenant,
		    struct engine_tenant_usage *ret_usage)
{
	const struct account *account = account_find(&engine->accounts, tenant);
	memset(ret_usage, 0, sizeof(*ret_usage));
	if (!account)
		return;
	ret_usage->queued = account->queued;
	ret_usage->running = account->running;
	ret_usage->queue_bytes = account->queue_bytes;
	ret_usage->jobs_total = account->jobs_total;
	ret_usage->refused_total = account->refused_total;
	ret_usage->cpu_us_total = account->cpu_us_total;
	ret_usage->opcodes_total = account->opcodes_total;
}

void
engine_info(const struct engine *engine, struct engine_info *ret_info)
{
	const struct message_zygote *about = generation_about(engine->generation);
	const struct leaf_root *root = generation_root(engine->generation);
	memset(ret_info, 0, sizeof(*ret_info));
	ret_info->jobs_queued = queue_count(&engine->queue);
	ret_info->jobs_running = engine->lists.of[JOB_RUNNING].count;
	ret_info->queue_bytes = engine->queue.bytes;
	ret_info->results_bytes = engine->results.used_bytes;
	ret_info->results_waiting = engine->results.waiting.count;
	ret_info->workers_ready = pool_count(&engine->pool, WORKER_READY);
	ret_info->workers_starting = pool_count(&engine->pool, WORKER_STARTING);
	ret_info->workers_busy =
	    pool_count(&engine->pool, WORKER_BUSY) + pool_count(&engine->pool, WORKER_ENDED);
	memcpy(ret_info->jobs_ended, engine->ended, sizeof(ret_info->jobs_ended));
	ret_info->workers_failed = engine->pool.failed_total;
	ret_info->generation = generation_number(engine->generation);
	ret_info->serving = generation_state(engine->generation) == GENERATION_SERVING;
	ret_info->draining = engine->draining;
	ret_info->rootless = generation_uid_count(engine->generation) == MESSAGE_UID_SHARED;
	ret_info->cgroups = root->dir_count > 0;
	for (uint32_t i = 0; i < root->dir_count; i++) {
		/* Rootless it is the only kind there can be, with or without memory. */
		if ((root->roles[i] & CGROUP_ROLE_V2) &&
		    (ret_info->rootless || (root->roles[i] & CGROUP_ROLE_MEMORY)))
			ret_info->cgroup_v2 = true;
	}
	ret_info->isolation = (enum isolation_level)config_number(engine->config, isolation);
	ret_info->layers = generation_layers(engine->generation);
	memcpy(ret_info->python, about->python, sizeof(ret_info->python));
	ret_info->hash_seed = about->hash_seed;
	memcpy(ret_info->meter_id, about->meter_id, sizeof(ret_info->meter_id));
}
