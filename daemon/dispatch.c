/*
 * Joins jobs with workers: leaf limits written and read back, CPU clock read, watchdog armed, and
 * only then the terms and the job sent. Level triggered: it looks at the lists as they are, whoever
 * changed them. A worker that cannot be limited or will not take the job is killed and another is
 * tried; a job that broke too many of them, or for which there is no memory, ends with
 * internal_error. Never waits and never calls back. Called by the engine's check handle.
 */
#include "config.h"

#include "daemon/dispatch.h"

#include "daemon/deadline.h"
#include "daemon/engine_state.h"
#include "daemon/finish.h"
#include "daemon/house.h"
#include "daemon/makeway.h"
#include "daemon/refill.h"
#include "daemon/stream.h"
#include "daemon/weigh.h"
#include "protocol/base_clock.h"
#include "protocol/base_log.h"
#include "protocol/base_sys.h"
#include "protocol/pack.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* RLIMIT_CPU counts the worker's set-up too and only in whole seconds. */
#define DISPATCH_BACKSTOP_S 5u
#define DISPATCH_KEEPS_MIN      4u     /* of so many workers, one is kept */
#define DISPATCH_FDS_MAX        3u
#define DISPATCH_CODE_BYTES_MAX (CODE_BYTES_MAX + 64u) /* and what the field's head has */

/* What goes to the worker with the terms. */
struct dispatch_load {
	struct worker_terms terms;
	int fds[DISPATCH_FDS_MAX]; /* owned */
	size_t fd_count;
	struct pack code; /* the field with the compiled code; may be empty */
	uint8_t *joined;  /* owned: blob and code in one; NULL: the blob is alone, or in a file */
};

static void
dispatch_unload(struct dispatch_load *load)
{
	for (size_t i = 0; i < load->fd_count; i++)
		base_close(&load->fds[i]);
	load->fd_count = 0;
	pack_deinit(&load->code);
	free(load->joined);
	load->joined = NULL;
}

/* Bytes of the tenant in a file that nobody can change any more, at its begin; `more` behind them.
 */
static int
dispatch_seal(struct dispatch_load *load, const char *name, const void *bytes, size_t size,
	      const struct pack *more, struct error *err)
{
	int fd autoclose = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return error_errno(err, "memory file for a job");
	int code = base_write_full(fd, bytes, size, err);
	if (code == 0 && more)
		code = base_write_full(fd, more->bytes, more->size, err);
	if (code < 0)
		return code;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0 ||
	    lseek(fd, 0, SEEK_SET) != 0)
		return error_errno(err, "seal a job's bytes");
	load->fds[load->fd_count++] = fd;
	fd = -1;
	return 0;
}

/* The job, by datagram or by file; with its compiled code, where there is some. */
static int
dispatch_blob(struct dispatch_load *load, const struct run_request *request, struct error *err)
{
	size_t size = request->blob_bytes, more = load->code.size;
	load->terms.blob_bytes = size + more;
	/* An empty datagram reads like the end of the channel. */
	if (size + more > BLOB_INLINE_BYTES_MAX || size + more == 0) {
		load->terms.flags |= TERMS_BLOB_FD;
		return dispatch_seal(load, "stint-job", request->blob, size, &load->code, err);
	}
	if (more == 0)
		return 0;
	load->joined = malloc(size + more);
	if (!load->joined)
		return error_errno(err, "memory for a job's code");
	memcpy(load->joined, request->blob, size);
	memcpy(load->joined + size, load->code.bytes, more);
	return 0;
}

/* A file for the code that the worker is asked to leave. Without one the job runs as well. */
static void
dispatch_ask_code(struct dispatch_load *load, struct job *job, struct worker *worker)
{
	struct error err = ERROR_INIT;
	int copy = -1;
	base_close(&worker->code_fd);
	if (base_memfd("stint-code", CODE_FILE_BYTES, &worker->code_fd, &err) == 0)
		copy = fcntl(worker->code_fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0) {
		base_close(&worker->code_fd);
		job_fill_code(job, NULL, NULL, 0);
		return;
	}
	load->fds[load->fd_count++] = copy;
	load->terms.flags |= TERMS_CODE_FD;
}

