/*
 * The table of job limits and access to a struct limits by name or number.
 *
 * Holds no policy: who may have how much is in the configuration. Never fails; an id outside the
 * enum is a defect of the caller and aborts.
 */
#include "protocol/limits.h"
#include "protocol/base_assert.h"

#include <string.h>

const struct limit_info LIMITS[LIMIT_COUNT] = {
#define LIMIT(field, unit_, def_, max_, min_, text_)                                               \
	[LIMIT_##field] = {#field, unit_, def_, max_, min_, offsetof(struct limits, field), text_},
#include "protocol/limits.def"
#undef LIMIT
};

const struct limit_info *
limits_find(const char *name, size_t length)
{
	for (size_t i = 0; i < LIMIT_COUNT; i++) {
		if (strlen(LIMITS[i].name) == length && memcmp(LIMITS[i].name, name, length) == 0)
			return &LIMITS[i];
	}
	return NULL;
}

uint64_t
limits_get(const struct limits *limits, enum limit_id id)
{
	uint64_t value;

	require((unsigned)id < LIMIT_COUNT);
	memcpy(&value, (const char *)limits + LIMITS[id].offset, sizeof(value));
	return value;
}

void
limits_set(struct limits *limits, enum limit_id id, uint64_t value)
{
	require((unsigned)id < LIMIT_COUNT);
	memcpy((char *)limits + LIMITS[id].offset, &value, sizeof(value));
}

uint64_t
limits_scratch_room(const struct limits *limits)
{
	return (limits->scratch_bytes + SCRATCH_PAGE_BYTES - 1) / SCRATCH_PAGE_BYTES *
	       SCRATCH_PAGE_BYTES;
}

uint64_t
limits_file_bytes(const struct limits *limits)
{
	uint64_t bytes = limits->stdout_bytes > limits->stderr_bytes ? limits->stdout_bytes
								     : limits->stderr_bytes;
	uint64_t scratch = limits_scratch_room(limits);

	return (bytes > scratch ? bytes : scratch) + 1;
}

uint64_t
limits_output_base(const struct limits *limits, uint64_t cap)
{
	return limits->scratch_bytes > 0 ? limits_file_bytes(limits) - 1 - cap : 0;
}

void
limits_defaults(struct limits *ret_limits)
{
	for (unsigned i = 0; i < LIMIT_COUNT; i++)
		limits_set(ret_limits, (enum limit_id)i, LIMITS[i].def);
}

void
limits_maxima(struct limits *ret_limits)
{
	for (unsigned i = 0; i < LIMIT_COUNT; i++)
		limits_set(ret_limits, (enum limit_id)i, LIMITS[i].max);
}
