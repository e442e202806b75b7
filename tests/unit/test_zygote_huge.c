/*
 * The interpreter's arenas lie together from the start of a huge page and keep what is in them when
 * the kernel makes huge pages of them; later ones are elsewhere; where it makes none, all is as
 * before. Each case is a fork: the allocator is the process's.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

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

#include "huge_pages.h"
#include "worker/zygote_huge.h"

#define HUGE_BYTES  (2u << 20)
#define ARENA_BYTES (1u << 20)
#define ARENAS      3u
/* CPython's stack of frames has its pieces from the same allocator. */
#define FRAMES_BYTES 16384u

static bool old_kernel;
static unsigned busy; /* times that the kernel says to try again */

int __real_madvise(void *address, size_t bytes, int advice);
int __wrap_madvise(void *address, size_t bytes, int advice);
int
__wrap_madvise(void *address, size_t bytes, int advice)
{
	if (advice == MADV_COLLAPSE && (old_kernel || busy > 0)) {
		errno = old_kernel ? EINVAL : EAGAIN;
		busy -= busy > 0;
		return -1;
	}
	return __real_madvise(address, bytes, advice);
}

static void
in_a_fork(int (*check)(void))
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(check());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static char *
take_arena(PyObjectArenaAllocator *arenas, char content)
{
	char *arena = arenas->alloc(arenas->ctx, ARENA_BYTES);

	if (arena != NULL)
		memset(arena, content, ARENA_BYTES);
	return arena;
}

static bool
holds(const char *arena, char content)
{
	for (size_t at = 0; at < ARENA_BYTES; at++)
		if (arena[at] != content)
			return false;
	return true;
}

/* Three arenas, before and after; `huge`: that come to be in huge pages. */
static int
live(bool huge)
{
	PyObjectArenaAllocator arenas;
	char *first, *at[ARENAS], *later;
	size_t bytes;

	zygote_huge_begin();
	PyObject_GetArenaAllocator(&arenas);
	for (unsigned i = 0; i < ARENAS; i++) {
		void *frames = arenas.alloc(arenas.ctx, FRAMES_BYTES);

		at[i] = take_arena(&arenas, (char)('a' + i));
		if (at[i] == NULL || frames == NULL)
			return 1;
		arenas.free(arenas.ctx, frames, FRAMES_BYTES);
	}
	first = at[0];
	if ((uintptr_t)first % HUGE_BYTES != 0 || at[1] != first + ARENA_BYTES ||
	    at[2] != first + 2 * ARENA_BYTES)
		return 2;
	/* As the trial is; after it none of the pages can be written to without a fault. */
	if (fork() == 0)
		_exit(0);
	if (wait(NULL) < 0)
		return 7;
	bytes = zygote_huge_settle();
	if (huge ? bytes < 2 * HUGE_BYTES || bytes % HUGE_BYTES != 0 : bytes != 0)
		return 3;
	for (unsigned i = 0; i < ARENAS; i++)
		if (!holds(at[i], (char)('a' + i)))
			return 4;
	later = take_arena(&arenas, 'z');
	if (later == NULL || !holds(later, 'z') ||
	    (later > first && later < first + 2 * HUGE_BYTES))
		return 5;
	arenas.free(arenas.ctx, later, ARENA_BYTES);
	arenas.free(arenas.ctx, at[1], ARENA_BYTES);
	return holds(at[0], 'a') && holds(at[2], 'c') ? 0 : 6;
}

static int
live_huge(void)
{
	return live(true);
}

static int
live_old(void)
{
	old_kernel = true;
	return live(false);
}

/* Whether the kernel can, found out without the module. */
static void
test_huge(void **state)
{
	(void)state;
	if (!huge_pages_can_be_made(__real_madvise))
		skip();
	in_a_fork(live_huge);
}

static int
live_busy(void)
{
	busy = 2;
	return live(true);
}

static void
test_busy(void **state)
{
	(void)state;
	if (!huge_pages_can_be_made(__real_madvise))
		skip();
	in_a_fork(live_busy);
}

static void
test_old_kernel(void **state)
{
	(void)state;
	in_a_fork(live_old);
}

/* No room for the reservation: the allocator is the one that was there. */
static int
live_no_room(void)
{
	const struct rlimit room = {128u << 20, 128u << 20};
	PyObjectArenaAllocator before, after;

	PyObject_GetArenaAllocator(&before);
	if (setrlimit(RLIMIT_AS, &room) < 0)
		return 1;
	zygote_huge_begin();
	PyObject_GetArenaAllocator(&after);
	if (before.alloc != after.alloc || before.ctx != after.ctx)
		return 2;
	(void)zygote_huge_settle();
	return 0;
}

static void
test_no_room(void **state)
{
	(void)state;
	in_a_fork(live_no_room);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_huge),
	    cmocka_unit_test(test_busy),
	    cmocka_unit_test(test_old_kernel),
	    cmocka_unit_test(test_no_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
