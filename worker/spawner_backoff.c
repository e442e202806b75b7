/*
 * The restart policy of the spawner: see the header for the rule.
 *
 * Calls no other module, keeps no clock and touches no data but its own, so that the whole rule is
 * tested from a table. Called by spawner_daemon.c. Cannot fail.
 */
#include "worker/spawner_backoff.h"

#include "protocol/base_clock.h"

void
spawner_backoff_init(struct spawner_backoff *ret_backoff)
{
	*ret_backoff = (struct spawner_backoff){0};
}

void
spawner_backoff_ready(struct spawner_backoff *backoff, uint64_t now_ns)
{
	backoff->ready_ns = now_ns;
	backoff->ever_ready = true;
}

bool
spawner_backoff_ended(struct spawner_backoff *backoff, uint64_t now_ns, uint64_t *ret_delay_ns)
{
	uint64_t delay_ms = 0;

	if (backoff->ready_ns != 0 &&
	    now_ns - backoff->ready_ns >= SPAWNER_BACKOFF_HEALTHY_MS * NS_PER_MS)
		backoff->failures = 0;
	backoff->ready_ns = 0;
	if (backoff->failures > 0) {
		/* Past 2^7 the cap is reached: a longer shift would only wrap around. */
		uint32_t doublings = backoff->failures - 1 < 7 ? backoff->failures - 1 : 7;

		delay_ms = (uint64_t)SPAWNER_BACKOFF_FIRST_MS << doublings;
		if (delay_ms > SPAWNER_BACKOFF_MAX_MS)
			delay_ms = SPAWNER_BACKOFF_MAX_MS;
	}
	if (backoff->failures < UINT32_MAX)
		backoff->failures++;
	if (!backoff->ever_ready && backoff->failures >= SPAWNER_BACKOFF_ATTEMPTS)
		return false;
	*ret_delay_ns = delay_ms * NS_PER_MS;
	return true;
}
