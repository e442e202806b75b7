/*
 * Joins an account with the rules: admission.h decides, bucket.h counts rates, pick.h shares. Keeps
 * nothing of its own. Called by engine.c and finish.c. Only quota_admit can fail, before anything
 * has changed.
 */
#include "daemon/quota.h"

#define QUOTA_US_PER_MS 1000u

void
quota_set(struct account *account, struct queue *queue, uint64_t now_ns)
{
	const struct tenant_terms *terms = &account->terms;
	struct bucket *rates = account->rates;
	pick_tenant_set(&queue->pick, &account->share, tenant_number(terms, weight),
			tenant_number(terms, running_max));
	bucket_set_rate(&rates[ADMISSION_JOBS], tenant_number(terms, jobs_per_minute), now_ns);
	bucket_set_rate(&rates[ADMISSION_CPU],
			tenant_number(terms, cpu_per_minute) * QUOTA_US_PER_MS, now_ns);
	bucket_set_rate(&rates[ADMISSION_OPCODES], tenant_number(terms, opcodes_per_minute),
			now_ns);
}

int
quota_admit_stored(struct account *account, const struct quota_caps *caps, uint64_t bytes,
		   uint64_t now_ns, struct admission_answer *ret_answer, struct error *err)
{
	const struct tenant_terms *terms = &account->terms;
	struct admission_facts facts = {
	    .tenant = terms->name,
	    .bytes = bytes,
	    .service = {0, caps->jobs_max, 0, caps->bytes_max},
	    .own = {0, tenant_number(terms, queue_jobs_max), 0,
		    tenant_number(terms, queue_bytes_max)},
	    .rates = {tenant_number(terms, jobs_per_minute), tenant_number(terms, cpu_per_minute),
		      tenant_number(terms, opcodes_per_minute)},
	};
	for (size_t i = 0; i < ADMISSION_RATE_COUNT; i++)
		facts.wait_ns[i] = bucket_wait_ns(&account->rates[i], 1, now_ns);
	int code = admission_decide(&facts, ret_answer, err);
	if (code == 0)
		bucket_charge(&account->rates[ADMISSION_JOBS], 1, now_ns);
	return code;
}

int
quota_admit(struct account *account, const struct queue *queue, const struct quota_caps *caps,
	    uint64_t bytes, bool again, uint64_t now_ns, struct admission_answer *ret_answer,
	    struct error *err)
{
	const struct tenant_terms *terms = &account->terms;
	struct admission_facts facts = {
	    .tenant = terms->name,
	    .bytes = bytes,
	    .service = {queue_count(queue), caps->jobs_max, queue->bytes, caps->bytes_max},
	    .own = {account->queued, tenant_number(terms, queue_jobs_max), account->queue_bytes,
		    tenant_number(terms, queue_bytes_max)},
	    .rates = {tenant_number(terms, jobs_per_minute), tenant_number(terms, cpu_per_minute),
		      tenant_number(terms, opcodes_per_minute)},
	};
	/* A rate lets a job in while anything of it is left. */
	for (size_t i = 0; i < ADMISSION_RATE_COUNT && !again; i++)
		facts.wait_ns[i] = bucket_wait_ns(&account->rates[i], 1, now_ns);
	int code = admission_decide(&facts, ret_answer, err);
	if (code == 0 && !again)
		bucket_charge(&account->rates[ADMISSION_JOBS], 1, now_ns);
	return code;
}

uint64_t
quota_charge(struct account *account, uint64_t cpu_us, uint64_t opcodes, uint64_t now_ns)
{
	uint64_t cost_us = cpu_us + QUOTA_JOB_US;
	bucket_charge(&account->rates[ADMISSION_CPU], cost_us, now_ns);
	bucket_charge(&account->rates[ADMISSION_OPCODES], opcodes, now_ns);
	return cost_us;
}
