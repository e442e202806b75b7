/*
 * Lays the arenas of pymalloc out for huge pages. MADV_COLLAPSE copies what is there into one,
 * whatever the machine's setting for them is. The advice MADV_HUGEPAGE would do as well, but it
 * stays with the mapping: a worker's own memory there would then come, and be charged, by 2 MiB.
 * Called by python_host.c, in the zygote alone.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "worker/zygote_huge.h"

#include "protocol/base_sys.h"

#include <stdint.h>
#include <sys/mman.h>

/* Objects/obmalloc.c of 3.11. The same allocator gives the pieces of the frames' stack, which come
 * and go: they would leave holes between the arenas. */
#define HUGE_ARENA_BYTES (1u << 20)
/* Address space for arenas; a warm-up that needs more has the rest of them elsewhere. */
#define HUGE_REGION_BYTES (256u << 20)

/* Forced by CPython, whose allocator is one for the process. */
static struct huge_region {
	uintptr_t start, next, end; /* what is beyond `next` cannot be accessed; 0: there is none */
} huge_region;

static uintptr_t
huge_round_up(uintptr_t address)
{
	return (address + BASE_HUGE_BYTES - 1) & ~(uintptr_t)(BASE_HUGE_BYTES - 1);
}

static void *
huge_arena_alloc(void *context, size_t bytes)
{
	struct huge_region *region = context;
	void *arena = (void *)region->next;

	if (bytes == HUGE_ARENA_BYTES && bytes <= region->end - region->next &&
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
	size_t room = HUGE_REGION_BYTES + BASE_HUGE_BYTES;
	void *reserved =
	    mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uintptr_t start = huge_round_up((uintptr_t)reserved);

	if (reserved == MAP_FAILED)
		return;
	huge_region = (struct huge_region){start, start, start + HUGE_REGION_BYTES};
	if (start > (uintptr_t)reserved)
		(void)munmap(reserved, start - (uintptr_t)reserved);
	(void)munmap((void *)huge_region.end, (uintptr_t)reserved + room - huge_region.end);
	PyObject_SetArenaAllocator(&arenas);
}

size_t
zygote_huge_settle(void)
{
	struct huge_region *region = &huge_region;
	uintptr_t end = huge_round_up(region->next);
	size_t bytes;

	if (region->start == 0)
		return 0;
	/* What is left of the last huge page is mapped only for it. */
	(void)mprotect((void *)region->next, end - region->next, PROT_READ | PROT_WRITE);
	bytes = base_collapse(region->start, end);
	if (bytes == 0)
		end = region->next;
	(void)munmap((void *)end, region->end - end);
	region->end = region->next;
	return bytes;
}
