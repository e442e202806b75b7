/*
 * Learns from a child's own /proc/self/pagemap, which tells for each page whether the process has
 * it for itself. Only mappings that the zygote has are looked at: others do not exist in a worker.
 * What the child is read with lives in memory of its own, so that it does not count. Called by
 * zygote_trial.c and python_host.c. Never fails: where something is missing, workers take their
 * faults as they come.
 */
#define _GNU_SOURCE
#include "worker/zygote_touch.h"

#include "protocol/base_clock.h"
#include "protocol/base_sys.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TOUCH_RANGES_MAX 512u
#define TOUCH_MAPS_MAX   1024u
#define TOUCH_TEXT_BYTES (256u << 10)
#define TOUCH_MAP_BYTES  (256u << 20) /* larger ones are a sanitizer's */
#define TOUCH_READ_PAGES 512u
#define TOUCH_PAGE_BYTES 4096u
#define TOUCH_ROUNDS     3u

/* Bits of /proc/pid/pagemap (Documentation/admin-guide/mm/pagemap.rst). */
#define TOUCH_PRESENT   (1ull << 63)
#define TOUCH_NOT_ANON  (1ull << 61)
#define TOUCH_EXCLUSIVE (1ull << 56)

struct touch_range {
	uintptr_t start, end;
	bool stays; /* the mapping: the C library's heap may shrink */
};

struct touch_known {
	bool faults; /* a fault for a page alone costs less here than the call */
	unsigned count;
	struct touch_range ranges[TOUCH_RANGES_MAX];
};

struct touch_study { /* shared with the child */
	unsigned map_count;
	struct touch_range maps[TOUCH_MAPS_MAX]; /* private and writable, of the zygote */
	struct touch_known found;
	uint64_t fault_ns, call_ns; /* of the pages that are alone, of each other one the least */
	uint64_t pages[TOUCH_READ_PAGES];
	char text[TOUCH_TEXT_BYTES];
};

static struct touch_known touch_known;

static size_t
touch_read_text(const char *path, char *text, size_t size)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t filled = 0;
	ssize_t got = 1;

	while (fd >= 0 && got > 0 && filled < size - 1) {
		got = read(fd, text + filled, size - 1 - filled);
		if (got > 0)
			filled += (size_t)got;
	}
	text[filled] = '\0';
	return filled;
}

/* "start-end rw-p ...": what a fork would copy page by page. */
static void
touch_find_maps(struct touch_study *study)
{
	char *line = study->text, *end;

	(void)touch_read_text("/proc/self/maps", study->text, sizeof(study->text));
	for (; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		char *at;
		struct touch_range map = {.start = strtoull(line, &at, 16)};

		if (*at != '-' || study->map_count == TOUCH_MAPS_MAX)
			continue;
		map.end = strtoull(at + 1, &at, 16);
		map.stays = memmem(at, (size_t)(end - at), "[heap]", sizeof("[heap]") - 1) == NULL;
		if (strncmp(at, " rw-p", 5) == 0 && map.end - map.start <= TOUCH_MAP_BYTES)
			study->maps[study->map_count++] = map;
	}
}

static void
touch_add(struct touch_known *known, uintptr_t page, bool stays)
{
	struct touch_range *last = known->count > 0 ? &known->ranges[known->count - 1] : NULL;

	if (last != NULL && last->end == page)
		last->end += TOUCH_PAGE_BYTES;
	else if (known->count < TOUCH_RANGES_MAX)
		known->ranges[known->count++] =
		    (struct touch_range){page, page + TOUCH_PAGE_BYTES, stays};
}

/* In the child: its pages of one mapping of the zygote's. */
static void
touch_find_pages(struct touch_study *study, int pagemap, const struct touch_range *map)
{
	uintptr_t page = map->start;

	while (page < map->end) {
		size_t wanted = (map->end - page) / TOUCH_PAGE_BYTES;
		ssize_t got;

		if (wanted > TOUCH_READ_PAGES)
			wanted = TOUCH_READ_PAGES;
		got = pread(pagemap, study->pages, wanted * sizeof(study->pages[0]),
			    (off_t)(page / TOUCH_PAGE_BYTES * sizeof(study->pages[0])));
		if (got <= 0)
			return;
		for (size_t i = 0; i < (size_t)got / sizeof(study->pages[0]); i++) {
			if ((study->pages[i] & (TOUCH_PRESENT | TOUCH_EXCLUSIVE)) ==
				(TOUCH_PRESENT | TOUCH_EXCLUSIVE) &&
			    (study->pages[i] & TOUCH_NOT_ANON) == 0)
				touch_add(&study->found, page + i * TOUCH_PAGE_BYTES, map->stays);
		}
		page += (size_t)got / sizeof(study->pages[0]) * TOUCH_PAGE_BYTES;
	}
}

