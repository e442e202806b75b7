/*
 * Delay before a failed start is tried again: doubles up to a ceiling, so that a defect that stays
 * costs neither a busy loop nor a long wait once it is mended. Never sleeps and keeps no state: the
 * caller counts its failures and owns the timer. Called by the pool and by the generation. Cannot
 * fail.
 */
#include "daemon/backoff.h"

uint64_t
backoff_delay_ms(unsigned failures)
{
	if (failures == 0)
		return 0;
	uint64_t delay_ms = BACKOFF_FIRST_MS;
	for (unsigned i = 1; i < failures && delay_ms < BACKOFF_MAX_MS; i++)
		delay_ms *= 2;
	return delay_ms < BACKOFF_MAX_MS ? delay_ms : BACKOFF_MAX_MS;
}
