/*
 * stint-spawner: the service's main process and the only one that keeps root.
 *
 * Theory of operation. At start it makes everything that needs a right or a path: listening socket,
 * control groups, guardian, read-only tree; each path is followed once. Then it starts stintd, and
 * on stintd's request zygotes, and sits in poll() on their pidfds, the spawner link and a signalfd.
 * It reads no byte of a client and no byte of a tenant; of stintd it takes the fixed-size messages
 * of spawner_monitor.c. When stintd dies, all generations end and stintd is started anew; when a
 * zygote dies, stintd is told. SIGTERM and SIGINT drain; a second one ends at once. SIGHUP has the
 * configuration read again. If this process
 * dies without saying so, the guardian cleans up.
 *
 * Exit status: 0 after an orderly end, 1 when the service could not be started, 2 for a wrong
 * command line or configuration.
 */
#define _GNU_SOURCE
#include "protocol/base_assert.h"
#include "protocol/base_clock.h"
#include "protocol/base_log.h"
#include "protocol/base_sys.h"
#include "protocol/isolation.h"
#include "worker/cgroup_remove.h"
#include "worker/spawner_config.h"
#include "worker/spawner_daemon.h"
#include "worker/spawner_exec.h"
#include "worker/spawner_guardian.h"
#include "worker/spawner_metrics.h"
#include "worker/spawner_monitor.h"
#include "worker/spawner_options.h"
#include "worker/spawner_preflight.h"
#include "worker/spawner_reload.h"
#include "worker/spawner_root.h"
#include "worker/spawner_rootless.h"
#include "worker/spawner_silence.h"
#include "worker/spawner_state.h"
#include "worker/spawner_zygote.h"
#include "worker/zygote_args.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef UV_VERSION_MAJOR
#error "the spawner does without libuv"
#endif
#if defined(JANSSON_VERSION) || defined(PY_VERSION)
#error "the spawner does without jansson and CPython"
#endif

#define SPAWNER_MAIN_EXIT_FAILED 1
#define SPAWNER_MAIN_EXIT_USAGE  2
#define SPAWNER_MAIN_ENDING_MS   5000 /* for the kernel to finish with what was killed */

enum {
	POLL_SIGNAL,
	POLL_GUARDIAN,
	POLL_DAEMON,
	POLL_LINK,
	POLL_GENERATION,
	POLL_COUNT = POLL_GENERATION + SPAWNER_GENERATIONS_MAX
};

static int
spawner_main_signals(int *ret_fd, struct error *err)
{
	sigset_t set;
	int fd;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return error_errno(err, "cannot block signals");
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return error_errno(err, "cannot make a signalfd");
	*ret_fd = fd;
	return 0;
}

/* Control groups, and the guardian that sees to their end. */
static int
spawner_main_groups(struct spawner *spawner, struct error *err)
{
	const char *parent = config_text(&spawner->config, cgroup_parent);
	struct error why = ERROR_INIT;
	int rc = spawner->rootless ? cgroup_find_delegated(parent, &spawner->trees, err)
				   : cgroup_find(parent, &spawner->trees, err);

	if (rc == 0)
		rc = spawner_guardian_start(spawner, err);
	if (rc < 0)
		return rc;
	rc = cgroup_tree_open(&spawner->trees, spawner->guardian_pid,
			      config_number(&spawner->config, service_memory_max),
			      spawner->rootless ? &why : err);
	if (rc < 0)
		cgroup_find_close(&spawner->trees);
	for (size_t i = 0; i < spawner->trees.count; i++)
		if (spawner->trees.trees[i].fell_back)
			log_warning("spawner",
				    "the control group of this process holds others or has no "
				    "controllers to hand down: using the root's (remedy: run as a "
				    "systemd service with Delegate=yes, or set cgroup_parent)");
	if (rc < 0 && spawner->rootless) {
		log_warning("spawner", "no control groups: %s", why.text);
		return 0;
	}
	return rc;
}

