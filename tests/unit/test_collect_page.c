/* The whole of collect_run, on real files: what a worker left in its page and beside it. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/collect.h"
#include "protocol/base_sys.h"
#include "protocol/pack.h"

struct page_fixture {
	struct collect_input input;
	struct worker_page *page;
	struct run_result result;
	struct collect_facts facts;
};

static int
setup_page(void **state)
{
	struct page_fixture *fixture = calloc(1, sizeof(*fixture));
	assert_non_null(fixture);
	struct collect_input *input = &fixture->input;
	input->out_fd = input->err_fd = input->page_fd = -1;
	assert_int_equal(base_memfd("test", 0, &input->out_fd, NULL), 0);
	assert_int_equal(base_memfd("test", 0, &input->err_fd, NULL), 0);
	assert_int_equal(base_memfd("test", PAGE_FILE_BYTES, &input->page_fd, NULL), 0);
	fixture->page =
	    mmap(NULL, PAGE_MAPPED_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, input->page_fd, 0);
	assert_true(fixture->page != MAP_FAILED);
	input->page = fixture->page;
	limits_defaults(&input->limits);
	*state = fixture;
	return 0;
}

static int
teardown_page(void **state)
{
	struct page_fixture *fixture = *state;
	run_result_deinit(&fixture->result);
	base_close(&fixture->input.out_fd);
	base_close(&fixture->input.err_fd);
	base_close(&fixture->input.page_fd);
	(void)munmap(fixture->page, PAGE_MAPPED_BYTES);
	free(fixture);
	return 0;
}

static void
test_page_of_a_good_worker(void **state)
{
	struct page_fixture *fixture = *state;
	struct pack pack;
	pack_init(&pack, 1000);
	pack_put(&pack, RESULT_VALUE, "42", 2);
	assert_int_equal(base_pwrite_full(fixture->input.page_fd, pack.bytes, pack.size,
					  PAGE_RESULT_OFFSET, NULL),
			 0);
	fixture->page->result_bytes = pack.size;
	fixture->page->phase = PHASE_ENDED;
	pack_deinit(&pack);
	assert_int_equal(base_write_full(fixture->input.out_fd, "out", 3, NULL), 0);
	assert_int_equal(base_write_full(fixture->input.err_fd, "error", 5, NULL), 0);
	assert_int_equal(collect_size(&fixture->input), 10 + 3 + 5);
	collect_run(&fixture->input, &fixture->result, &fixture->facts);
	assert_int_equal(fixture->facts.blob, VERDICT_BLOB_COMPLETE);
	assert_int_equal(fixture->facts.phase, PHASE_ENDED);
	assert_false(fixture->facts.failed);
	assert_false(fixture->facts.output_over);
	assert_memory_equal(fixture->result.out.data, "out", 3);
	assert_memory_equal(fixture->result.err.data, "error", 5);
	assert_memory_equal(fixture->result.value.data, "42", 2);
}

/* What is not known is a failure of ours, and not a job that did nothing. */
static void
test_page_that_was_not_read(void **state)
{
	struct page_fixture *fixture = *state;
	struct error why = ERROR_INIT;
	(void)error_set(&why, ERROR_SYSTEM, "the disk is gone");
	fixture->input.page_err = &why;
	collect_run(&fixture->input, &fixture->result, &fixture->facts);
	assert_true(fixture->facts.failed);
	assert_string_equal(fixture->facts.err.text, "the disk is gone");
}

static void
test_page_untouched(void **state)
{
	struct page_fixture *fixture = *state;
	collect_run(&fixture->input, &fixture->result, &fixture->facts);
	assert_int_equal(fixture->facts.blob, VERDICT_BLOB_NONE);
	assert_int_equal(fixture->result.out.size, 0);
	fixture->page->phase = PHASE_ENDED; /* ended with nothing to say */
	collect_run(&fixture->input, &fixture->result, &fixture->facts);
	assert_int_equal(fixture->facts.blob, VERDICT_BLOB_COMPLETE);
}

