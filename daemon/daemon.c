/*
 * stintd as a whole; the one file that shows the flow:
 *
 *   listener -> connection -> rpc -> method_* -> engine     inward
 *   engine -> reply -> outbox -> connection's descriptor    outward, by session number
 *
 * It owns every stage, starts them from the innermost outwards and stops them the other way round.
 * SIGTERM drains: no new connection, no new job, what runs ends and is answered, then the process
 * ends; a second signal ends it at once. A configuration that the spawner sends takes the place of
 * the one before, for what comes from then on. It never decides anything about a job.
 * Called by main.c. Fails at start with the reason, or later with the engine's.
 */
#include "daemon/daemon.h"

#include "daemon/connection.h"
#include "daemon/durable.h"
#include "daemon/engine.h"
#include "daemon/inwork.h"
#include "daemon/listener.h"
#include "daemon/metrics.h"
#include "daemon/outbox.h"
#include "daemon/reply.h"
#include "daemon/rpc.h"
#include "daemon/script_keep.h"
#include "daemon/scrape.h"
#include "daemon/tenant_table.h"
#include "daemon/usage_log.h"
#include "protocol/base_assert.h"
#include "protocol/base_log.h"
#include "protocol/base_sys.h"

#include <signal.h>
#include <string.h>
#include <uv.h>

/* After the last job, clients have this long to read their answers. */
#define DAEMON_LINGER_MS 5000u
/* Answers that wait to be read, of all clients, in multiples of connection_output_max. */
#define DAEMON_OUTPUT_SHARES 4u
/* But never so few that a client which does read could not be sent a result that is at all of its
 * caps: two outputs of 64 MiB at 2.5 bytes each, and value, vars and error. */
#define DAEMON_OUTPUT_TOTAL_MIN ((size_t)448 << 20)
/* Reading from a client pauses when this part of connection_output_max waits to be read by it. */
#define DAEMON_BACKLOG_DIVISOR 4u

enum daemon_state { DAEMON_RUNNING, DAEMON_DRAINING, DAEMON_LINGERING, DAEMON_STOPPED };

struct daemon {
	uv_loop_t loop;
	const struct config *config; /* borrowed: of `tenants`, or the caller's at first */
	struct inwork inwork;
	struct outbox outbox;
	struct reply reply;
	struct rpc rpc;
	struct metrics metrics;
	struct usage_log *usage_log; /* owned, or NULL */
	struct scrape scrape;
	struct connection_host host;
	struct listener listener;
	struct engine *engine;        /* owned */
	struct tenant_table *tenants; /* held */
	struct durable *durable;      /* owned */
	struct script_keep scripts;
	bool engine_drained;
	uv_signal_t sigterm, sigint;
	uv_timer_t linger;
	enum daemon_state state;
	struct error failure; /* code 0: none */
};

static void
stop(struct daemon *daemon)
{
	if (daemon->state == DAEMON_STOPPED)
		return;
	daemon->state = DAEMON_STOPPED;
	uv_stop(&daemon->loop);
}

static void
on_connection_gone(void *context)
{
	struct daemon *daemon = context;
	if (daemon->state == DAEMON_LINGERING && daemon->host.open.count == 0)
		stop(daemon);
}

static void
on_linger_over(uv_timer_t *timer)
{
	stop(timer->data);
}

/* No job is left, nothing waits for the disk: have every client read its last answers, but not for
 * ever. */
static void
linger(struct daemon *daemon)
{
	if (daemon->state >= DAEMON_LINGERING || !daemon->engine_drained ||
	    !durable_is_idle(daemon->durable))
		return;
	daemon->state = DAEMON_LINGERING;
	listener_stop(&daemon->listener);
	if (daemon->host.open.count == 0) {
		stop(daemon);
		return;
	}
	require(uv_timer_start(&daemon->linger, on_linger_over, DAEMON_LINGER_MS, 0) == 0);
	LIST_FOREACH_SAFE (&daemon->host.open, link, next)
		connection_finish(list_item(link, struct connection, link));
}

static void
on_drained(void *context)
{
	struct daemon *daemon = context;
	daemon->engine_drained = true;
	linger(daemon);
}

