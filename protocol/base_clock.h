/*
 * Monotonic time in nanoseconds, from a source that a test can replace.
 */
#ifndef STINT_PROTOCOL_BASE_CLOCK_H
#define STINT_PROTOCOL_BASE_CLOCK_H

#include <stdint.h>

struct clock {
	uint64_t (*now_ns)(void *context); /* never goes back */
	void *context;
};

#define NS_PER_US 1000ull
#define NS_PER_MS 1000000ull
#define NS_PER_S  1000000000ull

extern const struct clock CLOCK_SYSTEM; /* CLOCK_MONOTONIC */
static inline uint64_t
clock_now_ns(const struct clock *clock)
{
	return clock->now_ns(clock->context);
}

#endif
