/*
 * Reading a dead worker's output: every state in which it can have been killed, and pages and files
 * that no honest worker leaves behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/output_read.h"
#include "protocol/base_sys.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct world {
	int fd;
	int page_fd;
	uint8_t *base; /* mapped */
	struct page_stage stage;
};

static int
set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	assert_int_equal(base_memfd("out", 0, &world->fd, NULL), 0);
	assert_int_equal(base_memfd("page", PAGE_FILE_BYTES, &world->page_fd, NULL), 0);
	world->base =
	    mmap(NULL, PAGE_MAPPED_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, world->page_fd, 0);
	assert_true(world->base != MAP_FAILED);
	*state = world;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *world = *state;

	(void)munmap(world->base, PAGE_MAPPED_BYTES);
	base_close(&world->page_fd);
	base_close(&world->fd);
	free(world);
	return 0;
}

static void
fill(struct world *world, const char *file, const char *buffer, const char *text)
{
	assert_int_equal(base_write_full(world->fd, file, strlen(file), NULL), 0);
	memcpy(world->base + PAGE_BUFFER_OFFSET(PAGE_STREAM_STDOUT), buffer, strlen(buffer));
	memcpy(world->base + PAGE_TEXT_OFFSET(PAGE_STREAM_STDOUT), text, strlen(text));
	world->stage.levels = STAGE_LEVELS(strlen(buffer), strlen(text));
}

static void
expect(struct world *world, uint64_t cap, const char *wanted, bool wanted_truncated)
{
	struct bytes got;
	bool truncated;

	assert_int_equal(output_read(world->fd, &world->stage, world->page_fd, PAGE_STREAM_STDOUT,
				     0, cap, &got, &truncated, NULL),
			 0);
	assert_int_equal(got.size, strlen(wanted));
	if (got.size > 0)
		assert_memory_equal(got.data, wanted, got.size);
	else
		assert_null(got.data);
	assert_int_equal(truncated, wanted_truncated);
	free(got.data);
}

static void
test_three_parts(void **state)
{
	struct world *world = *state;

	expect(world, 100, "", false);
	fill(world, "file-", "buffer-", "text");
	expect(world, 100, "file-buffer-text", false);
	expect(world, 16, "file-buffer-text", false);
	expect(world, 15, "file-buffer-tex", true);
	expect(world, 12, "file-buffer-", true);
	expect(world, 7, "file-bu", true);
	expect(world, 5, "file-", true);
	expect(world, 2, "fi", true);
	expect(world, 0, "", true);
}

static void
test_stderr_has_its_own(void **state)
{
	struct world *world = *state;
	struct bytes got;
	bool truncated;

	fill(world, "", "out", "");
	memcpy(world->base + PAGE_TEXT_OFFSET(PAGE_STREAM_STDERR), "err", 3);
	world->stage.levels = STAGE_LEVELS(0, 3);
	assert_int_equal(output_read(world->fd, &world->stage, world->page_fd, PAGE_STREAM_STDERR,
				     0, 9, &got, &truncated, NULL),
			 0);
	assert_int_equal(got.size, 3);
	assert_memory_equal(got.data, "err", 3);
	free(got.data);
}

/* Killed while the buffer moved: nothing, a part, all of it had arrived. */
static void
test_killed_in_flush(void **state)
{
	struct world *world = *state;

	fill(world, "old-", "buffer-", "text");
	world->stage.flush_mark = 1 + 4;
	expect(world, 100, "old-buffer-text", false);
	fill(world, "buf", "buffer-", "text");
	expect(world, 100, "old-buffer-text", false);
	fill(world, "fer-", "buffer-", "text");
	expect(world, 100, "old-buffer-text", false);
	/* The sizes are stored, the mark not yet. */
	world->stage.levels = STAGE_LEVELS(0, 4);
	expect(world, 100, "old-buffer-text", false);
}

/* A thread without the GIL wrote to the descriptor between the mark and the kill. */
static void
test_foreign_bytes_in_flush(void **state)
{
	struct world *world = *state;

	fill(world, "old-", "buffer-", "text");
	world->stage.flush_mark = 1 + 4;
	fill(world, "raw-", "buffer-", "text");
	expect(world, 100, "old-raw-buffer-text", false);
	fill(world, "buf", "buffer-", "text");
	expect(world, 100, "old-raw-buffer-text", false);
	fill(world, "fer-", "buffer-", "text");
	expect(world, 100, "old-raw-buffer-text", false);
	fill(world, "and-more-than-the-buffer-", "buffer-", "text");
	expect(world, 100, "old-raw-buffer-and-more-than-the-buffer-text", false);
}

static void
test_cap_inside_flush(void **state)
{
	struct world *world = *state;

	fill(world, "old-buf", "buffer-", "text");
	world->stage.flush_mark = 1 + 4;
	expect(world, 15, "old-buffer-text", false);
	expect(world, 14, "old-buffer-tex", true);
	expect(world, 5, "old-b", true);
	expect(world, 3, "old", true);
}

static void
test_hostile_numbers(void **state)
{
	static const uint64_t VALUES[] = {
	    0,          1,          7,          8191,           8192,       8193,
	    UINT32_MAX, 1ull << 32, UINT64_MAX, UINT64_MAX - 1, 1ull << 63, 0x100000001ull};
	enum { COUNT = sizeof(VALUES) / sizeof(VALUES[0]) };
	struct world *world = *state;

	fill(world, "file", "", "");
	for (size_t i = 0; i < COUNT; i++) {
		for (size_t j = 0; j < COUNT; j++) {
			struct bytes got;
			bool truncated;

			world->stage.levels = VALUES[i];
			world->stage.flush_mark = VALUES[j];
			assert_int_equal(output_read(world->fd, &world->stage, world->page_fd,
						     PAGE_STREAM_STDERR, 0, 1000, &got, &truncated,
						     NULL),
					 0);
			assert_true(got.size >= 4 && got.size <= 1000);
			assert_memory_equal(got.data, "file", 4);
			free(got.data);
		}
	}
}