static void
on_idle(void *context)
{
	linger(context);
}

static void
on_draining(void *context)
{
	struct daemon *daemon = context;
	durable_drain(daemon->durable);
}

static void
on_signal(uv_signal_t *handle, int number)
{
	struct daemon *daemon = handle->data;
	if (daemon->state != DAEMON_RUNNING) {
		log_info("daemon", "signal %d again: stopping at once", number);
		stop(daemon);
		return;
	}
	log_info("daemon", "signal %d: draining", number);
	daemon->state = DAEMON_DRAINING;
	listener_stop(&daemon->listener);
	durable_drain(daemon->durable);
	engine_drain(daemon->engine);
}

static void
on_result(void *context, uint64_t session, uint64_t ticket, struct run_result *result)
{
	struct daemon *daemon = context;
	if (session == DURABLE_SESSION)
		durable_on_result(daemon->durable, ticket, result);
	else
		reply_result(&daemon->reply, ticket, result);
}

static void
on_started(void *context, uint64_t session, uint64_t ticket)
{
	struct daemon *daemon = context;
	if (session == DURABLE_SESSION)
		durable_on_started(daemon->durable, ticket);
}

static void
on_output(void *context, uint64_t session, uint64_t ticket, const char *job, int stream,
	  const void *bytes, size_t size)
{
	struct daemon *daemon = context;
	(void)job;
	if (session == DURABLE_SESSION) /* its tickets are others */
		return;
	reply_output(&daemon->reply, ticket, stream, bytes, size);
}

static void
on_trace(void *context, uint64_t session, uint64_t ticket, const char *job, const void *lines,
	 size_t size)
{
	struct daemon *daemon = context;
	(void)job;
	if (session == DURABLE_SESSION) /* its tickets are others */
		return;
	reply_trace(&daemon->reply, ticket, lines, size);
}

static void
on_progress(void *context, uint64_t session, uint64_t ticket,
	    const struct engine_job_status *status)
{
	struct daemon *daemon = context;
	if (session == DURABLE_SESSION) /* its tickets are others */
		return;
	reply_progress(&daemon->reply, ticket, status);
}

static void
on_ready(void *context)
{
	struct daemon *daemon = context;
	daemon->rpc.ready = true;
	log_info("daemon", "serving");
}

static void
on_fatal(void *context, const struct error *err)
{
	struct daemon *daemon = context;
	if (daemon->failure.code == 0)
		daemon->failure = *err;
	stop(daemon);
}

static void
on_ended(void *context, const struct engine_ended *ended)
{
	struct daemon *daemon = context;
	metrics_ended(&daemon->metrics, ended);
	usage_log_put(daemon->usage_log, ended);
}

static void
on_told(void *context)
{
	struct daemon *daemon = context;
	outbox_write_little(&daemon->outbox);
}

static void
on_makes_way(void *context, bool on)
{
	struct daemon *daemon = context;
	outbox_hold(&daemon->outbox, on);
}

static void
on_event(void *context, enum engine_event event, uint64_t value)
{
	struct daemon *daemon = context;
	metrics_event(&daemon->metrics, event, value);
}

/* The engine may be gone while the last results are written. */
static void
on_result_gone(void *context, uint64_t held_bytes)
{
	struct daemon *daemon = context;
	if (daemon->engine != NULL)
		engine_result_gone(daemon->engine, held_bytes);
}

/* Answers that wait, of all clients. */
static size_t
output_total(const struct config *config)
{
	size_t total = config_number(config, connection_output_max) * DAEMON_OUTPUT_SHARES;
	return total > DAEMON_OUTPUT_TOTAL_MIN ? total : DAEMON_OUTPUT_TOTAL_MIN;
}

/* What the outer half takes out of the configuration, and a reload changes. */
static void
set_bounds(struct daemon *daemon, const struct config *config)
{
	struct connection_host *host = &daemon->host;
	size_t output_max = config_number(config, connection_output_max);
	host->budget.max = config_number(config, queue_bytes_max);
	host->line_max = config_number(config, request_bytes_max);
	host->jobs_max = config_number(config, connection_jobs_max);
	host->uid_max = config_number(config, connections_uid_max);
	if (host->uid_max == 0)
		host->uid_max = config_number(config, connections_max) * 3 / 4;
	host->backlog_max = output_max / DAEMON_BACKLOG_DIVISOR;
	outbox_resize(&daemon->outbox, output_max, output_total(config));
	daemon->listener.connections_max = config_number(config, connections_max);
}

