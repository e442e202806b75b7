/*
 * The stage by itself: thresholds, caps, and, by single-stepping a process through it, what a
 * reader would find if the process were killed after each of its instructions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/output_read.h"
#include "protocol/base_sys.h"
#include "worker/python_output_stage.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CAP_BYTES   (1u << 20)
#define SHARED_SIZE (PAGE_MAPPED_BYTES + 4096u)

struct world {
	int fd, page_fd;
	uint8_t *base;
	volatile uint64_t *done; /* bytes whose writing has returned */
	struct output_stage stage;
};

static void
open_world(struct world *world, uint64_t cap)
{
	assert_int_equal(base_memfd("out", 0, &world->fd, NULL), 0);
	assert_int_equal(base_memfd("page", SHARED_SIZE, &world->page_fd, NULL), 0);
	world->base =
	    mmap(NULL, SHARED_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, world->page_fd, 0);
	assert_ptr_not_equal(world->base, MAP_FAILED);
	world->done = (volatile uint64_t *)(void *)(world->base + PAGE_MAPPED_BYTES);
	python_output_stage_init(&world->stage, (struct worker_page *)(void *)world->base,
				 world->base, PAGE_STREAM_STDOUT, world->fd, cap);
}

static void
close_world(struct world *world)
{
	base_close(&world->fd);
	base_close(&world->page_fd);
	munmap(world->base, SHARED_SIZE);
}

static uint64_t
file_size(const struct world *world)
{
	struct stat st;

	assert_int_equal(fstat(world->fd, &st), 0);
	return (uint64_t)st.st_size;
}

static int
put_text(struct world *world, const void *bytes, size_t size)
{
	const struct output_source source = {.data = bytes, .length = size, .bytes = size};

	return python_output_stage_text(&world->stage, &source);
}

static uint8_t
pattern(uint64_t at)
{
	return (uint8_t)('A' + (at * 7 + at / 251 + at / 8192) % 57);
}

static void
expect_levels(const struct world *world, uint64_t file, uint32_t buffer, uint32_t text)
{
	const struct worker_page *page = (const struct worker_page *)(const void *)world->base;
	struct page_stage shared = page->stages[PAGE_STREAM_STDOUT];

	assert_int_equal(file_size(world), file);
	assert_int_equal(STAGE_BUFFER_OF(shared.levels), buffer);
	assert_int_equal(STAGE_TEXT_OF(shared.levels), text);
	assert_int_equal(shared.flush_mark, 0);
}

static void
test_thresholds(void **state)
{
	static uint8_t bytes[20000];
	struct world world;

	open_world(&world, CAP_BYTES);
	assert_int_equal(put_text(&world, bytes, 0), 0);
	expect_levels(&world, 0, 0, 0);
	assert_int_equal(put_text(&world, bytes, 8191), 0);
	expect_levels(&world, 0, 0, 8191);
	assert_int_equal(put_text(&world, bytes, 1),
			 0); /* a full chunk moves on, past the buffer */
	expect_levels(&world, 8192, 0, 0);
	assert_int_equal(put_text(&world, bytes, 3000), 0);
	assert_int_equal(python_output_stage_text_down(&world.stage), 0);
	expect_levels(&world, 8192, 3000, 0);
	assert_int_equal(python_output_stage_buffer(&world.stage, bytes, 1096), 0);
	expect_levels(&world, 8192, 4096, 0);
	assert_int_equal(python_output_stage_buffer(&world.stage, bytes, 1), 0);
	expect_levels(&world, 12288, 1, 0);
	assert_int_equal(put_text(&world, bytes, 10), 0);
	assert_int_equal(python_output_stage_buffer(&world.stage, bytes, 4097), 0);
	expect_levels(&world, 12288 + 1 + 4097, 0, 10);
	assert_int_equal(put_text(&world, bytes, 20000), 0);
	expect_levels(&world, 12288 + 1 + 4097 + 10 + 20000, 0, 0);
	close_world(&world);
}

static void
test_failed_write_keeps_the_bytes(void **state)
{
	static uint8_t bytes[8191];
	struct world world;

	open_world(&world, CAP_BYTES);
	world.stage.fd = -1;
	assert_int_equal(put_text(&world, bytes, 8191), 0);
	assert_int_equal(python_output_stage_text_down(&world.stage), -EBADF);
	assert_int_equal(put_text(&world, bytes, 8191), 0);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(put_text(&world, bytes, 8191), -EBADF);
		assert_int_equal(python_output_stage_buffer(&world.stage, bytes, 4000), -EBADF);
	}
	assert_true(world.stage.buffer_bytes <= STAGE_LEVEL_BYTES);
	assert_true(world.stage.text_bytes <= STAGE_LEVEL_BYTES);
	world.stage.fd = world.fd;
	assert_int_equal(python_output_stage_text_down(&world.stage), 0);
	assert_int_equal(python_output_stage_flush(&world.stage), 0);
	assert_int_equal(file_size(&world), 2 * 8191);
	close_world(&world);
}

/* Write `sizes` in turn as text (even) and straight to the buffer (odd) until the cap stops it. */
static void __attribute__((noreturn))
run_into_cap(struct world *world, size_t text_size, size_t buffer_size)
{
	uint64_t at = 0;
	uint8_t *bytes = malloc(text_size + buffer_size + 1);

	for (;;) {
		for (size_t i = 0; i < text_size; i++)
			bytes[i] = pattern(at++);
		if (put_text(world, bytes, text_size) < 0)
			_exit(2);
		if (buffer_size > 0) {
			if (python_output_stage_text_down(&world->stage) < 0)
				_exit(3);
			for (size_t i = 0; i < buffer_size; i++)
				bytes[i] = pattern(at++);
			if (python_output_stage_buffer(&world->stage, bytes, buffer_size) < 0)
				_exit(4);
		}
		if (at > 4 * CAP_BYTES)
			_exit(5);
	}
}

