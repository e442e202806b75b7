/*
 * When the watchdog kills and when it looks again. `parallel` threads can use CPU that many times
 * faster than time passes, so the CPU limit cannot be reached before what is left divided by it;
 * that is the next look, but never sooner than WATCHDOG_LOOK_MIN_NS and never after the wall
 * deadline. A limit that is reached stays so: what the worker does in the grace before the kill
 * changes nothing. No clock, no call, no state: watchdog.c reads the clocks and acts. A limit is
 * only ever reached by a value that was measured at or above it. Cannot fail.
 */
#include "daemon/watchdog_look.h"

/* How often an unreadable CPU clock is tried again. */
#define WATCHDOG_RETRY_NS 10000000u
/* Looks at a worker in its grace are at least that far apart. */
#define WATCHDOG_GRACE_STEP_NS 250000u

static enum watchdog_reason
look_reached(const struct watchdog_facts *facts)
{
	if (facts->cancel)
		return WATCHDOG_CANCEL;
	if (facts->cpu_known && facts->cpu_used_ns >= facts->cpu_limit_ns)
		return WATCHDOG_CPU;
	if (facts->now_ns >= facts->started_ns + facts->wall_limit_ns)
		return WATCHDOG_WALL;
	if (facts->metered && facts->over)
		return WATCHDOG_OPCODES;
	return WATCHDOG_NONE;
}

static uint64_t
look_next_ns(const struct watchdog_facts *facts)
{
	uint64_t deadline_ns = facts->started_ns + facts->wall_limit_ns;
	uint64_t wait_ns = WATCHDOG_RETRY_NS;

	if (facts->cpu_known)
		wait_ns = (facts->cpu_limit_ns - facts->cpu_used_ns) /
			  (facts->parallel > 0 ? facts->parallel : 1);
	if (wait_ns < WATCHDOG_LOOK_MIN_NS)
		wait_ns = WATCHDOG_LOOK_MIN_NS;
	if (facts->metered && wait_ns > WATCHDOG_METER_NS)
		wait_ns = WATCHDOG_METER_NS;
	return facts->now_ns + wait_ns < deadline_ns ? facts->now_ns + wait_ns : deadline_ns;
}

/* The end of the grace, as far as it can be seen from now; facts->asked is known. */
static uint64_t
look_grace_ns(const struct watchdog_facts *facts)
{
	uint64_t end_ns = facts->asked_cpu_ns + WATCHDOG_GRACE_CPU_NS, wait_ns;

	if (facts->asked == WATCHDOG_WALL || !facts->cpu_known)
		return facts->asked_ns + WATCHDOG_GRACE_NS;
	if (facts->cpu_used_ns >= end_ns)
		return facts->now_ns;
	wait_ns = (end_ns - facts->cpu_used_ns) / (facts->parallel > 0 ? facts->parallel : 1);
	if (wait_ns < WATCHDOG_GRACE_STEP_NS)
		wait_ns = WATCHDOG_GRACE_STEP_NS;
	end_ns = facts->asked_ns + WATCHDOG_GRACE_CPU_MAX_NS;
	return facts->now_ns + wait_ns < end_ns ? facts->now_ns + wait_ns : end_ns;
}

struct watchdog_decision
watchdog_look(const struct watchdog_facts *facts)
{
	struct watchdog_facts now = *facts;
	struct watchdog_decision decision = {0};

	if (now.asked == WATCHDOG_NONE) {
		now.asked = look_reached(facts);
		now.asked_ns = now.now_ns;
		now.asked_cpu_ns = now.cpu_used_ns;
	}
	decision.reason = now.asked;
	decision.next_ns = now.asked == WATCHDOG_NONE ? look_next_ns(facts) : look_grace_ns(&now);
	/* Who does not stop at its budget has been asked by its own counter, for long. */
	decision.kill = now.asked == WATCHDOG_OPCODES ||
			(now.asked != WATCHDOG_NONE && now.now_ns >= decision.next_ns);
	return decision;
}