/* Everything that is made once. On error the caller undoes what is there. */
static int
spawner_main_prepare(struct spawner *spawner, struct spawner_options *options, struct error *err)
{
	const char *keep[] = {options->stintd, options->zygote, SPAWNER_ROOT_STDLIB,
			      SPAWNER_ROOT_ZONEINFO,
			      options->config_path ? options->config_path : options->stintd};
	bool fallback;
	int rc = spawner_preflight(&spawner->config, spawner->rootless, err);

	if (rc == 0)
		rc = spawner->rootless
			 ? spawner_rootless_account(&spawner->uid, &spawner->gid, &fallback)
			 : spawner_daemon_account(&spawner->config, &spawner->uid, &spawner->gid,
						  &fallback, err);
	if (rc == 0)
		rc = spawner_options_open(spawner, options, err);
	if (rc == 0 && fallback)
		log_info("spawner", "there is no account \"stint\": stintd runs as uid %u",
			 (unsigned)spawner->uid);
	if (rc == 0)
		rc = spawner_socket_open(&spawner->config, spawner->gid, &spawner->socket, err);
	if (rc == 0)
		rc = spawner_state_open(&spawner->config, spawner->uid, spawner->gid,
					&spawner->state_fd, err);
	if (rc == 0)
		rc = spawner_metrics_open(&spawner->config, &spawner->metrics, err);
	if (rc == 0)
		rc = spawner_usage_open(&spawner->config, spawner->gid, &spawner->usage, err);
	if (rc == 0)
		rc = spawner_main_groups(spawner, err);
	if (rc == 0 && spawner->rootless)
		rc = spawner_rootless_enter(spawner, err);
	if (rc == 0)
		rc = spawner_root_make(keep, sizeof(keep) / sizeof(keep[0]), spawner->rootless,
				       &spawner->root, err);
	return rc;
}

/* Undo spawner_main_prepare, however far it came. */
static void
spawner_main_undo(struct spawner *spawner)
{
	struct error err = ERROR_INIT;

	spawner_guardian_stop(spawner);
	if (spawner->trees.count > 0) {
		cgroup_tree_leave(&spawner->trees, true);
		if (cgroup_remove(&spawner->trees, NULL, UINT_MAX, &err) < 0)
			log_warning("spawner", "%s", err.text);
		cgroup_find_close(&spawner->trees);
	}
	spawner_socket_unlink(&spawner->socket);
	base_close(&spawner->socket.fd);
	base_close(&spawner->socket.dir_fd);
	base_close(&spawner->state_fd);
	spawner_socket_unlink(&spawner->metrics);
	base_close(&spawner->metrics.fd);
	base_close(&spawner->metrics.dir_fd);
	spawner_usage_close(&spawner->usage);
	base_close(&spawner->zygote_fd);
	base_close(&spawner->stintd_fd);
}

