/*
 * Reading a worker's page by pread. Any value may be there; nothing here believes or bounds it but
 * for the text that goes into the log. Called by finish.c, stream.c, engine_report.c and worker.c
 * on the loop, and by the watchdog's thread. Keeps no state.
 */
#include "daemon/page_read.h"

#include "protocol/base_log.h"
#include "protocol/base_sys.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

int
page_read(int page_fd, struct worker_page *ret_page, struct error *err)
{
	int code = base_pread_full(page_fd, ret_page, sizeof(*ret_page), 0, err);
	if (code < 0)
		memset(ret_page, 0, sizeof(*ret_page));
	return code;
}

uint64_t
page_opcodes(const struct worker_page *page)
{
	int64_t granted = page->meter.granted, left = page->meter.left;
	uint64_t count = (uint64_t)granted - (uint64_t)left;

	if (granted < 0 || left > granted)
		return 0;
	return count < INT64_MAX ? count : INT64_MAX;
}

/* Two reads: `granted` is seen before `left`, so that what the worker writes meanwhile makes the
 * count too small and never too large. */
uint64_t
page_read_opcodes(int page_fd)
{
	struct worker_page page = {0};
	struct page_meter *meter = &page.meter;
	if (base_pread_full(page_fd, &meter->granted, sizeof(meter->granted),
			    offsetof(struct worker_page, meter.granted), NULL) < 0 ||
	    base_pread_full(page_fd, &meter->left, sizeof(meter->left),
			    offsetof(struct worker_page, meter.left), NULL) < 0)
		return 0;
	return page_opcodes(&page);
}

uint32_t
page_read_ended(int page_fd)
{
	uint32_t ended = 0;
	if (base_pread_full(page_fd, &ended, sizeof(ended), offsetof(struct worker_page, ended),
			    NULL) < 0)
		return 0;
	return ended;
}

uint64_t
page_throttled_us(const struct worker_page *page, uint64_t most_us)
{
	uint64_t slept_us = page->meter.slept_ns / 1000;

	return slept_us < most_us ? slept_us : most_us;
}

void
page_write_stop(int page_fd, enum page_stop stop)
{
	uint32_t word = stop;
	/* Who does not get it is killed soon after. */
	(void)!pwrite(page_fd, &word, sizeof(word), offsetof(struct worker_page, stop));
}

const char *
page_setup_text(const struct worker_page *page, char *text, size_t size)
{
	char quoted[4 * sizeof(page->setup_name) + 1];
	if (page->setup_step == 0) {
		(void)snprintf(text, size, "no step named");
		return text;
	}
	base_log_quote(page->setup_name, strnlen(page->setup_name, sizeof(page->setup_name)),
		       quoted, sizeof(quoted));
	(void)snprintf(text, size, "step %u (%s): %s", page->setup_step, quoted,
		       page->setup_errno < 4096 ? strerror((int)page->setup_errno) : "no errno");
	return text;
}