/* What there is of its script's code goes with the job, or else it may be asked for it. */
static void
dispatch_find_code(struct dispatch_load *load, struct job *job, struct worker *worker)
{
	const void *bytes;
	size_t size;
	pack_init(&load->code, DISPATCH_CODE_BYTES_MAX);
	if (!job->compiled)
		return;
	compiled_make_key(&job->request, worker->generation, &worker->code_key);
	bytes = compiled_find(job->compiled, &worker->code_key, &size);
	if (bytes) {
		job_fill_code(job, NULL, NULL, 0);
		pack_put(&load->code, JOB_COMPILED, bytes, size);
	} else if (!job->leaves_code) {
		job->leaves_code = compiled_ask(job->compiled);
	}
}

/*
 * The job's core is chosen now and not at the worker's birth: which one is idle shows only now, and
 * any ready worker will do for it. They are asked for anew each time, since one can go offline or
 * out of the cpuset; if they are not told, those of before are tried, and the worker sees to it.
 */
static void
dispatch_pin(struct engine *engine, struct worker *worker, struct worker_terms *terms)
{
	uint16_t held[WORKERS_MAX];
	if (!config_number(engine->config, pin_cores))
		return;
	(void)cores_read(&engine->pinning, NULL);
	size_t count = pool_held_cores(&engine->pool, held);
	engine->last_core = cores_choose(&engine->pinning, held, count, engine->last_core);
	worker->core = (uint16_t)engine->last_core;
	terms->core = engine->last_core + 1;
}

/*
 * Its result is told earlier if the worker stops at the job's end, but two processes more are woken
 * up for it (a twentieth of what a small job costs): worth it when this is the only job that waits,
 * or its tenant's only one, and others have more: their jobs would have it wait once more while it
 * is taken apart. With one thread, so that no other one of the job's is stopped with it.
 */
static bool
dispatch_may_stop(const struct engine *engine, const struct job *job)
{
	const struct pick_tenant *tenant = job->turn.tenant;
	const struct limits *limits = &job->request.limits;
	bool only = tenant->waiting == 0 && tenant->running <= 1;

	if (limits->threads > 1 || limits->scratch_bytes > 0)
		return false;
	return queue_count(&engine->queue) <= 1 || (only && makeway_is_due(engine, job));
}

static int
dispatch_load(struct engine *engine, struct job *job, struct worker *worker,
	      struct dispatch_load *load, struct error *err)
{
	const struct run_request *request = &job->request;
	struct worker_terms *terms = &load->terms;
	int code = 0;

	memset(load, 0, sizeof(*load));
	dispatch_find_code(load, job, worker);
	terms->magic = WORKER_TERMS_MAGIC;
	terms->serial = worker->serial;
	terms->cpu_backstop_s = (request->limits.cpu_ms + 999) / 1000 + DISPATCH_BACKSTOP_S;
	terms->limits = request->limits;
	dispatch_pin(engine, worker, terms);
	if (config_number(engine->config, asyncio))
		terms->flags |= TERMS_ASYNCIO;
	if (request->limits.threads > 1)
		terms->flags |= TERMS_THREADS;
	if (request->stream)
		terms->flags |= TERMS_STREAM;
	if (request->limits.scratch_bytes > 0)
		terms->flags |= TERMS_SCRATCH;
	worker->stops = dispatch_may_stop(engine, job);
	worker->ended_code = -1;
	if (worker->stops)
		terms->flags |= TERMS_STOPS;
	if (request->stdin_size > 0) {
		terms->flags |= TERMS_STDIN_FD;
		code = dispatch_seal(load, "stint-stdin", request->stdin_bytes, request->stdin_size,
				     NULL, err);
	}
	if (code == 0)
		code = dispatch_blob(load, request, err);
	if (code == 0 && job->leaves_code)
		dispatch_ask_code(load, job, worker);
	if (code < 0)
		dispatch_unload(load);
	return code;
}