static void
spawner_main_signal(struct spawner *spawner, const struct spawner_options *options, int signal_fd)
{
	struct signalfd_siginfo info;

	if (read(signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP)
		spawner_reload(spawner, options);
	else
		spawner_daemon_drain(spawner, clock_now_ns(&CLOCK_SYSTEM));
}

static const char *
spawner_main_how(int status, char *ret, size_t size)
{
	if (WIFSIGNALED(status))
		(void)snprintf(ret, size, "was killed by signal %d", WTERMSIG(status));
	else
		(void)snprintf(ret, size, "ended with status %d", WEXITSTATUS(status));
	return ret;
}

/* The first zygote could not be set up, which the settings are to blame for, or the machine: a
 * further attempt would end as this one. Later it may be short of memory; then stintd tries on. */
static bool
spawner_main_is_hopeless(const struct spawner *spawner, int status)
{
	return !spawner->daemon.backoff.ever_ready && !spawner->stopping &&
	       spawner->daemon.state == SPAWNER_DAEMON_STARTING && WIFEXITED(status) &&
	       WEXITSTATUS(status) == ZYGOTE_ARGS_EXIT_SETUP;
}

/* Reap what has ended. False: the service cannot go on. */
static bool
spawner_main_reap(struct spawner *spawner)
{
	char how[48];
	bool refused;
	int status;

	for (size_t i = 0; i < SPAWNER_GENERATIONS_MAX; i++) {
		struct spawner_generation *generation = &spawner->generations[i];
		uint64_t number = generation->number;

		if (number == 0 || !spawner_exec_reap(&generation->pidfd, &status))
			continue;
		log_info("spawner", "generation %" PRIu64 ": the zygote %s", number,
			 spawner_main_how(status, how, sizeof(how)));
		if (spawner_main_is_hopeless(spawner, status)) {
			log_error("spawner", "cannot start: no zygote can be set up; its own line "
					     "says why (remedy: see the setting preload)");
			return false;
		}
		spawner_zygote_ended(spawner, generation);
		spawner_monitor_generation_ended(spawner, number, status);
	}
	if (!spawner_exec_reap(&spawner->daemon.pidfd, &status))
		return true;
	if (!spawner->stopping || status != 0)
		log_error("spawner", "stintd %s", spawner_main_how(status, how, sizeof(how)));
	spawner_monitor_read_last(spawner);
	/* It has said what this machine lacks: that does not change by itself. */
	refused = WIFEXITED(status) && WEXITSTATUS(status) == ISOLATION_EXIT_REFUSED &&
		  !spawner->daemon.backoff.ever_ready;
	return spawner_daemon_ended(spawner, clock_now_ns(&CLOCK_SYSTEM)) && !refused;
}

/* stintd runs and has not become ready in time; its link is closed when it was condemned for it. */
static bool
spawner_main_is_late(const struct spawner *spawner, uint64_t now_ns)
{
	return !spawner->stopping && spawner->daemon.state == SPAWNER_DAEMON_STARTING &&
	       spawner->daemon.link_fd >= 0 && now_ns >= spawner->daemon.due_ns;
}

/* Start what is due. False: give up. */
static bool
spawner_main_start_due(struct spawner *spawner, uint64_t now_ns)
{
	struct error err = ERROR_INIT;
	int status;

	if (spawner_exec_reap(&spawner->guardian_pidfd, &status)) {
		base_close(&spawner->guardian_fd);
		log_warning("spawner", "the guardian died: starting another");
		/* Without one the service still works: say so, and go on. */
		if (spawner_guardian_start(spawner, &err) < 0)
			log_error("spawner", "no guardian: %s", err.text);
	}
	if (spawner_main_is_late(spawner, now_ns)) {
		if (!spawner->daemon.backoff.ever_ready) {
			log_error("spawner",
				  "cannot start: stintd is not ready after %" PRIu64
				  " s (remedy: see its log lines, or set start_time_max)",
				  config_number(&spawner->config, start_time_max) / 1000);
			return false;
		}
		spawner_daemon_condemn(spawner, "it does not become ready");
	}
	spawner_silence_check(spawner, now_ns);
	if (spawner->stopping || spawner->daemon.state != SPAWNER_DAEMON_DOWN ||
	    now_ns < spawner->daemon.due_ns || spawner_zygote_live(spawner) > 0)
		return true;
	if (spawner_daemon_start(spawner, &err) == 0)
		return true;
	log_error("spawner", "%s", err.text);
	return spawner_daemon_ended(spawner, now_ns);
}

/* Milliseconds until something is due without an event, or -1. */
static int
spawner_main_timeout(const struct spawner *spawner, uint64_t now_ns)
{
	uint64_t due_ns;

	if (spawner->stopping)
		due_ns = spawner->stop_ns +
			 (now_ns < spawner->stop_ns ? 0 : SPAWNER_MAIN_ENDING_MS * NS_PER_MS);
	else if ((spawner->daemon.state == SPAWNER_DAEMON_DOWN &&
		  spawner_zygote_live(spawner) == 0) ||
		 (spawner->daemon.state == SPAWNER_DAEMON_STARTING && spawner->daemon.link_fd >= 0))
		due_ns = spawner->daemon.due_ns;
	else if (spawner->daemon.leave_ns != 0)
		due_ns = spawner->daemon.leave_ns;
	else if (spawner_silence_is_counted(spawner))
		due_ns = spawner->daemon.silence_ns;
	else
		return -1;
	return due_ns <= now_ns ? 0 : (int)((due_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS);
}

/* True when an ordered stop is complete; kills when patience is at its end. */
static bool
spawner_main_stopped(struct spawner *spawner, uint64_t now_ns)
{
	if (!spawner->stopping)
		return false;
	if (now_ns >= spawner->stop_ns) {
		spawner_exec_kill(spawner->daemon.pidfd);
		spawner_zygote_kill_all(spawner);
		if (now_ns >= spawner->stop_ns + SPAWNER_MAIN_ENDING_MS * NS_PER_MS)
			return true;
	}
	return spawner->daemon.state == SPAWNER_DAEMON_DOWN && spawner_zygote_live(spawner) == 0;
}

/* The main loop. Returns when the service has stopped; false: it could not be kept up. */
static bool
spawner_main_run(struct spawner *spawner, const struct spawner_options *options, int signal_fd)
{
	for (;;) {
		struct pollfd polls[POLL_COUNT];
		uint64_t now_ns = clock_now_ns(&CLOCK_SYSTEM);

		if (!spawner_main_start_due(spawner, now_ns))
			return false;
		if (spawner_main_stopped(spawner, now_ns))
			return true;
		polls[POLL_SIGNAL] = (struct pollfd){signal_fd, POLLIN, 0};
		polls[POLL_GUARDIAN] = (struct pollfd){spawner->guardian_pidfd, POLLIN, 0};
		polls[POLL_DAEMON] = (struct pollfd){spawner->daemon.pidfd, POLLIN, 0};
		polls[POLL_LINK] = (struct pollfd){spawner->daemon.link_fd, POLLIN, 0};
		for (int i = 0; i < SPAWNER_GENERATIONS_MAX; i++)
			polls[POLL_GENERATION + i] =
			    (struct pollfd){spawner->generations[i].pidfd, POLLIN, 0};
		if (poll(polls, POLL_COUNT, spawner_main_timeout(spawner, now_ns)) < 0 &&
		    errno != EINTR) {
			log_error("spawner", "poll: %s", strerror(errno));
			return false;
		}
		if (polls[POLL_SIGNAL].revents)
			spawner_main_signal(spawner, options, signal_fd);
		if (!spawner_main_reap(spawner))
			return false;
		/* Only if it is still the link that was polled. */
		if (polls[POLL_LINK].revents && polls[POLL_LINK].fd == spawner->daemon.link_fd)
			spawner_monitor_read(spawner);
	}
}

/* Descriptors 0 to 2 exist, so that none of ours takes their place. */
static bool
spawner_main_standard(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return false;
	(void)close(fd);
	/* Directories are made that other accounts must be able to pass, whatever the caller's. */
	(void)umask(022);
	return true;
}

/* Nothing of the service is to outlive us. */
static void
spawner_main_give_up(struct spawner *spawner)
{
	log_error("spawner", "giving up: the service never became ready");
	base_close(&spawner->daemon.link_fd);
	spawner_exec_kill(spawner->daemon.pidfd);
	spawner_zygote_kill_all(spawner);
}

static int
spawner_main_serve(struct spawner *spawner, struct spawner_options *options)
{
	struct error err = ERROR_INIT;
	int signal_fd = -1;
	bool orderly = false;

	if (spawner_rootless_choose(spawner, &err) < 0) {
		(void)fprintf(stderr, "stint-spawner: %s\n", err.text);
		return SPAWNER_MAIN_EXIT_FAILED;
	}
	if (spawner_config_seal(&spawner->config, spawner_options_config_name(options),
				spawner->rootless, &spawner->config_fd, &err) < 0 ||
	    spawner_main_signals(&signal_fd, &err) < 0 ||
	    spawner_main_prepare(spawner, options, &err) < 0) {
		log_error("spawner", "cannot start: %s", err.text);
	} else {
		orderly = spawner_main_run(spawner, options, signal_fd);
		if (!orderly)
			spawner_main_give_up(spawner);
	}
	cgroup_remove_children(&spawner->trees, true);
	spawner_main_undo(spawner);
	base_close(&signal_fd);
	return orderly ? 0 : SPAWNER_MAIN_EXIT_FAILED;
}

/* Names of accounts are looked up too, as at a start. */
static int
spawner_main_check(struct spawner *spawner, const struct spawner_options *options)
{
	struct error err = ERROR_INIT;

	if (spawner_config_seal(&spawner->config, spawner_options_config_name(options), false,
				&spawner->config_fd, &err) < 0) {
		(void)fprintf(stderr, "%s\n", err.text);
		return SPAWNER_MAIN_EXIT_USAGE;
	}
	(void)puts("configuration is valid");
	return 0;
}

int
main(int argc, char **argv)
{
	static struct spawner spawner = {
	    .config_fd = -1,
	    .stintd_fd = -1,
	    .zygote_fd = -1,
	    .state_fd = -1,
	    .guardian_fd = -1,
	    .guardian_pidfd = -1,
	    .socket = {.fd = -1, .dir_fd = -1},
	    .metrics = {.fd = -1, .dir_fd = -1},
	    .usage = {-1, -1},
	    .daemon = {.state = SPAWNER_DAEMON_DOWN, .pidfd = -1, .link_fd = -1},
	    .generations = {{.pidfd = -1}, {.pidfd = -1}},
	};
	static struct spawner_options options;
	struct error err = ERROR_INIT;
	int status = 0;

	if (!spawner_main_standard()) {
		(void)fprintf(stderr, "stint-spawner: cannot open /dev/null: %s\n",
			      strerror(errno));
		return SPAWNER_MAIN_EXIT_FAILED;
	}
	base_log_init("stint-spawner", LOG_LEVEL_INFO);
	config_init(&spawner.config);
	spawner_backoff_init(&spawner.daemon.backoff);
	if (spawner_options_read(argc, argv, &spawner, &options, &err) < 0) {
		(void)fprintf(stderr, "%s\n", err.text);
		status = SPAWNER_MAIN_EXIT_USAGE;
	} else if (options.action == SPAWNER_OPTIONS_CHECK) {
		status = spawner_main_check(&spawner, &options);
	} else if (options.action == SPAWNER_OPTIONS_PRINT) {
		config_print(&spawner.config, STDOUT_FILENO);
	} else if (options.action == SPAWNER_OPTIONS_SERVE) {
		base_log_init("stint-spawner",
			      (enum log_level)config_number(&spawner.config, log_level));
		status = spawner_main_serve(&spawner, &options);
	}
	base_close(&spawner.config_fd);
	config_deinit(&spawner.config);
	return status;
}
