/*
 * The loop of the zygote: one message or one batch of deaths at a time, no state but the table of
 * children.
 *
 * The link's other end is stintd, which may be taken over by a client one day: so each message is
 * checked as if it was, and whatever breaks a rule ends this process. Reports are sent blocking; a
 * stintd that does not read them stops its own forks only, since kills do not go through here.
 * Never reads a tenant's byte: descriptors that come with a fork are passed on and closed.
 */
#define _GNU_SOURCE
#include "worker/zygote_loop.h"

#include "protocol/base_log.h"
#include "protocol/base_sys.h"
#include "worker/scratch.h"
#include "worker/worker_main.h"
#include "worker/zygote_args.h"
#include "worker/zygote_table.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define UID_MAX  65535u /* ids of a generation's user namespace: the setting uid_count */

struct loop {
	const struct zygote_loop *settings; /* borrowed */
	struct zygote_table table;
	bool orphan; /* one was reported */
};

static int
breach(struct error *err, const char *what, unsigned long long number)
{
	return error_set(err, ERROR_INVALID, "link: %s (%llu)", what, number);
}

static int
send_message(struct loop *loop, const struct message *message, const int *fd, struct error *err)
{
	return base_send_fds(loop->settings->link_fd, message, sizeof(*message), fd, fd ? 1 : 0, 0,
			     err);
}

/* The sizes are of the class, and within what any job may ask for; where none may, there is none.
 */
static bool
check_scratch(const struct loop *loop, const struct message_fork *request)
{
	if (request->class == WORKER_CLASS_PLAIN)
		return request->scratch_bytes == 0 && request->scratch_files == 0;
	return loop->settings->scratch && request->scratch_bytes > 0 &&
	       request->scratch_bytes <= LIMITS[LIMIT_scratch_bytes].max &&
	       request->scratch_files >= LIMITS[LIMIT_scratch_files].min &&
	       request->scratch_files <= LIMITS[LIMIT_scratch_files].max;
}

static uint64_t
leaf_of(const struct message_fork *request)
{
	return request->leaf != 0 ? request->leaf : request->serial;
}

static int
check_fork(struct loop *loop, const struct message_fork *request, size_t fd_count,
	   struct error *err)
{
	if (fd_count != FORK_FD_COUNT)
		return breach(err, "FORK with a wrong number of descriptors", fd_count);
	if (request->class >= WORKER_CLASS_COUNT)
		return breach(err, "FORK of an unknown class", request->class);
	if (request->uid == 0 || request->uid > UID_MAX)
		return breach(err, "FORK with an id out of range", request->uid);
	if (!check_scratch(loop, request))
		return breach(err, "FORK with a scratch directory that its class has not",
			      request->scratch_bytes);
	if (loop->settings->shared_account && request->uid != ZYGOTE_ARGS_SHARED_UID)
		return breach(err, "FORK with an id that is not the shared one", request->uid);
	if (!zygote_table_allows(&loop->table, request->serial,
				 loop->settings->shared_account ? ZYGOTE_TABLE_ANY : request->uid))
		return breach(err, "FORK of a serial or an id that is in use", request->serial);
	if (leaf_of(request) > request->serial ||
	    zygote_table_has_leaf(&loop->table, leaf_of(request)))
		return breach(err, "FORK into a leaf that is in use, or not made", request->leaf);
	return 0;
}

/* fds: borrowed; the caller closes them. */
static int
handle_fork(struct loop *loop, const struct message_fork *request, const int *fds,
	    struct error *err)
{
	struct sandbox sandbox = {.serial = request->serial,
				  .leaf = leaf_of(request),
				  .uid = request->uid,
				  .scratch_bytes = request->scratch_bytes,
				  .scratch_files = request->scratch_files,
				  .writable = request->scratch_bytes > 0 ? SCRATCH_PATH : NULL,
				  .landlock = loop->settings->landlock,
				  .slice = &loop->settings->slice,
				  .shared_account = loop->settings->shared_account,
				  .mdwe = loop->settings->mdwe,
				  .pinning = loop->settings->pinning,
				  .baseline_data_bytes = loop->settings->baseline_data_bytes,
				  .baseline_size_bytes = loop->settings->baseline_size_bytes};
	autoclose int pidfd = -1;
	struct message answer;
	pid_t pid = -EAGAIN;

	for (unsigned i = 0; i < FORK_FD_COUNT; i++)
		sandbox.fds[i] = fds[i];
	zygote_table_use(&loop->table, request->serial);
	if (!zygote_table_is_full(&loop->table))
		pid = zygote_fork_make(&loop->settings->fork, &sandbox, worker_main, &pidfd);
	message_init(&answer, MESSAGE_FORKED);
	answer.body.forked.serial = request->serial;
	if (pid < 0) {
		answer.body.forked.error = -pid;
		return send_message(loop, &answer, NULL, err);
	}
	zygote_table_add(&loop->table, pid, request->serial, request->uid, leaf_of(request));
	answer.body.forked.pid = (uint32_t)pid;
	return send_message(loop, &answer, &pidfd, err);
}

