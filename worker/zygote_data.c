/*
 * Copies the data segment aside, has the copy made into huge pages and moves it over the original:
 * moving is one call, and between the copy and the call nothing is written to but the stack. Called
 * by python_host.c, in the zygote alone.
 */
#define _GNU_SOURCE
#include "worker/zygote_data.h"

#include "protocol/base_sys.h"
#include "worker/zygote_args.h"

#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DATA_PAGE_BYTES 4096u

struct data_segment {
	uintptr_t start;
	size_t used, bytes; /* in whole pages, and in whole huge pages */
};

static uintptr_t
data_round_up(uintptr_t address, size_t unit)
{
	return (address + unit - 1) & ~(uintptr_t)(unit - 1);
}

/* The first object is the program. */
static int
data_find(struct dl_phdr_info *info, size_t size, void *context)
{
	struct data_segment *segment = context;
	uintptr_t start = 0, end = 0, fixed = 0;

	(void)size;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];
		uintptr_t at = info->dlpi_addr + header->p_vaddr;

		if (header->p_type == PT_LOAD && (header->p_flags & PF_W)) {
			start = at;
			end = data_round_up(at + header->p_memsz, DATA_PAGE_BYTES);
		} else if (header->p_type == PT_GNU_RELRO) {
			fixed = data_round_up(at + header->p_memsz, DATA_PAGE_BYTES);
		}
	}
	if (fixed > start && fixed <= end)
		start = fixed;
	segment->start = start;
	segment->used = end - start;
	segment->bytes = data_round_up(segment->used, BASE_HUGE_BYTES);
	return 1;
}

/* Not memcpy(), in whose place a sanitizer would look at the redzones between our objects. */
__attribute__((no_sanitize_address)) static void
data_copy(uintptr_t to, uintptr_t from, size_t bytes)
{
	for (size_t at = 0; at < bytes; at += sizeof(uint64_t))
		*(volatile uint64_t *)(to + at) = *(const volatile uint64_t *)(from + at);
}

/* What was there may be unmapped already: nothing that looks at data, not even the log. */
static _Noreturn void
data_is_lost(void)
{
	static const char text[] = "stint-zygote: its data cannot be moved\n";

	(void)syscall(SYS_write, STDERR_FILENO, text, sizeof(text) - 1);
	for (;;)
		(void)syscall(SYS_exit_group, ZYGOTE_ARGS_EXIT_SETUP);
}

static void
data_move(const struct data_segment *segment, uintptr_t copy)
{
	data_copy(copy, segment->start, segment->used);
	if (mremap((void *)copy, segment->bytes, segment->bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
		   (void *)segment->start) == MAP_FAILED)
		data_is_lost();
}

size_t
zygote_data_settle(void)
{
	struct data_segment segment = {.used = 0};
	size_t room;
	uintptr_t copy;
	void *reserved;
	bool moved = false;

	(void)dl_iterate_phdr(data_find, &segment);
	if (segment.used == 0 || segment.start % BASE_HUGE_BYTES != 0)
		return 0;
	room = segment.bytes + BASE_HUGE_BYTES;
	reserved = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (reserved == MAP_FAILED)
		return 0;
	copy = data_round_up((uintptr_t)reserved, BASE_HUGE_BYTES);
	if (mprotect((void *)copy, segment.bytes, PROT_READ | PROT_WRITE) == 0 &&
	    base_collapse(copy, copy + segment.bytes) == segment.bytes &&
	    /* Behind it, to the end of the last huge page, is nothing: the heap may begin there. */
	    base_reserve(segment.start + segment.used, segment.bytes - segment.used))
		moved = true;
	if (moved)
		data_move(&segment, copy);
	(void)munmap(reserved, copy - (uintptr_t)reserved);
	if (!moved)
		(void)munmap((void *)copy, segment.bytes);
	(void)munmap((void *)(copy + segment.bytes),
		     (uintptr_t)reserved + room - copy - segment.bytes);
	return moved ? segment.bytes : 0;
}
