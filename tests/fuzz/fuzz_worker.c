/*
 * What a worker leaves behind: its page, its two files, its result blob and its trace, all of it as
 * hostile code would write them; and the result that stintd makes of it.
 *
 * Input: a struct header, then the bytes that it places. Whatever they are: stintd takes no more
 * than the caps, and the reply is one line of JSON.
 */
#define _GNU_SOURCE
#include "fuzz.h"

#include "daemon/collect.h"
#include "daemon/output_read.h"
#include "protocol/json_scan.h"
#include "protocol/result_json.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FUZZ_REPLY_BYTES_MAX (64u << 20)
#define FUZZ_CLAIM_BYTES     (1u << 14) /* more than any input fills */

struct header {
	uint32_t phase, reason, detail;
	uint16_t out_bytes, err_bytes, result_bytes,
	    trace_bytes;                  /* how much of the rest each gets */
	uint64_t result_says, trace_says; /* what the page claims */
	uint64_t levels[PAGE_STREAM_COUNT], flush_mark[PAGE_STREAM_COUNT];
	uint16_t stdout_cap, stderr_cap, value_cap;
	uint8_t page_short, has; /* the page file was cut by that many eighths; enum has */
};

/* HAS_LONG: the page claims as much as it likes. Few inputs do, since each then has megabytes of
 * nothing read, and takes the time of twenty others. */
enum has { HAS_TRACE = 1, HAS_FILES = 2, HAS_SCRATCH = 4, HAS_LONG = 0xf8 };

static uint64_t
claim(const struct header *header, uint64_t bytes)
{
	return (header->has & HAS_LONG) == HAS_LONG ? bytes : bytes % FUZZ_CLAIM_BYTES;
}

static int
make_file(const char *name, const uint8_t **bytes, size_t *left, size_t wanted, off_t offset,
	  int fd)
{
	size_t size = wanted < *left ? wanted : *left;

	if (fd < 0)
		fd = memfd_create(name, MFD_CLOEXEC);
	FUZZ_HOLDS(fd >= 0);
	FUZZ_HOLDS(pwrite(fd, *bytes, size, offset) == (ssize_t)size);
	*bytes += size;
	*left -= size;
	return fd;
}

static void
fill_page(struct worker_page *page, const struct header *header)
{
	page->phase = header->phase;
	page->reason = header->reason;
	page->detail = header->detail;
	page->result_bytes = claim(header, header->result_says);
	page->trace_bytes = claim(header, header->trace_says);
	for (int i = 0; i < PAGE_STREAM_COUNT; i++) {
		page->stages[i].levels = header->levels[i];
		page->stages[i].flush_mark = header->flush_mark[i];
	}
}

static void
check_result(const struct run_result *result, const struct collect_input *input)
{
	struct text_buffer text;
	struct error err = ERROR_INIT;

	FUZZ_HOLDS(result->out.size <= input->limits.stdout_bytes);
	FUZZ_HOLDS(result->err.size <= input->limits.stderr_bytes);
	FUZZ_HOLDS(result->value.size + result->vars.size <= input->limits.value_bytes);
	FUZZ_HOLDS(result->frame_count <= TRACEBACK_FRAMES_MAX);
	FUZZ_HOLDS(result->warning_count <= WARNINGS_MAX);
	FUZZ_HOLDS(result->file_count <= FILES_MAX);
	FUZZ_HOLDS(input->collects || result->file_count == 0);
	text_buffer_init(&text, FUZZ_REPLY_BYTES_MAX);
	result_json_write(result, &text);
	FUZZ_HOLDS(!text.failed);
	FUZZ_HOLDS(json_scan_splice(text.bytes, text.size, text.size, &err) == 0);
	FUZZ_HOLDS(memchr(text.bytes, '\n', text.size) == NULL);
	text_buffer_deinit(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct worker_page page = {0};
	struct collect_input input = {0};
	struct collect_facts facts;
	struct run_result result;
	struct header header;

	if (size < sizeof(header))
		return 0;
	memcpy(&header, data, sizeof(header));
	data += sizeof(header);
	size -= sizeof(header);
	fill_page(&page, &header);
	input.page = &page;
	limits_defaults(&input.limits);
	input.limits.stdout_bytes = header.stdout_cap;
	input.limits.stderr_bytes = header.stderr_cap;
	input.limits.value_bytes = header.value_cap;
	input.limits.collected_bytes = header.value_cap;
	input.limits.scratch_bytes = header.has & HAS_SCRATCH ? 65536 : 0;
	input.traced = header.has & HAS_TRACE;
	input.collects = header.has & HAS_FILES;
	input.out_fd =
	    make_file("out", &data, &size, header.out_bytes,
		      (off_t)limits_output_base(&input.limits, input.limits.stdout_bytes), -1);
	input.err_fd =
	    make_file("err", &data, &size, header.err_bytes,
		      (off_t)limits_output_base(&input.limits, input.limits.stderr_bytes), -1);
	input.leaves_code = true; /* the same bytes once more, as another file */
	input.code_fd = input.err_fd;
	input.page_fd =
	    make_file("page", &data, &size, header.result_bytes, PAGE_RESULT_OFFSET, -1);
	(void)make_file("page", &data, &size, header.trace_bytes, PAGE_TRACE_OFFSET, input.page_fd);
	/* Sealed in life; a reader must not rely on it. */
	FUZZ_HOLDS(ftruncate(input.page_fd,
			     (off_t)PAGE_FILE_BYTES / 8 * (8 - header.page_short % 9)) == 0);
	FUZZ_HOLDS(collect_size(&input) < UINT64_C(1) << 62);
	memset(&result, 0, sizeof(result));
	collect_run(&input, &result, &facts);
	check_result(&result, &input);
	FUZZ_HOLDS((facts.code != NULL) == (facts.code_size > 0));
	FUZZ_HOLDS(facts.code_size <= CODE_BYTES_MAX);
	free(facts.code);
	run_result_deinit(&result);
	(void)close(input.out_fd);
	(void)close(input.err_fd);
	(void)close(input.page_fd);
	return 0;
}