static void
dispatch_arm(struct engine *engine, struct job *job, struct worker *worker)
{
	const struct limits *limits = &job->request.limits;
	unsigned threads = (unsigned)limits->threads;
	struct watchdog_spec spec = {
	    .serial = worker->serial,
	    .cpu_clock = worker->cpu_clock,
	    .pidfd = worker->pidfd,
	    .kill_fd = worker->leaf.kill,
	    .zygote_fd = engine_zygote_fd(engine, worker),
	    .cpu_start_ns = worker->cpu_start_ns,
	    .cpu_limit_ns = limits->cpu_ms * NS_PER_MS,
	    .wall_limit_ns = limits->wall_ms * NS_PER_MS,
	    .started_ns = job->started_ns,
	    .parallel = threads < engine->cores ? threads : engine->cores,
	    .opcodes = limits->opcodes,
	    .page_fd = worker->page_fd,
	};
	watchdog_arm(engine->watchdog, worker->slot, &spec);
}

/* With a scratch directory files may be larger than the output: see limits_output_base. */
static int
dispatch_set_output(const struct worker *worker, const struct limits *limits, struct error *err)
{
	uint64_t out = limits_output_base(limits, limits->stdout_bytes);
	uint64_t errors = limits_output_base(limits, limits->stderr_bytes);
	if (limits->scratch_bytes == 0)
		return 0;
	if (ftruncate(worker->out_fd, (off_t)out) < 0 ||
	    ftruncate(worker->err_fd, (off_t)errors) < 0)
		return error_errno(err, "size of an output file");
	return 0;
}

/*
 * It is gone between two sends: of its own, or because the job's limits are so small that the
 * watchdog or the kernel was faster. That is the job's end, not the pool's failure: which, is
 * decided by what was measured when its death is reported, and it may be tried again then.
 */
static int
dispatch_lost_receiver(struct engine *engine, struct worker *worker)
{
	worker->unsent = true;
	watchdog_kill(leaf_killer(&worker->leaf), engine_zygote_fd(engine, worker),
		      worker->serial); /* in case that only its channel is gone */
	return 0;
}

/* Limits, clock, watchdog, then the job. An error is the worker's fault; it is killed then. */
static int
dispatch_hand_over(struct engine *engine, struct job *job, struct worker *worker,
		   const struct dispatch_load *load, struct error *err)
{
	const struct limits *limits = &job->request.limits;
	struct watchdog_report report;
	uint64_t more = job->request.trace != TRACE_NONE ? TRACE_BYTES_MAX : 0;
	/* What it leaves is memory of its leaf, but not the job's. */
	more += load->terms.flags & TERMS_CODE_FD ? CODE_FILE_BYTES : 0;
	int code = dispatch_set_output(worker, limits, err);
	if (code < 0)
		return code;
	code = leaf_limit(&worker->leaf, leaf_memory_bytes(limits) + more, limits->threads, err);
	if (code < 0)
		return code;
	if (!watchdog_cpu_ns(worker->cpu_clock, &worker->cpu_start_ns))
		return error_errno(err, "CPU clock of pid %d", (int)worker->pid);
	weigh_job(engine, worker, job);
	job->started_ns = engine_now_ns();
	dispatch_arm(engine, job, worker);
	code = worker_link_send(worker->channel, &load->terms, load->fds, load->fd_count,
				load->joined ? load->joined : job->request.blob, err);
	if (code == ERROR_CLOSED)
		return dispatch_lost_receiver(engine, worker);
	if (code < 0)
		(void)watchdog_disarm(engine->watchdog, worker->slot, worker->serial, &report);
	return code;
}

static void
dispatch_note_tenant(struct engine *engine, const struct job *job)
{
	if (engine->last_tenant && engine->last_tenant != job->turn.tenant)
		engine->tenants_ns = job->started_ns;
	engine->last_tenant = job->turn.tenant;
}