static bool
terms_of(void *context, const char *name, struct tenant_terms *ret_terms)
{
	const struct tenant_table *tenants = context;
	size_t size = strlen(name);
	const struct tenant *tenant = tenant_table_find(tenants, name, size);
	if (tenant == NULL && !tenant_name_is_uid(name, size))
		return false;
	*ret_terms = tenant != NULL ? tenant->terms : *tenant_table_other(tenants);
	memcpy(ret_terms->name, name, size + 1);
	return true;
}

/* All of it or nothing: it is checked once more, though the spawner has done so. */
static int
on_config(void *context, int fd, struct error *err)
{
	struct daemon *daemon = context;
	struct tenant_table *before = daemon->tenants, *tenants;
	struct config config;
	config_init(&config);
	int rc = config_read_fd(&config, fd, "configuration", err);
	if (rc == 0)
		rc = tenant_table_new(&config, &tenants, err);
	config_deinit(&config);
	if (rc != 0)
		return rc;
	/* A line that is being read off the loop holds the table it began with. */
	daemon->tenants = daemon->rpc.tenants = tenants;
	daemon->config = daemon->rpc.config = tenant_table_config(tenants);
	set_bounds(daemon, daemon->config);
	engine_reload(daemon->engine, daemon->config, terms_of, tenants);
	tenant_table_release(&before);
	base_log_set_level((enum log_level)config_number(daemon->config, log_level));
	log_info("daemon", "configuration read again");
	return 0;
}

static void
start_stages(struct daemon *daemon)
{
	const struct config *config = daemon->config;
	metrics_init(&daemon->metrics, (unsigned)config_number(config, metrics_tenants_max));
	inwork_init(&daemon->inwork);
	outbox_init(&daemon->outbox, &daemon->loop, config_number(config, connection_output_max),
		    output_total(config));
	reply_init(&daemon->reply, &daemon->loop, &daemon->inwork, &daemon->outbox);
	daemon->reply.gone = on_result_gone;
	daemon->reply.context = daemon;
	script_keep_init(&daemon->scripts, config, &daemon->reply);
	struct connection_host *host = &daemon->host;
	host->loop = &daemon->loop;
	host->rpc = &daemon->rpc;
	host->inwork = &daemon->inwork;
	host->outbox = &daemon->outbox;
	set_bounds(daemon, config);
	list_init(&host->open);
	share_table_init(&host->shares);
	host->gone = on_connection_gone;
	host->context = daemon;
	uv_signal_t *signals[] = {&daemon->sigterm, &daemon->sigint};
	const int numbers[] = {SIGTERM, SIGINT};
	for (size_t i = 0; i < 2; i++) {
		require(uv_signal_init(&daemon->loop, signals[i]) == 0);
		signals[i]->data = daemon;
		require(uv_signal_start(signals[i], on_signal, numbers[i]) == 0);
	}
	require(uv_timer_init(&daemon->loop, &daemon->linger) == 0);
	daemon->linger.data = daemon;
}

/* What others may ask of us: numbers over HTTP, records of use. */
static int
start_reports(struct daemon *daemon, const struct daemon_options *options, struct error *err)
{
	daemon->rpc.metrics = &daemon->metrics;
	if (options->usage_fd >= 0) {
		int rc = usage_log_new(options->usage_fd, options->usage_old_fd,
				       config_number(daemon->config, usage_log_bytes_max),
				       &daemon->usage_log, err);
		if (rc != 0) {
			int metrics_fd = options->metrics_fd;
			base_close(&metrics_fd);
			return rc;
		}
		daemon->rpc.usage_log = daemon->usage_log;
	}
	return scrape_open(&daemon->scrape, &daemon->loop, &daemon->rpc, options->metrics_fd, err);
}

