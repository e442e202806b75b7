/*
 * usage_log.c: records, their file, its size, and a file that cannot be written.
 */
#define _GNU_SOURCE
#include "cmocka_headers.h"

#include "daemon/usage_log.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct files {
	int fd, old_fd; /* the test's own */
	struct usage_log *log;
};

/* A second open file, for appending, of a file that is only in memory. */
static int
reopened(int fd, int flags)
{
	char path[64];
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int again = open(path, flags | O_CLOEXEC);
	assert_true(again >= 0);
	return again;
}

static void
files_open(struct files *files, const char *first, uint64_t bytes_max)
{
	files->fd = memfd_create("usage", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	files->old_fd = memfd_create("usage.1", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_true(files->fd >= 0 && files->old_fd >= 0);
	assert_int_equal(write(files->fd, first, strlen(first)), strlen(first));
	assert_int_equal(usage_log_new(reopened(files->fd, O_RDWR | O_APPEND),
				       reopened(files->old_fd, O_RDWR | O_APPEND), bytes_max,
				       &files->log, NULL),
			 0);
}

static void
files_close(struct files *files)
{
	usage_log_free(&files->log);
	(void)close(files->fd);
	(void)close(files->old_fd);
}

static char *
content(int fd)
{
	struct stat st;
	assert_int_equal(fstat(fd, &st), 0);
	char *bytes = calloc(1, (size_t)st.st_size + 1);
	assert_non_null(bytes);
	assert_int_equal(pread(fd, bytes, (size_t)st.st_size, 0), st.st_size);
	return bytes;
}

static void
put(struct usage_log *log, const char *job)
{
	struct run_usage usage = {.cpu_us = 1};
	struct engine_ended ended = {
	    .job = job, .tenant = "t", .tag = "", .status = STATUS_OK, .usage = &usage};
	usage_log_put(log, &ended);
}

static void
test_format(void **state)
{
	struct run_usage usage = {.cpu_us = 1,
				  .wall_us = 2,
				  .queue_us = 3,
				  .memory_peak_bytes = 4,
				  .stdout_bytes = 5,
				  .stderr_bytes = 6,
				  .opcodes = 18446744073709551615u};
	struct engine_ended ended = {.job = "j1",
				     .tenant = "uid-0",
				     .tag = "a\"b\n\x1b\xc3\xa4\xff",
				     .status = STATUS_CPU_LIMIT,
				     .usage = &usage};
	struct timespec at = {1709251199, 7999999};
	struct text_buffer text;
	(void)state;
	text_buffer_init(&text, USAGE_LOG_RECORD_BYTES);
	usage_log_format(&text, &ended, &at);
	text_buffer_put(&text, "", 1);
	assert_false(text.failed);
	assert_string_equal(
	    text.bytes,
	    "{\"time\":\"2024-02-29T23:59:59.007Z\",\"job\":\"j1\",\"tenant\":\"uid-0\","
	    "\"tag\":\"a\\\"b\\n\\u001b\xc3\xa4\xef\xbf\xbd\",\"status\":\"cpu_limit\","
	    "\"queue_us\":3,\"wall_us\":2,\"cpu_us\":1,"
	    "\"opcodes\":18446744073709551615,\"memory_peak_bytes\":4,"
	    "\"stdout_bytes\":5,\"stderr_bytes\":6}\n");
	text_buffer_deinit(&text);
}

/* The worst tag there can be still fits. */
static void
test_longest(void **state)
{
	char tag[256], tenant[65], job[64];
	struct run_usage usage;
	struct timespec at = {0, 0};
	struct text_buffer text;
	(void)state;
	memset(&usage, 0xff, sizeof(usage));
	memset(tag, 1, sizeof(tag) - 1);
	tag[255] = '\0';
	memset(tenant, 'x', 64);
	tenant[64] = '\0';
	memset(job, 'x', 63);
	job[63] = '\0';
	struct engine_ended ended = {.job = job,
				     .tenant = tenant,
				     .tag = tag,
				     .status = STATUS_SECURITY_VIOLATION,
				     .usage = &usage};
	text_buffer_init(&text, USAGE_LOG_RECORD_BYTES);
	usage_log_format(&text, &ended, &at);
	assert_false(text.failed);
	text_buffer_deinit(&text);
}

static void
test_all_are_written(void **state)
{
	struct files files;
	uint64_t written, dropped;
	char job[32];
	(void)state;
	files_open(&files, "before\n", 10 << 20);
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(job, sizeof(job), "job-%d", i);
		put(files.log, job);
	}
	usage_log_free(&files.log);
	char *text = content(files.fd), *line = text;
	assert_true(strncmp(text, "before\n{", 8) == 0);
	line += 7;
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(job, sizeof(job), "\"job-%d\"", i);
		char *end = strchr(line, '\n');
		assert_non_null(end);
		*end = '\0';
		assert_non_null(strstr(line, job));
		line = end + 1;
	}
	assert_int_equal(*line, '\0');
	free(text);
	usage_log_counts(files.log, &written, &dropped);
	assert_true(written == 0 && dropped == 0); /* of none */
	files_close(&files);
}

