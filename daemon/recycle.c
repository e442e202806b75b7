/*
 * When to replace a generation that does nothing wrong: all its workers have one address layout and
 * one set of random values, so their number and their time are bounded. The successor is asked for
 * a little earlier than the settings say, for it takes a second or so to get ready. Never keeps
 * time or counts by itself. Called by succession.c. Cannot fail.
 */
#include "daemon/recycle.h"

#include "protocol/base_clock.h"

uint64_t
recycle_due_ns(const struct recycle_limits *limits, uint64_t jobs, uint64_t since_ns,
	       uint64_t now_ns)
{
	uint64_t jobs_due = limits->jobs_max - limits->jobs_max / RECYCLE_LEAD_SHARE;
	uint64_t time_ns = limits->time_max_ms * NS_PER_MS;
	uint64_t due_ns = time_ns - time_ns / RECYCLE_LEAD_SHARE;
	uint64_t served_ns = now_ns > since_ns ? now_ns - since_ns : 0;

	if (jobs >= jobs_due || served_ns >= due_ns)
		return 0;
	return due_ns - served_ns;
}

uint64_t
recycle_delay_ms(unsigned failures)
{
	uint64_t delay_ms = RECYCLE_RETRY_MS;

	if (failures == 0)
		return RECYCLE_INTERVAL_MS;
	for (unsigned i = 1; i < failures && delay_ms < RECYCLE_RETRY_MAX_MS; i++)
		delay_ms *= 2;
	return delay_ms < RECYCLE_RETRY_MAX_MS ? delay_ms : RECYCLE_RETRY_MAX_MS;
}