/* True: the job left the queue. False: try it again, if there is another worker. */
static bool
dispatch_join(struct engine *engine, struct job *job, struct worker *worker)
{
	struct dispatch_load load;
	struct error err = ERROR_INIT;
	if (dispatch_load(engine, job, worker, &load, &err) < 0) {
		log_error("dispatch", "job %s: %s", job->id, err.text);
		finish_waiting(engine, job, STATUS_INTERNAL_ERROR, "InternalError",
			       "no memory or descriptors for the job's bytes");
		return true;
	}
	makeway_begin(engine, job, worker);
	int code = dispatch_hand_over(engine, job, worker, &load, &err);
	uint64_t code_bytes = load.code.size;
	dispatch_unload(&load);
	if (code == 0) {
		dispatch_note_tenant(engine, job);
		queue_start(&engine->queue, job);
		pool_move(&engine->pool, worker, WORKER_BUSY);
		job->worker = worker;
		worker->job = job;
		succession_count_job(engine->succession, worker->generation);
		if (code_bytes > 0 && engine->callbacks.event)
			engine->callbacks.event(engine->callbacks.context, ENGINE_EVENT_CODE_REUSED,
						code_bytes);
		if (engine->callbacks.started && !job->forgotten)
			engine->callbacks.started(engine->callbacks.context, job->session,
						  job->ticket);
		return true;
	}
	log_warning("dispatch", "job %s: worker %llu is broken: %s", job->id,
		    (unsigned long long)worker->serial, err.text);
	makeway_undo(engine, worker);
	refill_give_up(engine, worker);
	if (++job->broken > DISPATCH_RETRIES_MAX) {
		finish_waiting(engine, job, STATUS_INTERNAL_ERROR, "WorkerSetup",
			       "no worker could take the job");
		return true;
	}
	return false;
}

/*
 * The last ready worker is kept for a tenant that has nothing running, as places are for guests:
 * where short jobs wait, each worker is taken as soon as it is made, and who has just come would
 * have to wait for the next one. Who had the last turn and has more to start, is not such a tenant
 * because all of its jobs have just ended, as long as another worker is coming.
 */
static bool
dispatch_keeps_last(const struct engine *engine, const struct job *job, struct worker_kind kind)
{
	const struct pick_tenant *tenant = job->turn.tenant;
	bool goes_on =
	    tenant == engine->last_tenant && (tenant->running > 1 || tenant->waiting > 0);

	if (engine->queue.pick.guests_max == 0 || engine->pool.target < DISPATCH_KEEPS_MIN ||
	    !engine_has_tenants(engine))
		return false;
	if (!worker_kind_is_plain(kind) || pool_has_two_ready(&engine->pool, kind))
		return false;
	return tenant->started > 0 || (goes_on && pool_count(&engine->pool, WORKER_STARTING) > 0);
}

/*
 * The first of the called jobs that there is a worker for. They are those that could run at once:
 * one whose worker is still being made keeps its place among them, so that neither kind of job can
 * hold up the other, or be overtaken for ever. False: nothing to do.
 */
static bool
dispatch_one(struct engine *engine)
{
	bool no_plain = false;
	queue_clock(&engine->queue, engine_now_ns());
	queue_call(&engine->queue);
	for (struct job *job = queue_called(&engine->queue); job;
	     job = queue_called_after(&engine->queue, job)) {
		struct worker_kind kind = worker_kind_of(&job->request.limits);
		if (no_plain && worker_kind_is_plain(kind))
			continue;
		if (job->broken > DISPATCH_RETRIES_MAX) {
			finish_waiting(engine, job, STATUS_INTERNAL_ERROR, "WorkerSetup",
				       "no worker could take the job");
			return true;
		}
		if (makeway_holds(engine, job))
			continue;
		struct worker *worker = pool_ready(&engine->pool, kind);
		no_plain |= !worker && worker_kind_is_plain(kind);
		if (!worker || dispatch_keeps_last(engine, job, kind))
			continue;
		if (!watchdog_alive(worker->pidfd)) /* killed while it waited: no try */
			refill_give_up(engine, worker);
		else
			(void)dispatch_join(engine, job, worker);
		return true;
	}
	return false;
}

void
dispatch_run(struct engine *engine)
{
	bool joined = false;
	deadline_run(engine);
	if (generation_state(engine->generation) != GENERATION_SERVING)
		return;
	while (dispatch_one(engine))
		joined = true;
	if (queue_count(&engine->queue) > 0)
		refill_after_queue(engine);
	if (engine->refill_due && !makeway_holds_starts(engine))
		engine_later(engine); /* held until now, and somebody came who is not */
	if (joined || queue_called(&engine->queue))
		weigh_soon(engine);
	if (!joined)
		return;
	refill_after_dispatch(engine);
	stream_wake(engine);
	house_wake(engine);
}
