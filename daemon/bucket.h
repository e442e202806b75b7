/*
 * A token bucket: a rate for each minute, of which one minute's worth can be saved up. May go into
 * debt: what is charged when it is known is taken even where it is not there, and worked off at the
 * rate. The clock is the caller's; an amount is in whatever unit the rate has. No amount, rate or
 * time overflows: debts end at UINT64_MAX.
 */
#ifndef STINT_DAEMON_BUCKET_H
#define STINT_DAEMON_BUCKET_H

#include <stdint.h>

#define BUCKET_NEVER UINT64_MAX

struct bucket {
	uint64_t rate; /* for a minute, and what it holds; 0: no rate, nothing is counted */
	uint64_t used; /* what is missing: 0 is full, above `rate` it is in debt */
	uint64_t rest; /* of what came back: parts of one, in 1 / BUCKET_MINUTE_NS */
	uint64_t updated_ns;
};

/* Full. */
void bucket_init(struct bucket *ret_bucket, uint64_t rate, uint64_t now_ns);
/* Another rate from now on. What is missing stays the same part of a minute's worth. */
void bucket_set_rate(struct bucket *bucket, uint64_t rate, uint64_t now_ns);
/* Take an amount, whether it is there or not. */
void bucket_charge(struct bucket *bucket, uint64_t amount, uint64_t now_ns);
/* Time until that amount is there: 0 is now, BUCKET_NEVER when it is above the rate. */
uint64_t bucket_wait_ns(struct bucket *bucket, uint64_t amount, uint64_t now_ns);

#endif