/* A file that says it is huge costs no more than the cap, and is not mapped. */
static void
test_huge_sparse_file(void **state)
{
	struct world *world = *state;
	struct bytes got;
	bool truncated;

	assert_int_equal(ftruncate(world->fd, 1ll << 40), 0);
	world->stage.levels = UINT64_MAX;
	world->stage.flush_mark = 1ull << 39;
	assert_int_equal(output_read(world->fd, &world->stage, world->page_fd, PAGE_STREAM_STDOUT,
				     0, 5000, &got, &truncated, NULL),
			 0);
	assert_int_equal(got.size, 5000);
	assert_true(truncated);
	for (size_t i = 0; i < got.size; i++)
		assert_int_equal(got.data[i], 0);
	free(got.data);
}

static void
test_unreadable_file(void **state)
{
	struct world *world = *state;
	struct error err = ERROR_INIT;
	struct bytes got = {NULL, 77};
	bool truncated = true;

	assert_int_equal(output_read(-1, &world->stage, world->page_fd, PAGE_STREAM_STDOUT, 0, 10,
				     &got, &truncated, &err),
			 ERROR_SYSTEM);
	assert_int_equal(got.size, 77);
	assert_int_equal(err.code, ERROR_SYSTEM);
}

static void
expect_new(struct world *world, uint64_t *offset, uint64_t cap, size_t max, const char *wanted)
{
	struct bytes got = {NULL, 99};

	assert_int_equal(output_read_new(world->fd, 0, offset, cap, max, &got, NULL), 0);
	assert_int_equal(got.size, strlen(wanted));
	if (got.size > 0)
		assert_memory_equal(got.data, wanted, got.size);
	free(got.data);
}

static void
test_new_bytes(void **state)
{
	struct world *world = *state;
	uint64_t offset = 0;

	expect_new(world, &offset, 100, 50, "");
	fill(world, "hello world", "", "");
	expect_new(world, &offset, 100, 5, "hello");
	expect_new(world, &offset, 9, 50, " wor");
	assert_int_equal(offset, 9);
	expect_new(world, &offset, 9, 50, "");
	expect_new(world, &offset, 100, 50, "ld");
	assert_int_equal(ftruncate(world->fd, 3), 0);
	expect_new(world, &offset, 100, 50, "");
	assert_int_equal(offset, 11);
}

static void
test_new_bytes_keep_characters_whole(void **state)
{
	struct world *world = *state;
	uint64_t offset = 0;

	fill(world, "a\xe2\x82", "", "");
	expect_new(world, &offset, 100, 50, "a");
	expect_new(world, &offset, 100, 50, "");
	fill(world, "\xac\xf0\x9f", "", "");
	expect_new(world, &offset, 100, 50, "\xe2\x82\xac");
	fill(world, "\x98\x80\xc3", "", "");
	expect_new(world, &offset, 100, 50, "\xf0\x9f\x98\x80");
	/* Bytes that are no UTF-8 are not held back. */
	fill(world, "\xa9\x80\x80\x80\x80", "", "");
	expect_new(world, &offset, 100, 50, "\xc3\xa9\x80\x80\x80\x80");
}

/* Nothing can be read: an error, which the caller takes for ours. */
static void
test_a_file_that_cannot_be_read(void **state)
{
	struct world *world = *state;
	char path[32];
	struct bytes got = {NULL, 0};
	uint64_t offset = 0;
	bool truncated;
	int fd, closed = -1;

	fill(world, "abc", "", "");
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", world->fd);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(output_read(fd, &world->stage, world->page_fd, PAGE_STREAM_STDOUT, 0, 10,
				     &got, &truncated, NULL),
			 ERROR_SYSTEM);
	assert_int_equal(output_read_new(fd, 0, &offset, 10, 10, &got, NULL), ERROR_SYSTEM);
	assert_int_equal(output_read(closed, &world->stage, world->page_fd, PAGE_STREAM_STDOUT, 0,
				     10, &got, &truncated, NULL),
			 ERROR_SYSTEM);
	assert_int_equal(output_read_new(closed, 0, &offset, 10, 10, &got, NULL), ERROR_SYSTEM);
	assert_int_equal(offset, 0);
	assert_null(got.data);
	base_close(&fd);
}

/* A size and a cap that no memory holds. */
static void
test_more_than_memory(void **state)
{
	struct world *world = *state;
	const uint64_t huge = UINT64_C(1) << 60;
	struct bytes got = {NULL, 0};
	uint64_t offset = 0;
	bool truncated;

#ifdef __SANITIZE_ADDRESS__
	skip(); /* it does not let malloc fail */
#endif
	assert_int_equal(ftruncate(world->fd, (off_t)huge), 0);
	assert_int_equal(output_read(world->fd, &world->stage, world->page_fd, PAGE_STREAM_STDOUT,
				     0, huge, &got, &truncated, NULL),
			 ERROR_LIMIT);
	assert_int_equal(output_read_new(world->fd, 0, &offset, huge, huge, &got, NULL),
			 ERROR_LIMIT);
	assert_null(got.data);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_a_file_that_cannot_be_read, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_more_than_memory, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_three_parts, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_stderr_has_its_own, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_killed_in_flush, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_foreign_bytes_in_flush, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_cap_inside_flush, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_hostile_numbers, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_huge_sparse_file, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_unreadable_file, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_new_bytes, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_new_bytes_keep_characters_whole, set_up,
					    tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
