/*
 * Token buckets: arithmetic only, exact to the nanosecond (what comes back in a time is not rounded
 * away, however often one looks). Called by account.c. Cannot fail.
 */
#include "daemon/bucket.h"

#define BUCKET_MINUTE_NS 60000000000ull

/* Products of a rate and a time. */
__extension__ typedef unsigned __int128 bucket_wide;

void
bucket_init(struct bucket *ret_bucket, uint64_t rate, uint64_t now_ns)
{
	*ret_bucket = (struct bucket){.rate = rate, .updated_ns = now_ns};
}

/* Give back what the time since the last look is worth. */
static void
bucket_update(struct bucket *bucket, uint64_t now_ns)
{
	uint64_t passed_ns = now_ns > bucket->updated_ns ? now_ns - bucket->updated_ns : 0;
	bucket_wide parts = (bucket_wide)bucket->rate * passed_ns + bucket->rest;
	bucket_wide gained = parts / BUCKET_MINUTE_NS;
	bucket->updated_ns += passed_ns;
	if (gained >= bucket->used) {
		bucket->used = bucket->rest = 0;
		return;
	}
	bucket->used -= (uint64_t)gained;
	bucket->rest = (uint64_t)(parts % BUCKET_MINUTE_NS);
}

void
bucket_set_rate(struct bucket *bucket, uint64_t rate, uint64_t now_ns)
{
	if (rate == bucket->rate)
		return;
	bucket_update(bucket, now_ns);
	bucket_wide used = bucket->rate > 0 ? (bucket_wide)bucket->used * rate / bucket->rate : 0;
	bucket->used = used < UINT64_MAX ? (uint64_t)used : UINT64_MAX;
	bucket->rest = 0;
	bucket->rate = rate;
}

void
bucket_charge(struct bucket *bucket, uint64_t amount, uint64_t now_ns)
{
	if (bucket->rate == 0)
		return;
	bucket_update(bucket, now_ns);
	bucket->used = amount < UINT64_MAX - bucket->used ? bucket->used + amount : UINT64_MAX;
}

uint64_t
bucket_wait_ns(struct bucket *bucket, uint64_t amount, uint64_t now_ns)
{
	if (bucket->rate == 0)
		return 0;
	if (amount > bucket->rate)
		return BUCKET_NEVER;
	bucket_update(bucket, now_ns);
	if (bucket->used <= bucket->rate - amount)
		return 0;
	bucket_wide missing = bucket->used - (bucket->rate - amount);
	bucket_wide parts = missing * BUCKET_MINUTE_NS - bucket->rest;
	bucket_wide wait_ns = (parts + bucket->rate - 1) / bucket->rate;
	return wait_ns < BUCKET_NEVER ? (uint64_t)wait_ns : BUCKET_NEVER - 1;
}
