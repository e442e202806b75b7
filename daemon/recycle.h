/*
 * POLICY: when a generation has served long enough, and how long to wait before another is started.
 * Pure: no clock, no state.
 */
#ifndef STINT_DAEMON_RECYCLE_H
#define STINT_DAEMON_RECYCLE_H

#include <stdbool.h>
#include <stdint.h>

#define RECYCLE_LEAD_SHARE   8u /* the successor is asked for an eighth before the end */
#define RECYCLE_INTERVAL_MS  500u
#define RECYCLE_AGAIN_MS     250u /* after a start, when it was lost: the spawner counts requests */
#define RECYCLE_RETRY_MS     1000u
#define RECYCLE_RETRY_MAX_MS 60000u

struct recycle_limits {
	uint64_t jobs_max, time_max_ms; /* both at least 1 */
};

/* Nanoseconds until the successor is due for a generation that has served since `since_ns` and was
 * given `jobs` jobs; 0: now. */
uint64_t recycle_due_ns(const struct recycle_limits *limits, uint64_t jobs, uint64_t since_ns,
			uint64_t now_ns);
/* Delay after the last start, so that starts are never more frequent than the spawner allows;
 * after `failures` successors in a row that came to nothing it doubles, up to a ceiling. */
uint64_t recycle_delay_ms(unsigned failures);

#endif
