/*
 * When the watchdog kills and when it looks again. `parallel` threads can use CPU that many times
 * faster than time passes, so the CPU limit cannot be reached before what is left divided by it;
 * that is the next look, but never sooner than WATCHDOG_LOOK_MIN_NS and never after the wall
 * deadline. No clock, no call, no state: watchdog.c reads the clocks and acts. A limit is only ever
 * reached by a value that was measured at or above it. Cannot fail.
 */
#include "daemon/watchdog_look.h"

/* How often an unreadable CPU clock is tried again. */
#define WATCHDOG_RETRY_NS 10000000u

struct watchdog_decision
watchdog_look(const struct watchdog_facts *facts)
{
	struct watchdog_decision decision = {WATCHDOG_NONE, 0};
	uint64_t deadline_ns = facts->started_ns + facts->wall_limit_ns;

	if (facts->cancel) {
		decision.reason = WATCHDOG_CANCEL;
		return decision;
	}
	if (facts->cpu_known && facts->cpu_used_ns >= facts->cpu_limit_ns) {
		decision.reason = WATCHDOG_CPU;
		return decision;
	}
	if (facts->now_ns >= deadline_ns) {
		decision.reason = WATCHDOG_WALL;
		return decision;
	}
	if (facts->metered && facts->over) {
		decision.reason = WATCHDOG_OPCODES;
		return decision;
	}
	uint64_t wait_ns = WATCHDOG_RETRY_NS;
	if (facts->cpu_known)
		wait_ns = (facts->cpu_limit_ns - facts->cpu_used_ns) /
			  (facts->parallel > 0 ? facts->parallel : 1);
	if (wait_ns < WATCHDOG_LOOK_MIN_NS)
		wait_ns = WATCHDOG_LOOK_MIN_NS;
	if (facts->metered && wait_ns > WATCHDOG_METER_NS)
		wait_ns = WATCHDOG_METER_NS;
	decision.next_ns = facts->now_ns + wait_ns;
	if (decision.next_ns > deadline_ns)
		decision.next_ns = deadline_ns;
	return decision;
}
