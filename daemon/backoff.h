/*
 * POLICY: how long to wait after a number of failures in a row. Pure: no clock, no state.
 */
#ifndef STINT_DAEMON_BACKOFF_H
#define STINT_DAEMON_BACKOFF_H

#include <stdint.h>

#define BACKOFF_FIRST_MS 50u
#define BACKOFF_MAX_MS   5000u

/* 0 when nothing failed; then BACKOFF_FIRST_MS, doubled with each failure, at most BACKOFF_MAX_MS.
 */
uint64_t backoff_delay_ms(unsigned failures);

#endif
