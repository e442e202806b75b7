/*
 * Starts stintd with nothing but the listening sockets, the spawner link, its configuration and the
 * descriptors of the state directory and the usage records, as an account without privileges, and
 * restarts it with the policy of spawner_backoff.c.
 *
 * A stintd that ends takes every generation with it: a new one begins with a clean slate. Its extra
 * groups are the first gid of each uid range, so that it can open a leaf's files to that range's
 * zygote, and nothing else.
 *
 * Called by spawner_main.c and spawner_monitor.c. Failures are errors for the caller to log.
 */
#define _GNU_SOURCE
#include "worker/spawner_daemon.h"

#include "protocol/base_assert.h"
#include "protocol/base_log.h"
#include "protocol/base_clock.h"
#include "protocol/base_sys.h"
#include "protocol/message.h"
#include "worker/cgroup_remove.h"
#include "worker/spawner_exec.h"
#include "worker/spawner_zygote.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define SPAWNER_DAEMON_ARGS_MAX 16
#define SPAWNER_DAEMON_FDS_MAX  7
#define SPAWNER_DAEMON_ACCOUNT  "stint"

int
spawner_daemon_account(const struct config *config, uid_t *ret_uid, gid_t *ret_gid,
		       bool *ret_fallback, struct error *err)
{
	uint64_t base = config_number(config, uid_base);
	uint64_t end = base + SPAWNER_GENERATIONS_MAX * config_number(config, uid_count);
	const char *name = config_text(config, user);
	const struct passwd *entry = getpwnam(name);
	unsigned long number = 0;
	bool fallback = false;
	char *rest;

	if (!entry) {
		errno = 0;
		number = strtoul(name, &rest, 10);
		fallback = strcmp(name, SPAWNER_DAEMON_ACCOUNT) == 0;
		if (fallback)
			number = (unsigned long)base - 1;
		else if (*rest != '\0' || errno != 0 || *name == '-' || number >= UINT32_MAX)
			return error_set(
			    err, ERROR_NOT_FOUND,
			    "user: no account is named \"%s\" (remedy: adduser --system "
			    "--group %s)",
			    name, name);
		entry = fallback ? NULL : getpwuid((uid_t)number);
	}
	if (entry)
		number = entry->pw_uid;
	if (number == 0 || (number >= base && number < end))
		return error_set(
		    err, ERROR_INVALID,
		    "user: \"%s\" is %s; stintd needs an unprivileged account of its own", name,
		    number == 0 ? "root" : "in the range of the workers");
	*ret_uid = (uid_t)number;
	*ret_gid = entry ? entry->pw_gid : (gid_t)number;
	*ret_fallback = fallback;
	return 0;
}

/* The descriptors that not every stintd gets: each with the option that names its number. */
static void
spawner_daemon_options(const struct spawner *spawner, struct spawner_exec *plan, int *fds,
		       const char **argv, size_t *argc)
{
	static const char *const NUMBERS[SPAWNER_DAEMON_FDS_MAX] = {"3", "4", "5", "6",
								    "7", "8", "9"};
	const struct {
		const char *option;
		int fd;
	} optional[] = {
	    {"--config-fd", spawner->config_fd}, {"--metrics-fd", spawner->metrics.fd},
	    {"--usage-fd", spawner->usage.fd},   {"--usage-old-fd", spawner->usage.old_fd},
	    {"--state-fd", spawner->state_fd},
	};

	for (size_t i = 0; i < sizeof(optional) / sizeof(optional[0]); i++) {
		if (optional[i].fd < 0)
			continue;
		argv[(*argc)++] = optional[i].option;
		argv[(*argc)++] = NUMBERS[plan->fd_count];
		fds[plan->fd_count++] = optional[i].fd;
	}
}

