/*
 * Lays the arenas of pymalloc and the C library's heap out for MADV_COLLAPSE (madvise(2)), which
 * copies what is there into one huge page, whatever the machine's setting for transparent huge
 * pages is. The advice MADV_HUGEPAGE would do as well, but it stays with the mapping: a worker's
 * own memory there would then come, and be charged, by 2 MiB. Called by python_host.c, in the
 * zygote alone.
 */
#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "worker/zygote_huge.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_BYTES 2097152u /* x86-64, and arm64 with pages of 4 KiB */
/* Address space for arenas; a warm-up that needs more has the rest of them elsewhere. */
#define HUGE_REGION_BYTES (256u << 20)

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* Forced by CPython, whose allocator is one for the process. */
static struct huge_region {
	uintptr_t start, next, end; /* of the arenas: what is beyond `next` cannot be accessed */
	uintptr_t heap;             /* where the C library's begins; 0: not known */
} huge_region;

static uintptr_t
huge_round_up(uintptr_t address)
{
	return (address + HUGE_BYTES - 1) & ~(uintptr_t)(HUGE_BYTES - 1);
}

static void *
huge_arena_alloc(void *context, size_t bytes)
{
	struct huge_region *region = context;
	void *arena = (void *)region->next;

	if (bytes <= region->end - region->next &&
	    mprotect(arena, bytes, PROT_READ | PROT_WRITE) == 0) {
		region->next += bytes;
		return arena;
	}
	arena = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return arena == MAP_FAILED ? NULL : arena;
}

static void
huge_arena_free(void *context, void *arena, size_t bytes)
{
	(void)context;
	(void)munmap(arena, bytes);
}

void
zygote_huge_begin(void)
{
	PyObjectArenaAllocator arenas = {&huge_region, huge_arena_alloc, huge_arena_free};
	uintptr_t end = (uintptr_t)sbrk(0);
	char *reserved = mmap(NULL, HUGE_REGION_BYTES + HUGE_BYTES, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (sbrk((intptr_t)(huge_round_up(end) - end)) == (void *)end)
		huge_region.heap = huge_round_up(end);
	if (reserved == MAP_FAILED)
		return;
	huge_region.start = huge_region.next = huge_round_up((uintptr_t)reserved);
	huge_region.end = huge_region.start + HUGE_REGION_BYTES;
	(void)munmap(reserved, huge_region.start - (uintptr_t)reserved);
	(void)munmap((void *)huge_region.end, (uintptr_t)reserved + HUGE_BYTES - huge_region.start);
	PyObject_SetArenaAllocator(&arenas);
}

/* From a start of a huge page to the last end of one. */
static size_t
huge_collapse(uintptr_t start, uintptr_t end)
{
	size_t bytes = 0;

	for (; start != 0 && start + HUGE_BYTES <= end; start += HUGE_BYTES)
		if (madvise((void *)start, HUGE_BYTES, MADV_COLLAPSE) == 0)
			bytes += HUGE_BYTES;
	return bytes;
}

/* What is left of the last huge page is mapped only for it. */
static size_t
huge_settle_arenas(struct huge_region *region)
{
	uintptr_t end = huge_round_up(region->next);
	size_t bytes;

	(void)mprotect((void *)region->next, end - region->next, PROT_READ | PROT_WRITE);
	bytes = huge_collapse(region->start, end);
	if (bytes == 0)
		end = region->next;
	(void)munmap((void *)end, region->end - end);
	region->end = region->next;
	return bytes;
}

size_t
zygote_huge_settle(void)
{
	size_t bytes = huge_region.start != 0 ? huge_settle_arenas(&huge_region) : 0;

	return bytes + huge_collapse(huge_region.heap, (uintptr_t)sbrk(0));
}
