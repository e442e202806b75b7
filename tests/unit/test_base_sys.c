/*
 * Whole reads and writes, memory files, kernel files.
 */
#define _GNU_SOURCE
#include "protocol/base_sys.h"
#include "tests/unit/cmocka_headers.h"
#include "tests/unit/huge_pages.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void
close_resets_and_keeps_errno(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), copy = fd;

	errno = EXDEV;
	base_close(&fd);
	assert_int_equal(fd, -1);
	assert_int_equal(errno, EXDEV);
	assert_int_equal(fcntl(copy, F_GETFD), -1);
	base_close(&fd);
	assert_int_equal(fd, -1);
}

static void
pipe_transfers(void **state)
{
	struct error err = ERROR_INIT;
	char bytes[8] = "";
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(base_write_full(fds[1], "abcdef", 6, &err), 0);
	assert_int_equal(base_read_full(fds[0], bytes, 4, &err), 0);
	assert_memory_equal(bytes, "abcd", 4);
	base_close(&fds[1]);
	assert_int_equal(base_read_full(fds[0], bytes, 4, &err), ERROR_CLOSED);
	base_close(&fds[0]);
	assert_int_equal(base_read_full(-1, bytes, 1, &err), ERROR_SYSTEM);
	assert_int_equal(err.sys, EBADF);
}

static void
write_without_reader_is_closed(void **state)
{
	struct error err = ERROR_INIT;
	int fds[2];

	(void)signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	base_close(&fds[0]);
	assert_int_equal(base_write_full(fds[1], "x", 1, &err), ERROR_CLOSED);
	base_close(&fds[1]);
}

static void
sized_memfd_is_sealed(void **state)
{
	struct error err = ERROR_INIT;
	char bytes[3] = "";
	struct stat status;
	int fd = -1;

	assert_int_equal(base_memfd("test", 8192, &fd, &err), 0);
	assert_int_equal(fstat(fd, &status), 0);
	assert_int_equal(status.st_size, 8192);
	assert_int_equal(ftruncate(fd, 4096), -1);
	assert_int_equal(ftruncate(fd, 16384), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_false(fcntl(fd, F_GETFL) & O_APPEND);
	assert_int_equal(base_pwrite_full(fd, "xyz", 3, 8189, &err), 0);
	assert_int_equal(base_pread_full(fd, bytes, 3, 8189, &err), 0);
	assert_memory_equal(bytes, "xyz", 3);
	assert_int_equal(base_pwrite_full(fd, "xyz", 3, 8190, &err), ERROR_SYSTEM);
	assert_int_equal(base_pread_full(fd, bytes, 3, 8190, &err), ERROR_CLOSED);
	base_close(&fd);
}

static void
empty_memfd_appends(void **state)
{
	struct error err = ERROR_INIT;
	char bytes[4] = "";
	int fd = -1;

	assert_int_equal(base_memfd("test", 0, &fd, &err), 0);
	assert_true(fcntl(fd, F_GETFL) & O_APPEND);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(fd, "ab", 2), 2);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(write(fd, "cd", 2), 2);
	assert_int_equal(base_pread_full(fd, bytes, 4, 0, &err), 0);
	assert_memory_equal(bytes, "abcd", 4);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	base_close(&fd);
}

static void
copied_memory_stays_as_it_is(void **state)
{
	static const char text[] = "abc";
	char bytes[8] = "xxxxxxxx", long_name[300] = "";

	for (int executable = 0; executable < 2; executable++) {
		struct stat status;
		int fd = base_memfd_copy("test", text, 3, 8192, executable);

		assert_true(fd >= 0);
		assert_int_equal(fstat(fd, &status), 0);
		assert_int_equal(status.st_size, 8192);
		assert_int_equal(base_pread_full(fd, bytes, sizeof(bytes), 0, NULL), 0);
		assert_memory_equal(bytes, "abc\0\0\0\0\0", sizeof(bytes));
		assert_int_equal(base_pwrite_full(fd, "d", 1, 0, NULL), ERROR_SYSTEM);
		assert_int_equal(ftruncate(fd, 4096), -1);
		assert_int_equal(ftruncate(fd, 16384), -1);
		assert_true(fcntl(fd, F_GET_SEALS) & F_SEAL_SEAL);
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		base_close(&fd);
	}
	memset(long_name, 'n', sizeof(long_name) - 1);
	assert_int_equal(base_memfd_copy(long_name, text, 3, 8192, false), -1);
	assert_int_equal(errno, EINVAL);
}

