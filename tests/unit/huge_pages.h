/*
 * What tests of huge pages ask the kernel for themselves.
 */
#ifndef STINT_TESTS_UNIT_HUGE_PAGES_H
#define STINT_TESTS_UNIT_HUGE_PAGES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#define HUGE_BYTES (2u << 20)
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* Whether it makes any; `advise` is madvise(), not the one that a test has put in its place. */
static inline bool
huge_pages_can_be_made(int (*advise)(void *, size_t, int))
{
	char *memory =
	    mmap(NULL, 2 * HUGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *start = memory + (-(uintptr_t)memory & (HUGE_BYTES - 1));
	bool can;

	if (memory == MAP_FAILED)
		return false;
	*start = 1;
	can = advise(start, HUGE_BYTES, MADV_COLLAPSE) == 0;
	(void)munmap(memory, 2 * HUGE_BYTES);
	return can;
}

#endif
