/*
 * The rules of admission, in this order: what can never enter, the caps of the tenant, those of the
 * service, the tenant's rates. Called by engine.c for each job; tested by a table. Fails only by
 * refusing.
 */
#include "daemon/admission.h"

#define ADMISSION_NS_PER_MS 1000000u

typedef unsigned long long admission_number;

/* The settings, with their units, as a text names them. */
static const struct {
	const char *name, *unit;
} ADMISSION_RATES[ADMISSION_RATE_COUNT] = {
    [ADMISSION_JOBS] = {"jobs_per_minute", ""},
    [ADMISSION_CPU] = {"cpu_per_minute", " ms"},
    [ADMISSION_OPCODES] = {"opcodes_per_minute", ""},
};

static int
admission_refuse_full(enum admission_outcome outcome, struct admission_answer *ret_answer)
{
	*ret_answer = (struct admission_answer){outcome, ADMISSION_FULL_RETRY_MS};
	if (outcome == ADMISSION_TOO_LARGE)
		ret_answer->retry_after_ms = 0;
	return ERROR_LIMIT;
}

/* whose: "the service" or "tenant <name>". */
static int
admission_check_load(const char *whose, const char *name, const struct admission_load *load,
		     uint64_t bytes, struct admission_answer *ret_answer, struct error *err)
{
	if (load->bytes_max > 0 && bytes > load->bytes_max) {
		(void)error_set(err, ERROR_LIMIT,
				"the job has %llu bytes, queue_bytes_max of %s%s is %llu: send a "
				"smaller one, or have it raised",
				(admission_number)bytes, whose, name,
				(admission_number)load->bytes_max);
		return admission_refuse_full(ADMISSION_TOO_LARGE, ret_answer);
	}
	if (load->jobs_max > 0 && load->jobs >= load->jobs_max) {
		(void)error_set(err, ERROR_LIMIT,
				"the queue is full: queue_jobs_max of %s%s (%llu jobs) wait; try "
				"again when some have ended",
				whose, name, (admission_number)load->jobs_max);
		return admission_refuse_full(ADMISSION_QUEUE_FULL, ret_answer);
	}
	if (load->bytes_max > 0 && load->bytes > load->bytes_max - bytes) {
		(void)error_set(err, ERROR_LIMIT,
				"the queue is full: queue_bytes_max of %s%s (%llu bytes) would be "
				"passed; try again when some jobs have ended",
				whose, name, (admission_number)load->bytes_max);
		return admission_refuse_full(ADMISSION_QUEUE_FULL, ret_answer);
	}
	return 0;
}

/* The rate that keeps the job out longest. */
static int
admission_check_rates(const struct admission_facts *facts, struct admission_answer *ret_answer,
		      struct error *err)
{
	unsigned worst = 0;
	for (unsigned i = 1; i < ADMISSION_RATE_COUNT; i++) {
		if (facts->wait_ns[i] > facts->wait_ns[worst])
			worst = i;
	}
	uint64_t wait_ns = facts->wait_ns[worst];
	if (wait_ns == 0)
		return 0;
	uint64_t wait_ms = (wait_ns - 1) / ADMISSION_NS_PER_MS + 1;
	*ret_answer = (struct admission_answer){ADMISSION_QUOTA, wait_ms};
	return error_set(
	    err, ERROR_LIMIT, "tenant %s has used up its %s (%llu%s): try again in %llu ms",
	    facts->tenant, ADMISSION_RATES[worst].name, (admission_number)facts->rates[worst],
	    ADMISSION_RATES[worst].unit, (admission_number)wait_ms);
}

/* The maximum that holds for a tenant which has `own` of it with the job. */
static uint64_t
admission_extend(uint64_t max, uint64_t own)
{
	uint64_t extra = max / ADMISSION_EXTRA_PART;
	if (own > max / ADMISSION_FEW_PART || max > UINT64_MAX - extra)
		return max;
	return max + extra;
}

int
admission_decide(const struct admission_facts *facts, struct admission_answer *ret_answer,
		 struct error *err)
{
	struct admission_load service = facts->service;
	*ret_answer = (struct admission_answer){ADMISSION_ENTER, 0};
	service.jobs_max = admission_extend(service.jobs_max, facts->own.jobs + 1);
	if (facts->bytes <= service.bytes_max)
		service.bytes_max =
		    admission_extend(service.bytes_max, facts->own.bytes + facts->bytes);
	int code = admission_check_load("tenant ", facts->tenant, &facts->own, facts->bytes,
					ret_answer, err);
	if (code == 0)
		code = admission_check_load("the service", "", &service, facts->bytes, ret_answer,
					    err);
	if (code == 0)
		code = admission_check_rates(facts, ret_answer, err);
	return code;
}