static void
test_page_of_rubbish(void **state)
{
	struct page_fixture *fixture = *state;
	memset(fixture->page, 0xff, PAGE_MAPPED_BYTES);
	collect_run(&fixture->input, &fixture->result, &fixture->facts);
	assert_int_equal(fixture->facts.phase, UINT32_MAX);
	assert_int_equal(fixture->facts.blob, VERDICT_BLOB_PARTIAL);
	assert_false(fixture->facts.failed);
	run_result_deinit(&fixture->result);
	fixture->page->phase = PHASE_ENDED;
	collect_run(&fixture->input, &fixture->result, &fixture->facts);
	assert_int_equal(fixture->facts.blob, VERDICT_BLOB_HOSTILE);
}

static void
test_page_size_above_the_cap_is_not_read(void **state)
{
	struct page_fixture *fixture = *state;
	fixture->page->phase = PHASE_ENDED;
	fixture->page->result_bytes =
	    fixture->input.limits.value_bytes + COLLECT_EXTRA_BYTES_MAX + 1;
	collect_run(&fixture->input, &fixture->result, &fixture->facts);
	assert_int_equal(fixture->facts.blob, VERDICT_BLOB_HOSTILE);
	assert_string_equal(fixture->facts.fault, "a result above its cap");
}

static void
test_output_is_cut_at_its_cap(void **state)
{
	struct page_fixture *fixture = *state;
	fixture->input.limits.stdout_bytes = 4;
	fixture->input.limits.stderr_bytes = 5;
	assert_int_equal(base_write_full(fixture->input.out_fd, "12345", 5, NULL), 0);
	assert_int_equal(base_write_full(fixture->input.err_fd, "12345", 5, NULL), 0);
	collect_run(&fixture->input, &fixture->result, &fixture->facts);
	assert_true(fixture->facts.output_over);
	assert_int_equal(fixture->result.out.size, 4);
	assert_true(fixture->result.out_truncated);
	assert_int_equal(fixture->result.err.size, 5);
	assert_false(fixture->result.err_truncated);
}

static void
test_unreadable_file_is_our_failure(void **state)
{
	struct page_fixture *fixture = *state;
	base_close(&fixture->input.out_fd);
	collect_run(&fixture->input, &fixture->result, &fixture->facts);
	assert_true(fixture->facts.failed);
	assert_true(fixture->facts.err.text[0] != 0);
}

/* Compiled code: what is claimed, what the file has, and what comes of it. */
static void
test_code(void **state)
{
	static const struct {
		uint64_t claimed;
		off_t file_bytes;
		uint64_t kept;
		bool never;
	} CASES[] = {
	    {0, CODE_FILE_BYTES, 0, false},
	    {1, CODE_FILE_BYTES, 1, false},
	    {CODE_BYTES_MAX, CODE_FILE_BYTES, CODE_BYTES_MAX, false},
	    {CODE_BYTES_MAX + 1, CODE_FILE_BYTES, 0, false},
	    {UINT64_C(1) << 63, CODE_FILE_BYTES, 0, false},
	    {CODE_BYTES_NEVER - 1, CODE_FILE_BYTES, 0, false},
	    {CODE_BYTES_NEVER, CODE_FILE_BYTES, 0, true},
	    /* Sealed in life; a reader must not rely on it. */
	    {100, CODE_OFFSET + 100, 100, false},
	    {100, CODE_OFFSET + 99, 0, false},
	    {100, 0, 0, false},
	};
	struct page_fixture *fixture = *state;
	struct collect_input *input = &fixture->input;
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct worker_code head = {CASES[i].claimed};
		input->leaves_code = true;
		assert_int_equal(base_memfd("test", 0, &input->code_fd, NULL), 0);
		assert_int_equal(base_write_full(input->code_fd, &head, sizeof(head), NULL), 0);
		assert_int_equal(ftruncate(input->code_fd, CASES[i].file_bytes), 0);
		if (CASES[i].kept > 0)
			assert_true(collect_size(input) >= CASES[i].kept);
		else
			assert_true(collect_size(input) <= CODE_BYTES_MAX);
		collect_run(input, &fixture->result, &fixture->facts);
		assert_false(fixture->facts.failed);
		assert_null(fixture->facts.fault);
		assert_int_equal(fixture->facts.code_size, CASES[i].kept);
		assert_int_equal(fixture->facts.code != NULL, CASES[i].kept > 0);
		assert_int_equal(fixture->facts.code_never, CASES[i].never);
		free(fixture->facts.code);
		run_result_deinit(&fixture->result);
		base_close(&input->code_fd);
	}
	input->leaves_code = false; /* not asked for: not looked at */
	collect_run(input, &fixture->result, &fixture->facts);
	assert_null(fixture->facts.code);
}