static void
expect_capped(struct world *world, uint64_t cap)
{
	const struct worker_page *page = (const struct worker_page *)(const void *)world->base;
	struct page_stage shared = page->stages[PAGE_STREAM_STDOUT];
	struct bytes got;
	bool truncated;

	assert_int_equal(page->reason, REASON_OUTPUT_LIMIT);
	assert_int_equal(page->detail, 1);
	assert_true(file_size(world) <= cap + 1);
	assert_int_equal(output_read(world->fd, &shared, world->page_fd, PAGE_STREAM_STDOUT, 0, cap,
				     &got, &truncated, NULL),
			 0);
	assert_int_equal(got.size, cap);
	assert_true(truncated);
	for (uint64_t i = 0; i < cap; i++)
		assert_int_equal(got.data[i], pattern(i));
	free(got.data);
}

static void
test_caps(void **state)
{
	static const uint64_t CAPS[] = {1, 100, 4095, 4096, 4097, 8191, 8192, 8193, 30000, 65536};
	static const size_t SIZES[][2] = {{1, 0},      {10, 3},   {4096, 0}, {8192, 0},
					  {100000, 0}, {5, 4096}, {7, 9000}, {8191, 4095}};

	for (size_t i = 0; i < sizeof(CAPS) / sizeof(CAPS[0]); i++) {
		for (size_t j = 0; j < sizeof(SIZES) / sizeof(SIZES[0]); j++) {
			struct world world;
			int status;
			pid_t pid;

			open_world(&world, CAPS[i]);
			pid = fork();
			assert_true(pid >= 0);
			if (pid == 0)
				run_into_cap(&world, SIZES[j][0], SIZES[j][1]);
			assert_int_equal(waitpid(pid, &status, 0), pid);
			assert_true(WIFEXITED(status));
			assert_int_equal(WEXITSTATUS(status), 1);
			expect_capped(&world, CAPS[i]);
			close_world(&world);
		}
	}
}

static void
test_cap_is_not_passed_by_its_last_byte(void **state)
{
	static uint8_t bytes[100];
	struct world world;

	open_world(&world, 250);
	assert_int_equal(put_text(&world, bytes, 100), 0);
	assert_int_equal(python_output_stage_buffer(&world.stage, bytes, 100), 0);
	assert_int_equal(put_text(&world, bytes, 50), 0);
	python_output_stage_check(&world.stage);
	close_world(&world);
}

/* What the single-stepped process does: each size moves the levels in another way. */
static void __attribute__((noreturn)) stepped(struct world *world)
{
	static const int SIZES[] = {300, -100, 4000, -4096, 8191, 1, 5000, 5000, -5000, 9000, 20};
	static uint8_t bytes[50000];
	uint64_t at = 0;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = pattern(i);
	(void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	(void)raise(SIGSTOP);
	for (size_t k = 0; k < sizeof(SIZES) / sizeof(SIZES[0]); k++) {
		size_t size = (size_t)abs(SIZES[k]);
		int rc;

		if (SIZES[k] > 0) {
			rc = put_text(world, bytes + at, size);
		} else {
			rc = python_output_stage_text_down(&world->stage);
			if (rc == 0)
				rc = python_output_stage_buffer(&world->stage, bytes + at, size);
		}
		if (rc < 0)
			_exit(2);
		at += size;
		*world->done = at;
	}
	if (python_output_stage_text_down(&world->stage) < 0 ||
	    python_output_stage_flush(&world->stage) < 0)
		_exit(3);
	_exit(0);
}

/* The bytes as they would be returned now: a prefix of the pattern that has all that was done. */
static size_t
expect_prefix(struct world *world)
{
	const struct worker_page *page = (const struct worker_page *)(const void *)world->base;
	struct page_stage shared = page->stages[PAGE_STREAM_STDOUT];
	uint64_t done = *world->done;
	struct bytes got;
	bool truncated;
	size_t size;

	assert_int_equal(output_read(world->fd, &shared, world->page_fd, PAGE_STREAM_STDOUT, 0,
				     CAP_BYTES, &got, &truncated, NULL),
			 0);
	size = got.size;
	assert_true(size >= done);
	for (size_t i = 0; i < size; i++)
		if (got.data[i] != pattern(i))
			fail_msg("byte %zu of %zu", i, size);
	free(got.data);
	return size;
}

static void
test_killed_after_each_instruction(void **state)
{
	struct world world;
	unsigned steps = 0;
	int status;
	pid_t pid;

	open_world(&world, CAP_BYTES);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		stepped(&world);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFSTOPPED(status)) {
		close_world(&world);
		skip(); /* no ptrace here */
	}
	while (WIFSTOPPED(status)) {
		(void)expect_prefix(&world);
		steps++;
		if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) < 0)
			break;
		assert_int_equal(waitpid(pid, &status, 0), pid);
	}
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_true(steps > 1000);
	assert_int_equal(expect_prefix(&world),
			 300 + 100 + 4000 + 4096 + 8191 + 1 + 5000 * 3 + 9000 + 20);
	close_world(&world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_thresholds),
	    cmocka_unit_test(test_failed_write_keeps_the_bytes),
	    cmocka_unit_test(test_caps),
	    cmocka_unit_test(test_cap_is_not_passed_by_its_last_byte),
	    cmocka_unit_test(test_killed_after_each_instruction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
