/*
 * Fills the holes in the two heaps of the zygote: pymalloc's pools (objects to 512 bytes) and the C
 * library's. See the contract in the header; bench/PROFILE.md has what it brings. Knows how CPython
 * 3.11 lays out a pool, and gives up where it does not look like one. Called by zygote_main.c, and
 * by nobody in a worker.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "worker/zygote_heap.h"

#include "protocol/base_sys.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Objects/obmalloc.c of 3.11. */
#define HEAP_POOL_BYTES  16384u
#define HEAP_POOL_HEADER 48u
#define HEAP_CLASS_STEP  16u
#define HEAP_CLASS_LAST  512u
/* More blocks than this are no holes, but something that is not understood. */
#define HEAP_BLOCKS_MAX 65536u
/* Of the C library: larger holes are not scattered. Below its threshold for mappings. */
#define HEAP_HOLE_FIRST 65536u
#define HEAP_HOLE_LAST  24u
#define HEAP_JOIN_BYTES 120000u
#define HEAP_PAGE_BYTES 4096u

/* A pool begins with the number of its blocks that are in use. The first block of a pool that holds
 * nothing else: there was no hole. */
static bool
heap_pool_is_fresh(const void *block)
{
	uintptr_t pool = (uintptr_t)block & ~(uintptr_t)(HEAP_POOL_BYTES - 1);

	return (uintptr_t)block == pool + HEAP_POOL_HEADER && *(const unsigned *)pool == 1;
}

/* Takes blocks until one comes from a fresh pool, and gives that one back, with its pool. */
static void
heap_fill_class(size_t bytes)
{
	for (unsigned i = 0; i < HEAP_BLOCKS_MAX; i++) {
		void *block = PyObject_Malloc(bytes);

		if (block == NULL)
			return;
		if (heap_pool_is_fresh(block)) {
			PyObject_Free(block);
			return;
		}
	}
}

/* Where the C library's heap goes on from zygote_heap_begin; 0: not known. There is one heap. */
static uintptr_t heap_start;

struct heap_arenas {
	PyObjectArenaAllocator usual;
	unsigned count; /* that were asked for */
};

static void *
heap_count_arena(void *context, size_t bytes)
{
	struct heap_arenas *arenas = context;

	arenas->count++;
	return arenas->usual.alloc(arenas->usual.ctx, bytes);
}

static void
heap_free_arena(void *context, void *arena, size_t bytes)
{
	struct heap_arenas *arenas = context;

	arenas->usual.free(arenas->usual.ctx, arena, bytes);
}

/*
 * Takes pools until they come from a new arena, nearly all of which is left for workers: one that
 * a worker would have to map has pages that cannot be known before (zygote_touch.h).
 */
static void
heap_fill_arenas(void)
{
	struct heap_arenas arenas = {.count = 0};
	PyObjectArenaAllocator counting = {&arenas, heap_count_arena, heap_free_arena};

	PyObject_GetArenaAllocator(&arenas.usual);
	PyObject_SetArenaAllocator(&counting);
	for (unsigned i = 0; i < HEAP_BLOCKS_MAX && arenas.count == 0; i++)
		if (PyObject_Malloc(HEAP_CLASS_LAST) == NULL)
			break;
	PyObject_SetArenaAllocator(&arenas.usual);
}

static uintptr_t
heap_break(void)
{
	return (uintptr_t)sbrk(0);
}

/* Where the C library's heap ends in one free piece, from which it takes when nothing else fits. */
static uintptr_t
heap_top(void)
{
	struct mallinfo2 info = mallinfo2();

	return heap_break() - info.keepcost;
}

static void
heap_fill_holes(size_t bytes)
{
	uintptr_t top = heap_top();

	for (unsigned i = 0; i < HEAP_BLOCKS_MAX; i++) {
		void *block = malloc(bytes);

		if (block == NULL)
			return;
		if ((uintptr_t)block >= top) {
			free(block);
			return;
		}
	}
}

void
zygote_heap_fill_pools(void)
{
	for (size_t bytes = HEAP_CLASS_STEP; bytes <= HEAP_CLASS_LAST; bytes += HEAP_CLASS_STEP)
		heap_fill_class(bytes);
	heap_fill_arenas();
}

/* To the end of the last huge page, if half of it is in use. What is taken is never given back:
 * where the heap ends is cut off. */
static void
heap_fill_page(void)
{
	uintptr_t used = heap_break() - heap_start;
	uintptr_t end = heap_start +
			(used + BASE_HUGE_BYTES / 2) / BASE_HUGE_BYTES * (uintptr_t)BASE_HUGE_BYTES;

	for (unsigned i = 0; heap_start != 0 && i < HEAP_BLOCKS_MAX && heap_break() < end; i++)
		if (malloc(HEAP_HOLE_FIRST) == NULL)
			return;
}

void
zygote_heap_fill_blocks(void)
{
	zygote_heap_join();
	for (size_t bytes = HEAP_HOLE_FIRST; bytes >= HEAP_HOLE_LAST; bytes /= 2)
		heap_fill_holes(bytes);
	heap_fill_holes(HEAP_HOLE_LAST);
	heap_fill_page();
}

void
zygote_heap_begin(void)
{
	uintptr_t now = heap_break();
	uintptr_t start = (now + BASE_HUGE_BYTES - 1) & ~(uintptr_t)(BASE_HUGE_BYTES - 1);

	/* The C library sees that somebody else has taken this, and goes on behind it. */
	if (start == now || sbrk((intptr_t)(start - now)) != (void *)now)
		return;
	heap_start = start;
	/* It would count as data, more or less of it at each start. */
	now = (now + HEAP_PAGE_BYTES - 1) & ~(uintptr_t)(HEAP_PAGE_BYTES - 1);
	if (now < start)
		(void)munmap((void *)now, start - now);
}

size_t
zygote_heap_settle(void)
{
	uintptr_t end = heap_break() & ~(uintptr_t)(BASE_HUGE_BYTES - 1);

	return heap_start == 0 || end <= heap_start ? 0 : base_collapse(heap_start, end);
}

void
zygote_heap_join(void)
{
	void *volatile block;

	(void)malloc_trim(0);
	/* A block of this size makes the C library join; the pages at the ends went back. */
	block = malloc(HEAP_JOIN_BYTES);
	free(block);
}