static void
test_torn_line_ends(void **state)
{
	struct files files;
	(void)state;
	files_open(&files, "whole\ntorn", 1 << 20);
	put(files.log, "next");
	usage_log_free(&files.log);
	char *text = content(files.fd);
	assert_true(strncmp(text, "whole\ntorn\n{", 12) == 0);
	free(text);
	files_close(&files);
}

/* Neither file passes its size, records are whole, and the last ones are all there. */
static void
test_size_is_bounded(void **state)
{
	const uint64_t MAX = 16384;
	struct files files;
	char job[32];
	struct stat st;
	(void)state;
	files_open(&files, "", MAX);
	for (int i = 0; i < 2000; i++) {
		(void)snprintf(job, sizeof(job), "job-%d", i);
		put(files.log, job);
	}
	usage_log_free(&files.log);
	assert_int_equal(fstat(files.fd, &st), 0);
	assert_true(st.st_size > 0 && (uint64_t)st.st_size <= MAX);
	assert_int_equal(fstat(files.old_fd, &st), 0);
	assert_true((uint64_t)st.st_size > MAX - USAGE_LOG_RECORD_BYTES &&
		    (uint64_t)st.st_size <= MAX);
	char *old = content(files.old_fd), *now = content(files.fd);
	int last = -1;
	for (char *part = old; part != NULL; part = part == old ? now : NULL) {
		for (char *line = part, *end; *line != '\0'; line = end + 1) {
			int number;
			end = strchr(line, '\n');
			assert_non_null(end);
			*end = '\0';
			const char *id = strstr(line, "\"job-");
			assert_non_null(id);
			assert_int_equal(sscanf(id, "\"job-%d\"", &number), 1);
			assert_true(last == -1 || number == last + 1);
			assert_int_equal(end[-1], '}');
			last = number;
		}
	}
	assert_int_equal(last, 1999);
	free(old);
	free(now);
	files_close(&files);
}

/* A file that takes no more: what is there stays whole, what comes is counted as lost. */
static void
test_failures_are_counted(void **state)
{
	struct files files;
	uint64_t written, dropped;
	(void)state;
	files_open(&files, "kept\n", 1 << 20);
	assert_int_equal(fcntl(files.fd, F_ADD_SEALS, F_SEAL_GROW), 0);
	for (int i = 0; i < 10; i++)
		put(files.log, "lost");
	do
		usage_log_counts(files.log, &written, &dropped);
	while (written + dropped < 10);
	assert_int_equal(written, 0);
	assert_int_equal(dropped, 10);
	char *text = content(files.fd);
	assert_string_equal(text, "kept\n");
	free(text);
	files_close(&files);
}

/* The second file cannot be written: the first keeps what it has, and its size. */
static void
test_no_turn_over(void **state)
{
	const uint64_t MAX = 8192;
	struct files files;
	uint64_t written, dropped;
	struct stat st;
	(void)state;
	files_open(&files, "", MAX);
	assert_int_equal(fcntl(files.old_fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	for (int i = 0; i < 500; i++)
		put(files.log, "some");
	do
		usage_log_counts(files.log, &written, &dropped);
	while (written + dropped < 500);
	assert_true(written > 0 && dropped > 0);
	assert_int_equal(fstat(files.fd, &st), 0);
	assert_true(st.st_size > 0 && (uint64_t)st.st_size <= MAX);
	files_close(&files);
}

static void
test_none(void **state)
{
	uint64_t written = 1, dropped = 1;
	struct usage_log *none = NULL;
	(void)state;
	put(NULL, "x");
	usage_log_counts(NULL, &written, &dropped);
	assert_true(written == 0 && dropped == 0);
	usage_log_free(&none);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_format),          cmocka_unit_test(test_longest),
	    cmocka_unit_test(test_all_are_written), cmocka_unit_test(test_torn_line_ends),
	    cmocka_unit_test(test_size_is_bounded), cmocka_unit_test(test_failures_are_counted),
	    cmocka_unit_test(test_no_turn_over),    cmocka_unit_test(test_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
