/*
 * What a child writes to is found, and nothing else of what is shared; touched, it costs no fault;
 * also where the kernel does not copy ranges, or a page has gone meanwhile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/zygote_touch.h"

#define PAGE_BYTES 4096u
#define PAGES      64u

static const unsigned WRITTEN[] = {3, 4, 10, 40};

static bool old_kernel;
static bool slow_calls; /* the call costs more than any fault */
static const char *watched;
static unsigned calls_for_one; /* page of what is watched */

int __real_madvise(void *address, size_t bytes, int advice);
int __wrap_madvise(void *address, size_t bytes, int advice);

int
__wrap_madvise(void *address, size_t bytes, int advice)
{
	calls_for_one += bytes == PAGE_BYTES && (char *)address >= watched &&
			 (char *)address < watched + PAGES * PAGE_BYTES;
	if (slow_calls)
		(void)usleep(2000);
	if (old_kernel && advice == MADV_POPULATE_WRITE) {
		errno = EINVAL;
		return -1;
	}
	return __real_madvise(address, bytes, advice);
}

static void
write_some(void *context)
{
	volatile char *memory = context;
	for (size_t i = 0; i < sizeof(WRITTEN) / sizeof(WRITTEN[0]); i++)
		memory[WRITTEN[i] * PAGE_BYTES]++;
}

static void
die(void *context)
{
	(void)context;
	_exit(3);
}

static long
faults(void)
{
	struct rusage usage;
	(void)getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

static bool
writing_faults(char *memory)
{
	static char other[PAGES * PAGE_BYTES];
	long before = faults();

	write_some(other); /* the code's own pages */
	before = faults();
	write_some(memory);
	return faults() != before;
}

/* In a fork of the process that learned: the exit code says what was wrong. */
static int
be_a_worker(char *memory)
{
	unsigned touched = zygote_touch();
	if (touched < sizeof(WRITTEN) / sizeof(WRITTEN[0]) || touched > PAGES)
		return 1;
	for (unsigned i = 0; i < PAGES; i++)
		if (memory[i * PAGE_BYTES] != (char)i)
			return 2; /* it changed something */
	if (writing_faults(memory))
		return 3;
	long before = faults();
	for (unsigned i = 20; i < 30; i++)
		((volatile char *)memory)[i * PAGE_BYTES]++;
	return faults() - before >= 10 ? 0 : 4; /* those were still shared */
}

/* Where calls are dear there is none for a page alone. */
static int
be_a_frugal_worker(char *memory)
{
	watched = memory;
	if (zygote_touch() < sizeof(WRITTEN) / sizeof(WRITTEN[0]))
		return 1;
	if (calls_for_one > 0)
		return 2;
	return writing_faults(memory) ? 3 : 0;
}

/* The second of two pages that lie together is not there. */
static int
miss_a_page(char *memory)
{
	if (munmap(memory + WRITTEN[1] * PAGE_BYTES, PAGE_BYTES) != 0)
		return 1;
	return zygote_touch() > 0 ? 0 : 2;
}

static void
assert_worker(int (*live)(char *memory), char *memory)
{
	int status = 0;
	pid_t pid = fork();
	if (pid == 0)
		_exit(live(memory));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void
test_what_is_written_is_known(void **state)
{
	(void)state;
	char *memory = mmap(NULL, PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(memory != MAP_FAILED);
	assert_int_equal(madvise(memory, PAGES * PAGE_BYTES, MADV_NOHUGEPAGE), 0);
	for (unsigned i = 0; i < PAGES; i++)
		memory[i * PAGE_BYTES] = (char)i;
	assert_int_equal(zygote_touch(), 0);
	zygote_touch_learn(die, NULL); /* that says nothing */
	assert_int_equal(zygote_touch(), 0);
	zygote_touch_learn(write_some, memory);
	assert_int_equal(memory[3 * PAGE_BYTES], 3); /* the child's writes are its own */
	assert_worker(be_a_worker, memory);
	old_kernel = true;
	assert_worker(be_a_worker, memory);
	old_kernel = false;
	assert_worker(miss_a_page, memory);
	slow_calls = true;
	zygote_touch_learn(write_some, memory);
	assert_worker(be_a_frugal_worker, memory);
	slow_calls = false;
	assert_int_equal(munmap(memory, PAGES * PAGE_BYTES), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_is_written_is_known)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
