/*
 * The whole privileged protocol: a table of four requests, a check and their handlers.
 *
 * The check is strict enough that a correct message is one of a kind: all bytes but the
 * generation's number are known beforehand and compared. It is pure and tested from a table. A
 * request never names a pid, a path or a descriptor, so a handler has nothing else to look at.
 *
 * A breach is not answered and not survived: stintd is killed and started anew with clean
 * generations. Called by the main loop in spawner_main.c.
 */
#define _GNU_SOURCE
#include "worker/spawner_monitor.h"

#include "protocol/base_clock.h"
#include "protocol/base_log.h"
#include "protocol/base_sys.h"
#include "worker/spawner_daemon.h"
#include "worker/spawner_silence.h"
#include "worker/spawner_zygote.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define SPAWNER_MONITOR_RUNNING                                                                    \
	(SPAWNER_DAEMON_STARTING | SPAWNER_DAEMON_SERVING | SPAWNER_DAEMON_DRAINING)

static void spawner_monitor_ready(struct spawner *spawner, uint64_t number);
static void spawner_monitor_alive(struct spawner *spawner, uint64_t number);
static void spawner_monitor_drain(struct spawner *spawner, uint64_t number);
static void spawner_monitor_start(struct spawner *spawner, uint64_t number);
static void spawner_monitor_end(struct spawner *spawner, uint64_t number);

enum spawner_monitor_number { NUMBER_NONE, NUMBER_NEW, NUMBER_USED };

static const struct spawner_permit {
	enum message_type type;
	uint32_t states; /* enum spawner_daemon_state bits */
	bool once;       /* for each stintd */
	enum spawner_monitor_number number;
	void (*handler)(struct spawner *spawner, uint64_t number);
} SPAWNER_PERMITS[] = {
    /* A drain can cross a "ready" on its way. */
    {MESSAGE_DAEMON_READY, SPAWNER_DAEMON_STARTING | SPAWNER_DAEMON_DRAINING, true, NUMBER_NONE,
     spawner_monitor_ready},
    {MESSAGE_DAEMON_ALIVE, SPAWNER_DAEMON_SERVING | SPAWNER_DAEMON_DRAINING, false, NUMBER_NONE,
     spawner_monitor_alive},
    /* It can cross a drain too. */
    {MESSAGE_DAEMON_DRAIN, SPAWNER_MONITOR_RUNNING, true, NUMBER_NONE, spawner_monitor_drain},
    {MESSAGE_GENERATION_START, SPAWNER_MONITOR_RUNNING, false, NUMBER_NEW, spawner_monitor_start},
    {MESSAGE_GENERATION_END, SPAWNER_MONITOR_RUNNING, false, NUMBER_USED, spawner_monitor_end},
};
#define SPAWNER_PERMIT_COUNT (sizeof(SPAWNER_PERMITS) / sizeof(SPAWNER_PERMITS[0]))

static int
spawner_monitor_check_number(const struct spawner_monitor_view *view,
			     enum spawner_monitor_number rule, uint64_t number, struct error *err)
{
	if (rule == NUMBER_NEW && number <= view->generation_last)
		return error_set(err, ERROR_INVALID, "generation %" PRIu64 " was used before",
				 number);
	if (rule == NUMBER_NEW && view->live >= SPAWNER_GENERATIONS_MAX)
		return error_set(err, ERROR_INVALID, "more than %d generations",
				 SPAWNER_GENERATIONS_MAX);
	if (rule == NUMBER_USED && (number == 0 || number > view->generation_last))
		return error_set(err, ERROR_INVALID, "generation %" PRIu64 " was never started",
				 number);
	return 0;
}

int
spawner_monitor_check(const struct spawner_monitor_view *view, const struct message *message,
		      size_t size, struct error *err)
{
	const struct spawner_permit *permit = NULL;
	struct message expected;
	size_t index;
	int rc;

	if (size != sizeof(*message))
		return error_set(err, ERROR_INVALID, "message of %zu bytes", size);
	for (index = 0; index < SPAWNER_PERMIT_COUNT && !permit; index++)
		if ((uint32_t)SPAWNER_PERMITS[index].type == message->type)
			permit = &SPAWNER_PERMITS[index];
	if (!permit)
		return error_set(err, ERROR_INVALID, "message of type %" PRIu32, message->type);
	index = (size_t)(permit - SPAWNER_PERMITS);
	if ((permit->states & view->state) == 0)
		return error_set(err, ERROR_INVALID, "%s in the wrong state",
				 message_name(message->type));
	if (permit->once && (view->seen & (1u << index)))
		return error_set(err, ERROR_INVALID, "second %s", message_name(message->type));
	message_init(&expected, permit->type);
	if (permit->number != NUMBER_NONE)
		expected.body.generation.number = message->body.generation.number;
	if (memcmp(&expected, message, sizeof(expected)) != 0)
		return error_set(err, ERROR_INVALID, "%s with unexpected content",
				 message_name(message->type));
	rc = spawner_monitor_check_number(view, permit->number, message->body.generation.number,
					  err);
	return rc < 0 ? rc : (int)index;
}

/* It is on its way out: its end shows on its pidfd, or patience ends. While it drains that is the
 * service's, else a moment: one that gives up closes its link before it says why by its status. */
static void
spawner_monitor_closed(struct spawner *spawner)
{
	base_close(&spawner->daemon.link_fd);
	if (spawner->daemon.state != SPAWNER_DAEMON_DRAINING)
		spawner_silence_leave(spawner, clock_now_ns(&CLOCK_SYSTEM));
}

