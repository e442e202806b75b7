/*
 * The program's data and the C library's heap in huge pages: at the same addresses, with the same
 * bytes, written as before, shared with a fork as before; and nothing is changed where the kernel
 * makes none or something lies behind. This program is laid out like stint-zygote. Each test is a
 * process of its own, since it is done once.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "huge_pages.h"
#include "in_a_fork.h"
#include "worker/zygote_data.h"
#include "worker/zygote_heap.h"

#define PAGE_BYTES 4096u
#define BLOCKS     3000u
#define BLOCK      1000u

static unsigned char set[3u << 20] = {[0] = 1, [PAGE_BYTES] = 2, [(3u << 20) - 1] = 3};
static unsigned char zero[1u << 20];
extern char _end[];

static bool refuse;

int __real_madvise(void *address, size_t bytes, int advice);
int __wrap_madvise(void *address, size_t bytes, int advice);

int
__wrap_madvise(void *address, size_t bytes, int advice)
{
	if (refuse && advice == MADV_COLLAPSE) {
		errno = EINVAL;
		return -1;
	}
	return __real_madvise(address, bytes, advice);
}

/* KiB of huge pages in the mapping of that address; -1: there is no such mapping. */
static long
huge_kib(const void *address)
{
	FILE *file = fopen("/proc/self/smaps", "r");
	char line[512];
	unsigned long start, end;
	bool here = false;
	long kib = -1;

	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = (uintptr_t)address >= start && (uintptr_t)address < end;
		else if (here && sscanf(line, "AnonHugePages: %ld", &kib) == 1)
			break;
	}
	if (file != NULL)
		(void)fclose(file);
	return kib;
}

static int
data_is_as_it_was(void)
{
	for (size_t at = 0; at < sizeof(set); at++)
		MUST(set[at] == (at == 0                 ? 1
				 : at == PAGE_BYTES      ? 2
				 : at == sizeof(set) - 1 ? 3
							 : 0));
	for (size_t at = 0; at < sizeof(zero); at++)
		MUST(zero[at] == at % 251);
	return 0;
}

static void
fill_zero(void)
{
	for (size_t at = 0; at < sizeof(zero); at++)
		zero[at] = at % 251;
}

static int
live_data(void)
{
	size_t bytes;

	fill_zero();
	bytes = zygote_data_settle();
	MUST(bytes >= sizeof(set) + sizeof(zero) && bytes % HUGE_BYTES == 0);
	MUST(data_is_as_it_was() == 0);
	MUST(huge_kib(&set[PAGE_BYTES]) == (long)(bytes >> 10));
	set[5000] = 7;
	MUST(set[5000] == 7 && is_private(&set[5000]) == 0);
	set[5000] = 0;
	MUST(data_is_as_it_was() == 0);
	return 0;
}

static int
live_refused(void)
{
	fill_zero();
	refuse = true;
	MUST(zygote_data_settle() == 0);
	MUST(data_is_as_it_was() == 0 && huge_kib(&set[PAGE_BYTES]) == 0);
	return is_private(&set[5000]);
}

static int
live_taken(void)
{
	uintptr_t behind = ((uintptr_t)_end + HUGE_BYTES - 1) & ~(uintptr_t)(HUGE_BYTES - 1);
	char *page = mmap((void *)(behind - PAGE_BYTES), PAGE_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	MUST(page == (char *)behind - PAGE_BYTES);
	*page = 9;
	fill_zero();
	MUST(zygote_data_settle() == 0);
	MUST(*page == 9 && data_is_as_it_was() == 0 && huge_kib(&set[PAGE_BYTES]) == 0);
	return 0;
}

static unsigned char *blocks[BLOCKS];

static int
live_heap(void)
{
	size_t bytes;

	zygote_heap_begin();
	for (unsigned i = 0; i < BLOCKS; i++) {
		blocks[i] = malloc(BLOCK);
		MUST(blocks[i] != NULL);
		(void)memset(blocks[i], (int)i, BLOCK);
	}
	for (unsigned i = 0; i < BLOCKS; i += 3) {
		free(blocks[i]);
		blocks[i] = NULL;
	}
	zygote_heap_fill_blocks();
	bytes = zygote_heap_settle();
	zygote_heap_join();
	MUST(bytes >= HUGE_BYTES && bytes % HUGE_BYTES == 0);
	MUST(huge_kib(blocks[BLOCKS - 2]) == (long)(bytes >> 10));
	for (unsigned i = 0; i < BLOCKS; i++)
		for (unsigned at = 0; blocks[i] != NULL && at < BLOCK; at++)
			MUST(blocks[i][at] == (unsigned char)i);
	MUST(is_private(blocks[1]) == 0);
	for (unsigned i = 0; i < BLOCKS; i++)
		free(blocks[i]);
	return 0;
}

/* What was never begun is not touched, nor a heap that is smaller than a huge page. */
static int
live_small(void)
{
	MUST(zygote_heap_settle() == 0);
	zygote_heap_begin();
	MUST(zygote_heap_settle() == 0);
	return 0;
}

static void
test_data(void **state)
{
	(void)state;
	if (!huge_pages_can_be_made(__real_madvise))
		skip();
	in_a_fork(live_data);
}

static void
test_nothing_is_changed_when_there_are_none(void **state)
{
	(void)state;
	in_a_fork(live_refused);
}

static void
test_what_lies_behind_stays(void **state)
{
	(void)state;
	in_a_fork(live_taken);
}

static void
test_heap(void **state)
{
	(void)state;
#ifdef __SANITIZE_ADDRESS__
	skip(); /* malloc() is the sanitizer's, elsewhere */
#endif
	if (!huge_pages_can_be_made(__real_madvise))
		skip();
	in_a_fork(live_heap);
}

static void
test_small_heap(void **state)
{
	(void)state;
	in_a_fork(live_small);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_data),
	    cmocka_unit_test(test_nothing_is_changed_when_there_are_none),
	    cmocka_unit_test(test_what_lies_behind_stays),
	    cmocka_unit_test(test_heap),
	    cmocka_unit_test(test_small_heap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