static int
start_outside(struct daemon *daemon, const struct daemon_options *options, struct error *err)
{
	struct engine_callbacks callbacks = {.result = on_result,
					     .output = on_output,
					     .trace = on_trace,
					     .progress = on_progress,
					     .started = on_started,
					     .draining = on_draining,
					     .ready = on_ready,
					     .drained = on_drained,
					     .ended = on_ended,
					     .event = on_event,
					     .told = on_told,
					     .makes_way = on_makes_way,
					     .config = on_config,
					     .fatal = on_fatal,
					     .context = daemon};
	struct durable_setup setup = {.loop = &daemon->loop,
				      /* The first, which stays: its settings are no reload's. */
				      .config = daemon->config,
				      .tenants = &daemon->tenants,
				      .marks = &daemon->rpc.marks,
				      .inwork = &daemon->inwork,
				      .reply = &daemon->reply,
				      .scripts = &daemon->scripts,
				      .idle = on_idle,
				      .context = daemon};
	int rc = tenant_table_new(daemon->config, &daemon->tenants, err);
	if (rc == 0)
		daemon->config = tenant_table_config(daemon->tenants);
	if (rc == 0)
		rc = rpc_init(&daemon->rpc, daemon->config, &daemon->inwork, &daemon->outbox,
			      &daemon->loop, err);
	if (rc == 0)
		rc = start_reports(daemon, options, err);
	if (rc == 0)
		rc = durable_new(&setup, options->state_fd, &daemon->durable, err);
	if (rc == 0)
		rc = engine_new(&daemon->loop, daemon->config, options->spawner_fd, &callbacks,
				&daemon->engine, err);
	if (rc != 0) {
		int listen_fd = options->listen_fd;
		base_close(&listen_fd);
		return rc;
	}
	daemon->rpc.engine = daemon->engine;
	daemon->rpc.durable = daemon->durable;
	daemon->rpc.scripts = &daemon->scripts;
	script_keep_start(&daemon->scripts, durable_store(daemon->durable), on_idle, daemon);
	durable_start(daemon->durable, daemon->engine);
	daemon->rpc.tenants = daemon->tenants;
	return listener_open(&daemon->listener, &daemon->host, options->listen_fd,
			     config_number(daemon->config, connections_max), err);
}

/* Close everything, outermost first, and let the loop run until it is so. */
static void
shut_down(struct daemon *daemon)
{
	daemon->state = DAEMON_STOPPED;
	listener_close(&daemon->listener);
	scrape_close(&daemon->scrape);
	outbox_close(&daemon->outbox);
	uv_close((uv_handle_t *)&daemon->sigterm, NULL);
	uv_close((uv_handle_t *)&daemon->sigint, NULL);
	uv_close((uv_handle_t *)&daemon->linger, NULL);
	engine_close(&daemon->engine);
	durable_close(&daemon->durable);
	(void)uv_run(&daemon->loop, UV_RUN_DEFAULT);
	if (check_failed(uv_loop_close(&daemon->loop) == 0))
		return;
	script_keep_deinit(&daemon->scripts);
	outbox_deinit(&daemon->outbox);
	inwork_deinit(&daemon->inwork);
	share_table_deinit(&daemon->host.shares);
	tenant_table_release(&daemon->tenants);
	usage_log_free(&daemon->usage_log);
	metrics_deinit(&daemon->metrics);
}

int
daemon_run(const struct config *config, const struct daemon_options *options, struct error *err)
{
	struct daemon daemon;
	memset(&daemon, 0, sizeof(daemon));
	daemon.config = config;
	int rc = uv_loop_init(&daemon.loop);
	if (rc != 0)
		return error_set(err, ERROR_SYSTEM, "event loop: %s", uv_strerror(rc));
	start_stages(&daemon);
	rc = start_outside(&daemon, options, err);
	if (rc == 0) {
		(void)uv_run(&daemon.loop, UV_RUN_DEFAULT);
		if (daemon.failure.code != 0) {
			rc = daemon.failure.code;
			if (err != NULL)
				*err = daemon.failure;
		}
	}
	shut_down(&daemon);
	return rc;
}
