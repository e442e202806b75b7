/*
 * Notices a stintd that is there but does nothing: a loop that hangs, a process that was stopped,
 * one that has closed its link and lives on. It is ended like one that broke the protocol, and
 * started anew; jobs in work are lost, the socket is not. While stintd starts or drains other
 * limits hold (start_time_max, SPAWNER_GRACE_MS).
 *
 * Whoever looks late was held up itself (a frozen group, a suspended machine): then stintd gets the
 * whole time once more, since its signs may wait unread. Called by the main loop and
 * spawner_monitor.c. Cannot fail.
 */
#include "worker/spawner_silence.h"

#include "protocol/base_clock.h"
#include "worker/spawner_daemon.h"

#define SPAWNER_SILENCE_LATE_MS  500
#define SPAWNER_SILENCE_LEAVE_MS 2000

void
spawner_silence_begin(struct spawner *spawner, uint64_t now_ns)
{
	spawner->daemon.silence_ns =
	    now_ns + config_number(&spawner->config, silence_max) * NS_PER_MS;
}

bool
spawner_silence_is_counted(const struct spawner *spawner)
{
	return !spawner->stopping && spawner->daemon.state == SPAWNER_DAEMON_SERVING &&
	       spawner->daemon.link_fd >= 0;
}

void
spawner_silence_leave(struct spawner *spawner, uint64_t now_ns)
{
	spawner->daemon.leave_ns = now_ns + SPAWNER_SILENCE_LEAVE_MS * NS_PER_MS;
}

void
spawner_silence_check(struct spawner *spawner, uint64_t now_ns)
{
	if (spawner->daemon.leave_ns != 0 && now_ns >= spawner->daemon.leave_ns)
		spawner_daemon_condemn(spawner, "it has closed its link and does not end");
	if (!spawner_silence_is_counted(spawner) || now_ns < spawner->daemon.silence_ns)
		return;
	if (now_ns - spawner->daemon.silence_ns > SPAWNER_SILENCE_LATE_MS * NS_PER_MS)
		spawner_silence_begin(spawner, now_ns);
	else
		spawner_daemon_condemn(spawner, "no sign of life for as long as silence_max");
}