/* Send, or condemn: a stintd that leaves a full link unread is as good as hung. */
static void
spawner_monitor_send(struct spawner *spawner, const struct message *message, const int *fds,
		     size_t count)
{
	struct spawner_daemon *daemon = &spawner->daemon;
	struct error err = ERROR_INIT;
	int code;

	if (daemon->link_fd < 0)
		return;
	code = base_send_fds(daemon->link_fd, message, sizeof(*message), fds, count, MSG_DONTWAIT,
			     &err);
	if (code == ERROR_CLOSED)
		spawner_monitor_closed(spawner);
	else if (code < 0)
		spawner_daemon_condemn(spawner, err.text);
}

static void
spawner_monitor_ready(struct spawner *spawner, uint64_t number)
{
	(void)number;
	spawner_backoff_ready(&spawner->daemon.backoff, clock_now_ns(&CLOCK_SYSTEM));
	if (spawner->daemon.state != SPAWNER_DAEMON_STARTING)
		return;
	spawner->daemon.state = SPAWNER_DAEMON_SERVING;
	spawner_silence_begin(spawner, clock_now_ns(&CLOCK_SYSTEM));
	spawner_socket_notify("READY=1");
	(void)fprintf(stderr, "stint: serving on %s\n", spawner->socket.path);
}

/* The manager hears of it: what it watches is this process and stintd together. */
static void
spawner_monitor_alive(struct spawner *spawner, uint64_t number)
{
	(void)number;
	spawner_silence_begin(spawner, clock_now_ns(&CLOCK_SYSTEM));
	spawner_socket_notify("WATCHDOG=1");
}

/* As a first SIGTERM, and never as a second one, which would end running jobs. */
static void
spawner_monitor_drain(struct spawner *spawner, uint64_t number)
{
	(void)number;
	if (spawner->stopping)
		return;
	log_info("spawner", "an operator asks for a drain");
	spawner_daemon_drain(spawner, clock_now_ns(&CLOCK_SYSTEM));
}

static void
spawner_monitor_start(struct spawner *spawner, uint64_t number)
{
	int fds[1 + CGROUP_DIRS_MAX];
	struct error err = ERROR_INIT;
	struct message answer;
	size_t count = 0;

	spawner->generation_last = number;
	message_init(&answer, MESSAGE_GENERATION_STARTED);
	if (spawner_zygote_start(spawner, number, &answer.body.generation, fds, &count, &err) < 0) {
		log_error("spawner", "generation %" PRIu64 ": %s", number, err.text);
		answer.body.generation.number = number;
		answer.body.generation.error = err.sys ? err.sys : EIO;
	} else {
		log_info("spawner", "generation %" PRIu64 " started", number);
	}
	spawner_monitor_send(spawner, &answer, fds, count);
	while (count > 0)
		base_close(&fds[--count]);
}

static void
spawner_monitor_end(struct spawner *spawner, uint64_t number)
{
	struct spawner_generation *generation = spawner_zygote_find(spawner, number);

	/* It may have ended by itself, and the report be on its way: then all is said. */
	if (generation)
		spawner_zygote_kill(spawner, generation);
}

void
spawner_monitor_generation_ended(struct spawner *spawner, uint64_t number, int wait_status)
{
	struct message message;

	message_init(&message, MESSAGE_GENERATION_ENDED);
	message.body.generation.number = number;
	message.body.generation.wait_status = wait_status;
	spawner_monitor_send(spawner, &message, NULL, 0);
}

/* The next message: its index in the table, or a negative error (BUSY: there is none). */
static int
spawner_monitor_receive(struct spawner *spawner, struct message *message, struct error *err)
{
	struct spawner_daemon *daemon = &spawner->daemon;
	const struct spawner_monitor_view view = {
	    .state = daemon->state,
	    .seen = daemon->seen,
	    .generation_last = spawner->generation_last,
	    .live = spawner_zygote_live(spawner),
	};
	size_t size = 0, fd_count = 0;
	int rc = base_recv_fds(daemon->link_fd, message, sizeof(*message), &size, NULL, 0,
			       &fd_count, NULL, MSG_DONTWAIT, err);

	if (rc == 0 && !spawner_rate_take(&daemon->rate, clock_now_ns(&CLOCK_SYSTEM)))
		rc = error_set(err, ERROR_LIMIT, "more requests than it can need");
	return rc < 0 ? rc : spawner_monitor_check(&view, message, size, err);
}

void
spawner_monitor_read(struct spawner *spawner)
{
	struct error err = ERROR_INIT;
	struct message message;
	int index = spawner_monitor_receive(spawner, &message, &err);

	if (index == ERROR_BUSY)
		return;
	if (index == ERROR_CLOSED) {
		spawner_monitor_closed(spawner);
		return;
	}
	if (index < 0) {
		spawner_daemon_condemn(spawner, err.text);
		return;
	}
	spawner->daemon.seen |= 1u << index;
	SPAWNER_PERMITS[index].handler(spawner, message.body.generation.number);
}

void
spawner_monitor_read_last(struct spawner *spawner)
{
	struct spawner_daemon *daemon = &spawner->daemon;
	struct error err = ERROR_INIT;
	struct message message;

	while (daemon->link_fd >= 0 && daemon->state == SPAWNER_DAEMON_STARTING &&
	       spawner_monitor_receive(spawner, &message, &err) >= 0)
		if (message.type == MESSAGE_DAEMON_READY) {
			spawner_backoff_ready(&daemon->backoff, clock_now_ns(&CLOCK_SYSTEM));
			return;
		}
}