static int
spawner_daemon_launch(struct spawner *spawner, int link_fd, int *ret_pidfd, struct error *err)
{
	uint32_t base = (uint32_t)config_number(&spawner->config, uid_base);
	gid_t groups[SPAWNER_GENERATIONS_MAX];
	int fds[SPAWNER_DAEMON_FDS_MAX] = {spawner->socket.fd, link_fd};
	const char *argv[SPAWNER_DAEMON_ARGS_MAX] = {"stintd", "--listen-fd", "3", "--spawner-fd",
						     "4"};
	int tasks[CGROUP_DIRS_MAX], into = -1, rc;
	size_t argc = 5;
	pid_t pid;
	struct spawner_exec plan = {
	    .argv = argv,
	    .program_fd = spawner->stintd_fd,
	    .fds = fds,
	    .fd_count = 2,
	    .tasks = tasks,
	    .uid = spawner->uid,
	    .gid = spawner->gid,
	    .groups = groups,
	    .group_count = SPAWNER_GENERATIONS_MAX,
	    .keep_groups = spawner->rootless,
	    .no_new_privs = true,
	    .files_max = true,
	};

	for (size_t i = 0; i < SPAWNER_GENERATIONS_MAX; i++)
		groups[i] = base + (gid_t)i * (gid_t)config_number(&spawner->config, uid_count);
	spawner_daemon_options(spawner, &plan, fds, argv, &argc);
	require(argc < SPAWNER_DAEMON_ARGS_MAX);
	rc = cgroup_tree_entrance(&spawner->trees, CGROUP_TREE_DAEMON, &into, tasks,
				  &plan.task_count, err);
	plan.cgroup_fd = into;
	if (rc == 0)
		rc = spawner_exec_start(&plan, &pid, ret_pidfd, err);
	while (plan.task_count > 0)
		base_close(&tasks[--plan.task_count]);
	base_close(&into);
	return rc;
}

int
spawner_daemon_start(struct spawner *spawner, struct error *err)
{
	struct spawner_daemon *daemon = &spawner->daemon;
	int link[2], rc;

	require(daemon->state == SPAWNER_DAEMON_DOWN && spawner_zygote_live(spawner) == 0);
	/* What an earlier one has left behind, if it did: nobody can add to it any more. */
	cgroup_remove_children(&spawner->trees, false);
	rc = base_socketpair(link, err);
	if (rc < 0)
		return rc;
	rc = spawner_daemon_launch(spawner, link[1], &daemon->pidfd, err);
	base_close(&link[1]);
	if (rc < 0) {
		base_close(&link[0]);
		return rc;
	}
	daemon->link_fd = link[0];
	daemon->state = SPAWNER_DAEMON_STARTING;
	daemon->seen = 0;
	daemon->rate = (struct spawner_rate){0};
	daemon->due_ns = clock_now_ns(&CLOCK_SYSTEM) +
			 config_number(&spawner->config, start_time_max) * NS_PER_MS;
	spawner->generation_last = 0;
	return 0;
}

void
spawner_daemon_drain(struct spawner *spawner, uint64_t now_ns)
{
	struct spawner_daemon *daemon = &spawner->daemon;
	struct error err = ERROR_INIT;
	struct message message;
	int rc;

	if (spawner->stopping) {
		log_info("spawner", "second signal: stopping at once");
		spawner->stop_ns = now_ns;
		return;
	}
	spawner->stopping = true;
	spawner->stop_ns = now_ns + SPAWNER_GRACE_MS * NS_PER_MS;
	spawner_socket_notify("STOPPING=1");
	log_info("spawner", "stopping: running jobs have %u s to end", SPAWNER_GRACE_MS / 1000);
	if (daemon->state == SPAWNER_DAEMON_DOWN)
		return;
	message_init(&message, MESSAGE_DRAIN);
	rc = daemon->link_fd < 0 ? error_set(&err, ERROR_CLOSED, "it has no link any more")
				 : base_send_fds(daemon->link_fd, &message, sizeof(message), NULL,
						 0, MSG_DONTWAIT, &err);
	if (rc < 0)
		spawner_daemon_condemn(spawner, err.text);
	else
		daemon->state = SPAWNER_DAEMON_DRAINING;
}

void
spawner_daemon_condemn(struct spawner *spawner, const char *reason)
{
	log_error("spawner", "ending stintd: %s", reason);
	/* Nothing more is heard from it. */
	base_close(&spawner->daemon.link_fd);
	spawner->daemon.leave_ns = 0;
	spawner_exec_kill(spawner->daemon.pidfd);
}

bool
spawner_daemon_ended(struct spawner *spawner, uint64_t now_ns)
{
	struct spawner_daemon *daemon = &spawner->daemon;
	uint64_t delay_ns;

	base_close(&daemon->link_fd);
	base_close(&daemon->pidfd);
	daemon->leave_ns = 0;
	daemon->state = SPAWNER_DAEMON_DOWN;
	spawner_zygote_kill_all(spawner);
	if (spawner->stopping)
		return true;
	if (!spawner_backoff_ended(&daemon->backoff, now_ns, &delay_ns))
		return false;
	daemon->due_ns = now_ns + delay_ns;
	return true;
}