static void
touch_child(struct touch_study *study, void (*live)(void *context), void *context)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	if (pagemap < 0)
		_exit(1);
	live(context);
	for (unsigned i = 0; i < study->map_count; i++)
		touch_find_pages(study, pagemap, &study->maps[i]);
	_exit(0);
}

/* The loop of the zygote is not to hear of this child. */
static void
touch_forget_signal(void)
{
	static const struct timespec AT_ONCE = {0, 0};
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	(void)sigtimedwait(&child, NULL, &AT_ONCE);
}

/* How it ended; -1: there was none. */
static int
touch_wait(pid_t pid)
{
	int status = -1;
	pid_t waited;

	do
		waited = pid < 0 ? -1 : waitpid(pid, &status, 0);
	while (waited < 0 && pid > 0 && errno == EINTR);
	touch_forget_signal();
	return waited > 0 ? status : -1;
}

/* May it be written to without a look at whether it is there? */
static bool
touch_is_alone(const struct touch_range *range)
{
	return range->stays && range->end - range->start == TOUCH_PAGE_BYTES;
}

/* The bytes may be a sanitizer's. */
__attribute__((no_sanitize_address)) static void
touch_by_fault(uintptr_t start, uintptr_t end)
{
	for (uintptr_t page = start; page < end; page += TOUCH_PAGE_BYTES) {
		volatile char *byte = (volatile char *)page;
		*byte = *byte;
	}
}

/* In a child that has nothing of its own yet: every other page that is alone, in one way. */
static uint64_t
touch_time(const struct touch_known *known, bool faults)
{
	uint64_t start = clock_now_ns(&CLOCK_SYSTEM);
	unsigned alone = 0;

	for (unsigned i = 0; i < known->count; i++) {
		const struct touch_range *range = &known->ranges[i];

		if (!touch_is_alone(range) || (alone++ % 2 == 0) != faults)
			continue;
		if (faults)
			touch_by_fault(range->start, range->end);
		else if (madvise((void *)range->start, TOUCH_PAGE_BYTES, MADV_POPULATE_WRITE) < 0)
			return UINT64_MAX;
	}
	return clock_now_ns(&CLOCK_SYSTEM) - start;
}

/* Under a hypervisor that follows page tables in software a fault costs many times what the call
 * does, elsewhere less: so it is tried. Who is measured first finds the caches cold. */
static void
touch_compare(struct touch_study *study)
{
	study->fault_ns = study->call_ns = UINT64_MAX;
	for (unsigned round = 0; round < 2 * TOUCH_ROUNDS; round++) {
		bool faults = round % 2 == 0;
		uint64_t *least = faults ? &study->fault_ns : &study->call_ns;
		pid_t pid = fork();

		if (pid == 0) {
			uint64_t ns = touch_time(&study->found, faults);

			*least = ns < *least ? ns : *least;
			_exit(0);
		}
		(void)touch_wait(pid);
	}
	study->found.faults = study->fault_ns < study->call_ns;
}

bool
zygote_touch_learn(void (*live)(void *context), void *context)
{
	int status;
	pid_t pid;
	struct touch_study *study =
	    mmap(NULL, sizeof(*study), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (study == MAP_FAILED)
		return false;
	touch_find_maps(study);
	pid = fork();
	if (pid == 0)
		touch_child(study, live, context);
	status = touch_wait(pid);
	if (status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		touch_compare(study);
		touch_known = study->found;
	}
	(void)munmap(study, sizeof(*study));
	return touch_known.faults;
}

/*
 * One call for the range costs a fraction of a fault for each of its pages. Linux before 5.14 does
 * not know it (EINVAL). Another error is a page that is not there any more: nobody writes to it. A
 * page alone may be cheaper by its fault.
 */
static void
touch_range(const struct touch_range *range)
{
	if ((touch_known.faults && touch_is_alone(range)) ||
	    (madvise((void *)range->start, range->end - range->start, MADV_POPULATE_WRITE) < 0 &&
	     errno == EINVAL))
		touch_by_fault(range->start, range->end);
}

unsigned
zygote_touch(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < touch_known.count; i++) {
		const struct touch_range *range = &touch_known.ranges[i];

		touch_range(range);
		count += (unsigned)((range->end - range->start) / TOUCH_PAGE_BYTES);
	}
	return count;
}
