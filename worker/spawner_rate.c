/*
 * The bucket that limits stintd's requests: see the header for the rule.
 *
 * One number is the state: the time at which nothing is owed any more. Each request moves it on by
 * one interval; when it is further away than a burst is worth, the request is one too many. Called
 * by spawner_monitor.c. Cannot fail.
 */
#include "worker/spawner_rate.h"

#include "protocol/base_clock.h"

bool
spawner_rate_take(struct spawner_rate *rate, uint64_t now_ns)
{
	const uint64_t interval_ns = SPAWNER_RATE_INTERVAL_MS * NS_PER_MS;
	uint64_t full_ns = rate->full_ns > now_ns ? rate->full_ns : now_ns;

	if (full_ns - now_ns > (SPAWNER_RATE_BURST - 1) * interval_ns)
		return false;
	rate->full_ns = full_ns + interval_ns;
	return true;
}