/* A serial that is not there died a moment ago; its number is not used again. */
static int
handle_kill(struct loop *loop, const struct message_worker *request, struct error *err)
{
	struct zygote_child *child = zygote_table_find_serial(&loop->table, request->serial);

	if (request->serial > loop->table.last_serial)
		return breach(err, "KILL of a serial that was never used", request->serial);
	if (child && kill(child->pid, SIGKILL) < 0)
		return error_errno(err, "kill of worker %llu", (unsigned long long)request->serial);
	return 0;
}

static int
handle_message(struct loop *loop, const struct message *message, const int *fds, size_t fd_count,
	       struct error *err)
{
	int result;

	if (message->version != MESSAGE_VERSION)
		return breach(err, "message of a wrong version", message->version);
	switch (message->type) {
	case MESSAGE_FORK:
		result = check_fork(loop, &message->body.fork, fd_count, err);
		return result < 0 ? result : handle_fork(loop, &message->body.fork, fds, err);
	case MESSAGE_KILL:
		if (fd_count != 0)
			return breach(err, "KILL with descriptors", fd_count);
		return handle_kill(loop, &message->body.worker, err);
	default:
		return breach(err, "message of an unknown type", message->type);
	}
}

static int
receive_message(struct loop *loop, struct error *err)
{
	struct message message;
	int fds[FORK_FD_COUNT];
	size_t size, fd_count;
	int result;

	result = base_recv_fds(loop->settings->link_fd, &message, sizeof(message), &size, fds,
			       FORK_FD_COUNT, &fd_count, NULL, 0, err);
	if (result < 0)
		return result;
	if (size != sizeof(message))
		result = breach(err, "message of a wrong size", size);
	else
		result = handle_message(loop, &message, fds, fd_count, err);
	while (fd_count > 0)
		base_close(&fds[--fd_count]);
	return result;
}

static uint64_t
microseconds(struct timeval time)
{
	return (uint64_t)time.tv_sec * 1000000u + (uint64_t)time.tv_usec;
}

/*
 * No worker can fork under its filters: whose child this was is not known, only that a layer of
 * this generation failed. It died with its job's control group, or by itself. Told once: the
 * generation is replaced, and the other tenants' jobs may end first.
 */
static int
report_orphan(struct loop *loop, pid_t pid, struct error *err)
{
	struct message report;

	if (loop->orphan)
		return 0;
	loop->orphan = true;
	log_error("zygote", "reaped pid %d, which is no worker: a layer does not hold", (int)pid);
	message_init(&report, MESSAGE_ORPHAN);
	return send_message(loop, &report, NULL, err);
}

/* Of the dead, or of one that is stopped for the first time. */
static int
report_child(struct loop *loop, pid_t pid, int status, const struct rusage *usage,
	     struct error *err)
{
	struct zygote_child *child = zygote_table_find_pid(&loop->table, pid);
	bool stopped = WIFSTOPPED(status);
	struct message_exited *exited;
	struct message report;

	if (stopped && (!child || child->stopped))
		return 0;
	if (!child)
		return report_orphan(loop, pid, err);
	message_init(&report, stopped ? MESSAGE_STOPPED : MESSAGE_EXITED);
	exited = &report.body.exited;
	exited->serial = child->serial;
	exited->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	exited->signal = WIFSIGNALED(status) ? WTERMSIG(status) : stopped ? WSTOPSIG(status) : 0;
	exited->user_us = microseconds(usage->ru_utime);
	exited->system_us = microseconds(usage->ru_stime);
	exited->max_rss_bytes = (uint64_t)usage->ru_maxrss * 1024u;
	exited->minor_faults = (uint64_t)usage->ru_minflt;
	exited->major_faults = (uint64_t)usage->ru_majflt;
	if (stopped)
		child->stopped = true;
	else
		zygote_table_remove(&loop->table, child);
	return send_message(loop, &report, NULL, err);
}

static int
reap_children(struct loop *loop, struct error *err)
{
	struct signalfd_siginfo info;
	struct rusage usage;
	int status;
	pid_t pid;

	if (read(loop->settings->signal_fd, &info, sizeof(info)) < 0 && errno != EAGAIN)
		return error_errno(err, "read of the signal descriptor");
	while ((pid = wait4(-1, &status, WNOHANG | WUNTRACED, &usage)) > 0) {
		int result = report_child(loop, pid, status, &usage, err);

		if (result < 0)
			return result;
	}
	return pid < 0 && errno != ECHILD ? error_errno(err, "wait4") : 0;
}

int
zygote_loop_run(const struct zygote_loop *settings, struct error *err)
{
	struct loop loop = {.settings = settings};
	struct pollfd polled[2] = {{.fd = settings->signal_fd, .events = POLLIN},
				   {.fd = settings->link_fd, .events = POLLIN}};
	int result = 0;

	while (result == 0) {
		if (poll(polled, 2, -1) < 0) {
			if (errno == EINTR)
				continue; /* what `revents` holds is of the last time */
			return error_errno(err, "poll");
		}
		if (polled[0].revents != 0)
			result = reap_children(&loop, err);
		if (result == 0 && polled[1].revents != 0)
			result = receive_message(&loop, err);
	}
	return result == ERROR_CLOSED ? 0 : result;
}
