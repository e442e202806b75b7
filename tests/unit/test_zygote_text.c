/*
 * What is put in the place of the program's code and constants is the same, in huge pages, cannot
 * be written, and costs a fork hardly a fault; where the kernel makes no huge pages, nothing
 * changes. This program is laid out like stint-zygote and has constants for two huge pages.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "huge_pages.h"
#include "worker/zygote_text.h"

#define PAGE_BYTES 4096u
#define MAPS_BYTES 65536u

/* With what the C library's start-up adds: a whole huge page and more than half of one. */
#define CONSTANTS (3u << 20)
static const unsigned char constants[CONSTANTS] = {[0] = 1, [PAGE_BYTES] = 2, [CONSTANTS - 1] = 3};

static unsigned collapses_left = UINT32_MAX; /* then the kernel can no more */

static unsigned mappings_left = UINT32_MAX;
static unsigned no_mapping_from;

int __real_madvise(void *address, size_t bytes, int advice);
int __wrap_madvise(void *address, size_t bytes, int advice);
void *__real_mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset);

int
__wrap_madvise(void *address, size_t bytes, int advice)
{
	if (advice == MADV_COLLAPSE && collapses_left-- == 0) {
		collapses_left = 0;
		errno = EINVAL;
		return -1;
	}
	return __real_madvise(address, bytes, advice);
}

void *
__wrap_mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	if (mappings_left == 0) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	if (mappings_left != UINT32_MAX)
		mappings_left--;
	return __real_mmap(address, bytes, protection, flags, fd, offset);
}

static unsigned
sum_constants(void)
{
	const volatile unsigned char *bytes = constants; /* read each time */
	unsigned sum = 0;

	for (size_t at = 0; at < CONSTANTS; at++)
		sum += bytes[at];
	return sum;
}

/* Lines of /proc/self/maps about this program and its copies. */
static void
read_maps(char *ret_text)
{
	FILE *file = fopen("/proc/self/maps", "r");
	char line[512];

	assert_non_null(file);
	ret_text[0] = '\0';
	while (fgets(line, sizeof(line), file) != NULL) {
		if (strstr(line, "test_zygote_text") == NULL && strstr(line, "stint-text") == NULL)
			continue;
		assert_true(strlen(ret_text) + strlen(line) < MAPS_BYTES);
		strcat(ret_text, line);
	}
	(void)fclose(file);
}

static long
faults(void)
{
	struct rusage usage;
	(void)getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

static int
in_a_fork(int (*check)(void))
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(check());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int
fork_reads(void)
{
	long before = faults();

	if (sum_constants() != 6)
		return 1;
	return faults() - before <= CONSTANTS / PAGE_BYTES / 16 / 4 ? 0 : 2;
}

static int
replaced(void)
{
	char maps[MAPS_BYTES];
	const char *line;
	size_t bytes = zygote_text_settle();

	if (bytes < HUGE_BYTES || bytes % HUGE_BYTES != 0 || sum_constants() != 6)
		return 1;
	read_maps(maps);
	line = strstr(maps, "stint-text");
	if (line == NULL || strstr(maps, "rw-p 00000000 00:01") != NULL ||
	    strstr(maps, "rwxp") != NULL)
		return 2;
	return in_a_fork(fork_reads) == 0 ? 0 : 3;
}

static void
test_replaced(void **state)
{
	(void)state;
	if (!huge_pages_can_be_made(__real_madvise))
		skip();
	assert_int_equal(in_a_fork(replaced), 0);
}

/* However far it gets before the kernel refuses. */
static int
refused(void)
{
	char before[MAPS_BYTES], after[MAPS_BYTES];

	read_maps(before);
	if (zygote_text_settle() != 0)
		return 1;
	read_maps(after);
	if (sum_constants() != 6)
		return 2;
	return strcmp(before, after) == 0 ? 0 : 3;
}

static void
test_refused(void **state)
{
	(void)state;
	collapses_left = 0;
	assert_int_equal(in_a_fork(refused), 0);
	collapses_left = UINT32_MAX;
}

/* What could be done before is kept. */
static int
refused_later(void)
{
	return zygote_text_settle() % HUGE_BYTES == 0 && sum_constants() == 6 ? 0 : 1;
}

static void
test_refused_later(void **state)
{
	(void)state;
	for (unsigned can = 1; can <= 3; can++) {
		collapses_left = can;
		assert_int_equal(in_a_fork(refused_later), 0);
	}
	collapses_left = UINT32_MAX;
}

static int
no_mapping(void)
{
	char before[MAPS_BYTES], after[MAPS_BYTES];

	read_maps(before);
	mappings_left = no_mapping_from;
	if (zygote_text_settle() != 0)
		return 1;
	mappings_left = UINT32_MAX;
	read_maps(after);
	if (sum_constants() != 6)
		return 2;
	return strcmp(before, after) == 0 ? 0 : 3;
}

/* The first is the reservation of the trial, then its mapping, the addresses behind, the mapping
 * itself. */
static void
test_no_mapping(void **state)
{
	(void)state;
	for (no_mapping_from = 0; no_mapping_from < 4; no_mapping_from++)
		assert_int_equal(in_a_fork(no_mapping), 0);
}

/* No more descriptors: nothing can be copied. */
static int
no_descriptor(void)
{
	const struct rlimit none = {0, 0};
	char before[MAPS_BYTES];

	read_maps(before);
	if (setrlimit(RLIMIT_NOFILE, &none) < 0)
		return 1;
	return zygote_text_settle() == 0 && sum_constants() == 6 ? 0 : 2;
}

static void
test_no_descriptor(void **state)
{
	(void)state;
	assert_int_equal(in_a_fork(no_descriptor), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_replaced),      cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_refused_later), cmocka_unit_test(test_no_mapping),
	    cmocka_unit_test(test_no_descriptor),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