/* A memory file in the place of a kernel file. */
static int
file_with(const char *text)
{
	int fd = memfd_create("kernel", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	return fd;
}

static void
numbers_of_kernel_files(void **state)
{
	static const struct {
		const char *text;
		int result;
		uint64_t value;
	} CASES[] = {
	    {"0\n", 0, 0},
	    {"4096\n", 0, 4096},
	    {"17", 0, 17},
	    {"max\n", 0, UINT64_MAX},
	    {"18446744073709551615\n", 0, UINT64_MAX},
	    {"18446744073709551616\n", ERROR_INVALID, 0},
	    {"", ERROR_INVALID, 0},
	    {"\n", ERROR_INVALID, 0},
	    {"-1\n", ERROR_INVALID, 0},
	    {"12x\n", ERROR_INVALID, 0},
	    {"maximum\n", ERROR_INVALID, 0},
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct error err = ERROR_INIT;
		uint64_t value = 0;
		int fd = file_with(CASES[i].text);

		assert_int_equal(base_file_read_u64(fd, &value, &err), CASES[i].result);
		assert_int_equal(value, CASES[i].value);
		base_close(&fd);
	}
}

static void
kernel_file_is_written_at_its_start(void **state)
{
	struct error err = ERROR_INIT;
	uint64_t value = 0;
	int fd = file_with("");

	assert_int_equal(base_file_write_u64(fd, UINT64_MAX, &err), 0);
	assert_int_equal(base_file_read_u64(fd, &value, &err), 0);
	assert_int_equal(value, UINT64_MAX);
	assert_int_equal(base_file_write_u64(fd, 12, &err), 0);
	assert_int_equal(base_file_read_u64(fd, &value, &err), 0);
	assert_int_equal(value, 12);
	base_close(&fd);
	assert_int_equal(base_file_write_u64(fd, 12, &err), ERROR_SYSTEM);
}

static void
keys_of_kernel_files(void **state)
{
	struct error err = ERROR_INIT;
	uint64_t value = 0;
	int fd = file_with("usage_usec 12\nuser_usec 7\nlast 3");

	assert_int_equal(base_file_read_key(fd, "user_usec", &value, &err), 0);
	assert_int_equal(value, 7);
	assert_int_equal(base_file_read_key(fd, "usage_usec", &value, &err), 0);
	assert_int_equal(value, 12);
	assert_int_equal(base_file_read_key(fd, "last", &value, &err), 0);
	assert_int_equal(value, 3);
	assert_int_equal(base_file_read_key(fd, "user", &value, &err), ERROR_NOT_FOUND);
	assert_int_equal(base_file_read_key(fd, "usec", &value, &err), ERROR_NOT_FOUND);
	assert_int_equal(value, 3);
	base_close(&fd);
}

static void
large_memory(void **state)
{
	static const size_t SIZES[] = {1,
				       100000,
				       BASE_LARGE_BYTES - 1,
				       BASE_LARGE_BYTES,
				       BASE_LARGE_BYTES + 1,
				       9 * BASE_LARGE_BYTES,
				       10 * BASE_LARGE_BYTES};
	char *bytes = NULL;
	size_t used = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(SIZES) / sizeof(SIZES[0]); i++) {
		bytes = base_large_realloc(bytes, used, SIZES[i]);
		assert_non_null(bytes);
		base_populate(bytes, SIZES[i]);
		for (size_t at = 0; at < used; at++)
			assert_int_equal(bytes[at], (char)i);
		used = SIZES[i];
		memset(bytes, (int)i + 1, used);
	}
	/* realloc knows them too: a request gives back what it does not need. */
	bytes = realloc(bytes, 5);
	assert_non_null(bytes);
	assert_int_equal(bytes[4], (char)(sizeof(SIZES) / sizeof(SIZES[0])));
	assert_null(base_large_malloc(SIZE_MAX - 5));
	assert_null(base_large_realloc(bytes, 5, SIZE_MAX - 5));
	assert_int_equal(bytes[0], bytes[4]);
	free(bytes);
}

/* Only what nobody has, all of it or nothing. */
static void
addresses_are_reserved(void **state)
{
	size_t page = 4096;
	char *room =
	    mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uintptr_t at = (uintptr_t)room;
	(void)state;

	assert_ptr_not_equal(room, MAP_FAILED);
	room[2 * page] = 7;
	assert_true(base_reserve(at, 0));
	assert_false(base_reserve(at, page));
	assert_int_equal(munmap(room, 2 * page), 0);
	assert_false(base_reserve(at + page, 2 * page));
	assert_int_equal(room[2 * page], 7);
	assert_true(base_reserve(at, 2 * page));
	assert_false(base_reserve(at + page, page));
	assert_int_equal(munmap(room, 3 * page), 0);
}

/* The whole huge pages of a range, and what they hold stays. */
static void
memory_is_collapsed(void **state)
{
	size_t bytes = 4 * (size_t)BASE_HUGE_BYTES;
	char *room = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uintptr_t start =
	    ((uintptr_t)room + BASE_HUGE_BYTES - 1) & ~(uintptr_t)(BASE_HUGE_BYTES - 1);
	(void)state;

	assert_ptr_not_equal(room, MAP_FAILED);
	*(char *)(start + 5000) = 7;
	assert_int_equal(base_collapse(start + 1, start + BASE_HUGE_BYTES), 0);
	if (!huge_pages_can_be_made(madvise))
		skip();
	assert_int_equal(base_collapse(start - 4096, start + BASE_HUGE_BYTES + 4096),
			 BASE_HUGE_BYTES);
	assert_int_equal(*(char *)(start + 5000), 7);
	assert_int_equal(munmap(room, bytes), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(close_resets_and_keeps_errno),
	    cmocka_unit_test(pipe_transfers),
	    cmocka_unit_test(write_without_reader_is_closed),
	    cmocka_unit_test(sized_memfd_is_sealed),
	    cmocka_unit_test(empty_memfd_appends),
	    cmocka_unit_test(copied_memory_stays_as_it_is),
	    cmocka_unit_test(numbers_of_kernel_files),
	    cmocka_unit_test(kernel_file_is_written_at_its_start),
	    cmocka_unit_test(keys_of_kernel_files),
	    cmocka_unit_test(large_memory),
	    cmocka_unit_test(addresses_are_reserved),
	    cmocka_unit_test(memory_is_collapsed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
