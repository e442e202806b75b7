/*
 * Reads the counter of opcodes in a worker's page. It is advisory against a tenant with native
 * code: any value may be there. Each word is read once, `granted` first, so that what the worker
 * writes meanwhile makes the count too small and never too large. Called by the watchdog's thread,
 * finish.c and engine_report.c. Cannot fail.
 */
#include "daemon/meter_read.h"

uint64_t
meter_read(const struct worker_page *page)
{
	int64_t granted = __atomic_load_n(&page->meter.granted, __ATOMIC_ACQUIRE);
	int64_t left = __atomic_load_n(&page->meter.left, __ATOMIC_ACQUIRE);
	uint64_t count = (uint64_t)granted - (uint64_t)left;

	if (granted < 0 || left > granted)
		return 0;
	return count < INT64_MAX ? count : INT64_MAX;
}

uint64_t
meter_read_throttled_us(const struct worker_page *page, uint64_t most_us)
{
	uint64_t slept_us = __atomic_load_n(&page->meter.slept_ns, __ATOMIC_RELAXED) / 1000;

	return slept_us < most_us ? slept_us : most_us;
}