static void
test_page_with_trace_and_files(void **state)
{
	static const char trace[] = "{\"event\":\"line\",\"line\":1}\n";
	struct page_fixture *fixture = *state;
	struct collect_input *input = &fixture->input;
	struct pack pack;
	pack_init(&pack, 1000);
	pack_put(&pack, RESULT_FILE_NAME, "a", 1);
	pack_put(&pack, RESULT_FILE_BYTES, "1234", 4);
	assert_int_equal(
	    base_pwrite_full(input->page_fd, pack.bytes, pack.size, PAGE_RESULT_OFFSET, NULL), 0);
	assert_int_equal(
	    base_pwrite_full(input->page_fd, trace, sizeof(trace) - 1, PAGE_TRACE_OFFSET, NULL), 0);
	fixture->page->phase = PHASE_ENDED;
	fixture->page->result_bytes = pack.size;
	fixture->page->trace_bytes = sizeof(trace) - 1;
	input->traced = input->collects = true;
	input->limits.collected_bytes = 4;
	assert_int_equal(collect_size(input), pack.size + sizeof(trace) - 1);
	collect_run(input, &fixture->result, &fixture->facts);
	assert_int_equal(fixture->facts.blob, VERDICT_BLOB_COMPLETE);
	assert_int_equal(fixture->result.file_count, 1);
	assert_int_equal(fixture->result.trace.size, sizeof(trace) - 1);
	assert_false(fixture->result.trace_truncated);
	run_result_deinit(&fixture->result);
	input->limits.collected_bytes = 3;
	collect_run(input, &fixture->result, &fixture->facts);
	assert_int_equal(fixture->facts.blob, VERDICT_BLOB_HOSTILE);
	pack_deinit(&pack);
}

/* The page says more than its file has: that cannot be in life, and is our failure. */
static void
test_page_that_cannot_be_read(void **state)
{
	struct page_fixture *fixture = *state;
	int page_fd = fixture->input.page_fd;
	fixture->page->phase = PHASE_ENDED;
	fixture->page->result_bytes = 10;
	fixture->page->trace_bytes = 10;
	fixture->input.traced = true;
	fixture->input.page_fd = -1;
	collect_run(&fixture->input, &fixture->result, &fixture->facts);
	assert_true(fixture->facts.failed);
	assert_null(fixture->result.value.data);
	fixture->input.page_fd = page_fd;
}

int
main(void)
{
#define PAGE(name) cmocka_unit_test_setup_teardown(name, setup_page, teardown_page)
	const struct CMUnitTest tests[] = {
	    PAGE(test_page_of_a_good_worker),
	    PAGE(test_code),
	    PAGE(test_page_with_trace_and_files),
	    PAGE(test_page_that_cannot_be_read),
	    PAGE(test_page_untouched),
	    PAGE(test_page_that_was_not_read),
	    PAGE(test_page_of_rubbish),
	    PAGE(test_page_size_above_the_cap_is_not_read),
	    PAGE(test_output_is_cut_at_its_cap),
	    PAGE(test_unreadable_file_is_our_failure),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
