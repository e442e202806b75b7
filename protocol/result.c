/*
 * Names and verdict codes of the job statuses. A status outside the enum is a defect and aborts.
 */
#include "protocol/result.h"
#include "protocol/base_assert.h"

static const struct {
	const char *name, *verdict;
} STATUSES[STATUS_COUNT] = {
#define STATUS(constant, name_, verdict_, text) [STATUS_##constant] = {name_, verdict_},
    STATUS_TABLE(STATUS)
#undef STATUS
};

const char *
status_name(enum job_status status)
{
	require((unsigned)status < STATUS_COUNT);
	return STATUSES[status].name;
}

const char *
status_verdict(enum job_status status)
{
	require((unsigned)status < STATUS_COUNT);
	return STATUSES[status].verdict;
}
